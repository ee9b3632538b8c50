"""Streams: events on their way from a source to a destination, and a report of each batch as it comes."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Self

from vaulytica.delivery.breaker import State
from vaulytica.delivery.policy import Random
from vaulytica.delivery.ports import Clock
from vaulytica.delivery.report import Report
from vaulytica.delivery.run import Run
from vaulytica.delivery.standing import Left
from vaulytica.driver.aio import AsyncDriver
from vaulytica.driver.crew import Crew
from vaulytica.driver.sync import Driver

if TYPE_CHECKING:
    from vaulytica.driver.aio_crew import Source

OnReport = Callable[[Report], object]


class _Stream:
    """What both streams share."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._begun = False

    @property
    def report(self) -> Report:
        """All that is settled so far."""
        return self._run.total()

    @property
    def in_flight(self) -> int:
        """Batches that are under way."""
        return self._run.in_flight

    @property
    def retries(self) -> int:
        """Requests that were not the first for their batch, of all streams of this sender."""
        return self._run.pace.retries

    @property
    def is_down(self) -> bool:
        """Whether the destination fails so that it is only asked now and then: see docs/PACE.md."""
        return self._run.pace.state is not State.CLOSED

    def untaken(self) -> list[Report]:
        """Of a stream that was stopped: the reports that nobody has taken."""
        reports = list(self._run.reports)
        self._run.reports.clear()
        return reports

    def __del__(self) -> None:
        if not self._begun:
            warnings.warn(
                "a stream was made and nothing of it sent: iterate over it, or call run()",
                ResourceWarning,
                stacklevel=2,
            )


class Stream(_Stream):
    """Iterate for a `Report` of each batch, or call `run()` for all of it. Stops when closed.

    `report` is the total so far: counts, and the first events that were not delivered.
    """

    def __init__(
        self, run: Run, driver: Driver, source: Iterable[object], clock: Clock, rng: Random
    ) -> None:
        super().__init__(run)
        self._crew = Crew(run, driver, source, clock, rng)
        self._reports: Iterator[Report] | None = None

    def run(self, on_report: OnReport | None = None) -> Report:
        """Send all of it; returns the total. `on_report` hears of each batch."""
        with self:
            for report in self:
                if on_report is not None:
                    on_report(report)
        return self.report

    def halt(self, why: str = "the stream was halted") -> None:
        """Read no further and begin nothing more; go on iterating for what is under way."""
        self._crew.halt(why)

    def left(self) -> Left:
        """Of a stream that was stopped: what may have arrived, what was not begun, and the rest."""
        return self._crew.left()

    def close(self) -> None:
        """Read no further, and begin nothing more; what is under way may still arrive."""
        self._begun = True
        self._crew.stop()

    def __iter__(self) -> Iterator[Report]:
        return self

    def __next__(self) -> Report:
        if self._reports is None:
            self._begun = True
            self._reports = self._crew.reports()
        return next(self._reports)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncStream(_Stream):
    """The same for asyncio: `async for report in stream`, or `await stream.run()`."""

    def __init__(
        self, run: Run, driver: AsyncDriver, source: Source, clock: Clock, rng: Random
    ) -> None:
        from vaulytica.driver.aio_crew import AsyncCrew  # asyncio is slow to import

        super().__init__(run)
        self._crew = AsyncCrew(run, driver, source, clock, rng)
        self._reports: AsyncIterator[Report] | None = None

    async def run(self, on_report: OnReport | None = None) -> Report:
        """Send all of it; returns the total. `on_report` hears of each batch."""
        async with self:
            async for report in self:
                if on_report is not None:
                    on_report(report)
        return self.report

    def halt(self, why: str = "the stream was halted") -> None:
        """Read no further and begin nothing more; go on iterating for what is under way."""
        self._crew.halt(why)

    def left(self) -> Left:
        """Of a stream that was stopped: what may have arrived, what was not begun, and the rest."""
        return self._run.left()

    async def aclose(self) -> None:
        """Stop: what is under way is cancelled, and may have arrived."""
        self._begun = True
        await self._crew.stop()

    def __aiter__(self) -> AsyncIterator[Report]:
        return self

    async def __anext__(self) -> Report:
        if self._reports is None:
            self._begun = True
            self._reports = self._crew.reports()
        return await anext(self._reports)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
