"""`vaulytica demo --formats`: the example events through every format and the common auth schemes, to a local receiver.

It succeeds only if the receiver really holds every event once, unharmed, and has seen valid credentials.
"""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from vaulytica.cli.output.printing import error_line, json_line, line, stdout_console

if TYPE_CHECKING:
    from vaulytica.cli.demo.receiver import DemoReceiver, Route
    from vaulytica.events import Event

SCHEMES = (
    "none", "api_key", "bearer_token", "basic_auth", "hmac_sha256", "standard_webhooks", "oauth2",
)  # fmt: skip
BUSY_WITH = "none"  # the scheme whose destinations are busy at first, where their kind can be


def demo_formats(*, as_json: bool) -> int:
    """Send example events through every format and seven auth schemes."""
    from vaulytica.cli.demo.receiver import DemoReceiver
    from vaulytica.cli.examples import example_events
    from vaulytica.events import Event

    events = [Event.from_mapping(entry) for entry in example_events()]
    started = time.monotonic()
    with DemoReceiver() as receiver:
        rows = asyncio.run(_run_all(receiver, events))
    seconds = time.monotonic() - started
    ok = all(row.ok for row in rows)
    if as_json:
        table = [asdict(row) | {"ok": row.ok} for row in rows]
        json_line({"ok": ok, "seconds": round(seconds, 2), "destinations": table})
    else:
        _show(rows)
        total, delivered = (sum(getattr(row, n) for row in rows) for n in ("events", "delivered"))
        verdict = "every one arrived, unharmed" if ok else "NOT all of them arrived unharmed"
        line(
            f"{delivered} of {total} events to {len(rows)} destinations in {seconds:.1f} s: {verdict}"
        )
    for row in rows:
        for problem in row.problems[:3]:
            error_line(f"{row.format} with {row.auth}: {problem}")
    return 0 if ok else 1


@dataclass
class Row:
    """What became of all events at one destination. `intact`: received, read back, and found equal."""

    format: str
    auth: str
    events: int
    requests: int
    delivered: int
    verified: int  # requests whose signature or credential the receiver found right
    intact: int
    seconds: float
    problems: list[str]

    @property
    def ok(self) -> bool:
        """Whether everything is as it should be."""
        return self.delivered == self.intact == self.events and not self.problems


async def _run_all(receiver: DemoReceiver, events: list[Event]) -> list[Row]:
    from vaulytica.cli.demo.kinds import KINDS

    rows: list[Row] = []
    for format in KINDS:
        for scheme in SCHEMES:
            route = receiver.route(format, scheme, busy=scheme == BUSY_WITH)
            rows.append(await _run(receiver, route, events))
            if sys.stderr.isatty():
                sys.stderr.write(f"\r{len(rows)} of {len(KINDS) * len(SCHEMES)} destinations")
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    return rows


async def _run(receiver: DemoReceiver, route: Route, events: list[Event]) -> Row:
    from vaulytica.config import WebhookAuth, WebhookConfig, WebhookRetryConfig
    from vaulytica.sender import AsyncWebhookSender

    settings = receiver.settings(route)
    config = WebhookConfig(
        **settings | {"auth": WebhookAuth(**settings["auth"])},
        retry_config=WebhookRetryConfig(max_retries=5, initial_delay=0.05, max_delay=0.2),
    )
    started = time.monotonic()
    async with AsyncWebhookSender(config) as sender:
        report = await sender.send_batch(events)
    seconds = time.monotonic() - started
    problems = [result.reason.text for result in report.results if result.reason]
    intact = route.compare(events, problems)
    if route.verified < route.requests:
        refused = route.requests - route.verified
        problems.append(f"{refused} of {route.requests} requests had wrong credentials")
    return Row(
        route.format,
        route.scheme,
        len(events),
        route.requests,
        int(report),
        route.verified,
        intact,
        round(seconds, 3),
        problems,
    )


def _show(rows: list[Row]) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False)
    table.add_column("format", no_wrap=True)
    table.add_column("auth", no_wrap=True)
    for name in ("requests", "delivered", "intact", "signature\nverified", "time"):
        table.add_column(name, justify="right", no_wrap=True)
    last = None
    for row in rows:
        if last not in (None, row.format):
            table.add_section()
        delivered = f"{row.delivered} of {row.events}"
        counts = (str(row.requests), delivered, str(row.intact))
        cells = (*counts, _verified(row), f"{row.seconds * 1000:.0f} ms")
        style = None if row.ok else "bold red"
        table.add_row(row.format if row.format != last else "", row.auth, *cells, style=style)
        last = row.format
    stdout_console().print(table)


def _verified(row: Row) -> str:
    """Not all schemes sign: for the others, the requests with the right credential."""
    if row.auth == "none":
        return "–"
    what = {"hmac_sha256": "", "standard_webhooks": "", "oauth2": "token "}.get(row.auth, "key ")
    mark = "✓" if 0 < row.requests == row.verified else "✗"
    return f"{what}{mark} {row.verified}"
