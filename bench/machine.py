"""The machine: a core for who is measured and one for who receives; what a process took; tables."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self

PINS = hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0)) > 1
OURS, THEIRS = sorted(os.sched_getaffinity(0))[:2] if PINS else (None, None)
SYSTEM = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
HERE = Path(__file__).parent.parent

Row = dict[str, str]


class Measured(NamedTuple):
    """One run: seconds by the wall, and of processor time (user and system) of the one measured.

    `receiver`: how much of the wall's time the receiver was busy; where that is near 1, it is what
    was measured.
    """

    seconds: float
    cpu: float
    receiver: float = 0.0


def pin(pid: int, core: int | None) -> None:
    """Keep a process on one core; 0 is this one."""
    if core is not None:
        os.sched_setaffinity(pid, {core})


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """This process on that core, and back."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    pin(0, core)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Program:
    """A program on the measured core, from its start; `cpu` and `output` are known when it is over."""

    def __init__(self, command: Sequence[str], errors: int | None = None) -> None:
        # As of an installed program, the bytecode is there (but in the first run of a new checkout).
        env = {n: v for n, v in os.environ.items() if n != "PYTHONDONTWRITEBYTECODE"}
        self.started = time.time()
        with on_core(OURS):  # a program inherits it
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=HERE, env=env
            )

    @property
    def running(self) -> bool:
        # Left as a zombie: `ended` reads what it took.
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def stop(self) -> None:
        self._process.terminate()

    def ended(self) -> tuple[str, float]:
        """Wait for its end: what it printed, and its user and system seconds."""
        assert self._process.stdout is not None
        output = self._process.stdout.read()
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return output, usage.ru_utime + usage.ru_stime

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
            self._process.wait()


def cpu_of(pid: int) -> float:
    """The processor time that a running process has taken, in seconds; 0 where there is no /proc."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def turns(rounds: int) -> str:
    """How the rounds were, for a table's first line."""
    return f"medians of {rounds} rounds in which all take turns"


def rounds_of(
    contestants: Mapping[str, Callable[[], Measured]], rounds: int
) -> dict[str, list[Measured]]:
    """All take turns, round after round, so that the machine's noise meets all alike."""
    runs: dict[str, list[Measured]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            runs[name].append(contestant())
    return runs


def compared(runs: Mapping[str, Sequence[Measured]], baseline: str, events: int) -> list[str]:
    """A table of medians; ratios are of one round's runs, so above 1 is better than the baseline."""
    rows = []
    for name, measured in runs.items():
        pairs = list(zip(measured, runs[baseline], strict=True))
        row = {
            "contestant": name,
            "events/s": f"{events / statistics.median(m.seconds for m in measured):,.0f}",
            "× by time": f"{statistics.median(b.seconds / m.seconds for m, b in pairs):.2f}",
            "CPU µs/event": f"{1e6 / events * statistics.median(m.cpu for m in measured):.2f}",
            "× by CPU": f"{statistics.median(b.cpu / m.cpu for m, b in pairs):.2f}",
        }
        if any(m.receiver for m in measured):
            row["receiver busy"] = f"{statistics.median(m.receiver for m in measured):.0%}"
        rows.append(row)
    return table(rows)


def table(rows: Sequence[Row]) -> list[str]:
    """Rows as a Markdown table; the first column is text, the others are numbers."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return [
        f"| {' | '.join(names)} |",
        f"|---|{'---:|' * (len(names) - 1)}",
        *(f"| {' | '.join(row.get(name, '') for name in names)} |" for row in rows),
    ]
