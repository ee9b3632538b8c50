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
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice

from pydantic import SecretStr

from vaulytica.errors import WebhookConfigError, one_line
from vaulytica.forks import heed_forks
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

_MOST_EVENTS, _MOST_BYTES = 500, 2 * 1024 * 1024  # of one batch
_FIRST, _LONGEST = 0.5, 30.0  # seconds until the next try
_DROPPED = "log_records_dropped"
_OWN = "vaulytica.integrations.logging"


class VaulyticaHandler(logging.Handler):
    """Give it the `url` of a relay's intake and a `token`, or an `outbox` and its `destinations`.

    `url`: `http://127.0.0.1:8780`, `https://…` or `unix:/path/of.sock`. `token` may be a reference
    (`env:NAME`). `capacity`: records that may wait. `linger`: seconds that a batch is gathered.
    `close_timeout`: seconds that the end of the program waits for the last ones.
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
        linger: float = 0.2,
        timeout: float = 10.0,
        close_timeout: float = 5.0,
    ) -> None:
        super().__init__(level)
        self._shipper = _shipper(url, token, outbox, destinations, timeout)
        self._type, self._source = type, source
        self._capacity, self._linger, self._close_timeout = capacity, linger, close_timeout
        self._begin()
        heed_forks(self)

    def _begin(self) -> None:
        """What a process has of its own."""
        self._queue: deque[bytes] = deque()
        self._sending = 0
        self._dropped = self._refused = 0
        self._changed = threading.Condition(threading.Lock())
        self._thread: threading.Thread | None = None
        self._hurry = self._stopped = self._complained = False

    def forked(self) -> None:
        """In a child: what waited is the parent's to send; it begins with nothing, and a thread of its own."""
        self._begin()
        self._shipper.forked()

    def emit(self, record: logging.LogRecord) -> None:
        """Have it sent soon; a record of the sending itself is not."""
        if record.name == _OWN or threading.current_thread() is self._thread:
            return
        try:
            line = line_of(record, self._type, self._source)
            with self._changed:
                if self._stopped or len(self._queue) + self._sending >= self._capacity:
                    self._dropped += 1
                    full = True
                else:
                    self._queue.append(line)
                    full = False
                if self._thread is None and not self._stopped:
                    self._start()
                self._changed.notify_all()
            if full:
                self._complain("its queue is full, and records are dropped")
        except Exception:  # noqa: BLE001 - logging must not break the program
            self._dropped += 1
            self._complain("a record could not be made an event")

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="vaulytica-logging", daemon=True)
        with suppress(RuntimeError):  # the interpreter is ending: `close` sends them
            thread.start()
            self._thread = thread

    def flush(self) -> None:
        """Wait until all are taken, for `close_timeout` at most."""
        end = time.monotonic() + self._close_timeout
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            while (self._queue or self._sending) and self._thread is not None:
                left = end - time.monotonic()
                if left <= 0 or not self._thread.is_alive():
                    break
                self._changed.wait(left)
            self._hurry = False

    def close(self) -> None:
        """Send what waits, for `close_timeout` at most, and say how much was left."""
        if not self._stopped:
            self.flush()
            with self._changed:
                self._stopped = True
                self._changed.notify_all()
                left = len(self._queue) + self._sending + self._dropped
            if self._thread is None and left:
                left = self._last_try()
            if left:
                self._complained = False
                self._complain(f"{left} records were not taken until the end")
        super().close()

    def _last_try(self) -> int:
        with suppress(NotNow, Refused):
            self._shipper.send(tuple(self._queue), new_key())
            self._queue.clear()
        return len(self._queue) + self._dropped

    # --- The thread.

    def _run(self) -> None:
        while (batch := self._next()) is not None:
            self._ship(batch)
            with self._changed:
                self._sending = 0
                self._changed.notify_all()
        self._shipper.close()

    def _next(self) -> list[bytes] | None:
        """The next batch, when there is one; None when there will be none."""
        with self._changed:
            while not self._queue:
                if self._stopped:
                    return None
                self._changed.wait()
            end = time.monotonic() + self._linger
            while len(self._queue) < _MOST_EVENTS and not (self._hurry or self._stopped):
                left = end - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            batch: list[bytes] = []
            size = 0
            for line in islice(self._queue, _MOST_EVENTS):
                size += len(line)
                if batch and size > _MOST_BYTES:
                    break
                batch.append(line)
            for _ in batch:
                self._queue.popleft()
            self._sending = len(batch)
            return batch

    def _ship(self, batch: list[bytes]) -> None:
        """Until it is taken; of what is refused, the rest."""
        key, wait = new_key(), _FIRST
        while batch:
            try:
                self._shipper.send(batch, key)
            except Refused as refused:
                at = refused.line
                bad = [at - 1] if at and at <= len(batch) else range(len(batch))
                self._refused += len(bad)
                self._complain(f"records are refused: {refused}")
                batch = [line for number, line in enumerate(batch) if number not in bad]
                key = new_key()
            except NotNow as error:
                self._complain(f"records wait: {error}")
                if not self._pause(error.seconds or wait * random.uniform(0.5, 1.0)):  # noqa: S311
                    return
                wait = min(2 * wait, _LONGEST)
            except Exception as error:  # noqa: BLE001 - the thread must go on
                self._refused += len(batch)
                self._complain(f"records are lost: {type(error).__name__}: {error}")
                return
            else:
                self._complained = False
                self._tell()
                return

    def _pause(self, seconds: float) -> bool:
        """Whether it is still worth to try."""
        end = time.monotonic() + min(seconds, _LONGEST)
        with self._changed:
            while (left := end - time.monotonic()) > 0 and not self._stopped:
                self._changed.wait(left)
            return not self._stopped

    def _tell(self) -> None:
        """An event about what is missing, now that there is room."""
        with self._changed:
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
            with self._changed:
                self._queue.append(line_of(record, _DROPPED, self._source))

    def _complain(self, why: str) -> None:
        """On standard error, once for each time of trouble."""
        if not self._complained:
            self._complained = True
            with suppress(Exception):  # there may be no standard error
                sys.stderr.write(f"{_OWN}: {one_line(why)}\n")


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
