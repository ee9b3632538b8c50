"""An intake in a process of its own, to be killed: `python -m support.intake_program FOLDER PORT [GLOB]`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvloop

from support.intake import TOKEN, Intake
from vaulytica.relay.intake import sources
from vaulytica.relay.intake.settings import IntakeSettings


async def main(folder: Path, port: int, tail: list[str]) -> None:
    settings = IntakeSettings(tokens=[TOKEN], tail=[{"path": path, "as": "text"} for path in tail])
    intake = Intake(folder, settings)
    tasks = [asyncio.ensure_future(source.run(intake)) for source in sources(settings)]
    if port:
        intake.listen(port)
        tasks.append(asyncio.ensure_future(intake.server._serve([intake.socket])))
    await asyncio.gather(*tasks)


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
