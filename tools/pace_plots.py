"""Draws docs/pace/*.svg, one picture of each scenario in tests/scenarios: `python tools/pace_plots.py`.

The simulation has no chance in it, and the pictures are written here, number by number: the same
scenario always gives the same bytes. A test draws them again and compares. `--check` only compares.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs/pace"

_WIDTH, _LEFT, _RIGHT = 760, 52, 736
_THROUGHPUT = 64, 218  # top and bottom of the upper panel
_LIMIT = 246, 316  # of the lower one
_HEIGHT = 348

_STYLE = """
text { font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #57606a }
.card { fill: #ffffff; stroke: #d0d7de } .title { font-size: 15px; font-weight: 600; fill: #1f2328 }
.grid { stroke: #d8dee4 } .possible { fill: #d4dae1 } .down { fill: #cf222e; opacity: .14 }
.sent, .limit { fill: none; stroke-width: 2; stroke-linejoin: round }
.sent { stroke: #0969da } .limit { stroke: #bc4c00 }
@media (prefers-color-scheme: dark) {
text { fill: #9198a1 } .card { fill: #0d1117; stroke: #3d444d } .title { fill: #f0f6fc }
.grid { stroke: #2a313c } .possible { fill: #343d49 } .down { fill: #ff7b72; opacity: .2 }
.sent { stroke: #58a6ff } .limit { stroke: #f0883e }
}
"""


def main() -> int:
    """Write the pictures, or with --check only say whether they are right."""
    sys.path.insert(0, str(ROOT / "tests"))
    pictures = render()
    if "--check" in sys.argv[1:]:
        there = {path.name: path.read_text(encoding="utf-8") for path in TARGET.glob("*.svg")}
        print("docs/pace is", "right" if there == pictures else "old: python tools/pace_plots.py")
        return int(there != pictures)
    TARGET.mkdir(parents=True, exist_ok=True)
    for old in TARGET.glob("*.svg"):
        old.unlink()
    for name, picture in pictures.items():
        (TARGET / name).write_text(picture, encoding="utf-8")
    return 0


def render() -> dict[str, str]:
    """The file name and text of each picture."""
    simulation = importlib.import_module("support.simulation")
    return {
        f"{scenario.name}.svg": "\n".join(_picture(simulation.Simulation(scenario).run())) + "\n"
        for scenario in simulation.scenarios()
    }


class _Panel:
    """Turns seconds and values into places."""

    def __init__(self, seconds: float, highest: float, top: int, bottom: int) -> None:
        self._seconds, self._highest = seconds, highest
        self._bottom, self._height = bottom, bottom - top

    def x(self, seconds: float) -> str:
        share = min(seconds, self._seconds) / self._seconds
        return f"{_LEFT + (_RIGHT - _LEFT) * share:.1f}"

    def y(self, value: float) -> str:
        return f"{self._bottom - self._height * value / self._highest:.1f}"

    def line(self, name: str, points: Iterable[tuple[float, float]]) -> str:
        places = " ".join(f"{self.x(time)},{self.y(value)}" for time, value in points)
        return f'<polyline class="{name}" points="{places}"/>'

    def box(self, name: str, begin: float, end: float, value: float) -> str:
        x, y = self.x(begin), self.y(value)
        width, height = float(self.x(end)) - float(x), self._bottom - float(y)
        return f'<rect class="{name}" x="{x}" y="{y}" width="{width:.1f}" height="{height:.1f}"/>'

    def grid(self, values: Iterable[float]) -> Iterator[str]:
        for value in values:
            y = self.y(value)
            yield f'<path class="grid" d="M{_LEFT} {y}H{_RIGHT}"/>'
            yield f'<text x="{_LEFT - 8}" y="{float(y) + 4:.1f}" text-anchor="end">{value:g}</text>'


def _picture(simulation: Any) -> Iterator[str]:
    scenario = simulation.scenario
    seconds, most = scenario.seconds, scenario.pace.concurrency
    sent = _throughput(simulation)
    possible = [(begin, end, scenario.reference(phase)) for phase, begin, end in scenario.spans()]
    step = _step(max(*(rate for _, rate in sent), *(rate for _, _, rate in possible)) * 1.04)
    upper = _Panel(seconds, 4 * step, *_THROUGHPUT)
    lower = _Panel(seconds, most, *_LIMIT)
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">'
    yield f"<title>{scenario.title}: {scenario.about}</title>"
    yield f"<style>{_STYLE}</style>"
    yield f'<rect class="card" x=".5" y=".5" width="{_WIDTH - 1}" height="{_HEIGHT - 1}" rx="8"/>'
    yield f'<text class="title" x="16" y="27">{scenario.title}</text>'
    yield from _legend()
    yield f'<text x="16" y="50">requests a second</text><text x="16" y="{_LIMIT[0] - 10}">limit</text>'
    for begin, end, rate in possible:
        yield upper.box("possible", begin, end, rate)
    for begin, end in _open_times(simulation):
        yield upper.box("down", begin, end, 4 * step)
        yield lower.box("down", begin, end, most)
    yield from upper.grid(step * n for n in range(5))
    yield from lower.grid((0, most / 2, most))
    yield upper.line("sent", sent)
    yield lower.line("limit", _stairs(simulation.limits, seconds))
    for time in range(0, int(seconds) + 1, 10 if seconds <= 60 else 20):
        yield f'<text x="{lower.x(time)}" y="{_HEIGHT - 12}" text-anchor="middle">{time} s</text>'
    yield "</svg>"


def _legend() -> Iterator[str]:
    items = (
        ("possible", "possible"),
        ("sent", "delivered"),
        ("limit", "limit of requests in flight"),
    )
    for x, (name, words) in zip((276, 360, 452), items, strict=True):
        yield (
            f'<path class="{name}" d="M{x} 18h16v10h-16z"/>'
            if name == "possible"
            else (f'<path class="{name}" d="M{x} 23h16"/>')
        )
        yield f'<text x="{x + 22}" y="27">{words}</text>'
    yield '<rect class="down" x="632" y="18" width="16" height="10"/><text x="654" y="27">breaker open</text>'


def _throughput(simulation: Any) -> list[tuple[float, float]]:
    """The rate in each second."""
    return [(n + 0.5, simulation.rate(n, n + 1)) for n in range(int(simulation.scenario.seconds))]


def _step(highest: float) -> float:
    """A round number of which four reach so high."""
    return next(
        digit * 10.0**power
        for power in range(-2, 7)
        for digit in (1, 2, 2.5, 5)
        if 4 * digit * 10.0**power >= highest
    )


def _stairs(changes: list[tuple[float, float]], end: float) -> Iterator[tuple[float, float]]:
    """Each value until the next one. Changes within less than can be seen are one."""
    for (time, value), (until, _) in pairwise([*changes, (end, 0.0)]):
        if until - time > end / 3000:
            yield from ((time, value), (until, value))


def _open_times(simulation: Any) -> Iterator[tuple[float, float]]:
    """When the breaker let nothing through but probes."""
    states = [*simulation.states, (simulation.scenario.seconds, "closed")]
    begin: float | None = None
    for time, state in states:
        if state == "closed" and begin is not None:
            yield begin, time
            begin = None
        elif state != "closed" and begin is None:
            begin = time


if __name__ == "__main__":
    sys.exit(main())
