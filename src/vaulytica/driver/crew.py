"""Crew: the threads of one stream. One reads the source, others deliver; the caller takes the reports.

Each waits where the next is not ready: that is the back-pressure.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator

from vaulytica.delivery.policy import Random
from vaulytica.delivery.ports import Clock
from vaulytica.delivery.report import Report
from vaulytica.delivery.run import Delivery, Run
from vaulytica.delivery.standing import Left
from vaulytica.driver.sync import Driver

_FOREVER = 3600.0  # seconds; then looks again


class Crew:
    """The threads of one stream: a reader, and workers as they are needed. All share one lock."""

    def __init__(
        self, run: Run, driver: Driver, source: Iterable[object], clock: Clock, rng: Random
    ) -> None:
        self._run, self._driver, self._source = run, driver, source
        self._clock, self._rng = clock, rng
        self._lock = threading.RLock()  # `on_result` is called under it, and may halt the stream
        # Whom to wake: the caller, the reader, an idle worker. To wake all for each event would cost more
        # than to send it.
        self._news = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._todo = threading.Condition(self._lock)
        self._stopped = threading.Event()
        self._workers = self._idle = 0
        self._error: BaseException | None = None

    def reports(self) -> Iterator[Report]:
        """Begin, and give the reports as they come, till all is settled; an error of the source ends it."""
        if not self._run.over:
            self._start(self._read)
        try:
            while True:
                with self._lock:
                    while not self._run.reports and not self._is_over():
                        self._news.wait()
                    if not self._run.reports or self._error is not None:
                        break
                    report = self._run.reports.popleft()
                    self._tell()
                yield report
        except GeneratorExit:
            raise
        except BaseException as error:  # of a signal's handler, as Ctrl-C's
            self.stop()
            self._note(error)
            raise
        finally:
            self.stop()
        if self._error is not None:
            raise self._note(self._error)

    def _note(self, error: BaseException) -> BaseException:
        with self._lock:
            return self._run.noted_on(error)

    def left(self) -> Left:
        """What is not settled; while a worker ends, it may yet be."""
        with self._lock:
            return self._run.left()

    def stop(self) -> None:
        """Read no further, begin nothing more, and wait for no retry."""
        self._stopped.set()
        with self._lock:
            self._run.stop()
            self._tell()

    def halt(self, why: str) -> None:
        """Read no further, and begin nothing more."""
        with self._lock:
            self._run.halt(why)
            self._tell()

    def _is_over(self) -> bool:
        return self._run.finished or self._stopped.is_set() or self._error is not None

    def _tell(self) -> None:
        """Wake whoever has something to do now."""
        run = self._run
        if run.over or self._is_over():
            for waiting in (self._news, self._room, self._todo):
                waiting.notify_all()
            return
        if run.reports:
            self._news.notify()
        if run.hungry:
            self._room.notify()
        if self._idle and (wanted := run.wanted):
            self._todo.notify(wanted)

    def _read(self) -> None:
        run, source = self._run, iter(self._source)
        try:
            for entry in source:
                with self._lock:
                    # When it is over, too: nobody else has the entry.
                    if run.put(entry, self._clock.monotonic()) or run.over:
                        self._hire()
                        self._tell()
                        while not run.hungry and not run.over:
                            self._room.wait()
                        if run.over:
                            return
            with self._lock:
                run.end()
                self._hire()
                self._tell()
        finally:
            if isinstance(source, Generator):
                source.close()

    def _hire(self) -> None:
        """A worker where there is more to do than there are idle ones."""
        if self._is_over():
            return
        wanted = min(self._run.width, self._workers + self._run.wanted - self._idle)
        while self._workers < wanted:
            self._workers += 1
            # Never in the caller's thread: a request in flight would keep Ctrl-C from it.
            self._start(self._work)

    def _work(self) -> None:
        while (delivery := self._next()) is not None:
            settlement = self._driver.run(delivery.flow, self._stopped)
            with self._lock:
                self._run.settle(delivery, settlement)
                self._tell()

    def _next(self) -> Delivery | None:
        with self._lock:
            while not self._is_over():
                got = self._run.take(self._clock, self._rng)
                self._tell()  # there is room for more, or what was not sent may be reported
                if got is None:
                    break
                if not isinstance(got, float):
                    return got
                self._idle += 1
                self._todo.wait(min(got, _FOREVER))
                self._idle -= 1
            self._workers -= 1
        return None

    def _start(self, job: Callable[[], None]) -> None:
        def run() -> None:
            try:
                job()
            except BaseException as error:  # noqa: BLE001 - of the caller's code (as is sys.exit's): the caller gets it
                with self._lock:
                    if not self._stopped.is_set():  # or else it is only a worker that was stopped
                        self._error = error
                    self.stop()

        threading.Thread(target=run, daemon=True).start()
