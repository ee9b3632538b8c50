"""Small disks of their own, where the machine lets this user mount one."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


class MountRefused(Exception):
    """This user may not mount, or there is no mount."""


@contextlib.contextmanager
def mounted(folder: Path, mib: int) -> Iterator[Path]:
    """A disk of that size; raises `MountRefused`."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except OSError:
        raise MountRefused("there is no mount") from None
    if done.returncode:
        raise MountRefused("this user may not mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


@contextlib.contextmanager
def disk(folder: Path, mib: int) -> Iterator[Path]:
    """The same for a test, which is skipped where that is not to be had."""
    with contextlib.ExitStack() as stack:
        try:
            made = stack.enter_context(mounted(folder, mib))
        except MountRefused as error:
            pytest.skip(str(error))
        yield made


def fill(path: Path, leave: int = 0) -> Path:
    """A file that takes all room of its disk but so many bytes."""
    import os

    piece = b"x" * 65536
    with path.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            state = os.statvfs(path.parent)
            left = state.f_bavail * state.f_frsize - leave
            if left <= 0 or not file.write(piece[: min(left, len(piece))]):
                break
    return path
