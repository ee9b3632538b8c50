"""The owner's lock: one relay at a time on one file. It ends with the process, however that ends."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from vaulytica.errors import OutboxError, OutboxInUseError


def lock_of(path: Path) -> Path:
    """The file that is locked for an outbox."""
    return path.with_name(path.name + ".lock")


def is_held(path: Path) -> bool:
    """Whether somebody has the lock now. A relay that starts in this very moment may find it taken."""
    try:
        file = os.open(lock_of(path), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


class OwnerLock:
    """Held from its making to `release`. On a file of its own: SQLite's locks are on the other."""

    def __init__(self, path: Path, *, wait: float = 0.0) -> None:
        self._path = lock_of(path)
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise OutboxError(
                f"outbox {path}: cannot open {self._path}: {error.strerror}"
            ) from None
        until = time.monotonic() + wait
        while not self._try():
            if time.monotonic() >= until:
                holder = os.pread(self._file, 100, 0).decode("ascii", "replace").strip()
                os.close(self._file)
                raise OutboxInUseError(
                    f"outbox {path} is in use by another relay (process {holder or 'unknown'}); "
                    "stop it first, or give this one an outbox of its own"
                )
            time.sleep(0.02)
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode("ascii"), 0)

    def _try(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Let another have it."""
        os.close(self._file)
