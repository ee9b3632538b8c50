"""VaulyticaHandler: records of Python's `logging` become events, without holding the program up.

Records wait in a bounded queue for a thread that sends them in batches, and tries again until they are
taken. What there is no room for is counted, said once on standard error, and sent as an event when there
is room again. Nothing is ever raised into the program.
"""

from __future__ import annotations

import logging
import random
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from weakref import WeakMethod

from pydantic import SecretStr

from vaulytica.errors import WebhookConfigError, one_line
from vaulytica.forks import heed_forks
from vaulytica.integrations.log_backlog import Backlog
from vaulytica.integrations.log_records import line_of
from vaulytica.integrations.log_shipping import (
    HttpShipper,
    NotNow,
    OutboxShipper,
    Refused,
    Shipper,
    new_key,
)
from vaulytica.secrets import SecretRef, is_reference

__all__ = ["VaulyticaHandler"]

_FIRST, _LONGEST = 0.5, 30.0  # seconds until the next try
_DROPPED = "log_records_dropped"
_OWN = "vaulytica.integrations.logging"
_LASTING = ("wait", "full")  # kinds of complaints
_SAY_EVERY = 60.0  # seconds between two of a kind
_SHUTDOWN = 30.0  # seconds after a flush in vain in which closing does not wait once more


class VaulyticaHandler(logging.Handler):
    """Give it the `url` of a relay's intake and a `token`, or an `outbox` and its `destinations`.

    `url`: `http://127.0.0.1:8780`, `https://…` or `unix:/path/of.sock`. `token` may be a reference
    (`env:NAME`). `capacity`: records that may wait, of `capacity_bytes` together. `linger`: seconds that
    a batch is gathered. `close_timeout`: seconds that the end of the program waits for the last ones.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | SecretStr | None = None,
        outbox: str | None = None,
        destinations: Sequence[str] = (),
        level: int | str = logging.NOTSET,
        type: str = "log_record",
        source: str = "python",
        capacity: int = 10_000,
        capacity_bytes: int = 64 * 1024 * 1024,
        linger: float = 0.2,
        timeout: float = 10.0,
        close_timeout: float = 5.0,
    ) -> None:
        super().__init__(level)
        _check("is more than 0", capacity=capacity, capacity_bytes=capacity_bytes, timeout=timeout)
        _check("is 0 or more", linger=linger, close_timeout=close_timeout)
        if not (type and source):
            raise WebhookConfigError("type and source: each is a text that is not empty")
        self._shipper = _shipper(url, token, outbox, destinations, timeout)
        self._type, self._source = type, source
        self._linger, self._close_timeout = linger, close_timeout
        self._new_backlog = partial(Backlog, capacity, capacity_bytes)
        self._is_closed = False
        self._begin()
        heed_forks(self)

    def _begin(self) -> None:
        """What a process has of its own."""
        self._backlog = self._new_backlog()
        self._dropped = self._refused = 0
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._taken = 0  # batches
        self._said: dict[str, tuple[float, int]] = {}  # when, and after how many batches
        self._in_vain = float("-inf"), 0  # when a flush has ended so, and after how many lines

    def forked(self) -> None:
        """In a child: what waited is the parent's to send; it begins with nothing, and a thread of its own."""
        self._begin()
        self._shipper.forked()

    def handle(self, record: logging.LogRecord) -> bool:
        """As every handler, without its lock: who holds that one may be waiting for what is sent."""
        passed = self.filter(record)
        if passed:
            self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        return bool(passed)

    def emit(self, record: logging.LogRecord) -> None:
        """Have it sent soon; a record of the sending itself is not."""
        if record.name == _OWN or threading.current_thread() is self._thread:
            return
        if self._is_closed:
            self._drop("closed", "it is closed, and records are dropped")
            return
        try:
            line = line_of(record, self._type, self._source)
            if not self._backlog.put(line):
                self._drop("full", "there is no room for more records, and they are dropped")
            if self._thread is None:
                self._start()
        except Exception as error:  # noqa: BLE001 - logging must not break the program
            self._drop("unmade", f"a record could not be made an event: {type(error).__name__}")

    def _drop(self, kind: str, why: str) -> None:
        with self._backlog.lock:
            self._dropped += 1
        self._complain(kind, why)

    def _start(self) -> None:
        if not self._starting.acquire(blocking=False):
            return  # another thread is at it, or this one, which a signal has interrupted
        try:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="vaulytica-logging", daemon=True)
                self._thread = thread
                thread.start()
                _flush_at_the_end_of_a_worker(WeakMethod(self.flush))
        except RuntimeError:  # the interpreter is ending, or has no room for threads
            self._thread = None
        finally:
            self._starting.release()

    def flush(self) -> None:
        """Wait until all are taken, for `close_timeout` at most."""
        thread = self._thread
        if thread is not None and not self._backlog.drain(self._close_timeout, thread):
            self._in_vain = time.monotonic(), self._backlog.puts

    def close(self) -> None:
        """Send what waits, for `close_timeout` at most, and say how much was left."""
        if not self._is_closed:
            when, puts = self._in_vain
            if time.monotonic() - when > _SHUTDOWN or puts != self._backlog.puts:
                self.flush()  # which logging.shutdown has just done
            self._is_closed = True
            self._backlog.close()
            if self._thread is None:
                self._last_try()
            with self._backlog.lock:
                left = len(self._backlog) + self._dropped + self._refused
            if left:
                self._complain("left", f"{left} records were not taken until the end")
        super().close()

    def _last_try(self) -> None:
        """Without a thread, each batch once."""
        with suppress(Exception):  # what is left is counted
            while batch := self._backlog.cut():
                self._shipper.send(batch, new_key())
                self._backlog.done()

    # --- The thread.

    def _run(self) -> None:
        backlog = self._backlog
        while (batch := backlog.take(self._linger)) is not None:
            self._ship(batch)
            backlog.done()
        self._shipper.close()

    def _ship(self, lines: list[bytes]) -> None:
        """Until they are taken; of what is refused, the rest."""
        batches, wait, taken = [(lines, new_key())], _FIRST, self._taken
        while batches:
            batch, key = batches[-1]
            try:
                self._shipper.send(batch, key)
            except Refused as refused:
                batches[-1:] = self._without(batch, refused)
            except NotNow as error:
                self._complain("wait", f"records wait: {error}")
                seconds = error.seconds or wait * random.uniform(0.5, 1.0)  # noqa: S311
                if not self._backlog.pause(min(seconds, _LONGEST)):
                    return
                wait = min(2 * wait, _LONGEST)
            except Exception as error:  # noqa: BLE001 - the thread must go on
                self._refuse(len(batch), f"records are lost: {type(error).__name__}: {error}")
                batches.pop()
            else:
                batches.pop()
                wait = _FIRST
                self._taken += 1
        if self._taken > taken:  # else what is told might be refused, and told, for ever
            self._tell()

    def _without(self, batch: list[bytes], refused: Refused) -> list[tuple[list[bytes], str]]:
        """What is to be sent instead, the last first: all but the line at fault; if that was not said, halves."""
        at = refused.line
        if at is None and len(batch) > 1:  # perhaps they are too much together
            half = len(batch) // 2
            return [(part, new_key()) for part in (batch[half:], batch[:half])]
        self._refuse(1, f"records are refused: {refused}")
        rest = batch[: at - 1] + batch[at:] if at is not None else []
        return [(rest, new_key())] if rest else []

    def _refuse(self, count: int, why: str) -> None:
        with self._backlog.lock:
            self._refused += count
        self._complain("refused", why)

    def _tell(self) -> None:
        """An event about what is missing, now that there is room."""
        with self._backlog.lock:
            dropped, self._dropped = self._dropped, 0
            refused, self._refused = self._refused, 0
        if dropped or refused:
            text = f"{dropped} log records were dropped, and {refused} refused"
            record = logging.makeLogRecord(
                {
                    "name": _OWN,
                    "msg": text,
                    "levelno": logging.WARNING,
                    "levelname": "WARNING",
                    "dropped": dropped,
                    "refused": refused,
                }
            )
            self._backlog.put(line_of(record, _DROPPED, self._source), is_own=True)

    def _complain(self, kind: str, why: str) -> None:
        """On standard error: once a minute at most, and of what lasts until a batch is taken, once."""
        now = time.monotonic()
        said, taken = self._said.get(kind, (float("-inf"), -1))
        if now - said < _SAY_EVERY or (kind in _LASTING and taken == self._taken):
            return
        self._said[kind] = now, self._taken
        with suppress(Exception):  # there may be no standard error
            sys.stderr.write(f"{_OWN}: {one_line(why)}\n")


def _check(rule: str, **numbers: float) -> None:
    for name, number in numbers.items():
        if not (number > 0 or (number == 0 and " 0 or " in rule)):
            raise WebhookConfigError(f"{name}: it {rule}, not {number}")


def _flush_at_the_end_of_a_worker(flush: Callable[[], Callable[[], None] | None]) -> None:
    """A process of `multiprocessing` ends without telling `logging`."""
    process, util = (sys.modules.get(f"multiprocessing.{name}") for name in ("process", "util"))
    if process is None or util is None or process.parent_process() is None:
        return

    def at_the_end() -> None:
        if (found := flush()) is not None:
            found()

    util.Finalize(None, at_the_end, exitpriority=-100)  # when all that may log has ended


def _shipper(
    url: str | None,
    token: str | SecretStr | None,
    outbox: str | None,
    destinations: Sequence[str],
    timeout: float,
) -> Shipper:
    if (url is None) == (outbox is None):
        raise WebhookConfigError("a handler needs the url of an intake, or an outbox")
    if outbox is not None:
        return OutboxShipper(outbox, destinations)
    if isinstance(token, str):
        token = SecretRef(token) if is_reference(token) else SecretStr(token)
    return HttpShipper(url or "", token, timeout)
