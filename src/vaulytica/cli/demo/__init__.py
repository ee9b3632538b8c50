"""`vaulytica demo`: a relay, three destinations, 10 000 events, and a `kill -9` in the middle."""

from __future__ import annotations

from typing import Annotated

import typer


def demo(
    formats: Annotated[
        bool,
        typer.Option(
            "--formats", help="Without a relay: every format through seven auth schemes instead."
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="The table as a JSON object.")] = False,
) -> int:
    """Run a relay, kill it in the middle, and show that each event arrives all the same."""
    if formats:
        from vaulytica.cli.demo.formats import demo_formats

        return demo_formats(as_json=json)
    from vaulytica.cli.demo.relay import demo_relay

    return demo_relay(as_json=json)
