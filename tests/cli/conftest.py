from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support import nursery
from vaulytica.receiving.receiver import Receiver

CANARY = "canary-5f2c-secret"
FAST = ("--initial-delay", "0.01", "--max-delay", "0.05")


class Done:
    """What a finished command said."""

    def __init__(self, code: int, out: bytes, err: bytes) -> None:
        self.code = code
        self.out = out.decode()
        self.err = err.decode()
        assert "Traceback" not in self.err, self.err
        assert CANARY not in self.out + self.err, "a secret shows"

    @property
    def error(self) -> str:
        """The one line on stderr."""
        (line,) = self.err.splitlines()
        return line


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "vaulytica", *map(str, arguments)]


def environment(**extra: str) -> dict[str, str]:
    return {**os.environ, "SECRET": CANARY, **extra}


@pytest.fixture
def vaulytica(tmp_path):
    """Run a command to its end. `start` begins one in an interpreter of its own, as users do."""

    def run(*arguments: object, stdin: bytes | str = b"", **env: str) -> Done:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        argv, env = map(str, arguments), {"SECRET": CANARY, **env}
        return Done(*nursery.run(argv, data, folder=tmp_path, environment=env, seconds=50))

    return run


@pytest.fixture
def start(tmp_path):
    """Start a command and talk to it while it runs."""
    started: list[subprocess.Popen[bytes]] = []

    def run(*arguments: object, before: tuple[str, ...] = (), **options) -> subprocess.Popen[bytes]:
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        process = subprocess.Popen(
            [*before, *command(*arguments)], env=environment(), cwd=tmp_path, **{**pipes, **options}
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def receiver():
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def events(tmp_path) -> Path:
    """Five good events."""
    path = tmp_path / "events.ndjson"
    path.write_text(
        "".join(f'{{"type":"t{n}","data":{{"n":{n}}},"id":"id-{n}"}}\n' for n in range(5))
    )
    return path


@pytest.fixture
def fast() -> tuple[str, ...]:
    return FAST
