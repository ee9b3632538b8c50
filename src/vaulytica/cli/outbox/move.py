"""`vaulytica outbox replay`, `bury` and `purge`: decide on many deliveries, in steps that are each whole."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from vaulytica.cli.options.groups import grouped
from vaulytica.cli.outbox.options import Json, Where, Which, WhichInState, some
from vaulytica.cli.output.printing import error_line, json_line, line
from vaulytica.errors import WebhookConfigError
from vaulytica.outbox.delivery import Filter
from vaulytica.outbox.states import PENDING, State, Step

if TYPE_CHECKING:
    from vaulytica.outbox.sqlite import SqliteOutbox

_MOST = 100  # deliveries in one step
_TICK = 0.1  # seconds' worth of events in one step, where there is a rate
_TELL = 1.0  # seconds between two lines of progress
_WORDS = {
    Step.REPLAY: ("to put back", "put back"),
    Step.BURY: ("to give up on", "given up on"),
    Step.PURGE: ("to throw away", "thrown away"),
    Step.DROP: ("to throw away", "thrown away"),
}

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say how many.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; else only say how many.")]


@grouped
def replay(
    where: Where,
    which: Which,
    *,
    dry_run: DryRun = False,
    rate: Annotated[
        float | None, typer.Option(min=0.001, metavar="N", help="Events a second at most.")
    ] = None,
    json: Json = False,
) -> int:
    """Put dead letters back to be delivered. Ctrl-C pauses it: what is put back stays so."""
    with where.opened() as outbox:
        wanted = which.filter(outbox, (State.DEAD,))
        # Those that die again meanwhile are not put back a second time.
        wanted = msgspec.structs.replace(wanted, settled_by=outbox.now())
        return _move(outbox, Step.REPLAY, wanted, dry_run=dry_run, rate=rate, json=json)


@grouped
def bury(where: Where, which: WhichInState, *, dry_run: DryRun = False, json: Json = False) -> int:
    """Give up on pending deliveries. They become dead letters, which can be replayed."""
    with where.opened() as outbox:
        wanted = which.filter(outbox, which.states(PENDING))
        _refuse_others(wanted, PENDING, "bury is for pending deliveries")
        _refuse_claimed(which)
        return _move(outbox, Step.BURY, wanted, dry_run=dry_run, json=json)


@grouped
def purge(where: Where, which: WhichInState, *, yes: Yes = False, json: Json = False) -> int:
    """Throw away dead letters. Or with --state delivered or pending, those. There is no way back."""
    with where.opened() as outbox:
        wanted = which.filter(outbox, which.states((State.DEAD,)))
        _refuse_claimed(which)
        step = Step.DROP if set(wanted.states) <= set(PENDING) else Step.PURGE
        if step is Step.PURGE:
            settled = (State.DEAD, State.DELIVERED)
            _refuse_others(wanted, settled, "throw away pending deliveries by themselves")
        return _move(outbox, step, wanted, dry_run=not yes, json=json)


def _refuse_others(which: Filter, allowed: tuple[State, ...], why: str) -> None:
    if not set(which.states) <= set(allowed):
        raise WebhookConfigError(f"--state: {why}")


def _refuse_claimed(which: WhichInState) -> None:
    # Left out of the filter it would leave a filter of no states, which is one of all.
    if State.CLAIMED in (which.state or ()):
        raise WebhookConfigError(
            "--state: claimed deliveries are with a worker; give pending, for all others that wait"
        )


def _move(
    outbox: SqliteOutbox,
    step: Step,
    which: Filter,
    *,
    dry_run: bool,
    json: bool,
    rate: float | None = None,
) -> int:
    """All that fits, step by step; says first how many there are."""
    which = msgspec.structs.replace(
        which, states=tuple(state for state in which.states if state is not State.CLAIMED)
    )
    assert which.states, "a filter of no states is one of all"
    before, after = _WORDS[step]
    deliveries, events = outbox.total(which)
    if not json or not dry_run:
        _say(json, f"{some(events, 'event')} in {some(deliveries, 'delivery')} {before}")
    if dry_run:
        if json:
            json_line({"events": events, "deliveries": deliveries, "done": 0})
        elif step in (Step.PURGE, Step.DROP):
            line("nothing is done: add --yes")
        return 0
    done = 0
    told = time.monotonic()
    try:
        for some_more in _steps(outbox, step, which, rate):
            done += some_more
            if time.monotonic() - told > _TELL:
                told = time.monotonic()
                error_line(f"{done} of {events} {after}")
    except KeyboardInterrupt:
        error_line(f"paused: {done} of {events} {after}; the same command goes on")
        return 1
    if json:
        json_line({"events": events, "deliveries": deliveries, "done": done})
    else:
        line(f"{some(done, 'event')} {after}")
    return 0


def _steps(outbox: SqliteOutbox, step: Step, which: Filter, rate: float | None) -> Iterator[int]:
    """Do it, by and by; how many events each step has moved.

    What fits is looked for without a lock, and between two steps others get as long as a step has taken:
    a relay on the file goes on keeping and delivering.
    """
    events = None if rate is None else max(1, int(rate * _TICK))
    after = 0
    while page := outbox.browse(which, after=after, most=_MOST):
        these = msgspec.structs.replace(which, ids=tuple(kept.id for kept in page))
        last: int | None = after
        while last is not None and last < page[-1].id:
            began = time.monotonic()
            moved = outbox.move(step, these, after=last, most=_MOST, events=events)
            took = time.monotonic() - began
            yield moved.events
            last = moved.last
            time.sleep(max(took, moved.events / rate - took if rate else 0.0))
        after = page[-1].id


def _say(json: bool, text: str) -> None:
    if json:
        error_line(text)
    else:
        line(text)
    sys.stdout.flush()
