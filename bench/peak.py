"""Runs `vaulytica` with the arguments given, then writes the most memory it took, in KiB, to stderr.

From the kernel's own high-water mark: what `getrusage` says counts the parent's memory at the fork.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from vaulytica.cli import main

if __name__ == "__main__":
    try:
        main()
    finally:
        peak = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
        assert peak is not None
        print(peak[1], file=sys.stderr)
