"""Feed: reads the input in a thread of its own, so that slow input never keeps events from going out."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from io import BufferedReader
from pathlib import Path
from typing import Any

from vaulytica.cli.mapping import MapError
from vaulytica.cli.reading import Bad, Entry, read_entries
from vaulytica.errors import WebhookConfigError

Inputs = list[tuple[str, BufferedReader]]


def open_inputs(files: list[str], stack: ExitStack) -> Inputs:
    """Open them all, before anything is sent. `-` is stdin."""
    inputs: Inputs = []
    for file in files:
        if file == "-" and sys.stdin is None:
            raise WebhookConfigError("no input: stdin is closed")
        try:
            # Not sys.stdin: a thread that waits on that one would break the interpreter's exit.
            source = open(0, "rb", closefd=False) if file == "-" else Path(file).open("rb")  # noqa: SIM115
        except OSError as error:
            raise WebhookConfigError(f"cannot read {file}: {error.strerror}") from None
        if file != "-":
            stack.callback(source.raw.close)  # not its own: that waits for who is reading
        inputs.append(("stdin" if file == "-" else file, source))
    return inputs


def mapped_entries(
    inputs: Inputs, mapping: Callable[[Any], Any], limit: int
) -> Iterator[Entry | Bad]:
    """The entries of all inputs, one after the other, as events' fields."""
    for file, stream in inputs:
        try:
            for entry in read_entries(stream, file, limit):
                yield _mapped(entry, mapping)
        except OSError as error:
            yield Bad(file, 0, f"cannot be read on: {error.strerror}")


def _mapped(entry: Entry | Bad, mapping: Callable[[Any], Any]) -> Entry | Bad:
    if isinstance(entry, Bad):
        return entry
    try:
        return Entry(entry.file, entry.line, mapping(entry.value))
    except MapError as error:
        return Bad(entry.file, entry.line, str(error))


class Feed:
    """Hands over what has been read so far, in chunks of at most `size` entries; reads no further ahead.

    What the two sides share stands under one lock, and a waiter is left only while there is nothing
    to hand over: so whatever is read next finds the waiter, and wakes it.
    """

    def __init__(self, entries: Iterable[Entry | Bad], size: int) -> None:
        self._entries = entries
        self._room = threading.Semaphore(size)
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()  # of these four
        self._read: list[Entry | Bad] = []
        self._over = False
        self._error: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None
        # A daemon: it may wait for a line that never comes.
        threading.Thread(target=self._run, name="reader", daemon=True).start()

    async def next(self) -> list[Entry | Bad]:
        """The next chunk, as soon as there is anything; empty at the end of the input."""
        while True:
            with self._lock:
                chunk, self._read = self._read, []
                if not chunk and not self._over:
                    self._waiter = waiter = self._loop.create_future()
                elif not chunk and self._error is not None:
                    raise self._error
                else:
                    break
            await waiter
        if chunk:
            self._room.release(len(chunk))
        return chunk

    def _run(self) -> None:
        try:
            for entry in self._entries:
                self._room.acquire()
                self._hand_over([entry])
        except BaseException as error:  # noqa: BLE001 - raised again where the chunks are taken
            self._hand_over([], over=True, error=error)
        else:
            self._hand_over([], over=True)

    def _hand_over(
        self, read: list[Entry | Bad], *, over: bool = False, error: BaseException | None = None
    ) -> None:
        with self._lock:
            self._read += read
            self._over, self._error = over, error
            waiter, self._waiter = self._waiter, None
        if waiter is not None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(_wake, waiter)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():  # or else it was cancelled
        waiter.set_result(None)
