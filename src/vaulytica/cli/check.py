"""`vaulytica check`: what can go wrong on the way to a destination, step by step."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from vaulytica.cli.options.destination import DestinationOptions
from vaulytica.cli.options.groups import grouped
from vaulytica.cli.output.printing import json_line, line, stdout_console, visible

if TYPE_CHECKING:
    from vaulytica.delivery.check import CheckReport

_MARKS = {"ok": "✓", "warning": "!", "failed": "✗", "skipped": "–"}
_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red", "skipped": "dim"}


@grouped
def check(
    destination: DestinationOptions,
    json: Annotated[bool, typer.Option("--json", help="The steps as a JSON object.")] = False,
) -> int:
    """Say which step to a destination fails, and what to do."""
    from vaulytica.sender import WebhookSender

    with WebhookSender(destination.webhook_config()) as sender:
        report = sender.check()
        name = sender.destination.name
    if json:
        steps = [asdict(step) for step in report.steps]
        json_line({"destination": name, "ok": report.ok, "steps": steps})
    else:
        _show(report, name)
    return 0 if report.ok else 1


def _show(report: CheckReport, name: str) -> None:
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for _ in range(3):
        table.add_column(overflow="fold")
    for step in report.steps:
        detail = visible(step.detail)
        if step.advice:
            detail += f"\n→ {visible(step.advice)}"
        table.add_row(_MARKS[step.state], step.name, detail, style=_STYLES[step.state])
    stdout_console().print(table)
    failed = report.failed
    line(f"{name} {f'fails at: {failed.name}' if failed else 'takes events'}")
