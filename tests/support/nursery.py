"""A nursery for processes of `vaulytica` that are killed: `python -m support.nursery` forks them.

Everything is imported before, so that one lives within tens of milliseconds. Each runs the command
line as anybody would start it, in a process and session of its own, and ends for real.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

TESTS = Path(__file__).parents[1]


# --- Inside.


def _with_next_schema() -> None:
    """Be a program of the next version, whose migration takes a while."""
    from support.killed import SECOND
    from vaulytica.outbox.sqlite import schema

    steps = schema.migrations()
    steps.append((steps[-1][0] + 1, SECOND))
    schema.migrations = lambda: steps


def _with_clock(path: str) -> None:
    """Have a system's clock that is off by as many seconds as the file says, at any moment."""
    real, real_ns = time.time, time.time_ns

    def off() -> float:
        try:
            return float(Path(path).read_text(encoding="ascii") or 0)
        except (OSError, ValueError):
            return 0.0

    time.time = lambda: real() + off()
    time.time_ns = lambda: real_ns() + round(off() * 1e9)


def _child(order: dict[str, Any]) -> None:
    from vaulytica.cli.app import run

    os.setsid()
    out = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(out, 2)
    if order["next_schema"]:
        _with_next_schema()
    if order["clock"]:
        _with_clock(order["clock"])
    code = run(order["argv"])
    sys.stdout.flush()
    os._exit(code)


def _serve() -> None:
    import uvloop  # noqa: F401 - what the relay imports when it runs

    import vaulytica.cli.config_files.relay
    import vaulytica.cli.outbox.audit
    import vaulytica.cli.outbox.move
    import vaulytica.outbox.sqlite.aio
    import vaulytica.relay.relay
    import vaulytica.sending  # noqa: F401

    children: set[int] = set()
    for line in sys.stdin:
        order = json.loads(line)
        if "argv" in order:
            pid = os.fork()
            if pid == 0:
                try:
                    _child(order)
                finally:
                    os._exit(70)
            children.add(pid)
            told: int = pid
        else:
            _, status = os.waitpid(order["wait"], 0)
            children.discard(order["wait"])
            told = os.waitstatus_to_exitcode(status)
        sys.stdout.write(f"{told}\n")
        sys.stdout.flush()
    for pid in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


# --- Outside.


class Born:
    """One process. What it writes is in its log."""

    def __init__(self, nursery: Nursery, pid: int, log: Path) -> None:
        self._nursery, self.pid, self.log = nursery, pid, log
        self.code: int | None = None

    def signal(self, number: int) -> None:
        """It may have ended; its number is not given to another before it is waited for."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        """Its exit code, or minus the signal that ended it."""
        if self.code is None:
            self.code = self._nursery.ask(wait=self.pid)
        return self.code

    def said(self, text: str) -> bool:
        return self.log.exists() and text in self.log.read_text("utf-8")

    def until(self, text: str, seconds: float = 60.0) -> None:
        """Wait until that is in the log."""
        end = time.monotonic() + seconds
        while not self.said(text):
            assert time.monotonic() < end, f"it does not say {text}: {self.log.read_text('utf-8')}"
            time.sleep(0.005)


class Nursery:
    """The forking process; a context manager. `environment` is that of all."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._born = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(TESTS), **environment},
            cwd=folder,
        )

    def ask(self, **order: Any) -> int:
        with self._lock:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())

    def start(
        self,
        *argv: str,
        next_schema: bool = False,
        clock: Path | None = None,
        log: Path | None = None,
    ) -> Born:
        """Run `vaulytica` with these arguments."""
        self._born += 1
        log = log or self.folder / f"process-{self._born}.log"
        pid = self.ask(
            argv=argv, log=str(log), next_schema=next_schema, clock=str(clock) if clock else None
        )
        return Born(self, pid, log)

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def until(check: Callable[[], Any], what: Callable[[], str], seconds: float = 60.0) -> None:
    """Wait until the check is true."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, f"it took too long: {what()}"
        time.sleep(0.02)


if __name__ == "__main__":
    _serve()
