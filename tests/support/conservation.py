"""The law of the relay as seen from outside: who was told what, and what arrived where.

`Ledger` compares what clients were told with what places have taken, and with the outbox.
"""

from __future__ import annotations

import contextlib
import socket
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from support.nursery import Born, nursery, until
from support.outbox import everything
from support.places import ENVIRONMENT, Place, names_in
from support.ports import free_port
from vaulytica.outbox.delivery import Counts
from vaulytica.outbox.sqlite import SqliteOutbox, schema


class Relay:
    """`vaulytica relay`, started and killed many times on one outbox."""

    def __init__(self, folder: Path, places: Iterable[Place], **config: Any) -> None:
        self.folder, self.places = folder, list(places)
        self.outbox_path = folder / "outbox.db"
        self.url = f"sqlite://{self.outbox_path}"
        self.path = folder / "relay.yaml"
        self.port = free_port()
        self.clock: Path | None = None
        self.next_schema = False
        self.process: Born | None = None
        self._born: list[Born] = []
        self._count = 0
        self.more = config
        self.configure()

    def configure(self, **changes: dict[str, Any]) -> None:
        """Write the config; `changes` are settings by destination."""
        destinations = {p.name: p.settings(**changes.get(p.name, {})) for p in self.places}
        intake = {"listen": f"127.0.0.1:{self.port}", "tokens": ["env:VAULYTICA_TEST_TOKEN"]}
        config = {
            "outbox": self.url,
            "drain": 5,
            "destinations": destinations,
            **self.more,
            "intake": {**intake, **self.more.get("intake", {})},
        }
        new = self.path.with_suffix(".new")
        new.write_text(yaml.safe_dump(config))
        new.replace(self.path)

    def start(self, *, ready: bool = True, log: Path | None = None) -> Born:
        """Start it. `log`: where it logs to, if that is not to be read here."""
        config = ("--config", str(self.path))
        self.process = self._start("relay", *config, "--log", "json", clock=self.clock, log=log)
        if log is not None:
            until(self._listens, lambda: "it does not listen")
        elif ready:
            self.process.until('"event": "ready"')
        return self.process

    def _start(self, *argv: str, log: Path | None = None, clock: Path | None = None) -> Born:
        self._born = [born for born in self._born if born.code is None]
        self._count += 1
        born = nursery().start(
            *argv,
            folder=self.folder,
            log=log or self.folder / f"process-{self._count}.log",
            environment=ENVIRONMENT,
            next_schema=self.next_schema,
            clock=clock,
        )
        self._born.append(born)
        return born

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def outbox_command(self, *argv: str) -> Born:
        """`vaulytica outbox …` on its file."""
        return self._start("outbox", argv[0], "--outbox", self.url, *argv[1:])

    def audit(self) -> None:
        """`vaulytica outbox audit` has to say that all is right."""
        if self.outbox_path.exists():
            audit = self.outbox_command("audit")
            assert audit.wait() == 0, audit.log.read_text("utf-8")

    def close(self) -> None:
        for born in self._born:
            born.kill()
        for place in self.places:
            place.closes()


class Ledger:
    """What must be true of a relay, its places, and what was accepted."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.kills = self._before = 0
        self._settled: dict[str, dict[str, int]] = {}
        self._at_risk: dict[str, Counter[str]] = {}
        self._forget()

    def _forget(self) -> None:
        self._settled = {place.name: {} for place in self.relay.places}
        self._at_risk = {place.name: Counter() for place in self.relay.places}

    def begin_anew(self) -> None:
        """What was there is settled, and compared: if anything of it comes again, nobody has sent it."""
        self._before = max(count.accepted for count in self.drained().values())
        self._forget()
        for place in self.relay.places:
            place.forget()

    def until_accepted(self, events: int, seconds: float = 60.0) -> None:
        """Wait until so many are, by what follows files too."""
        events += self._before
        with self._opened() as outbox:
            until(
                lambda: all(count.accepted >= events for count in outbox.counts().values()),
                lambda: f"{events} are to be accepted: {outbox.counts()}",
                seconds,
            )

    def after_kill(self) -> None:
        """Audit; and note what was settled, which may never come again, and what was not."""
        self.kills += 1
        self.after_stop()

    def after_stop(self) -> None:
        """The same, however it has ended."""
        self.relay.audit()
        if not self.relay.outbox_path.exists():
            return
        with self._opened() as outbox:
            for place in self.relay.places:
                unsettled = _names(outbox, place.name, "fresh", "held", "claimed", "deferred")
                dead = _names(outbox, place.name, "dead")
                self._at_risk[place.name].update(unsettled)
                settled = self._settled[place.name]
                for name, count in list(place.taken.items()):
                    if name not in unsettled and name not in dead:
                        settled.setdefault(name, count)

    @contextlib.contextmanager
    def _opened(self) -> Any:
        """The file as it is, which may be of the next version: past the check of it."""
        steps = schema.migrations
        if self.relay.next_schema:
            found = steps()
            schema.migrations = lambda: [*found, (found[-1][0] + 1, "")]
        try:
            with SqliteOutbox(self.relay.outbox_path) as outbox:
                yield outbox
        finally:
            schema.migrations = steps

    def drained(self, seconds: float = 60.0) -> dict[str, Counts]:
        """Wait until nothing is pending."""
        with self._opened() as outbox:
            until(
                lambda: not any(count.pending for count in outbox.counts().values()),
                lambda: f"draining: {outbox.counts()}",
                seconds,
            )
            return dict(outbox.counts())

    def check(self, accepted: set[str], *, offered: set[str] | None = None) -> dict[str, int]:
        """Conservation, for each place, once all is drained. What was counted."""
        counts = self.drained()
        self.relay.audit()
        doubled = dead_count = 0
        with self._opened() as outbox:
            for place in self.relay.places:
                dead = _names(outbox, place.name, "dead")
                there = place.taken.keys() | dead
                assert accepted <= there, f"{place.name} lost {sorted(accepted - there)[:5]}"
                strange = there - (accepted if offered is None else offered)
                assert not strange, f"{place.name} got what nobody sent: {sorted(strange)[:5]}"
                assert counts[place.name].accepted - self._before == len(there), (
                    "each is accepted once"
                )
                assert counts[place.name].dead == len(dead)
                self._check_doubles(place)
                doubled += sum(count - 1 for count in place.taken.values() if count > 1)
                dead_count += len(dead)
        return {
            "kills": self.kills,
            "events": len(accepted),
            "deliveries": len(accepted) * len(self.relay.places),
            "lost": 0,
            "dead": dead_count,
            "doubled": doubled,
        }

    def _check_doubles(self, place: Place) -> None:
        """An event comes again only where its answer was lost: it was taken, and not yet settled."""
        for name, count in self._settled[place.name].items():
            assert place.taken[name] == count, (
                f"{place.name}: {name} came again after it was settled"
            )
        at_risk = self._at_risk[place.name] + place.untold
        for name, count in place.taken.items():
            assert count - 1 <= at_risk[name], f"{place.name}: {name} came {count} times"


def _names(outbox: SqliteOutbox, destination: str, *states: str) -> set[str]:
    rows = everything(outbox, destinations=(destination,), states=states)
    return {name for row in rows for name in names_in(row.body.decode())}
