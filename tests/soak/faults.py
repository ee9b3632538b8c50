"""What goes wrong in the soak: moods of receivers, and faults of the relay and its machine."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from zlib import crc32

from support.conservation import Ledger, Relay
from support.disks import fill
from support.places import Place, names_in
from vaulytica.receiving.receiver import Lost, Received

DAY = 86400.0
# Less than half a day each way: an Idempotency-Key is remembered for a day, by the outbox's clock.
FARTHEST = 0.45 * DAY


class Mood:
    """How a receiver behaves for the moment. All is well once the time is over."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._until = {"storm": 0.0, "lossy": 0.0, "slow": 0.0, "strict": 0.0}

    def turn(self, to: str, seconds: float) -> None:
        self._until[to] = time.monotonic() + seconds

    def mend(self) -> None:
        self._until = dict.fromkeys(self._until, 0.0)

    def _is(self, mood: str) -> bool:
        return time.monotonic() < self._until[mood]

    def refuse(self, kind: str) -> Callable[[int], int | None]:
        """429, or what the kind says in its place."""
        status = 9 if kind == "splunk_hec" else 429
        return lambda _: status if self._is("storm") else None

    def reject(self, event: Any) -> str | None:
        """A few events are never taken while it is strict; they become dead letters."""
        if not self._is("strict"):
            return None
        (name,) = names_in(event)
        return "no" if crc32(name.encode()) % 50 == 0 else None

    def before(self, _: Received) -> None:
        if self._is("slow"):
            time.sleep(self._chance.uniform(0.0, 0.5))

    def after(self, _: Received) -> None:
        """The connection is cut, or the answer comes too late, which is the same."""
        if self._is("lossy") and self._chance.random() < 0.5:
            raise Lost


class Faults:
    """`one` has something go wrong; `mend` has all be well."""

    def __init__(
        self,
        relay: Relay,
        moods: dict[str, Mood],
        ledger: Ledger,
        figures: Counter[str],
        chance: random.Random,
    ) -> None:
        self.relay, self.moods, self.ledger = relay, moods, ledger
        self.figures, self.chance = figures, chance
        self.has_small_disk = False
        self._closed: list[Place] = []
        self._filler = relay.folder / "filler"
        self.relay.start()
        common, rare = 4, 1
        self._kinds: list[Callable[[], None]] = [
            *[self.kill] * common,
            *[self._mood] * common,
            *[self._vanish] * 2,
            self._terminate,
            self._reload,
            self._reload,
            self._jump,
            *[self._fill_disk] * rare,
            self._replay,
            self.relay.audit,
        ]

    def one(self) -> None:
        time.sleep(self.chance.uniform(0.05, 1.0))
        self._filler.unlink(missing_ok=True)
        if self._closed and self.chance.random() < 0.5:
            self._closed.pop().opens()
        self.chance.choice(self._kinds)()

    def mend(self) -> None:
        for mood in self.moods.values():
            mood.mend()
        self._filler.unlink(missing_ok=True)
        while self._closed:
            self._closed.pop().opens()

    def kill(self) -> None:
        assert self.relay.process is not None
        self.relay.process.kill()
        self.figures["kills"] += 1
        self._filler.unlink(missing_ok=True)  # it needs some room to start
        self.ledger.after_kill()
        self.relay.start(ready=self.chance.random() < 0.8)
        self._check_runs()

    def _check_runs(self) -> None:
        assert self.relay.process is not None
        if self.relay.process.said("error: "):
            raise AssertionError(self.relay.process.log.read_text("utf-8"))

    def stop(self) -> None:
        """By SIGTERM; it has to end by itself, and well."""
        assert self.relay.process is not None
        self.relay.process.until('"event": "ready"')
        self.relay.process.signal(signal.SIGTERM)
        code = self.relay.process.wait()
        assert code == 0, f"{code}: {self.relay.process.log.read_text('utf-8')}"

    def _terminate(self) -> None:
        self.stop()
        self.figures["stops"] += 1
        self.ledger.after_stop()
        self.relay.start()

    def _mood(self) -> None:
        name = self.chance.choice(sorted(self.moods))
        mood = self.chance.choice(("storm", "lossy", "slow", "strict"))
        self.moods[name].turn(mood, self.chance.uniform(0.2, 3.0))
        self.figures[f"{mood} receivers"] += 1

    def _vanish(self) -> None:
        """Its connections are cut, some in the midst of an answer, and nobody listens."""
        up = [place for place in self.relay.places if place not in self._closed]
        if up:
            place = self.chance.choice(up)
            place.closes()
            self._closed.append(place)
            self.figures["receivers gone"] += 1

    def _reload(self) -> None:
        changes = {p.name: {"concurrency": self.chance.randint(1, 8)} for p in self.relay.places}
        self.relay.configure(**changes)
        assert self.relay.process is not None
        self.relay.process.until('"event": "ready"')
        self.relay.process.signal(signal.SIGHUP)
        self.figures["reloads"] += 1

    def _jump(self) -> None:
        off = self.chance.choice((1.0, 60.0, FARTHEST)) * self.chance.uniform(-1, 1)
        assert self.relay.clock is not None
        self.relay.clock.write_text(f"{off:.3f}", encoding="ascii")
        self.figures["clock jumps"] += 1

    def _fill_disk(self) -> None:
        if self.has_small_disk:
            leave = self.chance.choice((0, 0, 16 * 2**20))
            fill(self._filler, leave=leave)
            self.figures["full disks"] += 1

    def _replay(self) -> None:
        assert self.relay.outbox_command("replay").wait() == 0
        self.figures["replays"] += 1
