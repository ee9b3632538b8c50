"""What was decoded a moment ago is found again, by the very same bytes, as often as it is wanted."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaulytica.lines import Lines, decode, encode
from vaulytica.outbox.load import read_body
from vaulytica.relay.door.recent import Recent


def made(*numbers: int) -> tuple[bytes, Lines]:
    """A body as the outbox keeps it, and its lines."""
    text = b"".join(b'{"type":"t","data":{"n":%d},"id":"%d"}\n' % (n, n) for n in numbers)
    lines, _ = decode(text, 0)
    assert isinstance(lines, Lines)
    return encode(lines), lines


def test_lines_are_found_as_often_as_they_are_wanted() -> None:
    recent = Recent()
    body, lines = made(1, 2)
    recent.keep(body, lines, 2)
    copy = bytes(bytearray(body))  # as it comes from the disk
    assert recent.read(copy, 0) is lines
    assert recent.read(copy, 0) is lines
    again = recent.read(copy, 0)
    assert again is not lines
    assert encode(again) == body  # type: ignore[arg-type] # all of them are lines


def test_what_has_the_same_end_is_told_apart() -> None:
    recent = Recent()
    tail = b'{"type":"t","data":{"text":"%b"},"id":"e","timestamp":"2025-01-01T00:00:00Z"}\n' % (
        b"x" * 400
    )
    one, other = (decode(b'{"type":"%b","data":{}}\n' % t + tail, 0)[0] for t in (b"a", b"b"))
    assert isinstance(one, Lines)
    assert isinstance(other, Lines)
    kept = encode(one)
    recent.keep(kept, one, 1)
    forged = kept.replace(b'"type":"a"', b'"type":"b"')
    assert len(forged) == len(kept)
    found = recent.read(forged, 0)
    assert found is not one
    assert encode(found) == forged  # type: ignore[arg-type]
    assert recent.read(kept, 0) is one


def test_the_first_ones_go_when_there_is_no_room() -> None:
    bodies = [made(n) for n in range(100, 110)]
    recent = Recent(4 * len(bodies[0][0]))
    for body, lines in bodies:
        recent.keep(body, lines, 1)
    found = [recent.read(body, 0) is lines for body, lines in bodies]
    assert found == [False] * 6 + [True] * 4


@given(
    st.lists(
        st.fixed_dictionaries(
            {"type": st.text(min_size=1).filter(str.strip)},
            optional={
                "data": st.dictionaries(st.text(), st.integers() | st.text() | st.floats(0, 9)),
                "metadata": st.none() | st.dictionaries(st.text(), st.text()),
                "severity": st.sampled_from(["debug", "critical"]),
                "timestamp": st.sampled_from(["2025-01-01T00:00:00Z", "2025-01-01T00:00:00.120Z"]),
                "source": st.text(min_size=1),
            },
        ),
        min_size=1,
        max_size=5,
    )
)
def test_what_is_kept_would_be_decoded_to_the_same(documents: list[dict[str, object]]) -> None:
    import json

    block = b"".join(json.dumps(d, ensure_ascii=False).encode() + b"\n" for d in documents)
    lines, _ = decode(block, 1)
    if not isinstance(lines, Lines):
        return
    body = encode(lines)
    assert list(read_body(body, 2)) == list(lines)


def test_a_source_waits_for_lanes_that_take_and_not_for_those_that_do_not() -> None:
    async def main() -> None:
        bodies = [made(n) for n in range(100, 110)]
        recent = Recent(10 * len(bodies[0][0]))
        for body, lines in bodies[:5]:
            recent.keep(body, lines, 1)
        began = time.monotonic()
        await recent.turn()  # there is room
        assert time.monotonic() - began < 0.1

        for body, lines in bodies[5:]:
            recent.keep(body, lines, 1)
        turn = asyncio.create_task(recent.turn())
        for body, _ in bodies[:4]:
            await asyncio.sleep(0)
            recent.read(body, 0)
            await asyncio.sleep(0.01)
            assert not turn.done()
        recent.read(bodies[4][0], 0)
        await asyncio.wait_for(turn, 60)

        for body, lines in bodies[:5]:
            recent.keep(body, lines, 1)
        await asyncio.wait_for(recent.turn(), 60)  # a moment, for nobody takes
        began = time.monotonic()
        for _ in range(100):
            await recent.turn()
        assert time.monotonic() - began < 5

    asyncio.run(main())


@pytest.mark.parametrize("takers", [1, 3])
def test_nothing_is_kept_where_there_is_no_room_at_all(takers: int) -> None:
    recent = Recent(0)
    body, lines = made(1)
    recent.keep(body, lines, takers)
    assert recent.read(body, 0) is not lines
