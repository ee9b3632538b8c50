"""`vaulytica outbox audit`: the law, checked."""

from __future__ import annotations

from msgspec import to_builtins

from vaulytica.cli.options.groups import grouped
from vaulytica.cli.outbox.options import Json, Where
from vaulytica.cli.outbox.status import table
from vaulytica.cli.output.printing import json_line, line


@grouped
def audit(where: Where, json: Json = False) -> int:
    """Check that nothing is missing or altered. That is, accepted = delivered + dead + pending, all on disk."""
    with where.opened(look_only=True) as outbox:
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
