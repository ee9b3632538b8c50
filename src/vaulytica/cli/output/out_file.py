"""OutFile: what `--report` and `--out` name; never a file that is read as well."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from vaulytica.errors import WebhookConfigError, WebhookError


class OutFile:
    """A file of JSON lines. What cannot be written raises a `WebhookError` that names the file."""

    def __init__(self, path: Path, mode: str) -> None:
        self.path = path
        try:
            self._file = path.open(mode, encoding="utf-8")
        except OSError as error:
            raise WebhookConfigError(f"cannot write {path}: {error.strerror}") from None

    def write(self, value: Any) -> None:
        """Write a JSON value on a line of its own."""
        try:
            self._file.write(f"{json.dumps(value)}\n")
        except OSError as error:
            raise self._failed(error) from None

    def flush(self) -> None:
        """Let others see what is written so far."""
        try:
            self._file.flush()
        except OSError as error:
            raise self._failed(error) from None

    def close(self) -> None:
        """Done; may be called again."""
        try:
            self._file.close()
        except OSError as error:
            raise self._failed(error) from None

    def _failed(self, error: OSError) -> WebhookError:
        with suppress(OSError):
            self._file.close()
        return WebhookError(f"cannot write {self.path}: {error.strerror}")


def out_file(
    path: Path | None, mode: str, stack: ExitStack, read: Iterable[int | Path]
) -> OutFile | None:
    """The file an option names, open until the stack ends; None where none is named.

    It must not be one that is `read`, nor stdin: what was to be read would be gone.
    """
    if path is None:
        return None
    with suppress(OSError):
        there = path.stat()
        read = [*read, *([] if sys.stdin is None else [0])]
        if not stat.S_ISCHR(there.st_mode) and any(_is_same(there, other) for other in read):
            raise WebhookConfigError(f"{path} is also read; write to another file")
    file = OutFile(path, mode)
    stack.callback(file.close)
    return file


def _is_same(there: os.stat_result, other: int | Path) -> bool:
    try:
        return os.path.samestat(there, other.stat() if isinstance(other, Path) else os.fstat(other))
    except OSError:
        return False
