"""`vaulytica outbox audit`: the law, checked."""

from __future__ import annotations

from msgspec import to_builtins

from vaulytica.cli.outbox.options import Json, Url, opened
from vaulytica.cli.outbox.status import table
from vaulytica.cli.output import json_line, line


def audit(url: Url, json: Json = False) -> int:
    """Check that accepted = delivered + dead + pending, and that what is counted is on disk."""
    with opened(url) as outbox:
        found = outbox.audit()
    if json:
        json_line(
            {
                "ok": not found.problems,
                "destinations": to_builtins(found.counts),
                "problems": found.problems,
            }
        )
        return 1 if found.problems else 0
    table(found.counts, oldest=False)
    for problem in found.problems:
        line(f"WRONG: {problem}")
    if not found.problems:
        line("accepted = delivered + dead + pending + dropped + purged, and all of it is on disk")
    return 1 if found.problems else 0
