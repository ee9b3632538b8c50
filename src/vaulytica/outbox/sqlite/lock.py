"""The owner's lock: one relay at a time on one file. It ends with the process, however that ends."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from contextlib import suppress
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


def note_of(path: Path) -> bytes:
    """What an owner has noted; empty if nothing. Raises `OSError`."""
    return lock_of(path).read_bytes().partition(b"\n")[2]


class OwnerLock:
    """Held from its making to `release`. On a file of its own: SQLite's locks are on the other.

    In it stand the owner's process, and behind that what a relay has noted; one that begins `anew` drops it.
    """

    def __init__(self, path: Path, *, wait: float = 0.0, anew: bool = False) -> None:
        self._path, self.has_note = lock_of(path), False
        self._mutex, self._is_held = threading.Lock(), True
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise OutboxError(
                f"outbox {path}: cannot open {self._path}: {error.strerror}"
            ) from None
        until = time.monotonic() + wait
        while not self._try():
            if time.monotonic() >= until:
                holder = os.pread(self._file, 100, 0).partition(b"\n")[0].decode("ascii", "replace")
                os.close(self._file)
                raise OutboxInUseError(
                    f"outbox {path} is in use by another relay (process {holder or 'unknown'}); "
                    "stop it first, or give this one an outbox of its own"
                )
            time.sleep(0.02)
        self._begin = f"{os.getpid()}\n".encode("ascii")
        noted = b"" if anew else note_of(path)
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, self._begin + noted, 0)

    def _try(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def note(self, text: bytes) -> None:
        """Have others find it until there is another owner; where the disk is full, they do not. The first stays."""
        with self._mutex:
            if self.has_note or not self._is_held:
                return
            self.has_note = True
            with suppress(OSError):
                os.pwrite(self._file, text, len(self._begin))

    def release(self) -> None:
        """Let another have it."""
        with self._mutex:
            self._is_held = False
            os.close(self._file)
