"""Cutting entries into batches: nothing lost, nothing reordered, limits kept, no reading ahead."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.heart import LinesFormat, batch_of, cut, guide_event
from vaulytica.delivery.batching import Batch, Bounds, encode
from vaulytica.delivery.cutting import Cutter
from vaulytica.delivery.outcome import Rejected, Result
from vaulytica.delivery.ports import Limits
from vaulytica.errors import WebhookEventError
from vaulytica.events import Event
from vaulytica.formats import FORMATS
from vaulytica.lines import Entries, Line, Lines, Written, written

BAD: list[Any] = [
    None,
    "text",
    5,
    [],
    {},
    {"data": {}},
    {"type": ""},
    {"type": "t", "severity": "WARN"},
    {"type": "t", "data": {"a": float("nan")}},
    {"type": "t", "data": []},
    {"type": "t", "data": {1: 2}},
    {"type": "t", "timestamp": "yesterday"},
    {"type": "t", "id": "a b"},
    {"type": "t", "level": "info"},
    {"type": "t", "data": {"body": "x" * 600}},
]


def good(size: int) -> dict[str, Any]:
    return {"type": "t", "data": {"a": "x" * size}}


def size_of(entry: dict[str, Any]) -> int:
    return len(LinesFormat().encode(guide_event(**entry)))


ENTRIES = st.lists(st.builds(good, st.integers(0, 300)) | st.sampled_from(BAD), max_size=40)


@given(entries=ENTRIES, max_events=st.integers(1, 9), max_bytes=st.integers(400, 1500))
def test_everything_comes_out_once_in_order_and_within_the_limits(
    entries: list[Any], max_events: int, max_bytes: int
) -> None:
    format = LinesFormat(max_events, max_bytes)
    items, results = [], []
    for piece in cut(format, iter(entries), 500):
        if isinstance(piece, Result):
            results.append(piece)
            continue
        assert 1 <= len(piece) <= max_events
        assert len(piece.body(format)) <= max_bytes
        assert piece.body(format) == b"".join(item.part for item in piece.items)
        items += piece.items
    assert [item.position for item in items] == sorted(item.position for item in items)
    assert [r.position for r in results] == sorted(r.position for r in results)
    bad = {n for n, entry in enumerate(entries) if any(entry is one for one in BAD)}
    assert {r.position for r in results} == bad
    assert {item.position for item in items} == set(range(len(entries))) - bad
    for item in items:
        assert item.event.data == entries[item.position]["data"]
        assert item.part == format.encode(item.event)
    for result in results:
        assert isinstance(result.outcome, Rejected)
        assert result.attempts == 0
        assert "\n" not in result.outcome.reason.text


@given(sizes=st.lists(st.integers(0, 200), min_size=1, max_size=30))
def test_batches_are_as_large_as_the_limits_allow(sizes: list[int]) -> None:
    entries = [good(size) for size in sizes]
    batches = list(cut(LinesFormat(5, 600), entries, 10_000))
    for batch, following in pairwise(batches):
        assert isinstance(batch, Batch)
        assert isinstance(following, Batch)
        used = sum(len(item.part) for item in batch.items)
        assert len(batch) == 5 or used + len(following.items[0].part) > 600


def test_an_event_of_exactly_the_limit_is_taken() -> None:
    entry = good(100)
    size = size_of(entry)
    (batch,) = cut(LinesFormat(5, size), [entry], 10_000)
    assert isinstance(batch, Batch)
    for limits in ((size - 1, 10_000), (10_000, size - 1)):
        (result,) = cut(LinesFormat(5, limits[0]), [entry], limits[1])
        assert isinstance(result, Result)


def test_an_event_that_is_too_large_says_by_how_much() -> None:
    event = guide_event(data={"body": "x" * 1000})
    with pytest.raises(WebhookEventError) as caught:
        encode(LinesFormat(), event, 500)
    size = len(LinesFormat().encode(event))
    assert str(caught.value) == f"the event is {size} bytes as lines, over the limit of 500"
    assert caught.value.event_id == event.id


def test_bad_entries_leave_their_neighbours_together() -> None:
    entries = [good(1), None, good(2), {"type": ""}, good(3)]
    pieces = list(cut(LinesFormat(3), entries, 10_000))
    assert [type(piece) for piece in pieces] == [Result, Result, Batch]
    assert [item.position for item in pieces[2].items] == [0, 2, 4]  # type: ignore[union-attr]


def test_nothing_is_read_before_it_is_needed() -> None:
    taken: list[int] = []

    def entries() -> Iterator[dict[str, Any]]:
        for number in range(100):
            taken.append(number)
            yield good(number)

    pieces = cut(LinesFormat(3), entries(), 10_000)
    assert taken == []
    next(pieces)
    assert taken == [0, 1, 2]
    next(pieces)
    assert taken == [0, 1, 2, 3, 4, 5]


def test_a_bad_entry_comes_out_as_soon_as_it_is_read() -> None:
    def entries() -> Iterator[Any]:
        yield None
        raise AssertionError("read too far")

    assert isinstance(next(cut(LinesFormat(3), entries(), 10_000)), Result)


def test_one_event_a_request_reads_one_entry() -> None:
    def entries() -> Iterator[Any]:
        yield good(1)
        raise AssertionError("read too far")

    piece = next(cut(FORMATS.load("json")(), entries(), 10_000))
    assert isinstance(piece, Batch)


def test_each_event_is_encoded_once() -> None:
    format = LinesFormat(4)
    list(cut(format, [good(n) for n in range(10)], 10_000))
    assert format.encoded == 10


def test_no_entries_are_no_batches() -> None:
    assert list(cut(LinesFormat(), [], 10_000)) == []


def test_a_batchs_id_is_its_events() -> None:
    one, two = guide_event(), guide_event()
    format = LinesFormat()
    assert batch_of(format, one).id == one.id
    both = batch_of(format, one, two).id
    assert both == batch_of(format, one, two).id
    assert both != batch_of(format, two, one).id
    assert both.isascii()
    assert len(both) <= 256


class Broken(dict[str, Any]):
    """An entry whose own code fails."""

    def get(self, *_: object) -> Any:
        raise LookupError("no such row")


def test_an_entry_that_raises_anything_is_an_outcome() -> None:
    (first, bad, last) = cut(LinesFormat(1), [good(1), Broken(type="t"), good(2)], 500)
    assert isinstance(first, Batch)
    assert isinstance(last, Batch)
    assert isinstance(bad, Result)
    assert bad.reason is not None
    assert bad.reason.text == "the event cannot be read: LookupError: no such row"


# --- Lines, which go by the hundred.


class LinedFormat(LinesFormat):
    """Writes lines as they are, but for those whose type says that they cannot be."""

    limits: Limits

    def __init__(self, max_events: int, max_bytes: int, fixed: int, between: int) -> None:
        super().__init__(max_events, max_bytes)
        self.limits = Limits(max_events, max_bytes, fixed, between)

    def encode_lines(self, lines: Lines) -> Written:
        parts = [None if line.type == "odd" else b"#" + bytes(line.data) for line in lines]
        return written(parts, b"," * self.limits.between)

    def join(self, parts: Sequence[bytes]) -> bytes:
        return b"<" * self.limits.fixed + (b"," * self.limits.between).join(parts)


def line(size: int, type: str) -> Line:
    data = msgspec.Raw(b'{"a":"%s"}' % (b"x" * size))
    return Line(type=type, data=data, timestamp="2025-10-29T12:00:00Z", id="id")


LINES = st.lists(
    st.builds(line, st.integers(0, 200), st.sampled_from(["plain", "plain", "plain", "odd"])),
    max_size=30,
)


@given(
    chunks=st.lists(LINES, max_size=4),
    max_events=st.integers(1, 7),
    max_bytes=st.integers(120, 900),
    fixed=st.integers(0, 9),
    between=st.integers(0, 3),
)
def test_lines_by_the_hundred_are_cut_as_one_by_one(
    chunks: list[list[Line]], max_events: int, max_bytes: int, fixed: int, between: int
) -> None:
    format = LinedFormat(max_events, max_bytes, fixed, between)
    made: list[list[Batch | Result]] = [[], []]
    cutters = [
        Cutter(
            format,
            Bounds(format.limits),
            10**6,
            max_part_bytes=max_bytes - fixed,
            ready=to.append,
            unfit=to.append,
        )
        for to in made
    ]
    for chunk in chunks:
        for entry in chunk:
            cutters[0].add(entry, 0.0)
        cutters[1].add(Entries(chunk), 0.0)
        assert cutters[0].count == cutters[1].count
    for cutter in cutters:
        cutter.flush()
    assert [(one.items, one.id) for one in made[0] if isinstance(one, Batch)] == [
        (one.items, one.id) for one in made[1] if isinstance(one, Batch)
    ]
    assert [one for one in made[0] if isinstance(one, Result)] == [
        one for one in made[1] if isinstance(one, Result)
    ]
    for batch in made[1]:
        if isinstance(batch, Batch):
            parts = [item.part for item in batch.items]
            assert len(parts) == len(batch) <= max_events
            assert format.join(parts) == batch.body(format)
            assert len(format.join(parts)) == Bounds(format.limits).size(parts) <= max_bytes


class GroupedFormat(LinesFormat):
    """A line each; events of a name travel together."""

    def group(self, event: Event) -> str:
        return str(event.data["name"])


def cut_by_name(count: int, names: int) -> list[Batch]:
    format = GroupedFormat(1000, 10**6)
    made: list[Batch] = []
    cutter = Cutter(
        format,
        Bounds(format.limits),
        10**7,
        max_part_bytes=10**7,
        ready=made.append,
        unfit=pytest.fail,
    )
    for n in range(count):
        cutter.add(guide_event(data={"name": n % names, "n": n}), 0.0)
    cutter.flush()
    return made


@pytest.mark.parametrize("names", [64, 65, 500, 1250])
def test_groups_that_alternate_share_few_requests(names: int) -> None:
    made = cut_by_name(5000, names)
    assert len(made) == names
    assert sum(map(len, made)) == 5000


def test_what_is_filled_at_a_time_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vaulytica.delivery.cutting._MOST_BYTES", 20_000)
    made = cut_by_name(5000, 65)
    assert 65 < len(made) < 5000 / 2
    assert sorted(n for batch in made for n in numbers_in(batch)) == list(range(5000))


def numbers_in(batch: Batch) -> list[int]:
    return [json.loads(item.part)["data"]["n"] for item in batch.items]
