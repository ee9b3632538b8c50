"""The commands put together, and how every way to fail becomes one line on stderr and an exit code."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Iterable
from importlib import import_module
from typing import Annotated, Any

import typer

from vaulytica.cli import show_version
from vaulytica.cli.output.printing import error_line
from vaulytica.errors import WebhookConfigError, WebhookError

NOT_ALL, WRONG_USAGE = 1, 2
_INTERRUPTED = 130  # how typer returns from Ctrl-C

_TAKING_SECRETS = ("send", "check", "render", "receive")
_SECRETS = "R is a reference to a secret: env:NAME, file:PATH, or - to be asked."
_PLAIN = ("relay", "demo")
_GROUPS = {"outbox": "outbox", "config": "app"}  # modules, and what holds their commands
COMMANDS = (*_TAKING_SECRETS, *_PLAIN, *_GROUPS)  # in the order in which help shows them


def made(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """An app of these commands. Each is imported here: to import all takes longer than to send thousands of events."""
    app = typer.Typer(
        help="Delivers security events to SIEMs and webhooks: none lost in silence, none forged.",
        epilog="Exit codes: 0 all delivered, 1 something was not, 2 wrong usage or config.",
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(_options)
    for name in names:
        module = import_module(f"vaulytica.cli.{name}")
        if name in _GROUPS:
            app.add_typer(getattr(module, _GROUPS[name]), name=name)
        else:
            epilog = _SECRETS if name in _TAKING_SECRETS else None
            app.command(epilog=epilog)(getattr(module, name))
    return app


# The base of all usage errors; older and newer typer keep it in different places.
_ClickException: Any = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)


def _options(
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    if version:
        show_version()
        raise typer.Exit


def run(arguments: list[str]) -> int:
    """Run one command; its exit code."""
    _prepare_process()
    try:
        asked = arguments[:1] if arguments and arguments[0] in COMMANDS else COMMANDS
        command = typer.main.get_command(made(asked))
        code = command.main(arguments or ["--help"], prog_name="vaulytica", standalone_mode=False)
        sys.stdout.flush()
        if not arguments:
            return WRONG_USAGE
        return NOT_ALL if code == _INTERRUPTED else int(code or 0)
    except BrokenPipeError:
        # Whoever read our output is gone. Python would complain once more when it flushes at exit.
        _swallow_stdout()
        return NOT_ALL
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - a fault of ours, or a second Ctrl-C, is one line too
        message, code = _explained(error)
        try:
            sys.stdout.flush()
        except OSError:  # Python would try again, and complain, when it exits
            _swallow_stdout()
        for each in getattr(error, "lines", ()) or (message,):
            error_line(f"error: {each}")
        return code


def _explained(error: BaseException) -> tuple[str, int]:
    """What to say of an error, and the exit code."""
    if isinstance(error, _ClickException):
        return f"{error.format_message()} (see vaulytica --help)", WRONG_USAGE
    if isinstance(error, WebhookConfigError):
        return str(error), WRONG_USAGE
    if isinstance(error, typer.Abort) or not isinstance(error, Exception):  # KeyboardInterrupt…
        return "interrupted", NOT_ALL
    if isinstance(error, (WebhookError, OSError)):
        return str(error), NOT_ALL
    return f"internal error: {type(error).__name__}: {error}", NOT_ALL


def _swallow_stdout() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _prepare_process() -> None:
    """Streams that can print anything, warnings of one line, and SIGTERM treated as Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]
    warnings.showwarning = _show_warning
    signal.signal(signal.SIGTERM, _interrupt)


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    error_line(f"warning: {message}")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
