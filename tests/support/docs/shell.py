"""Runs a page's shell blocks, in its folder: one after the other, or in the background until Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

from support.docs import commands
from support.docs.hosts import RELAY_PORT, Mapping


class Shell:
    """`run` gives what a script printed, and its exit code."""

    def __init__(
        self, folder: Path, programs: Path, mapping: Mapping, extra: dict[str, str]
    ) -> None:
        commands.install(programs)
        self._folder = folder
        self._mapping = mapping
        self._environment = {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "COLUMNS": "100",
            "NO_COLOR": "1",
            "PYTHONWARNINGS": "error",
            **extra,
            **mapping.environment(),
        }
        self._background: subprocess.Popen[bytes] | None = None
        self._printed = b""

    def run(self, script: str) -> tuple[str, int]:
        """Stops at the first command that fails; stdout and stderr come as one."""
        done = subprocess.run(
            ["sh", "-eu", "-c", script],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
        )
        return done.stdout.decode(), done.returncode

    def start(self, command: str) -> None:
        """Start a command that listens; later commands find it at the port that documents name."""
        self._background = process = subprocess.Popen(
            ["sh", "-c", f"exec {command}"],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert process.stdout is not None
        self._printed = process.stdout.readline()  # the test's own time limit bounds the wait
        found = re.search(rb"127\.0\.0\.1:(\d+)", self._printed)
        if found is None:
            raise ValueError(f"it does not say where it listens: {self._printed!r}")
        # What a page asks of a relay by curl goes to the port that it has here.
        relay = f'connect-to = "127.0.0.1:{RELAY_PORT}:127.0.0.1:{int(found[1])}"\n'
        (self._folder / ".curlrc").write_text(relay, encoding="utf-8")
        self._environment |= replace(self._mapping, receive=int(found[1])).environment()

    @property
    def is_busy(self) -> bool:
        """Whether a command runs in the background."""
        return self._background is not None

    def stop(self) -> tuple[str, int]:
        """Press Ctrl-C; what was printed from beginning to end."""
        process = self._background
        if process is None:
            raise ValueError("nothing runs in the background")
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
        self._background = None
        return (self._printed + rest).decode(), process.returncode

    def close(self) -> None:
        """End what still runs."""
        if self._background is not None:
            self._background.kill()
            self._background.communicate()
            self._background = None
