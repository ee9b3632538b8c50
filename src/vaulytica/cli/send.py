"""`vaulytica send`: events from files or stdin to one destination."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vaulytica.cli.input.reading import MAX_LINE_BYTES
from vaulytica.cli.options.destination import DestinationOptions
from vaulytica.cli.options.groups import grouped
from vaulytica.cli.output.out_file import out_file
from vaulytica.cli.output.printing import error_line, json_line, line
from vaulytica.errors import WebhookConfigError

if TYPE_CHECKING:
    from vaulytica.cli.input.reading import Chunk
    from vaulytica.cli.output.tally import Tally
    from vaulytica.config import WebhookConfig
    from vaulytica.lines import Entries, Lines
    from vaulytica.streams import AsyncStream

_INTERRUPTED = "interrupted"
_SHOWN = 10  # undelivered events that are explained on stderr


@grouped
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
    from vaulytica.cli.input.large_blocks import give_back_large_blocks
    from vaulytica.cli.input.mapping import make_mapping
    from vaulytica.cli.input.read_ahead import Turns, fed, open_inputs
    from vaulytica.cli.input.reading import chunks
    from vaulytica.cli.output.tally import Tally

    names = files or ["-"]
    if not files and sys.stdin is not None and sys.stdin.isatty():
        raise WebhookConfigError("no input: give a FILE, or - to type events in")
    mapping = make_mapping(map) if map else None
    config = destination.webhook_config()
    with ExitStack() as stack:
        inputs = open_inputs(names, stack)
        read: list[int | Path] = [*(stream.fileno() for _, stream in inputs), *destination.files()]
        tally = Tally(len(names) > 1, out_file(report, "w", stack, read))
        started = time.monotonic()
        # What is here by now stays: looking for cycles in it is for nothing.
        gc.freeze()
        give_back_large_blocks()
        turns = Turns(inputs)
        read_all = fed(chunks(turns, mapping, max_line_bytes), turns.are_at_hand)
        stopped = asyncio.run(_send_all(config, read_all, tally))
        tally.close()
        _summary(tally, time.monotonic() - started, stopped, as_json=json)
    if tally.report_error is not None or stopped is not None:
        return 1
    return 0 if tally.complete else 1


async def _send_all(
    config: WebhookConfig, chunks: AsyncIterator[Chunk], tally: Tally
) -> str | None:
    """Send every entry; where it was stopped, what was not read."""
    from vaulytica.sender import AsyncWebhookSender

    async with AsyncWebhookSender(config) as sender:
        on_result = None if tally.report is None else tally.write
        stream = sender.send_stream(_entries(chunks, tally), on_result=on_result)
        _on_signal(stream)
        try:
            async with _shown(tally, stream) as show:
                async for report in stream:
                    tally.add(report)
                    show(stream)
                    if tally.report_error is not None:
                        stream.halt("the report is broken")
            if tally.report_error is None:
                return None
        except asyncio.CancelledError:  # by a signal: the input's own would be a RuntimeError
            await stream.aclose()
            for report in stream.untaken():
                tally.add(report)
            tally.stopped(stream.left(), _INTERRUPTED)
    if (last := tally.places.last) is None:
        return "nothing of the input was read"
    return f"the input after line {last[1]} of {last[0]} was not read"


def _on_signal(stream: AsyncStream) -> None:
    """Have SIGINT and SIGTERM stop the stream, and cancel this task."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()

    def interrupt() -> None:
        stream.halt(_INTERRUPTED)  # now: by the time the task is cancelled, more would be begun
        task.cancel()  # type: ignore[union-attr]

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)


@asynccontextmanager
async def _shown(
    tally: Tally, stream: AsyncStream
) -> AsyncIterator[Callable[[AsyncStream], object]]:
    """Progress after each batch, and twice a second: in an outage there are no batches to tell of."""
    from vaulytica.cli.output.progress import progress

    async def tick() -> None:
        while True:
            await asyncio.sleep(0.5)
            show(stream)

    with progress(tally) as show:
        ticking = asyncio.create_task(tick())
        try:
            yield show
        finally:
            ticking.cancel()


async def _entries(chunks: AsyncIterator[Chunk], tally: Tally) -> AsyncIterator[Lines | Entries]:
    """The input, chunk by chunk; where each entry stands is kept."""
    async for chunk in chunks:
        tally.places.add(chunk.file, chunk.first_line, len(chunk.entries), chunk.lines)
        yield chunk.entries


def _summary(tally: Tally, seconds: float, stopped: str | None, *, as_json: bool) -> None:
    counts = tally.counts
    tally.undelivered.sort(key=lambda row: (row.get("file", ""), row["line"]))
    if as_json:
        json_line(
            {"events": tally.events, **counts, "attempts": tally.settled.attempts}
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
            f"in {seconds:.1f} s, {tally.settled.attempts} attempts"
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
        tried = counts["deferred"] - tally.unsent
        error_line(
            f"{how}: {counts['delivered']} sent, {tally.unsent} not sent, {tried} tried in vain, "
            f"{counts['unknown']} unknown (were under way); {stopped}"
        )
    elif tally.events == 0:
        error_line("warning: the input holds no events")
