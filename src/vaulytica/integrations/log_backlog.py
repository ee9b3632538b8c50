"""Backlog: lines that wait to be sent, bounded by their number and their bytes; one thread takes them."""

from __future__ import annotations

import threading
import time
from collections import deque
from itertools import islice

_MOST_EVENTS, _MOST_BYTES = 500, 2 * 1024 * 1024  # of one batch
_HURRIED = 0.25  # seconds between two tries, while somebody waits for the end


class Backlog:
    """`capacity` lines, of `capacity_bytes` together, those that are under way included.

    Its lock may be taken again by the thread that has it: a signal's handler, or the collector of
    garbage, may log while that thread is in here.
    """

    def __init__(self, capacity: int, capacity_bytes: int) -> None:
        self._capacity, self._capacity_bytes = capacity, capacity_bytes
        self._lines: deque[bytes] = deque()
        self._bytes = 0  # of those that wait, and those under way
        self._sending: list[bytes] = []
        self._changed = threading.Condition(threading.RLock())
        self._hurry = 0
        self.puts = 0  # lines that had room
        self.is_closed = False
        self.lock = self._changed

    def __len__(self) -> int:
        return len(self._lines) + len(self._sending)

    def put(self, line: bytes, *, is_own: bool = False) -> bool:
        """Whether there was room; there always is for what the handler itself has to say."""
        with self._changed:
            size = len(line)
            fits = len(self) < self._capacity and self._bytes + size <= self._capacity_bytes
            if fits or is_own:
                self._lines.append(line)
                self._bytes += size
                self.puts += 1
                self._changed.notify_all()
            return fits or is_own

    def take(self, linger: float) -> list[bytes] | None:
        """The next batch, when there is one, gathered for so many seconds; None when there will be none."""
        with self._changed:
            while not self._lines:
                if self.is_closed:
                    return None
                self._changed.wait()
            end = time.monotonic() + linger
            while len(self._lines) < _MOST_EVENTS and not (self._hurry or self.is_closed):
                left = end - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            return self.cut()

    def cut(self) -> list[bytes]:
        """What goes in one batch now; it is under way until `done`."""
        with self._changed:
            size = 0
            for line in islice(self._lines, _MOST_EVENTS):
                size += len(line)
                if self._sending and size > _MOST_BYTES:
                    break
                self._sending.append(line)
            for _ in self._sending:
                self._lines.popleft()
            return list(self._sending)

    def done(self) -> None:
        """What was under way is not any more."""
        with self._changed:
            self._sending = []
            self._bytes = sum(map(len, self._lines))  # anew, lest any interruption be left in it
            self._changed.notify_all()

    def pause(self, seconds: float) -> bool:
        """Wait so long, less while somebody waits for the end, or until it is closed; whether it is open."""
        with self._changed:
            was_in_hurry = self._hurry > 0
            end = time.monotonic() + (min(seconds, _HURRIED) if was_in_hurry else seconds)
            while (left := end - time.monotonic()) > 0 and not self.is_closed:
                if self._hurry and not was_in_hurry:
                    break
                self._changed.wait(left)
            return not self.is_closed

    def drain(self, seconds: float, thread: threading.Thread) -> bool:
        """Wait until all is gone, as long as the thread that takes it lives; whether it is."""
        end = time.monotonic() + seconds
        with self._changed:
            self._hurry += 1
            self._changed.notify_all()
            try:
                while len(self) and thread.is_alive() and (left := end - time.monotonic()) > 0:
                    self._changed.wait(left)
            finally:
                self._hurry -= 1
            return not len(self)

    def close(self) -> None:
        """What is in it may be taken, and then there will be no more."""
        with self._changed:
            self.is_closed = True
            self._changed.notify_all()
