"""The file of a Unix socket: what keeps us from listening there, and the socket that does."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from vaulytica.errors import WebhookConfigError

BACKLOG = 1024
_LONGEST = 107  # bytes of a path that the kernel takes, less on other systems


class Taken(WebhookConfigError):
    """Another program listens there, or this one."""


def check(path: Path) -> None:
    """Raise `WebhookConfigError` if nobody could listen there; `Taken` if somebody does."""
    folder = path.parent
    if len(os.fsencode(path)) > _LONGEST:
        raise _refusal(path, f"the path is longer than {_LONGEST} bytes")
    try:
        if not folder.is_dir():
            raise _refusal(path, f"{folder} is no folder; make it (mkdir -p)")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise _refusal(path, f"{folder} cannot be written")
        _is_stale(path)
    except (OSError, ValueError) as error:
        if isinstance(error, WebhookConfigError):
            raise
        raise _refusal(path, "it is no path") from None


class Bound:
    """A socket that listens at the path, with that mode; the file of one that listens no more is replaced."""

    def __init__(self, path: Path, mode: int) -> None:
        self.path = path
        if _is_stale(path):
            with suppress(FileNotFoundError):
                path.unlink()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.socket.bind(str(path))
            path.chmod(mode)  # until it listens, nobody can connect
            self._file = _file(path)
            self.socket.listen(BACKLOG)
            self.socket.setblocking(False)
        except OSError as error:
            self.socket.close()
            why = "the path is too long" if "too long" in str(error) else error.strerror
            raise _refusal(path, why) from None

    @property
    def is_there(self) -> bool:
        """Whether the file is still at the path, for somebody to connect to."""
        try:
            return _file(self.path) == self._file
        except OSError:
            return False

    def remove(self) -> None:
        """The file, if it is still ours; while the socket is open, its inode is not used again."""
        if self.is_there:
            with suppress(OSError):
                self.path.unlink()


def _file(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_dev, status.st_ino


def _is_stale(path: Path) -> bool:
    """Whether the file of a socket is there on which nobody listens; raises if it is another's."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise WebhookConfigError(f"intake.socket: {path} is there, and is no socket")
    except FileNotFoundError:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.settimeout(1.0)
            probe.connect(str(path))
        except OSError as error:
            if error.errno not in (errno.ECONNREFUSED, errno.ENOENT):
                raise _refusal(path, error.strerror or str(error)) from None
        else:
            raise Taken(f"intake.socket: another program listens on {path}")
    return True


def _refusal(path: Path, why: str | None) -> WebhookConfigError:
    return WebhookConfigError(f"intake.socket: cannot listen on {path}: {why}")
