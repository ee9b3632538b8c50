"""The digest of a put: it is kept in files, so every later version has to come to the same."""

from __future__ import annotations

import hashlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from vaulytica.outbox.asked import asked
from vaulytica.outbox.parcel import Parcel

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


def digest(events: Any, *to: str, key: str | None = None) -> str:
    _, once = asked(events, to, key=key, idempotency_key="K")
    assert once is not None
    return once.digest


def test_it_is_what_it_was_in_the_first_version() -> None:
    events = [
        {"type": "t", "data": {"b": 1.5, "a": "\u00e9"}},
        {"type": "u", "severity": "ERROR", "source": "app", "id": "e", "timestamp": 0.25,
         "metadata": {"index": "main"}},
    ]  # fmt: skip
    text = (
        '{"destinations": ["other", "siem"], "events": ['
        '{"data": {"a": "\\u00e9", "b": 1.5}, "metadata": null, "severity": "info",'
        ' "source": "vaulytica", "type": "t"}, '
        '{"data": {}, "id": "e", "metadata": {"index": "main"}, "severity": "error",'
        ' "source": "app", "timestamp": "1970-01-01T00:00:00.250Z", "type": "u"}'
        '], "key": "user"}'
    )
    assert digest(events, "siem", "other", key="user") == hashlib.sha256(text.encode()).hexdigest()
    assert digest([], "siem") == "b6da8650eb79bf1bdb3206c763568625206e0b6f6eb20b171218e130e524ed4b"


@given(data=st.dictionaries(st.text(max_size=4), JSON, max_size=4), other=JSON)
def test_it_follows_from_the_content_alone(data: dict[str, Any], other: Any) -> None:
    """However it was written down; and another value in it makes another digest."""
    event = {"type": "t", "data": {**data, "x": other}}
    turned = {"data": dict(reversed(event["data"].items())), "type": "t"}
    assert digest(event, "siem") == digest([turned], "siem") == digest(Parcel.of(turned), "siem")
    assert digest({"type": "t", "data": {**data, "x": [other]}}, "siem") != digest(event, "siem")
