"""`vaulytica relay`: takes events in, keeps them on disk, and delivers them to all who want them."""

from __future__ import annotations

import asyncio
import gc
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vaulytica.errors import WebhookConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from vaulytica.relay.config import RelayConfig


class LogStyle(StrEnum):
    """How the log is written."""

    AUTO = "auto"
    JSON = "json"
    TEXT = "text"


def relay(
    *,
    config: Annotated[
        Path, typer.Option(metavar="FILE", help="YAML, JSON or TOML; read again when it changes.")
    ],
    log: Annotated[
        LogStyle, typer.Option(help="JSON lines, or text for people (auto: on a terminal).")
    ] = LogStyle.AUTO,
    stdin: Annotated[
        bool, typer.Option("--stdin", help="Take events from standard input too, a line each.")
    ] = False,
) -> int:
    """Run the relay, until SIGTERM or Ctrl-C. SIGHUP reads the config again."""
    try:
        from vaulytica.cli.config_files.relay import read_relay
        from vaulytica.relay.intake.settings import LineSettings
        from vaulytica.relay.relay import Relay
        from vaulytica.relay.watching.logs import make_log
    except ModuleNotFoundError as error:
        raise WebhookConfigError(
            f"the relay needs {error.name}: install vaulytica with its extra, vaulytica[relay]"
        ) from None

    def read(running: RelayConfig | None) -> RelayConfig:
        settings = read_relay(config, running=running)
        if stdin and settings.intake.stdin is None:
            intake = settings.intake.model_copy(update={"stdin": LineSettings()})
            settings = settings.model_copy(update={"intake": intake})
        if (
            settings.intake.stdin is not None and sys.stdin is None
        ):  # another file may have its number
            raise WebhookConfigError(
                "intake.stdin: standard input is closed; connect it, or leave it"
            )
        return settings

    async def run() -> None:
        one = Relay(read, make_log(log.value), stamp=lambda: _stamp(config))
        await one.run()

    # What is here by now stays: looking for cycles in it is for nothing.
    gc.freeze()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(run())
    return 0


def _stamp(path: Path) -> object:
    """What tells one state of a file from the next; None while it is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ModuleNotFoundError:  # it has none for this platform
        return asyncio.new_event_loop
    return uvloop.new_event_loop
