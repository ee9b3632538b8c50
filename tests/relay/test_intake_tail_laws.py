"""The law of following files: each line is taken once, in order, whatever rotates and whenever it ends.

A writer appends, rotates by renaming or by copying and truncating; the follower looks, reads, is killed
before or after a write has become durable, and begins again from what is on disk.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaulytica.outbox.delivery import Mark
from vaulytica.relay.accept import Receipt
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

    def __init__(self, folder: Path, glob: str, same: bool) -> None:
        self.path = folder / "app.log"
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

    def shift(self) -> None:
        for number in range(8, 0, -1):
            old = self.path.with_name(f"app.log.{number}")
            if old.exists():
                old.rename(self.path.with_name(f"app.log.{number + 1}"))

    def rename(self) -> None:
        if self.path.exists():
            self.end_line()
            self.shift()
            self.path.rename(self.path.with_name("app.log.1"))

    def copy(self) -> None:
        if self.path.exists():
            self.end_line()
            self.shift()
            shutil.copyfile(self.path, self.path.with_name("app.log.1"))

    def truncate(self) -> None:
        os.truncate(self.path, 0)

    def seen(self) -> None:
        """A name that is gone before anybody looked at it cannot be known."""
        self.disk.kill = None
        self.run("look")

    def stop(self) -> None:
        if self.tail is not None:
            self.tail.close()
            self.tail = None

    def run(self, what: str) -> None:
        try:
            self.loop.run_until_complete(self._run(what))
        except Killed:
            self.stop()

    async def _run(self, what: str) -> None:
        if self.tail is None:
            self.tail = Tail([self.settings], IntakeLimits(), lambda: self.now)
            await self.tail.begin(self.disk)
            await self.tail.look()
        if what == "look":
            await self.tail.look()
        else:
            await self.tail.poll()

    def finish(self) -> None:
        self.end_line()
        self.disk.kill = None
        for _ in range(4):
            self.now += 100
            self.run("look")
            for _ in range(4):
                self.run("poll")
        assert self.tail is not None
        self.tail.close()
        self.loop.close()


_STEPS = st.one_of(
    st.tuples(st.just("write"), st.integers(1, 40), st.booleans()),
    st.tuples(st.sampled_from(["rename", "rename_while_down", "copytruncate", "copytruncate_slowly", "look", "poll", "poll", "pass", "restart"])),
    st.tuples(st.just("kill"), st.sampled_from(["before", "after"])),
)  # fmt: skip


@pytest.mark.parametrize("glob", ["app.log", "app.log*"])
@settings(max_examples=200, deadline=None)
@given(st.lists(_STEPS, max_size=25), st.booleans())
def test_each_line_is_taken_once(glob: str, steps: list[tuple[Any, ...]], same: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), glob, same)
        for step in steps:
            perform(world, step)
        world.finish()
        assert sorted(world.disk.lines) == sorted(world.written)


def perform(world: World, step: tuple[Any, ...]) -> None:
    match step:
        case ("write", count, partial):
            world.write(count, partial)
        case ("rename",):
            world.seen()
            world.rename()
        case ("rename_while_down",):
            world.seen()
            world.stop()
            world.rename()
        case ("copytruncate" | "copytruncate_slowly" as how,):
            if not world.path.exists():
                return
            world.seen()
            if any(file.position.offset == 0 for file in world.tail._files.values()):
                world.run("poll")  # of a file of which nothing was read, a copy cannot be told
            world.copy()
            if how == "copytruncate_slowly":
                world.run("look")
                world.run("poll")
                world.run("look")
            world.truncate()
            world.run("poll")  # before it has grown as large as it was, with the same in it
        case ("look" | "poll" as what,):
            world.run(what)
        case ("pass",):
            world.now += 40
        case ("restart",):
            world.stop()
        case ("kill", when):
            world.disk.kill = when
