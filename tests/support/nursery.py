"""A nursery for processes of `vaulytica`: `python -m support.nursery` forks them.

Everything is imported before, so that one lives within tens of milliseconds: an interpreter that is
started for it takes ten times as long. Each runs the command line as anybody would start it, in a
process and session of its own, with its own streams, environment and folder, and ends for real.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import json
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from support.killed import SECOND
from vaulytica.outbox.sqlite import schema

TESTS = Path(__file__).parents[1]

# What commands import when they run, beside what `vaulytica.cli.app` imports for all of them.
_IMPORTED_LATER = (
    "uvloop",
    "httptools",
    "uvicorn.protocols.http.httptools_impl",
    "vaulytica.cli.config_files.relay",
    "vaulytica.cli.outbox.audit",
    "vaulytica.cli.outbox.move",
    "vaulytica.outbox.sqlite.aio",
    "vaulytica.relay.relay",
    "vaulytica.sender",
    "vaulytica.sending",
)


# --- Inside.


def _with_next_schema() -> None:
    """Be a program of the next version, whose migration takes a while."""
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


class _Server:
    """Forks for each order that comes by the socket, and tells exit codes through each order's pipe."""

    def __init__(self, orders: socket.socket) -> None:
        self._orders = orders
        self._wake, self._woken = os.pipe()
        self._ready = selectors.DefaultSelector()
        self._children: dict[int, int] = {}  # their pipes by number
        for end in (self._wake, self._woken):
            os.set_blocking(end, False)
        for end in (orders.fileno(), self._wake):
            self._ready.register(end, selectors.EVENT_READ)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._woken)

    def serve(self) -> dict[str, Any] | None:
        """In a child: what it is to do. In the nursery itself: None, at the end."""
        while True:
            for key, _ in self._ready.select():
                if key.fd == self._wake:
                    os.read(self._wake, 4096)
                    self._tell_ended()
                    continue
                message, descriptors, *_ = socket.recv_fds(self._orders, 1 << 20, 4)
                if not message:
                    return self._end()
                *streams, pipe = descriptors
                pid = os.fork()
                if pid == 0:
                    self._forget(pipe)
                    return _born(json.loads(message), streams)
                self._children[pid] = pipe
                for stream in streams:
                    os.close(stream)
                self._orders.send(b"%d" % pid)

    def _tell_ended(self) -> None:
        for pid in list(self._children):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                pipe = self._children.pop(pid)
                with contextlib.suppress(BrokenPipeError):
                    os.write(pipe, b"%d" % os.waitstatus_to_exitcode(status))
                os.close(pipe)

    def _forget(self, pipe: int) -> None:
        """Be as if there had been no nursery."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._ready.close()
        self._orders.close()
        for end in (self._wake, self._woken, pipe, *self._children.values()):
            os.close(end)

    def _end(self) -> None:
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)


def _born(order: dict[str, Any], streams: list[int]) -> dict[str, Any]:
    os.setsid()
    os.environ.clear()
    os.environ.update(order["environment"])
    for number, (name, stream) in enumerate(
        zip(("stdin", "stdout", "stderr"), streams, strict=True)
    ):
        os.dup2(stream, number)
        os.close(stream)
        opened = open(number, "w" if number else "r", encoding="utf-8", closefd=False)  # noqa: SIM115
        setattr(sys, name, opened)
        setattr(sys, f"__{name}__", opened)
    os.chdir(order["folder"])
    sys.path[0] = order["folder"]  # as `python -m` has it
    sys.argv = ["vaulytica", *order["argv"]]
    return order


def _main(number: str) -> None:
    from vaulytica.cli import app, main

    app.made()
    for name in _IMPORTED_LATER:
        import_module(name)
    gc.collect()
    gc.freeze()
    order = _Server(socket.socket(fileno=int(number))).serve()
    if order is None:
        return
    if order["next_schema"]:
        _with_next_schema()
    if order["clock"]:
        _with_clock(order["clock"])
    main()


# --- Outside.


class Born:
    """One process. What it writes is in its log, if it has no other streams."""

    def __init__(self, pid: int, pipe: int, log: Path) -> None:
        self.pid, self.log = pid, log
        self.code: int | None = None
        self._pipe = pipe
        self._lock = threading.Lock()
        weakref.finalize(self, os.close, pipe)  # not before: threads may wait on it

    def signal(self, number: int) -> None:
        """It may have ended; that it had another's number by now is as good as impossible."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.wait()

    def poll(self) -> int | None:
        """Its exit code, or minus the signal that ended it; None while it runs."""
        with contextlib.suppress(TimeoutError):
            return self.wait(0.0)
        return None

    def wait(self, seconds: float = 60.0) -> int:
        """The same, as soon as it has ended; raises `TimeoutError`."""
        if self.code is None and not select.select([self._pipe], [], [], seconds)[0]:
            raise TimeoutError(f"process {self.pid} does not end")
        with self._lock:
            if self.code is None:
                self.code = int(os.read(self._pipe, 16) or -signal.SIGKILL)  # with the nursery
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
    """The forking process. It ends with the process that has it, and all that it has forked with it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "support.nursery", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                cwd=TESTS,
                start_new_session=True,
            )

    def start(
        self,
        *argv: str,
        folder: Path,
        log: Path | str = os.devnull,
        streams: Mapping[int, int] | None = None,
        environment: Mapping[str, str] | None = None,
        next_schema: bool = False,
        clock: Path | None = None,
    ) -> Born:
        """Run `vaulytica` there; `streams` are descriptors to be its 0, 1 or 2, instead of nothing and the log."""
        order = {
            "argv": argv,
            "folder": str(folder),
            "environment": {**os.environ, **(environment or {})},
            "next_schema": next_schema,
            "clock": str(clock) if clock else None,
        }
        reads, writes = os.pipe()
        with _opened(os.devnull, os.O_RDONLY) as nothing, _opened(log, _APPEND) as to_log:
            wanted = {0: nothing, 1: to_log, 2: to_log, **(streams or {})}
            with self._lock:
                descriptors = [wanted[number] for number in range(3)]
                socket.send_fds(self._orders, [json.dumps(order).encode()], [*descriptors, writes])
                pid = int(self._orders.recv(16))
        os.close(writes)
        return Born(pid, reads, Path(log))

    def close(self) -> None:
        self._orders.close()
        self._process.wait(60)


_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND


@contextlib.contextmanager
def _opened(path: str | Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@functools.cache
def nursery() -> Nursery:
    """This process's own, from when it is first asked for to the end."""
    made = Nursery()
    atexit.register(made.close)
    return made


def run(
    argv: Iterable[str],
    data: bytes,
    *,
    folder: Path,
    environment: Mapping[str, str],
    seconds: float,
) -> tuple[int, bytes, bytes]:
    """Run `vaulytica` to its end, with pipes as its streams: its exit code, stdout and stderr."""
    (stdin, to), (out, stdout), (err, stderr) = os.pipe(), os.pipe(), os.pipe()
    with (
        ThreadPoolExecutor(3) as threads,
        os.fdopen(to, "wb") as given,
        os.fdopen(out, "rb") as printed,
        os.fdopen(err, "rb") as said,
    ):
        streams = {0: stdin, 1: stdout, 2: stderr}
        try:
            born = nursery().start(*argv, folder=folder, environment=environment, streams=streams)
        finally:
            for stream in streams.values():
                os.close(stream)
        threads.submit(_give, given, data)
        reading = [threads.submit(file.read) for file in (printed, said)]
        try:
            return born.wait(seconds), *(read.result() for read in reading)
        finally:
            born.kill()


def _give(file: BinaryIO, data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), file:
        file.write(data)


def until(check: Callable[[], Any], what: Callable[[], str], seconds: float = 60.0) -> None:
    """Wait until the check is true."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, f"it took too long: {what()}"
        time.sleep(0.02)


if __name__ == "__main__":
    _main(*sys.argv[1:])
