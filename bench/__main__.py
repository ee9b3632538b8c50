"""Run the benchmarks and print their tables; `--write` puts them into docs/BENCHMARKS.md."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable

from bench.machine import HERE, OURS, SYSTEM

DOCUMENT = HERE / "docs" / "BENCHMARKS.md"
CORES = "" if OURS is None else "; who is measured on one core, the receiver on another"


def single(options: argparse.Namespace) -> list[str]:
    from bench.single import single

    return single(options.rounds, options.seconds)


def egress(options: argparse.Namespace) -> list[str]:
    from bench.single import egress

    return egress(options.rounds, options.seconds)


def signatures(options: argparse.Namespace) -> list[str]:
    from bench.single import signatures

    return signatures(options.rounds, options.seconds)


def batches(options: argparse.Namespace) -> list[str]:
    from bench.batches import batches

    return batches(options.rounds, options.events)


def bulk(options: argparse.Namespace) -> list[str]:
    from bench.bulk import bulk

    return bulk(options.rounds, max(1000, options.events // 4))


def intake(options: argparse.Namespace) -> list[str]:
    from bench.intake import intake

    return intake(options.rounds, 4 * options.seconds)


def durable(options: argparse.Namespace) -> list[str]:
    from bench.durable import durable

    return durable(options.rounds, options.events)


def relay(options: argparse.Namespace) -> list[str]:
    from bench.relay import relay

    return relay(options.events)


def memory(options: argparse.Namespace) -> list[str]:
    from bench.memory import memory

    return memory(options.events)


# Each part imports what it measures, so that one can be run without the peers of another.
PARTS: dict[str, Callable[[argparse.Namespace], list[str]]] = {
    "batches": batches,
    "bulk": bulk,
    "intake": intake,
    "durable": durable,
    "memory": memory,
    "relay": relay,
    "single": single,
    "signatures": signatures,
    "egress": egress,
}


def written(text: str, part: str, lines: str) -> str:
    """The page with these lines between that part's two marks."""
    marks = rf"(<!-- begin: {part} -->\n).*?(<!-- end: {part} -->)"
    changed, found = re.subn(marks, lambda m: f"{m[1]}{lines}\n{m[2]}", text, flags=re.DOTALL)
    if found != 1:
        raise SystemExit(f"{DOCUMENT.name} has no place for the part {part}")
    return changed


def main() -> None:
    """Parse the options and run."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--only", action="append", choices=PARTS, help="this part; may be repeated")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--seconds", type=float, default=0.5, help="single: for each and round; intake: 4 ×"
    )
    parser.add_argument("--events", type=int, default=1_000_000, help="batches, memory; bulk: ¼")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {DOCUMENT.name}")
    options = parser.parse_args()
    # What is measured starts as users have it: compiled.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for part in options.only or PARTS:
        lines = "\n".join([f"{SYSTEM}{CORES}.", "", *PARTS[part](options)])
        print(f"### {part}\n\n{lines}\n", flush=True)
        if options.write:
            DOCUMENT.write_text(written(DOCUMENT.read_text(), part, lines))


if __name__ == "__main__":
    main()
