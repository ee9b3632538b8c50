"""Runs small programs in a fresh interpreter, where a test needs one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from typing import Any


def start(
    code: str, *arguments: object, stdin: int | None = None, **environment: str
) -> subprocess.Popen[str]:
    """The program, started, with warnings as errors; its stdout and stderr are one pipe."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *map(str, arguments)],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
    )


def run(code: str, *arguments: object, **environment: str) -> str:
    """What the program wrote; fails if it does not end well within a minute."""
    process = start(code, *arguments, **environment)
    try:
        output, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 0, output
    return output


def run_json(code: str, *arguments: object, **environment: str) -> Any:
    """The JSON that is the program's last line."""
    return json.loads(run(code, *arguments, **environment).splitlines()[-1])
