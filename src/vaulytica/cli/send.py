"""`vaulytica send`: events from files or stdin to one destination."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vaulytica.cli.options import DestinationOptions, destination_options
from vaulytica.cli.out_file import out_file
from vaulytica.cli.output import error_line, json_line, line
from vaulytica.cli.reading import MAX_LINE_BYTES, Bad, Entry
from vaulytica.errors import WebhookConfigError

if TYPE_CHECKING:
    from vaulytica.cli.feed import Feed
    from vaulytica.cli.tally import Tally
    from vaulytica.config import WebhookConfig
    from vaulytica.delivery.outcome import Result
    from vaulytica.sender import AsyncWebhookSender

_CHUNK = 512  # entries that are read ahead at least
_SHOWN = 10  # undelivered events that are explained on stderr


@destination_options
def send(
    *,
    destination: DestinationOptions,
    files: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE|-]...", help="stdin is read unless given")
    ] = None,
    map: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=EXPR",
            help="Take a field (type, data, severity, timestamp, id, source) by JMESPath.",
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write one JSON line for each event.")
    ] = None,
    max_line_bytes: Annotated[
        int, typer.Option(min=1, metavar="N", help="The longest line, or value of an array.")
    ] = MAX_LINE_BYTES,
    json: Annotated[bool, typer.Option("--json", help="The summary as a JSON object.")] = False,
) -> int:
    """Send events: NDJSON, a JSON array, or JSON objects."""
    from vaulytica.cli.feed import mapped_entries, open_inputs
    from vaulytica.cli.mapping import make_mapping
    from vaulytica.cli.tally import Tally

    names = files or ["-"]
    if not files and sys.stdin is not None and sys.stdin.isatty():
        raise WebhookConfigError("no input: give a FILE, or - to type events in")
    mapping = make_mapping(map or [])
    config = destination.webhook_config()
    with ExitStack() as stack:
        inputs = open_inputs(names, stack)
        read: list[int | Path] = [*(stream.fileno() for _, stream in inputs), *destination.files()]
        tally = Tally(len(names) > 1, out_file(report, "w", stack, read))
        entries = mapped_entries(inputs, mapping, max_line_bytes)
        started = time.monotonic()
        stopped = asyncio.run(_send_all(config, entries, tally))
        tally.close()
        _summary(tally, time.monotonic() - started, stopped, as_json=json)
    if tally.report_error is not None or stopped is not None:
        return 1
    return 0 if tally.complete else 1


async def _send_all(
    config: WebhookConfig, entries: Iterator[Entry | Bad], tally: Tally
) -> str | None:
    """Send every entry; where it was stopped, what was not read."""
    from vaulytica.cli.feed import Feed
    from vaulytica.cli.progress import progress
    from vaulytica.sender import AsyncWebhookSender

    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)  # type: ignore[union-attr]
    feed = Feed(entries, max(_CHUNK, 8 * config.concurrency))
    async with AsyncWebhookSender(config) as sender:
        with progress(tally) as show:
            return await _Sending(sender, feed, tally, show).run()


class _Sending:
    """Chunk after chunk, each one `send_batch`; only one chunk is in memory."""

    def __init__(
        self, sender: AsyncWebhookSender, feed: Feed, tally: Tally, show: Callable[[], Any]
    ) -> None:
        from vaulytica.delivery.run import DownDetector

        self.sender, self.feed, self.tally, self.show = sender, feed, tally, show
        self.down = DownDetector()  # one for all chunks: each by itself may be too short to tell
        self.last: Entry | Bad | None = None

    async def run(self) -> str | None:
        """Send all there is; where it was stopped, what was not read."""
        try:
            while chunk := await self.feed.next():
                self.last = chunk[-1]
                await self._chunk(chunk)
                if self.tally.report_error is not None:
                    break
            else:
                return None
        except asyncio.CancelledError:  # by a signal
            pass
        if self.last is None:
            return "nothing of the input was read"
        return f"the input after line {self.last.line} of {self.last.file} was not read"

    async def _chunk(self, chunk: list[Entry | Bad]) -> None:
        open_entries: dict[int, Entry] = {}
        begun = 0
        for entry in chunk:
            if isinstance(entry, Bad):
                self.tally.bad(entry)
            else:
                open_entries[len(open_entries)] = entry

        def events() -> Iterator[Any]:
            nonlocal begun
            for position in range(len(values)):
                if self.tally.report_error is not None:  # what is under way is brought to its end
                    return
                begun = position + 1
                yield values[position]

        def settled(result: Result) -> None:
            self.tally.settled(open_entries.pop(result.position), result)
            self.show()

        values = [entry.value for entry in open_entries.values()]
        try:
            if values:
                await self.sender.send_batch(events(), on_result=settled, down=self.down)
        finally:  # when we were stopped, some are left
            why = "interrupted" if self.tally.report_error is None else "the report is broken"
            for position, entry in open_entries.items():
                if position < begun:
                    self.tally.unknown(entry)
                else:
                    self.tally.not_sent(entry, why)
            self.show()


def _summary(tally: Tally, seconds: float, stopped: str | None, *, as_json: bool) -> None:
    counts = {name: tally.counts[name] for name in ("delivered", "rejected", "deferred", "unknown")}
    tally.undelivered.sort(key=lambda row: (row.get("file", ""), row["line"]))
    if as_json:
        json_line(
            {"events": tally.events, **counts, "attempts": tally.attempts}
            | {"seconds": round(seconds, 3), "interrupted": stopped is not None}
            | {"undelivered": tally.undelivered}
        )
    else:
        for row in tally.undelivered[:_SHOWN]:
            where = f"{row['file']}:{row['line']}" if "file" in row else f"line {row['line']}"
            error_line(f"{where}: {row['outcome']}: {row['reason']}")
        left = tally.events - counts["delivered"] - _SHOWN
        if left > 0:
            error_line(f"… and {left} more; --report FILE writes all")
        details = ", ".join(f"{counts[name]} {name}" for name in counts if name != "delivered")
        line(
            f"delivered {counts['delivered']} of {tally.events} events ({details}) "
            f"in {seconds:.1f} s, {tally.attempts} attempts"
            + (
                f" besides those for the {unknown} unknown"
                if (unknown := counts["unknown"])
                else ""
            )
        )
    if tally.report_error is not None:
        error_line(f"error: {tally.report_error}")
    if stopped is not None:
        how = "interrupted" if tally.report_error is None else "stopped"
        error_line(
            f"{how}: {counts['delivered']} sent, {tally.unsent} not sent, {counts['unknown']} "
            f"unknown (were under way); {stopped}"
        )
    elif tally.events == 0:
        error_line("warning: the input holds no events")
