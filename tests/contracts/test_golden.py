"""Each format's document for the guide's event, key for key: `tests/golden/<format>.json`.

The files are the guide's own examples. One number differs: the guide prints 1730217600 for `time` and
`date_happened`, which is a year before the `timestamp` that it prints beside it. A timestamp and its
epoch seconds are the same instant here, so the files have 1761739200, which is 2025-10-29T12:00:00Z.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from support.heart import GUIDE_DATA, GUIDE_EPOCH, GUIDE_TIME, guide_event
from vaulytica.formats import FORMATS
from vaulytica.jsonvalues import canonical_json, compact_json

GUIDE_ID = "0199c1f3-7a00-7000-8000-000000000001"  # of the formats whose documents hold an id
GOLDEN = Path(__file__).parents[1] / "golden"

TEMPLATE = """
{
  "alert": {
    "type": "{{ event_type }}",
    "level": "{{ severity }}",
    "time": "{{ timestamp }}",
    "details": {
      "file": "{{ event_data.file_name }}",
      "owner": "{{ event_data.owner }}",
      "recipient": "{{ event_data.shared_with }}"
    }
  }
}
"""


TREE = {
    "alert": {
        "type": "{{ event_type }}",
        "level": "{{ severity }}",
        "note": "{{ event_data.owner }} shared {{ event_data.file_name }}",
        "details": "{{ event_data }}",
    }
}


def custom_formatter(context: dict[str, Any]) -> dict[str, Any]:
    return {
        "alert_type": context["event_type"],
        "alert_severity": context["severity"],
        "alert_timestamp": context["timestamp"],
        "alert_data": context["event_data"],
        "alert_source": "vaulytica",
    }


ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "template": (TEMPLATE,), "structured": (TREE,), "function": (custom_formatter,)
}  # fmt: skip
# The guide's Datadog example shows the first two fields of the data only.
DATA = {"datadog": {key: GUIDE_DATA[key] for key in ("file_id", "file_name")}}


def in_order(text: str | bytes) -> Any:
    """The document as pairs, so that the order of keys is compared too."""
    return json.loads(text, object_pairs_hook=list)


def written(name: str, dumps: Callable[[Any], bytes]) -> bytes:
    format = FORMATS.load(name)(*ARGUMENTS.get(name, ()), dumps=dumps)
    event = guide_event(id=GUIDE_ID, data=DATA.get(name, GUIDE_DATA))
    return format.join([format.encode(event)])


@pytest.mark.parametrize("name", FORMATS.entries)
def test_the_document_is_the_guides_key_for_key(name: str) -> None:
    golden = (GOLDEN / f"{name}.json").read_text(encoding="utf-8")
    assert in_order(written(name, compact_json)) == in_order(golden)


@pytest.mark.parametrize("name", FORMATS.entries)
def test_a_signed_document_is_the_same_with_its_keys_sorted(name: str) -> None:
    golden = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    assert written(name, canonical_json) == json.dumps(golden, sort_keys=True).encode()


def test_every_golden_file_is_of_a_format() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(FORMATS.entries)


def test_the_guides_instant() -> None:
    assert datetime.fromisoformat(GUIDE_TIME).timestamp() == GUIDE_EPOCH
