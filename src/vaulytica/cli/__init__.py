"""The command line: one file or package per command, and what they share in packages. `main` is its entry."""

from __future__ import annotations

import gc
import os
import sys


def show_version() -> None:
    """Print the version; loads next to nothing, as scripts ask for it often."""
    from vaulytica import __version__

    sys.stdout.write(f"vaulytica {__version__}\n")


def open_missing_streams() -> None:
    """Give a process that was started with closed standard streams some that swallow all.

    In their order, as each gets the lowest number that is free; else the next file or socket would
    be one of them. `sys.stdin` stays None: there is no input.
    """
    if sys.stdin is None:
        os.open(os.devnull, os.O_RDONLY)
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")


def main() -> None:
    """Run the command line and exit: 0 all delivered, 1 something was not, 2 wrong usage or config."""
    open_missing_streams()
    if sys.argv[1:] == ["--version"]:
        show_version()
        return
    # Nothing of what is imported is ever garbage, nor are events in cycles: to look for some is for nothing.
    gc.set_threshold(100_000)
    from vaulytica.cli.app import run

    sys.exit(run(sys.argv[1:]))
