"""The law of following files: each line is taken once, in order, whatever rotates and whenever it ends.

A writer appends, rotates by renaming or by copying and truncating, as often as it likes before anybody looks,
and compresses what it has rotated; the follower looks, reads, is killed before or after a write has become
durable, and begins again from what is on disk.
"""

from __future__ import annotations

import asyncio
import gzip
import itertools
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaulytica.outbox.delivery import Mark
from vaulytica.relay.door.accept import Receipt
from vaulytica.relay.intake.settings import IntakeLimits, TailSettings
from vaulytica.relay.intake.tail import Tail


class Killed(BaseException):
    """The process is no more."""


class Disk:
    """What is durable: events and marks, in one transaction. `kill`: at the next write, before it or after."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.kept: dict[str, str] = {}
        self.kill: str | None = None

    async def __call__(
        self, entries: Sequence[Any], *, once: Any = None, mark: Mark | None = None
    ) -> Receipt:
        kill, self.kill = self.kill, None
        if kill == "before":
            raise Killed
        self.lines += [entry.data["message"] for entry in entries]
        if mark is not None:
            self.kept[mark.source] = mark.position
        if kill == "after":
            raise Killed
        return Receipt(())

    async def marks(self, prefix: str) -> dict[str, str]:
        return {key: value for key, value in self.kept.items() if key.startswith(prefix)}

    async def turn(self) -> None:
        pass

    async def forget(self, sources: Sequence[str]) -> None:
        for source in sources:
            self.kept.pop(source, None)


class World:
    """The files, and who follows them."""

    def __init__(self, folder: Path, glob: str, same: bool, dated: bool) -> None:
        self.path = folder / "app.log"
        self.dated, self.days = dated, 0
        self.disk = Disk()
        self.now = 0.0
        self.same = same
        self.numbers = itertools.count()
        self.written: list[str] = []
        self.partial = ""
        self.settings = TailSettings(**{"path": str(folder / glob), "as": "text"})
        self.loop = asyncio.new_event_loop()
        self.tail: Tail | None = None

    def write(self, count: int, partial: bool) -> None:
        with self.path.open("a") as file:
            for _ in range(count):
                # Lines that are alike are the harder ones to tell apart; only the number is another.
                line = f"{'all alike ' * 3 if self.same else ''}{next(self.numbers)}"
                file.write(f"{line[len(self.partial) :] if self.partial else line}\n")
                self.written.append(line)
                self.partial = ""
            if partial and not self.partial:
                number = next(self.numbers)
                self.numbers = itertools.chain([number], self.numbers)
                self.partial = ("all alike " * 3 if self.same else "") + str(number)[:1]
                if not (("all alike " * 3 if self.same else "") + str(number)).startswith(
                    self.partial
                ):
                    self.partial = ""
                file.write(self.partial)

    def end_line(self) -> None:
        if self.partial:
            self.write(1, False)

    def rotated(self, number: int) -> Path:
        return self.path.with_name(f"app.log.{number}")

    def free_name(self) -> Path:
        """For what is rotated next: numbers, of which 1 is the newest, or dates."""
        if self.dated:
            self.days += 1
            day, more = divmod(self.days, 3)
            return self.path.with_name(f"app.log-202611{day + 1:02}{f'-{more}' if more else ''}")
        for number in range(40, 0, -1):
            for old in (self.rotated(number), self.rotated(number).with_suffix(f".{number}.gz")):
                if old.exists():
                    ending = ".gz" if old.suffix == ".gz" else ""
                    old.rename(self.rotated(number + 1).with_name(f"app.log.{number + 1}{ending}"))
        return self.rotated(1)

    def rename(self) -> None:
        if self.path.exists():
            self.end_line()
            self.path.rename(self.free_name())

    def copy(self) -> None:
        if self.path.exists():
            self.end_line()
            shutil.copyfile(self.path, self.free_name())

    def truncate(self) -> None:
        os.truncate(self.path, 0)

    def compress(self, which: int) -> None:
        """As gzip does it: the time is kept, and what was compressed is removed when it is done."""
        rotated = sorted(
            path for path in self.path.parent.glob("app.log?*") if path.suffix != ".gz"
        )
        if rotated:
            path = rotated[which % len(rotated)]
            state = path.stat()
            packed = path.with_name(f"{path.name}.gz")
            packed.write_bytes(gzip.compress(path.read_bytes()))
            os.utime(packed, ns=(state.st_atime_ns, state.st_mtime_ns))
            path.unlink()

    def stop(self) -> None:
        if self.tail is not None:
            self.tail.close()
            self.tail = None

    def run(self, what: str) -> bool:
        try:
            return self.loop.run_until_complete(self._run(what))
        except Killed:
            self.stop()
            return True

    async def _run(self, what: str) -> bool:
        if self.tail is None:
            self.tail = Tail([self.settings], IntakeLimits(), lambda: self.now)
            await self.tail.begin(self.disk)
            await self.tail.look()
        if what == "look":
            await self.tail.look()
            return True
        return await self.tail.poll()

    def finish(self) -> None:
        self.end_line()
        self.disk.kill = None
        for _ in range(4):
            self.now += 100
            self.run("look")
            while self.run("poll"):
                pass
        assert self.tail is not None
        self.tail.close()
        self.loop.close()


@contextmanager
def warnings_of(name: str) -> Iterator[list[str]]:
    """What is logged meanwhile, of level WARNING and above."""
    said: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign] # shorter than a class
    logging.getLogger(name).addHandler(handler)
    try:
        yield said
    finally:
        logging.getLogger(name).removeHandler(handler)


_STEPS = st.one_of(
    st.tuples(st.just("write"), st.integers(1, 40), st.booleans()),
    st.tuples(st.sampled_from(["rename", "rename", "rename_while_down", "copytruncate", "copytruncate_slowly", "look", "poll", "poll", "pass", "restart"])),
    st.tuples(st.just("kill"), st.sampled_from(["before", "after"])),
    st.tuples(st.just("compress"), st.integers(0, 5)),
)  # fmt: skip


@pytest.mark.parametrize("glob", ["app.log", "app.log*"])
@settings(max_examples=200, deadline=None)
@given(st.lists(_STEPS, max_size=25), st.booleans(), st.booleans(), st.integers(0, 3))
def test_each_line_is_taken_once_and_in_order(
    glob: str, steps: list[tuple[Any, ...]], same: bool, dated: bool, before: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), glob, same, dated)
        for _ in range(before):  # what was rotated away before it was followed is not of the log
            world.write(2, False)
            world.rename()
        if glob == "app.log":
            world.written.clear()
        world.run("look")
        with warnings_of("vaulytica.relay.intake") as said:
            for step in steps:
                perform(world, step)
            world.finish()
        assert world.disk.lines == world.written
        assert not said  # nothing is lost, so nobody is told so


def perform(world: World, step: tuple[Any, ...]) -> None:
    match step:
        case ("write", count, partial):
            world.write(count, partial)
        case ("rename",):
            world.rename()
        case ("rename_while_down",):
            world.stop()
            world.rename()
        case ("copytruncate" | "copytruncate_slowly" as how,):
            if not world.path.exists():
                return
            world.copy()
            if how == "copytruncate_slowly":
                world.run("look")
                world.run("poll")
                world.run("look")
            world.truncate()
        case ("look" | "poll" as what,):
            world.run(what)
        case ("pass",):
            world.now += 40
        case ("restart",):
            world.stop()
        case ("compress", which):
            world.compress(which)
        case ("kill", when):
            world.disk.kill = when


class Stopping(Disk):
    """A disk whose process is killed at its write of that number, before or after it."""

    def __init__(self, number: int, when: str) -> None:
        super().__init__()
        self._number, self._when = number, when

    async def __call__(self, *given: Any, **more: Any) -> Receipt:
        self._number -= 1
        if self._number == 0:
            self.kill = self._when
        return await super().__call__(*given, **more)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize("begin", ["start", "end"])
def test_killed_in_the_first_look_of_all(
    tmp_path: Path, begin: str, number: int, when: str
) -> None:
    world = World(tmp_path, "app.log", same=False, dated=False)
    world.settings = world.settings.model_copy(update={"begin": begin})
    world.disk = Stopping(number, when)
    for _ in range(3):
        world.write(1, False)
        world.rename()
    world.written.clear()
    world.write(3, False)
    world.run("look")
    is_noted = any('/app.log","ino"' in position for position in world.disk.kept.values())
    world.rename()
    world.write(2, False)
    world.finish()
    taken = world.disk.lines
    assert taken == world.written[len(world.written) - len(taken) :]  # the last ones, in order
    if is_noted and begin == "start":
        assert taken == world.written
    elif is_noted or begin == "start":  # else all of it may have been there before
        assert taken[-2:] == world.written[-2:]
