"""The moment at which a batch begins to wait for its retry, as the log tells it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class _Calling(logging.Handler):
    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__(logging.INFO)
        self._call = call

    def emit(self, record: logging.LogRecord) -> None:
        if "again in" in record.getMessage():
            self._call()


@contextmanager
def at_each_wait(call: Callable[[], object]) -> Iterator[None]:
    """Call it, in the thread or task that is about to wait."""
    log, handler = logging.getLogger("vaulytica"), _Calling(call)
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)
