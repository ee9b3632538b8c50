"""The command line: one file per command. `main` is its entry."""

from __future__ import annotations

import sys


def show_version() -> None:
    """Print the version; loads next to nothing, as scripts ask for it often."""
    from vaulytica import __version__

    sys.stdout.write(f"vaulytica {__version__}\n")


def main() -> None:
    """Run the command line and exit: 0 all delivered, 1 something was not, 2 wrong usage or config."""
    if sys.argv[1:] == ["--version"]:
        show_version()
        return
    from vaulytica.cli.app import run

    sys.exit(run(sys.argv[1:]))
