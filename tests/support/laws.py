"""What must hold of the whole way, whatever goes wrong: cases drawn by hypothesis, and the laws."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import cycle, islice
from typing import Any

from hypothesis import strategies as st

from support.heart import GUIDE_TIME, OwnClock
from support.ways import Way, Wire, on_wire
from vaulytica.integrations.webhook import Event, Report, Result, WebhookRetryConfig
from vaulytica.lines import Entries, decode
from vaulytica.receiving.destinations.faults import Previous, fewer_items, half, html, more_items
from vaulytica.receiving.destinations.strict import StrictDestination
from vaulytica.receiving.receiver import Answer

Entry = dict[str, Any]
FORMS = ("mapping", "event", "line", "lines")
_UNFIT = {"data": {"n": -1}}  # no type: never sent
_TEXTS = ("", "x" * 150, 'a "quoted" \\ name', "two\nlines", "\U0001f512 é", "}{][,")


def no_ack_id(answer: Answer) -> Answer:
    """An answer that forgets to say by which id to ask."""
    return replace(answer, body=re.sub(rb',"ackId":\d+', b"", answer.body))


def other_acks(answer: Answer) -> Answer:
    """The acknowledgement of batches that were never sent."""
    if b'"acks"' not in answer.body:
        return answer
    return replace(answer, body=b'{"acks":{"1007":true,"x":true}}')


MANGLES = {
    "html": html,
    "half": half,
    "fewer_items": fewer_items,
    "more_items": more_items,
    "no_ack_id": no_ack_id,
    "other_acks": other_acks,
}


@dataclass(frozen=True)
class Case:
    """Entries, how they are handed over and cut, and all that goes wrong on their way.

    `rejected`: by position; `deferred`: how often; `troubles`: by the number of the request, what is
    done to it (`refuse`, `lose`, `mangle`, `cut`), and how.
    """

    entries: list[Entry]
    form: str = "mapping"
    max_events: int | None = None
    max_bytes: int | None = None
    takes: int | None = None  # bytes that the receiver takes in one request
    rejected: frozenset[int] = frozenset()
    deferred: dict[int, int] = field(default_factory=dict)
    troubles: dict[int, tuple[str, Any]] = field(default_factory=dict)
    max_retries: int = 3
    patience: float = 300.0
    deadline: float | None = None  # of a delivery, with all its retries

    @property
    def batch(self) -> dict[str, Any]:
        """How it is cut."""
        limits = {"max_events": self.max_events, "max_bytes": self.max_bytes}
        return {name: limit for name, limit in limits.items() if limit is not None}

    def given(self) -> Iterator[object]:
        """The entries as a caller hands them over."""
        if self.form == "mapping":
            yield from self.entries
        elif self.form == "event":
            yield from (e if "type" not in e else Event.from_mapping(e) for e in self.entries)
        elif self.entries:
            lines = lines_of(self.entries)
            yield from lines if self.form == "line" else (Entries(lines[:7]), Entries(lines[7:]))

    def faults(self, way: Way) -> dict[str, Any]:
        """What the receiver is told to do wrong."""
        previous = Previous()

        def mangle(n: int, answer: Answer) -> Answer:
            other = previous(answer)
            name = self._trouble(n, "mangle")
            if name is None:
                return answer
            return other if name == "previous" else MANGLES[name](answer)

        def reject(event: Any) -> str | None:
            return "not this one" if way.number(event) in self.rejected else None

        faults: dict[str, Any] = {
            "reject": reject if way.can_reject else None,
            "defer": lambda event, nth: nth <= self.deferred.get(way.number(event), 0),
            "refuse": lambda n: self._trouble(n, "refuse"),
            "lose": lambda n: self._trouble(n, "lose") is not None,
            "mangle": mangle,
        }
        return faults if self.takes is None else faults | {"max_bytes": self.takes}

    def is_cut(self, n: int, now: float) -> bool:
        """Whether the nth request does not reach the receiver."""
        return self._trouble(n, "cut") is not None

    def _trouble(self, n: int, what: str) -> Any:
        kind, how = self.troubles.get(n, ("", None))
        return how if kind == what else None


def entry(n: int, text: str = "", **more: Any) -> Entry:
    """An event by its number."""
    data = {"n": n, "text": text}
    return {"type": "t", "data": data, "id": f"e-{n}", "timestamp": GUIDE_TIME, **more}


def lines_of(entries: Iterable[Entry]) -> list[Any]:
    """The entries as they are read from NDJSON."""
    block = "\n".join(json.dumps(e, ensure_ascii=False) for e in entries)
    return decode(block.encode(), 0)[0]


def batches(most: int = 30) -> st.SearchStrategy[list[Entry]]:
    """Entries, some of them not fit to be sent."""
    more = st.sampled_from([{}, {}, {}, {"type": "u"}, {"metadata": {"index": "other"}}, None])
    shapes = st.lists(st.tuples(st.sampled_from(_TEXTS), more), min_size=1, max_size=8)
    return st.builds(_batch, st.integers(0, most), shapes)


def _batch(count: int, shapes: list[tuple[str, Entry | None]]) -> list[Entry]:
    drawn = enumerate(islice(cycle(shapes), count))
    return [_UNFIT if more is None else entry(n, text, **more) for n, (text, more) in drawn]


def troubles_of(way: Way, most: int = 12) -> st.SearchStrategy[dict[int, tuple[str, Any]]]:
    """What happens to which of the first requests."""
    kinds = (
        st.tuples(st.just("refuse"), st.sampled_from(way.refusals)),
        st.tuples(st.just("mangle"), st.sampled_from(way.mangles)),
        st.sampled_from([("lose", True), ("cut", True)]),
    )
    happens = st.lists(st.none() | st.one_of(kinds), max_size=most)
    return happens.map(lambda them: {n: one for n, one in enumerate(them, 1) if one})


def cases(way: Way) -> st.SearchStrategy[Case]:
    """Any entries, any cuts, anything that goes wrong."""
    places = st.integers(0, 19)
    return st.builds(
        Case,
        batches(),
        form=st.sampled_from(FORMS),
        max_events=st.none() if way.is_single else st.integers(1, 12),
        max_bytes=st.none() | st.integers(300, 3000),
        takes=st.none() | st.integers(400, 3000),
        rejected=st.frozensets(places, max_size=4) if way.can_reject else st.just(frozenset()),
        deferred=st.dictionaries(places, st.integers(1, 3), max_size=3),
        troubles=troubles_of(way),
        max_retries=st.integers(0, 3),
        patience=st.sampled_from([0.0, 5.0, 300.0]),
        deadline=st.sampled_from([None, None, 2.0, 60.0]),
    )


# --- One call, and what is said and true in the end.


@dataclass
class Told:
    """What the caller is told of each entry, and what the receiver has."""

    way: Way
    case: Case
    receiver: StrictDestination
    results: list[Result]
    report: Report
    wire: Wire

    @property
    def there(self) -> list[int]:
        """The numbers of the events at the receiver, in the order in which they came."""
        return [self.way.number(event) for event in self.receiver.events]

    @property
    def aside(self) -> list[int]:
        """Of those that went to the failure store."""
        return [self.way.number(event) for event in getattr(self.receiver, "aside", ())]

    @property
    def unsure(self) -> Counter[int]:
        """How often the receiver took it, and its sender cannot know."""
        events = [*self.receiver.untold, *getattr(self.receiver, "unacknowledged", ())]
        return Counter(self.way.number(event) for event in events)

    def said(self, outcome: str) -> set[int]:
        """The numbers of which this was said."""
        return {r.position for r in self.results if type(r.outcome).__name__ == outcome}

    @property
    def unconfirmed(self) -> set[int]:
        """Delivered, and said to be without Splunk's acknowledgement: nobody knows whether it is indexed."""
        return {r.position for r in self.results if "not acknowledged" in (r.note or "")}

    @property
    def texts(self) -> list[str]:
        """Why events are not delivered."""
        return [r.reason.text for r in self.results if r.reason is not None]


def send(
    way: Way,
    case: Case,
    kind: str = "sync",
    *,
    how: str = "stream",
    clock: OwnClock | None = None,
    receiver: StrictDestination | None = None,
    settings: dict[str, Any] | None = None,
    wire: dict[str, Any] | None = None,
    ordered: bool | None = None,
) -> Told:
    """Send the entries all the way, as a `batch` or a `stream`; one request at a time unless told else.

    `ordered` is said of a stream; of a batch only the `settings` can say so.
    """
    receiver = receiver or way.receiver(**case.faults(way))
    retries = WebhookRetryConfig(max_retries=case.max_retries, jitter=False, deadline=case.deadline)
    sender, transport = on_wire(
        kind,
        way,
        receiver,
        clock,
        batch=case.batch,
        wire={"cut": case.is_cut} | (wire or {}),
        retry_config=retries,
        patience=case.patience,
        **{"concurrency": 1} | (settings or {}),
    )
    results: list[Result] = []
    try:
        if how == "batch":
            report = sender.send_batch(case.given(), on_result=results.append)
        else:
            report, _ = sender.send_stream(case.given(), on_result=results.append, ordered=ordered)
    finally:
        sender.finish()
    return Told(way, case, receiver, results, report, transport)


def uphold(told: Told) -> None:
    """The laws that hold for any way and any faults."""
    accounted_for(told)
    delivered_is_there(told)
    nothing_else_is_there(told)
    never_twice(told)


def accounted_for(told: Told) -> None:
    """Delivered + rejected + deferred = sent, each once, and counted as listed."""
    assert told.wire.errors == []
    count = len(told.case.entries)
    assert sorted(result.position for result in told.results) == list(range(count))
    said = [len(told.said(name)) for name in ("Delivered", "Rejected", "Deferred")]
    counts = told.report.counts
    assert said == [counts.delivered, counts.rejected, counts.deferred]
    assert sum(said) == told.report.events == count
    assert int(told.report) == counts.delivered


def delivered_is_there(told: Told) -> None:
    """What is said to be there is there, and whole."""
    missing = told.said("Delivered") - {*told.there, *told.aside} - told.unconfirmed
    assert not missing, f"said to be delivered, and not there: {missing}"
    for event in told.receiver.events:
        data = told.way.data(event)
        assert data == told.case.entries[data["n"]]["data"]


def nothing_else_is_there(told: Told) -> None:
    """What is said to be rejected or deferred is not there, unless its sender cannot know."""
    lies = {*told.there, *told.aside} - told.said("Delivered") - told.unsure.keys()
    assert not lies, f"there, and said not to be: {lies}"


def never_twice(told: Told) -> None:
    """Twice only where an answer was lost; where ids tell, never."""
    for number, times in Counter(told.there).items():
        most = 1 if told.way.is_idempotent else 1 + told.unsure[number]
        assert times <= most, f"{number} is there {times} times"
