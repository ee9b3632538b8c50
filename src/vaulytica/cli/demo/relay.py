"""The demo's story: a relay is killed with -9 in the middle, and started again, and nothing is lost.

Events go in over HTTP while one destination is down, and another is often busy. It succeeds only if
each event arrived everywhere, unharmed.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from vaulytica.cli.demo.process import DemoRelay
from vaulytica.cli.demo.targets import Row, Target, targets
from vaulytica.cli.output.printing import error_line, json_line, line, stdout_console
from vaulytica.errors import WebhookError

if TYPE_CHECKING:
    from vaulytica.events import Event

EVENTS = 10_000
EACH = 100  # events of a request
_LONGEST = 55.0  # seconds for all of it


def demo_relay(*, as_json: bool) -> int:
    """Play it, and show what came of it; 0 only if nothing is lost."""
    say = _teller(quiet=as_json)
    began = time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vaulytica-demo-")))
        made = targets()
        for target in made:
            stack.callback(target.close)
        relay = DemoRelay(folder, made)
        stack.callback(relay.end)
        events = list(_events(EVENTS))
        _play(relay, made, events, say, began + _LONGEST)
        counts = relay.counts()
        rows = [target.row(counts[target.name], events) for target in made]
        seconds = time.monotonic() - began
    ok = all(row.ok for row in rows)
    if as_json:
        table = [asdict(row) | {"ok": row.ok} for row in rows]
        json_line({"ok": ok, "seconds": round(seconds, 2), "destinations": table})
        return 0 if ok else 1
    _show(rows)
    verdict = "nothing is lost" if ok else "NOT all of it arrived"
    line(f"{EVENTS} events to {len(rows)} destinations in {seconds:.0f} s, a kill -9: {verdict}")
    for row in rows:
        for problem in row.problems[:3]:
            error_line(f"{row.name}: {problem}")
    return 0 if ok else 1


def _play(
    relay: DemoRelay,
    made: Sequence[Target],
    events: Sequence[Event],
    say: Callable[[str], None],
    until: float,
) -> None:
    relay.start()
    say(f"the relay is running; {len(made)} destinations: {', '.join(t.story for t in made)}")
    half = len(events) // 2
    for at in range(0, half, EACH):
        relay.post(events[at : at + EACH], f"demo-{at}")
    # In the midst of a request: its client hears nothing, and asks again under the same key.
    killed = relay.post_and_kill(events[half : half + EACH], f"demo-{half}")
    pending = sum(count.pending for count in relay.counts().values())
    every = killed * len(made)
    say(f"kill -9 after {killed} events; {pending} of {every} deliveries were still to come")
    relay.start()
    for at in range(half, len(events), EACH):
        relay.post(events[at : at + EACH], f"demo-{at}")
    say(f"started again; all {len(events)} events are accepted, and on disk")
    for target in made:
        target.comes_up()
    while any(count.pending for count in relay.counts().values()):
        if time.monotonic() > until:
            raise WebhookError(f"not all was delivered in {_LONGEST:.0f} s")
        time.sleep(0.05)
    relay.stop()


def _events(count: int) -> Iterator[Event]:
    """The example events again and again, each with a number of its own."""
    from vaulytica.cli.examples import example_events
    from vaulytica.events import Event

    examples = example_events()
    for number in range(count):
        entry = examples[number % len(examples)]
        data = {**entry["data"], "demo_number": number}
        yield Event.from_mapping({**entry, "data": data, "id": f"demo-{number}"})


def _teller(*, quiet: bool) -> Callable[[str], None]:
    def say(text: str) -> None:
        if not quiet:
            line(text)
            sys.stdout.flush()

    return say


def _show(rows: Sequence[Row]) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False)
    table.add_column("destination", no_wrap=True)
    table.add_column("format", no_wrap=True)
    for name in ("accepted", "delivered", "dead", "pending", "arrived\nunharmed", "arrived\ntwice"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("audit", no_wrap=True)
    for row in rows:
        audit = "equal" if row.balance == 0 else f"{row.balance} missing"
        figures = (row.accepted, row.delivered, row.dead, row.pending, row.intact, row.doubled)
        style = None if row.ok else "bold red"
        table.add_row(row.name, row.format, *map(str, figures), audit, style=style)
    stdout_console().print(table)
