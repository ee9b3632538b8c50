"""What every outbox must hold to where there is no room: what matters least is dropped, and counted."""

from __future__ import annotations

import json
from typing import Any

from support.outbox import NEVER, WHY, everything, ids_in, parcel, the_law
from vaulytica.outbox.delivery import Part, Share, Verdict, ack, bury, nak
from vaulytica.outbox.parcel import Parcel
from vaulytica.outbox.states import State


def names(count: int, prefix: str = "e") -> list[str]:
    return [f"{prefix}-{n}" for n in range(count)]


def left(outbox: Any) -> list[str]:
    the_law(outbox)
    return ids_in(*everything(outbox))


def test_of_a_delivery_no_more_goes_than_has_to(outbox: Any) -> None:
    outbox.put(parcel(*names(200)), ["siem"])
    assert outbox.shed(events=195) == {"siem": 5}
    assert left(outbox) == names(200)[5:]
    assert outbox.counts()["siem"].pending == 195


def test_within_a_delivery_the_least_severe_go_first(outbox: Any) -> None:
    severities = ("info", "critical", "debug", "info", "error")
    entries = [
        {"type": "t", "data": {}, "id": f"e-{n}", "severity": severity}
        for n, severity in enumerate(severities)
    ]
    outbox.put(Parcel.of(entries), ["siem"])
    outbox.shed(events=3)
    assert left(outbox) == ["e-1", "e-3", "e-4"]


def test_of_what_is_claimed_goes_what_is_not_begun(outbox: Any) -> None:
    outbox.put(parcel("a", "b", "c", "d"), ["siem"])
    (delivery,) = outbox.claim("siem")
    outbox.put(parcel("e"), ["siem"])
    outbox.put(parcel("f", severity="error"), ["siem"])
    assert outbox.shed(events=3, begun={delivery.id: 2}) == {"siem": 3}
    assert left(outbox) == ["a", "b", "f"]
    parts = (
        Part(state=State.DELIVERED, lines=[0], attempts=1),
        Part(state=State.DEFERRED, lines=[1], attempts=1, charged=1, tried=(WHY,)),
        Part(state=State.DEFERRED, lines=[2, 3]),
    )
    assert outbox.settle([Verdict(delivery, parts)]) == []
    assert left(outbox) == ["b", "f"]
    counts = outbox.counts()["siem"]
    assert (counts.accepted, counts.delivered, counts.dropped, counts.pending) == (6, 1, 3, 2)


def test_what_is_claimed_and_not_told_of_stays(outbox: Any) -> None:
    outbox.put(parcel("a", "b"), ["siem"])
    (delivery,) = outbox.claim("siem")
    outbox.put(parcel("c", severity="critical"), ["siem"])
    assert outbox.shed(events=0) == {"siem": 1}
    assert left(outbox) == ["a", "b"]
    assert outbox.shed(events=0, begun={delivery.id: 0}) == {"siem": 1}
    assert left(outbox) == ["a"], "a claim stays one"


def test_a_verdict_on_all_is_on_what_is_left(outbox: Any) -> None:
    for verdict in (ack, lambda delivery: nak(delivery, 0.0)):
        outbox.put(parcel(*names(10)), ["siem"])
        (delivery,) = outbox.claim("siem")
        outbox.shed(events=4, begun={delivery.id: 1})
        assert outbox.settle([verdict(delivery)]) == []
    assert left(outbox) == names(4)
    assert outbox.counts()["siem"].delivered == 4


def test_when_the_first_of_a_key_goes_the_next_may_be_claimed(outbox: Any) -> None:
    outbox.put(parcel("a"), ["siem"], key="k")
    outbox.put(parcel("b"), ["siem"], key="k")
    outbox.shed(events=1)
    assert ids_in(*outbox.claim("siem")) == ["b"]


def test_by_bytes_until_it_fits(outbox: Any) -> None:
    for n in range(20):
        outbox.put(parcel(*names(100, f"{n}"), padding="x" * 1000), ["siem", "other"])
    before = outbox.used_bytes()
    assert outbox.shed(size=before) == {}
    told = outbox.shed(size=before - 1_000_000)
    assert before - 1_200_000 < outbox.used_bytes() <= before - 1_000_000
    assert set(told) == {"siem", "other"}
    the_law(outbox)
    outbox.shed(size=0)
    assert left(outbox) == []


def test_by_bytes_nothing_goes_that_somebody_else_still_has(outbox: Any) -> None:
    for n in range(20):
        outbox.put(parcel(*names(50, f"{n}"), padding="x" * 1000), ["siem", "other"])
    while claimed := outbox.claim("other", 100, 60.0):
        outbox.settle([bury(delivery, WHY) for delivery in claimed])
    outbox.put(parcel(*names(50, "alone"), padding="x" * 1000), ["siem"])
    before = outbox.used_bytes()
    assert shed_all(outbox, size=before - 1) <= 50
    assert outbox.used_bytes() < before
    assert all(id.startswith("alone") for id in set(names(50, "alone")) - set(left(outbox)))
    assert outbox.counts()["siem"].pending >= 1000


def test_by_bytes_over_and_over(outbox: Any) -> None:
    def put(severity: str, count: int) -> None:
        events = parcel(*names(count), severity=severity, padding="x" * 4000)
        outbox.put(events, ["siem"])

    for _ in range(8):
        put("warning", 60)
    outbox.put(parcel("small", severity="critical"), ["siem"])  # which stays, and is moved
    size = 6 * 1024**2
    for _ in range(80):
        for severity, count in (("info", 20), ("warning", 60), ("info", 20)):
            put(severity, count)
        shed_all(outbox, size=size)
        assert outbox.used_bytes() <= size
    the_law(outbox)


def put_small(outbox: Any, count: int, *severities: str) -> None:
    """Deliveries of one event each, as those with a key are."""
    shares = [
        Share(parcel(f"{n}", severity=severities[n % len(severities)]), ("siem",), f"k{n}")
        for n in range(count)
    ]
    outbox.put_shares(shares, ())


def shed_all(outbox: Any, **wanted: Any) -> int:
    """How many events went, by as many calls as it takes."""
    calls = []
    while told := outbox.shed(**wanted):
        calls.append(sum(told.values()))
    return sum(calls)


def test_by_bytes_no_more_goes_than_has_to_where_batches_are_small(outbox: Any) -> None:
    """They stand between others that matter more, which stay as they are."""
    put_small(outbox, 4000, "info", "critical", "error")
    held = outbox.claim("siem", 200)
    outbox.settle([bury(delivery, NEVER) for delivery in held[:50]])
    outbox.shed(events=outbox.counts()["siem"].pending - 1)  # what it needs for it is there now
    size, rows = outbox.used_bytes(), {(k.id, k.body, k.state) for k in everything(outbox)}
    gone = shed_all(outbox, size=size - 100_000)
    assert outbox.used_bytes() <= size - 100_000
    each = size / 4000
    assert gone < 3 * 100_000 / each
    left = {(k.id, k.body, k.state) for k in everything(outbox)}
    assert left < rows
    assert {id_severity(body) for _, body, _ in rows - left} == {"info"}
    assert outbox.audit().problems == []
    assert outbox.settle([ack(delivery) for delivery in held[50:]]) == []
    assert sorted(ids_in(*outbox.claim("siem", 10_000))) == sorted(
        ids_in(*(k for k in everything(outbox) if k.state != "dead"))
    )
    the_law(outbox)


def id_severity(body: bytes) -> str:
    return str(json.loads(body)["severity"])


def test_a_call_is_a_bounded_part(outbox: Any) -> None:
    put_small(outbox, 2500, "info")
    assert sum(outbox.shed(events=0).values()) < 2500
    assert shed_all(outbox, events=100)
    assert outbox.counts()["siem"].pending == 100
    assert outbox.shed(events=100) == {}
    the_law(outbox)


def test_the_order_of_dropping_is_the_same_over_many_calls(outbox: Any) -> None:
    put_small(outbox, 1500, "error", "debug", "info")
    shed_all(outbox, events=600)
    assert sorted(map(int, left(outbox))) == sorted(
        [*range(0, 1500, 3), *list(range(2, 1500, 3))[-100:]]
    )
