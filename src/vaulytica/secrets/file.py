"""Secrets in files, read again when they change."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Hashable
from contextlib import suppress
from pathlib import Path

from vaulytica.errors import WebhookConfigError

_MAX_BYTES = 64 * 1024
# A clock by which files are stamped may tick once in a hundredth of a second; some file systems
# stamp whole seconds. A file younger than that may change again and keep its stamp.
_YOUNG = 2.0


class FileSecrets:
    """`file:PATH`: the text of a file, without line ends at its end, and the mark (BOM) at its beginning."""

    def get(self, name: str) -> str:
        """The text; one that is not there, not UTF-8 or over 64 KiB raises `WebhookConfigError`."""
        try:
            content = read_regular(Path(name), _MAX_BYTES + 1)
            text = content.decode("utf-8-sig")
        except (OSError, ValueError) as error:
            raise WebhookConfigError(f"cannot read {name}: {_why(error)}") from None
        if len(content) > _MAX_BYTES:
            raise WebhookConfigError(f"{name} is over {_MAX_BYTES} bytes, so no secret")
        return text.rstrip("\r\n")

    def version(self, name: str) -> Hashable:
        """What tells one state of the file from the next; links are followed, as a mounted secret's change."""
        try:
            status = os.stat(name)  # noqa: PTH116 - half as long as Path's, and made every second
        except (OSError, ValueError) as error:
            raise WebhookConfigError(f"cannot read {name}: {_why(error)}") from None
        young = time.time() - status.st_mtime < _YOUNG
        stamp = status.st_mtime_ns, status.st_size, status.st_ino, status.st_dev
        return (*stamp, time.monotonic_ns() if young else 0)


def absolute(name: str, base: Path | None = None) -> Path:
    """The path from `base`, else from where the process is now; `~` is the home, if there is one of that name."""
    path = Path(name)
    with suppress(RuntimeError):
        path = path.expanduser()
    return (base or Path()).absolute() / path


def read_regular(path: Path, size: int) -> bytes:
    """At most that many bytes of a regular file; of a pipe, a device, a folder raises `OSError`, without waiting."""
    # Else to open a pipe waits until somebody writes to it.
    descriptor = os.open(
        path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    )
    with open(descriptor, "rb") as file:  # noqa: PTH123 - of a descriptor
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "not a regular file")
        return file.read(size)


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "not UTF-8 text" if isinstance(error, UnicodeError) else "not a path"
