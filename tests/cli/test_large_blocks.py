"""What large events took is given back: with glibc only if it is told to."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from support.programs import run_json

PROGRAM = """
    import sys
    from pathlib import Path
    from vaulytica.cli.input.large_blocks import give_back_large_blocks

    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    if sys.argv[1] == "told":
        give_back_large_blocks()
    for _ in range(3):
        bytearray(30_000_000)  # from now on, unless told, what is smaller comes from the heap
    large, between = [], []
    for _ in range(60):
        large.append(b"x" * 900_000)
        between.append(b"y" * 10_000)
    full = resident()
    large.clear()
    print(full - resident())
"""


def test_large_blocks_are_given_back() -> None:
    if not hasattr(ctypes.CDLL(None), "mallopt") or not Path("/proc/self/statm").exists():
        pytest.skip("only for glibc on Linux")
    assert run_json(PROGRAM, "told") > 50_000_000
    assert run_json(PROGRAM, "untold") < 10_000_000
