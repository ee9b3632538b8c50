"""Any bytes get 202 or a 4xx; and what is said to be accepted is what is in the outbox."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.intake import Intake, intake

_PIECES = st.sampled_from(
    [
        b'{"type":"t"}', b'{"type":"t","data":{"a":1}}', b'{"type":"t","data":{"a":"\\ud83d\\ude00"}}',
        b'{"type":"t","data":{"a":1.50}, "severity": "ERROR"}', b'{"type":"t","timestamp":1}', b"{", b"}", b"[", b"]",
        b",", b"\n", b"\r\n", b" ", b"\x00", b"\xff", b'"', b"\\u", b"\\ud800", b'{"a":1,"a":2}', b'"type":"t"', b"1e999",
        b"\xef\xbb\xbf", "ü".encode(), b"null", b"[" * 2000,
    ]
)  # fmt: skip
_BODIES = st.one_of(
    st.binary(max_size=300),
    st.lists(_PIECES, max_size=8).map(b"".join),
    st.lists(_PIECES, max_size=8).map(b"\n".join),
    st.lists(_PIECES, max_size=8).map(lambda pieces: b"[" + b",".join(pieces) + b"]"),
)
_TYPES = st.sampled_from(
    ["application/json", "application/x-ndjson", "text/plain", "", "application/xml", "a/b;charset=x"]
)  # fmt: skip


@pytest.fixture(scope="module")
def relay_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Intake]:
    path: Path = tmp_path_factory.mktemp("fuzz")
    with intake(path, limits={"body": 4096, "event": 1024, "events": 6}) as made:
        yield made


def accepted(relay_in: Intake) -> int:
    counts = relay_in.outbox.counts()
    return counts["siem"].accepted if counts else 0


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=_BODIES, content_type=_TYPES, packed=st.booleans(), broken=st.integers(0, 20))
def test_any_bytes_are_taken_or_refused(
    relay_in: Intake, body: bytes, content_type: str, packed: bool, broken: int
) -> None:
    headers = {"Content-Type": content_type}
    if packed:
        body = gzip.compress(body)
        body = body[:-broken] if 0 < broken < 10 else body
        headers["Content-Encoding"] = "gzip"
    before = accepted(relay_in)
    answer = relay_in.post(body, headers)
    assert answer.status == 202 or 400 <= answer.status < 500, answer.body
    if answer.status == 202:
        assert answer.json["accepted"] == len(answer.json["ids"]) == accepted(relay_in) - before
    else:
        assert answer.error
        assert accepted(relay_in) == before


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.dictionaries(
            st.text(max_size=5),
            st.one_of(
                st.text(max_size=8), st.integers(), st.floats(allow_nan=False, allow_infinity=False)
            ),
            max_size=3,
        ),
        min_size=1,
        max_size=6,
    ),
    st.booleans(),
)
def test_data_comes_out_as_it_went_in(relay_in: Intake, datas: list[dict], as_lines: bool) -> None:
    events = [{"type": "t", "data": data} for data in datas]
    texts = [
        json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass") for event in events
    ]
    body = b"\n".join(texts) if as_lines else b"[" + b", ".join(texts) + b"]"
    answer = relay_in.post(
        body, {"Content-Type": "application/x-ndjson" if as_lines else "application/json"}
    )
    if any(map(has_surrogate, texts)) or len(body) > 4096 or max(map(len, texts)) > 1024:
        assert answer.status in (400, 413)
        return
    assert answer.status == 202, answer.body
    ids = answer.json["ids"]
    kept = {event["id"]: event["data"] for event in relay_in.kept()[-len(ids) :]}
    assert [kept[id] for id in ids] == datas


def has_surrogate(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return True
    return False
