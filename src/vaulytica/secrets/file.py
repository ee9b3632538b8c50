"""Secrets in files, read again when they change."""

from __future__ import annotations

import os
import time
from collections.abc import Hashable
from pathlib import Path

from vaulytica.errors import WebhookConfigError

_MAX_BYTES = 64 * 1024
# A clock by which files are stamped may tick once in a hundredth of a second; some file systems
# stamp whole seconds. A file younger than that may change again and keep its stamp.
_YOUNG = 2.0


class FileSecrets:
    """`file:PATH`: the text of a file, without the line end at its end."""

    def get(self, name: str) -> str:
        """The text; one that is not there, not UTF-8 or over 64 KiB raises `WebhookConfigError`."""
        try:
            with Path(name).open("rb") as file:
                content = file.read(_MAX_BYTES + 1)
            text = content.decode("utf-8")
        except (OSError, ValueError) as error:
            raise WebhookConfigError(f"cannot read {name}: {_why(error)}") from None
        if len(content) > _MAX_BYTES:
            raise WebhookConfigError(f"{name} is over {_MAX_BYTES} bytes, so no secret")
        return text.removesuffix("\n").removesuffix("\r")

    def version(self, name: str) -> Hashable:
        """What tells one state of the file from the next; links are followed, as a mounted secret's change."""
        try:
            status = os.stat(name)  # noqa: PTH116 - half as long as Path's, and made every second
        except (OSError, ValueError) as error:
            raise WebhookConfigError(f"cannot read {name}: {_why(error)}") from None
        young = time.time() - status.st_mtime < _YOUNG
        stamp = status.st_mtime_ns, status.st_size, status.st_ino, status.st_dev
        return (*stamp, time.monotonic_ns() if young else 0)


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "not UTF-8 text" if isinstance(error, UnicodeError) else "not a path"
