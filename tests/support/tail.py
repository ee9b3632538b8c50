"""A follower of files that looks and reads when it is told to, with a real outbox behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from support.intake import Intake
from vaulytica.relay.intake.settings import IntakeLimits, TailSettings
from vaulytica.relay.intake.tail import Tail

LINE = '{"type":"t","data":{"n":%d}}\n'


class Steps:
    """A follower that looks and reads when it is told to; time passes when it is told to."""

    def __init__(self, behind: Intake, folder: Path) -> None:
        self.behind, self.folder = behind, folder
        self.now = 0.0
        self._loop = asyncio.new_event_loop()
        self.tail: Tail | None = None

    def do(self, what: Coroutine[Any, Any, Any]) -> Any:
        return self._loop.run_until_complete(what)

    def begin(self, *settings: dict[str, Any], **limits: Any) -> None:
        self.make(*settings, **limits)
        self.go_on()

    def make(self, *settings: dict[str, Any], **limits: Any) -> None:
        """As begin, but look at nothing yet."""
        self.end()
        given = [
            TailSettings(**{**one, "path": str(self.folder / one["path"])}) for one in settings
        ]
        self.tail = Tail(given, IntakeLimits(**limits), lambda: self.now)
        self.do(self.tail.begin(self.behind))

    def go_on(self) -> list[Any]:
        """Look, read all; the data that is kept."""
        self.read()
        return [
            event["data"].get("n", event["data"].get("message")) for event in self.behind.kept()
        ]

    def read(self) -> None:
        """Look, read all."""
        assert self.tail is not None
        self.do(self.tail.look())
        while self.do(self.tail.poll()):
            pass

    def end(self) -> None:
        if self.tail is not None:
            self.tail.close()

    def close(self) -> None:
        self.end()
        self._loop.close()


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def lines(first: int, last: int) -> str:
    return "".join(LINE % number for number in range(first, last))


def long_lines(first: int, last: int) -> str:
    """Of about 1000 bytes."""
    return lines(first, last).replace("}}", ',"pad":"' + "x" * 960 + '"}}')


def rotate(path: Path) -> None:
    """As logrotate does it, by numbers."""
    for number in range(9, 0, -1):
        for old in path.parent.glob(f"{path.name}.{number}*"):
            old.rename(old.with_name(old.name.replace(f".{number}", f".{number + 1}", 1)))
    path.rename(path.with_name(f"{path.name}.1"))


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
