"""What passes between an outbox and those who use it: a claimed delivery, its verdict, counts, filters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from vaulytica.outbox.parcel import Parcel
from vaulytica.outbox.states import State

KEPT_FIRST, KEPT_LAST = 3, 7  # of the attempts that a delivery has seen


class Tried(msgspec.Struct, frozen=True):
    """One attempt that did not deliver: when (seconds since 1970), and why, free of secrets.

    In a verdict the time is the system's; the outbox keeps it by its own clock, as all times.
    """

    at: float
    text: str
    kind: str = ""
    status: int | None = None


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A batch bound for one destination, claimed: `body` is its events as lines.

    `attempts` were made before, of which `charged` count; `age`: seconds since it was kept;
    `excused`: seconds since the destination was first found busy or down, None if it is not.
    """

    id: int
    destination: str
    events: int
    body: bytes
    token: int
    attempts: int = 0
    charged: int = 0
    age: float = 0.0
    excused: float | None = None
    key: str | None = None
    tried: tuple[Tried, ...] = ()


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What became of some events of a delivery; `lines` are their positions, None for all.

    `state`: delivered, dead, or deferred for `after` seconds. `attempts`: made since it was claimed;
    what was deferred without any keeps its place in the line.
    """

    state: State
    lines: Sequence[int] | None = None
    after: float = 0.0
    attempts: int = 0
    charged: int = 0
    excused: float | None = None
    tried: tuple[Tried, ...] = ()


class Verdict(msgspec.Struct, frozen=True):
    """What became of a claimed delivery: parts that together are all of its events."""

    delivery: Delivery
    parts: tuple[Part, ...]


def ack(delivery: Delivery, attempts: int = 1) -> Verdict:
    """All of it is delivered."""
    return Verdict(delivery, (Part(state=State.DELIVERED, attempts=attempts),))


def nak(delivery: Delivery, after: float, tried: Iterable[Tried] = ()) -> Verdict:
    """All of it is to be tried again, in so many seconds."""
    tried = tuple(tried)
    counts = delivery.charged + len(tried)
    part = Part(state=State.DEFERRED, after=after, attempts=len(tried), charged=counts, tried=tried)
    return Verdict(delivery, (part,))


def give_back(delivery: Delivery) -> Verdict:
    """Nothing was tried: it stands where it stood."""
    part = Part(state=State.DEFERRED, charged=delivery.charged, excused=delivery.excused)
    return Verdict(delivery, (part,))


def bury(delivery: Delivery, *tried: Tried) -> Verdict:
    """All of it is given up on, for the last of these reasons."""
    part = Part(state=State.DEAD, attempts=len(tried), charged=delivery.charged, tried=tried)
    return Verdict(delivery, (part,))


class Share(msgspec.Struct, frozen=True):
    """Events that go the same way: a part of what is put. `key`: see `Outbox.put`."""

    parcel: Parcel
    destinations: tuple[str, ...]
    key: str | None = None


class Once(msgspec.Struct, frozen=True):
    """What is put under this `key` is kept once. `digest`: of what was asked; with another one the key is refused."""

    key: str
    digest: str


class Mark(msgspec.Struct, frozen=True):
    """How far a source has been read: written down in one step with what was read there."""

    source: str
    position: str


class Receipt(msgspec.Struct, frozen=True):
    """The ids of events that are kept. `repeated`: they were kept before, under the same idempotency key."""

    ids: Sequence[str]
    repeated: bool = False


class Counts(msgspec.Struct, kw_only=True):
    """Events of one destination since the beginning. accepted = delivered + dead + pending + dropped + purged.

    `purged`: dead letters thrown away; `dropped`: pending ones thrown away; both only on demand.
    `replayed`: dead letters put back so far. `oldest`: seconds that the oldest pending one has waited.
    """

    accepted: int = 0
    delivered: int = 0
    dead: int = 0
    pending: int = 0
    dropped: int = 0
    purged: int = 0
    replayed: int = 0
    oldest: float | None = None

    @property
    def balance(self) -> int:
        """0, or the law is broken."""
        gone = self.delivered + self.dead + self.pending + self.dropped + self.purged
        return self.accepted - gone


class Audit(msgspec.Struct, frozen=True):
    """The counts of each destination, and what is wrong; nothing, if the law holds."""

    counts: dict[str, Counts]
    problems: list[str]


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which deliveries: all that fit every setting given.

    `since`, `until`: kept then, seconds since 1970. `settled_by`: in their state since then or longer.
    By the last three, of a delivery only those events are meant: `event`, of that id; `grep`, a regular
    expression, with a match in one of the values in it; `where`, a JMESPath condition, for which it holds.
    """

    states: tuple[State, ...] = ()
    destinations: tuple[str, ...] = ()
    ids: tuple[int, ...] = ()
    since: float | None = None
    until: float | None = None
    settled_by: float | None = None
    event: str | None = None
    grep: str | None = None
    where: str | None = None


class Moved(msgspec.Struct, frozen=True):
    """How far a move has come: events moved, and the last delivery looked at; None when there are no more."""

    events: int
    last: int | None


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery as it is kept, for people to look at; `body` only where it was asked for.

    Times in seconds since 1970. `due`: when it is tried again, or since when it is delivered or dead.
    """

    id: int
    destination: str
    state: State
    events: int
    kept: float
    due: float
    attempts: int
    key: str | None = None
    tried: tuple[Tried, ...] = ()
    body: bytes = b""


class Pause(msgspec.Struct, frozen=True):
    """Nothing is sent to a destination until it is resumed: since when (seconds since 1970), and why.

    `by_hand`: somebody has paused it; else it has said that it is gone.
    """

    since: float
    why: str
    by_hand: bool = True


class Retention(msgspec.Struct, frozen=True):
    """How long what is delivered is kept for looking back: so many seconds, and so many bytes of events at most.

    Of what was put for several destinations, each has its share of the bytes.
    """

    seconds: float
    max_bytes: int | None = None


def bounded(tried: Sequence[Tried]) -> tuple[Tried, ...]:
    """The first and the last attempts: enough to see how it began and how it ended."""
    if len(tried) <= KEPT_FIRST + KEPT_LAST:
        return tuple(tried)
    return (*tried[:KEPT_FIRST], *tried[-KEPT_LAST:])
