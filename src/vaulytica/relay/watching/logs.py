"""Logs: one line on stdout for each noteworthy thing, as JSON or, on a terminal, for people."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import Literal, TextIO, cast

import structlog

from vaulytica.relay.watching.watch import Log

Style = Literal["auto", "json", "text"]


def make_log(style: Style = "auto") -> Log:
    """Where the relay says what is noteworthy. The library's own warnings and errors go there, too."""
    as_json = style == "json" or (style == "auto" and not sys.stdout.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), pad_event_to=0)
    )
    structlog.configure(
        processors=[*shared, last],
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _Out(sys.stdout.fileno()))),
        cache_logger_on_first_use=True,
    )
    log: Log = structlog.get_logger()
    library = logging.getLogger("vaulytica")
    library.handlers[:] = [_Passed(log)]
    library.setLevel(logging.WARNING)
    library.propagate = False
    logging.getLogger("vaulytica.relay").setLevel(logging.INFO)
    return log


class _Out:
    """Where lines go. If they cannot be written, as on a disk that is full, what they tell of goes on."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write(self, text: str) -> None:
        """All of it at once, past Python's buffers, which would keep what failed, and fail again."""
        with suppress(OSError):
            os.write(self._fd, text.encode("utf-8", "backslashreplace"))

    def flush(self) -> None:
        """It has been."""


class _Passed(logging.Handler):
    """Passes on what the library logs."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        levels = ((logging.ERROR, self._log.error), (logging.WARNING, self._log.warning))
        say = next((say for level, say in levels if record.levelno >= level), self._log.info)
        say(record.getMessage(), logger=record.name)
