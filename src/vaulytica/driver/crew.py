"""Crew: the threads of one stream. One reads the source, others deliver; the caller takes the reports.

Each waits where the next is not ready: that is the back-pressure.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator

from vaulytica.delivery.policy import Random
from vaulytica.delivery.ports import Clock
from vaulytica.delivery.report import Report
from vaulytica.delivery.run import Delivery, Left, Run
from vaulytica.driver.sync import Driver

_FOREVER = 3600.0  # seconds; then looks again


class Crew:
    """The threads of one stream: a reader, and workers as they are needed. All share one lock."""

    def __init__(
        self, run: Run, driver: Driver, source: Iterable[object], clock: Clock, rng: Random
    ) -> None:
        self._run, self._driver, self._source = run, driver, source
        self._clock, self._rng = clock, rng
        self._lock = threading.Lock()
        self._turn = threading.Condition(self._lock)
        self._stopped = threading.Event()
        self._workers = self._idle = 0
        self._error: BaseException | None = None

    def reports(self) -> Iterator[Report]:
        """Begin, and give the reports as they come, till all is settled; an error of the source ends it."""
        self._start(self._read)
        try:
            while True:
                with self._turn:
                    while not self._run.reports and not self._is_over():
                        self._turn.wait()
                    if not self._run.reports or self._error is not None:
                        break
                    report = self._run.reports.popleft()
                    self._turn.notify_all()
                yield report
        finally:
            self.stop()
        if self._error is not None:
            raise self._error

    def left(self) -> Left:
        """What is not settled; while a worker ends, it may yet be."""
        with self._turn:
            return self._run.left()

    def stop(self) -> None:
        """Begin nothing more, and wait for no retry."""
        self._stopped.set()
        with self._turn:
            self._turn.notify_all()

    def _is_over(self) -> bool:
        return self._run.finished or self._stopped.is_set() or self._error is not None

    def _read(self) -> None:
        run = self._run
        for entry in self._source:
            with self._lock:  # itself, not the condition: this is done for each event
                if run.over:
                    return
                if run.put(entry, self._clock.monotonic()):
                    self._hand_over()
                    while not run.hungry and not run.over and not self._is_over():
                        self._turn.wait()
                    if self._is_over():
                        return
        with self._turn:
            run.end()
            self._hand_over()

    def halt(self, why: str) -> None:
        """Read no further, and begin nothing more."""
        with self._turn:
            self._run.halt(why)
            self._turn.notify_all()

    def _hand_over(self) -> None:
        """Wake everybody, and hire where there is more to do than there are idle hands."""
        self._turn.notify_all()
        if self._is_over():
            return
        wanted = min(self._run.width, self._workers + max(1, len(self._run.ready)) - self._idle)
        while self._workers < wanted:
            self._workers += 1
            # Never in the caller's thread: a request in flight would keep Ctrl-C from it.
            self._start(self._work)

    def _work(self) -> None:
        while (delivery := self._next()) is not None:
            settlement = self._driver.run(delivery.flow, self._stopped)
            with self._turn:
                self._run.settle(delivery, settlement)
                self._turn.notify_all()

    def _next(self) -> Delivery | None:
        with self._turn:
            while not self._is_over():
                got = self._run.take(self._clock, self._rng)
                if not isinstance(got, float):
                    self._turn.notify_all()  # there is room for more
                    return got
                self._turn.notify_all()
                self._idle += 1
                self._turn.wait(min(got, _FOREVER))
                self._idle -= 1
        return None

    def _start(self, job: Callable[[], None]) -> None:
        def run() -> None:
            try:
                job()
            except BaseException as error:  # noqa: BLE001 - of the caller's code (as is sys.exit's): the caller gets it
                with self._turn:
                    self._error = self._error or error
                    self._turn.notify_all()
                self._stopped.set()

        threading.Thread(target=run, daemon=True).start()
