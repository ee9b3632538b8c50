"""The most memory that `vaulytica send` takes, for files of very different lengths."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from bench.batches import PATH, Summary, send_command
from bench.events import write_events
from bench.machine import THEIRS, on_core, table
from bench.receiver import counting_receiver

LENGTHS = (10_000, 100_000, 1_000_000)


def memory(most: int) -> list[str]:
    """A row for each length up to `most`."""
    rows = []
    with (
        tempfile.TemporaryDirectory(prefix="vaulytica-bench-") as folder,
        on_core(THEIRS),
        counting_receiver() as counting,
    ):
        for length in LENGTHS:
            if length > most:
                continue
            file = write_events(Path(folder, f"{length}.ndjson"), length)
            row = {"events": f"{length:,}"}
            for compression in ("none", "gzip"):
                options = ("--compression", compression)
                command = send_command(file, counting.url + PATH, *options)
                peak = _peak(["-m", "bench.peak", *command[3:]], length)
                assert counting.counted().events == length
                row[f"peak MiB, compression {compression}"] = f"{peak:.0f}"
            rows.append(row)
            file.unlink()
    return table(rows)


def _peak(arguments: list[str], events: int) -> float:
    ran = subprocess.run([sys.executable, *arguments], check=True, capture_output=True, text=True)
    assert msgspec.json.decode(ran.stdout, type=Summary).delivered == events
    return int(ran.stderr.split()[-1]) / 1024
