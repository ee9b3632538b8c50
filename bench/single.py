"""Events sent one at a time, against bare loops and other clients; what importing and sending costs."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from bench.contestants import ASYNC, EGRESS, EGRESS_ASYNC, SIGNED, SYNC, Contestant
from bench.machine import OURS, on_core, table, turns
from bench.receiver import receiver

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


def single(rounds: int, seconds: float) -> list[str]:
    """All tables of this part; `seconds` for each contestant and round."""
    with receiver() as nginx, on_core(OURS):
        url = f"{nginx.url}/events"
        return [
            f"To {nginx.name}, {seconds:g} s each; {turns(rounds)}.",
            "",
            "#### One after another",
            "",
            *compare(SYNC, url, rounds, seconds),
            "",
            "#### 50 in flight",
            "",
            *compare(ASYNC, url, rounds, seconds),
            "",
            "#### Start-up",
            "",
            *start_up(2 * rounds + 1),
            "",
            "#### Memory",
            "",
            memory(url),
        ]


def signatures(rounds: int, seconds: float) -> list[str]:
    """What signing costs: the same sender one event after another, signed in each way and not at all."""
    with receiver() as nginx, on_core(OURS):
        return [
            f"To {nginx.name}, {seconds:g} s each; {turns(rounds)}.",
            "",
            *compare(SIGNED, f"{nginx.url}/events", rounds, seconds),
        ]


def egress(rounds: int, seconds: float) -> list[str]:
    """What an egress policy costs a sender whose connection is kept."""
    with receiver() as nginx, on_core(OURS):
        url = f"{nginx.url}/events"
        return [
            f"To {nginx.name}, {seconds:g} s each; {turns(rounds)}.",
            "",
            *compare(EGRESS, url, rounds, seconds),
            "",
            *compare(EGRESS_ASYNC, url, rounds, seconds),
        ]


def compare(contestants: dict[str, Contestant], url: str, rounds: int, seconds: float) -> list[str]:
    """Take turns, round after round, so that the machine's noise meets all alike; medians."""
    sizes = {name: _size(contestant, url, seconds) for name, contestant in contestants.items()}
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            rates[name].append(_rate(contestant, url, sizes[name]))
    baseline = rates[next(iter(contestants))]
    return table(
        [
            {
                "contestant": name,
                "events/s": f"{statistics.median(measured):,.0f}",
                "ratio to the first": f"{_ratio(measured, baseline):.2f}",
            }
            for name, measured in rates.items()
        ]
    )


def _ratio(measured: list[float], baseline: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(measured, baseline, strict=True))


def _size(contestant: Contestant, url: str, seconds: float) -> int:
    contestant(url, 50)
    return max(50, int(_rate(contestant, url, 200) * seconds))


def _rate(contestant: Contestant, url: str, n: int) -> float:
    started = time.perf_counter()
    contestant(url, n)
    return n / (time.perf_counter() - started)


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
    above = "ms above the bare interpreter"
    return table(
        [
            {"import": "pydantic, and one model", above: f"{1000 * (base - bare):.0f}"}
            | {"ratio": "1.00"},
            {"import": "vaulytica.integrations.webhook", above: f"{1000 * (ours - bare):.0f}"}
            | {"ratio": f"{ratio:.2f}"},
        ]
    )


def memory(url: str) -> str:
    """The most memory that 10 000 events through `send_batch` take, above the interpreter's own."""

    def peak(code: str) -> float:
        ran = subprocess.run(
            [sys.executable, "-c", code + PRINT_PEAK], check=True, capture_output=True
        )
        return int(ran.stdout) / 1024

    above = peak(SEND_BATCH.format(url=url)) - peak("")
    return f"10,000 events through `send_batch`: {above:.0f} MiB above the interpreter's own."
