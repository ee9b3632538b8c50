"""Fuzzes the targets: `python tests/fuzz/run.py [--seconds N] [TARGET…]`, which is `make fuzz`.

With atheris, which is guided by the coverage of our code; without it, by hypothesis alone. What is
found goes to `.fuzz/`. `--keep` writes the inputs that reach most with least back into the corpus.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fuzz.kept import TARGETS, keep, kept, target_of

WORK = Path(".fuzz")
LONGEST = 4096  # bytes of an input: what is wrong with longer ones is a matter of other tests
MOST_KEPT = 120  # inputs of a target


def mutated(seeds: list[bytes]) -> st.SearchStrategy[bytes]:
    """Kept inputs with pieces cut out, put in, doubled and put together."""
    seed = st.sampled_from(seeds)

    @st.composite
    def mutations(draw: st.DrawFn) -> bytes:
        data = draw(seed)
        for _ in range(draw(st.integers(1, 4))):
            start = draw(st.integers(0, len(data)))
            end = draw(st.integers(start, min(len(data), start + 20)))
            piece = draw(st.binary(max_size=6) | st.just(data[start:end] * 2) | seed)
            data = (data[:start] + piece + data[end:])[:LONGEST]
        return data

    return mutations()


def with_hypothesis(name: str, seconds: int) -> None:
    """Examples by the thousand until the time is up; raises at the first that breaks a law."""
    target, end = target_of(name), time.monotonic() + seconds

    @settings(
        max_examples=2_000,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(mutated(kept(name)) | st.binary(max_size=400))
    def uphold(data: bytes) -> None:
        if time.monotonic() < end:
            target(data)

    while time.monotonic() < end:
        uphold()


def with_atheris(name: str, seconds: int, *flags: str) -> None:
    """Runs libFuzzer in this process, which it ends."""
    import atheris

    with atheris.instrument_imports(include=["vaulytica", "jinja2", "yaml"]):
        target = target_of(name)
        for data in kept(name):  # what is imported when it is needed is to be guided by, too
            target(data)
    atheris.Setup(
        [
            # To merge, libFuzzer starts itself again by what it takes for its own name.
            f"{sys.executable} {__file__} --one {name} --",
            f"-max_len={LONGEST}",
            f"-max_total_time={seconds}",
            f"-artifact_prefix={WORK / name}-",
            "-timeout=25",
            "-rss_limit_mb=2048",
            "-print_final_stats=1",
            "-verbosity=0",
            *flags,
        ],
        target,
    )
    atheris.Fuzz()


def _unpacked(name: str) -> Path:
    """The folder of a target's inputs, as libFuzzer wants them: the kept ones, and those it has found."""
    folder = WORK / name
    folder.mkdir(parents=True, exist_ok=True)
    for data in kept(name):
        (folder / hashlib.sha1(data, usedforsecurity=False).hexdigest()).write_bytes(data)
    return folder


def _merge(name: str) -> None:
    """Keep the inputs that together reach all that was reached."""
    least = WORK / f"{name}-least"
    least.mkdir(exist_ok=True)
    for old in least.iterdir():
        old.unlink()
    _child(name, 0, "-merge=1", str(least), str(_unpacked(name)))
    reaching = sorted((path.read_bytes() for path in least.iterdir()), key=len)
    keep(name, [*kept(name), *reaching[:MOST_KEPT]])


def _child(name: str, seconds: int, *flags: str) -> int:
    """A process of its own for each target: libFuzzer ends the one it runs in."""
    command = [sys.executable, __file__, "--seconds", str(seconds), "--one", name, "--", *flags]
    return subprocess.run(command, check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--keep", action="store_true", help="write back what reaches most")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        with_atheris(given.one, given.seconds, *given.targets)
        return 0
    guided = find_spec("atheris") is not None
    broken = []
    for name in given.targets or TARGETS:
        print(f"== {name}: {given.seconds} s, {'atheris' if guided else 'hypothesis'}", flush=True)
        if not guided:
            with_hypothesis(name, given.seconds)
        elif _child(name, given.seconds, str(_unpacked(name))):
            broken.append(name)
        elif given.keep:
            _merge(name)
    if broken:
        print(f"broken: {', '.join(broken)}; the inputs are in {WORK}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
