"""Run all benchmarks and print the tables; `--write` puts them into docs/BENCHMARKS.md."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench.contestants import ASYNC, SYNC, Contestant
from bench.receiver import receiver

DOCUMENT = Path(__file__).parent.parent / "docs" / "BENCHMARKS.md"
BEGIN, END = "<!-- begin: make bench -->", "<!-- end: make bench -->"


def compare(contestants: dict[str, Contestant], url: str, rounds: int, seconds: float) -> list[str]:
    """Take turns, round after round, so that the machine's noise meets all alike; medians."""
    sizes = {name: _size(contestant, url, seconds) for name, contestant in contestants.items()}
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            rates[name].append(_rate(contestant, url, sizes[name]))
    baseline = next(iter(contestants))
    rows = ["| contestant | events/s | ratio to the first |", "|---|---:|---:|"]
    for name, measured in rates.items():
        ratio = statistics.median(a / b for a, b in zip(measured, rates[baseline], strict=True))
        rows.append(f"| {name} | {statistics.median(measured):,.0f} | {ratio:.2f} |")
    return rows


def _size(contestant: Contestant, url: str, seconds: float) -> int:
    contestant(url, 50)
    return max(50, int(_rate(contestant, url, 200) * seconds))


def _rate(contestant: Contestant, url: str, n: int) -> float:
    started = time.perf_counter()
    contestant(url, n)
    return n / (time.perf_counter() - started)


BASE_IMPORT = "import pydantic\nclass M(pydantic.BaseModel):\n x: int\n"
OUR_IMPORT = "import vaulytica.integrations.webhook\n"
SEND_BATCH = """
from vaulytica.integrations.webhook import WebhookConfig, WebhookSender
events = ({{"type": "file_shared_externally", "data": {{"n": n}}}} for n in range(10_000))
with WebhookSender(WebhookConfig(url={url!r})) as sender:
    assert sender.send_batch(events) == 10_000
"""
# The kernel's own high-water mark; getrusage would count the parent's memory at the fork.
PRINT_PEAK = """
import re
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""


def start_up(rounds: int) -> list[str]:
    """Seconds to start an interpreter with the import, less an interpreter with none."""
    costs: dict[str, list[float]] = {"": [], BASE_IMPORT: [], OUR_IMPORT: []}
    for _ in range(rounds):
        for code, measured in costs.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            measured.append(time.perf_counter() - started)
    bare, base, ours = (statistics.median(measured) for measured in costs.values())
    ratio = (ours - bare) / (base - bare)
    return [
        "| import | ms above the bare interpreter | ratio |",
        "|---|---:|---:|",
        f"| pydantic, and one model | {1000 * (base - bare):.0f} | 1.00 |",
        f"| vaulytica.integrations.webhook | {1000 * (ours - bare):.0f} | {ratio:.2f} |",
    ]


def memory(url: str) -> list[str]:
    """The most memory that 10 000 events through `send_batch` take, above the interpreter's own."""

    def peak(code: str) -> float:
        ran = subprocess.run(
            [sys.executable, "-c", code + PRINT_PEAK], check=True, capture_output=True
        )
        return int(ran.stdout) / 1024

    above = peak(SEND_BATCH.format(url=url)) - peak("")
    return [f"10,000 events through `send_batch`: {above:.0f} MiB above the interpreter's own."]


def report(rounds: int, seconds: float) -> str:
    """All tables as Markdown."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    ours, theirs = (cores[0], cores[1]) if len(cores) > 1 else (None, None)
    if ours is not None:
        os.sched_setaffinity(0, {ours})
    with receiver(theirs) as (url, name):
        system = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
        where = f"client on one core, receiver ({name}) on another"
        how = f"medians of {rounds} rounds of {seconds:g} s in which all take turns"
        lines = [
            f"{system}; {where}; {how}.",
            "",
            "### One after another",
            "",
            *compare(SYNC, url, rounds, seconds),
            "",
            "### 50 in flight",
            "",
            *compare(ASYNC, url, rounds, seconds),
            "",
            "### Start-up",
            "",
            *start_up(2 * rounds + 1),
            "",
            "### Memory",
            "",
            *memory(url),
        ]
    return "\n".join(lines)


def main() -> None:
    """Parse the options and run."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5, help="for each contestant and round")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {DOCUMENT.name}")
    options = parser.parse_args()
    tables = report(options.rounds, options.seconds)
    print(tables)
    if options.write:
        text = DOCUMENT.read_text()
        head, tail = text.split(BEGIN)[0], text.split(END)[1]
        DOCUMENT.write_text(f"{head}{BEGIN}\n{tables}\n{END}{tail}")


if __name__ == "__main__":
    main()
