"""Sources of events, run in a thread against a real outbox."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import uvloop

from support.intake import Intake
from vaulytica.relay.intake.settings import IntakeSettings

_TESTS = Path(__file__).parents[1]


class Running:
    """A source under way; it ends as a relay ends it, by being cancelled."""

    def __init__(self, source: Any, behind: Intake) -> None:
        self.behind = behind
        self.error: BaseException | None = None
        self._source = source
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._begun.wait(60)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            self._loop = runner.get_loop()
            try:
                runner.run(self._main())
            except asyncio.CancelledError:
                pass
            except BaseException as error:
                self.error = error

    async def _main(self) -> None:
        self._task = asyncio.ensure_future(self._source.run(self.behind))
        self._begun.set()
        await self._task

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self.join()

    def join(self) -> None:
        self._thread.join(60)
        assert not self._thread.is_alive()

    def until(self, count: int, seconds: float = 60.0) -> list[dict[str, Any]]:
        """Wait for so many events; those that are kept."""
        end = time.monotonic() + seconds
        while len(kept := self.behind.kept()) < count and time.monotonic() < end:
            assert self.error is None, self.error
            time.sleep(0.02)
        return kept


@contextmanager
def running(source: Any, behind: Intake) -> Iterator[Running]:
    made = Running(source, behind)
    try:
        yield made
    finally:
        if made._thread.is_alive():
            made.stop()
        if made.error is not None:
            raise made.error


def store(path: Path) -> Intake:
    """An outbox, and the door to it, without a server."""
    return Intake(path, IntakeSettings())


def wait_for(what: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


@contextmanager
def process(*args: Any) -> Iterator[subprocess.Popen[bytes]]:
    """It is killed in the end, as if by the machine."""
    running = subprocess.Popen(
        [sys.executable, "-m", "support.intake_program", *map(str, args)],
        env={**os.environ, "PYTHONPATH": str(_TESTS)},
        cwd=args[0],
    )
    try:
        yield running
    finally:
        assert running.poll() is None, "it ended by itself"
        running.kill()
        running.wait()


def connected(path: Path | str) -> socket.socket:
    """To a socket in the file system, once somebody listens there."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(60)
    wait_for(lambda: client.connect_ex(str(path)) == 0)
    return client


def until_it_listens(port: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise AssertionError("it does not listen")
