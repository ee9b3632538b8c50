"""`vaulytica config`: what is wrong with a config file, and what may be in one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vaulytica.cli.output.printing import line

app = typer.Typer(help="Check a relay's config, or print its JSON Schema.", rich_markup_mode=None)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="YAML, JSON or TOML.")],
    *,
    elsewhere: Annotated[
        bool,
        typer.Option(
            "--elsewhere",
            help="It is for another machine: leave out secrets, certificates, folders, addresses.",
        ),
    ] = False,
) -> int:
    """Say all that is wrong with a config file, by line and column; exit code 2 if anything is."""
    from vaulytica.cli.config_files.relay import checked_relay

    config, problems = checked_relay(file, elsewhere=elsewhere)
    for problem in problems:
        line(problem)
    if config is None:
        return 2
    count = len(config.destinations)
    line(f"{file}: {count} {'destination' if count == 1 else 'destinations'}, nothing is wrong")
    return 0


@app.command()
def schema() -> int:
    """Print the JSON Schema of config files, for editors."""
    import json

    from vaulytica.cli.config_files.schema import config_schema

    line(json.dumps(config_schema(), indent=2))
    return 0
