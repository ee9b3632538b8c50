"""The fixtures that these tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.conservation import Relay
from support.intake import Intake, intake
from support.outbox import the_law
from support.places import Place
from support.relay import RelayProcess, Sink
from support.sources import store
from support.tail import Steps

FAST = {"max_retries": 50, "initial_delay": 0.02, "max_delay": 0.1}


@pytest.fixture
def relay_in(tmp_path: Path) -> Iterator[Intake]:
    """An intake with the usual settings and one token."""
    with intake(tmp_path) as made:
        yield made


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[Intake]:
    """What stands behind a source: an outbox, for which the law holds when the test is over."""
    made = store(tmp_path)
    yield made
    the_law(made.outbox)
    made.outbox.close()


@pytest.fixture
def steps(behind: Intake, tmp_path: Path) -> Iterator[Steps]:
    folder = tmp_path / "logs"
    folder.mkdir()
    made = Steps(behind, folder)
    yield made
    made.close()


@pytest.fixture
def sink() -> Iterator[Callable[..., Sink]]:
    """Makes destinations."""
    made: list[Sink] = []

    def make(**settings: Any) -> Sink:
        made.append(Sink(**settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Callable[..., RelayProcess]]:
    """Starts relays; `destinations` by name, `more` is other settings of the config."""
    made: list[RelayProcess] = []

    def make(
        destinations: dict[str, dict[str, Any]], *, start: bool = True, **more: Any
    ) -> RelayProcess:
        config = {
            "intake": {"listen": "127.0.0.1:0"},
            "drain": 5,
            "destinations": {
                name: {"retry_config": FAST, **settings} for name, settings in destinations.items()
            },
            **more,
        }
        folder = tmp_path / f"relay{len(made)}"
        folder.mkdir()
        made.append(RelayProcess(folder, config))
        return made[-1].start() if start else made[-1]

    yield make
    for one in made:
        if one.runs:
            one.kill()


@pytest.fixture
def make() -> Iterator[Callable[..., Relay]]:
    """Makes relays in a folder, with one webhook that takes lines, or with the places given."""
    made: list[Relay] = []

    def relay(folder: Path, *places: Place, **config: object) -> Relay:
        made.append(Relay(folder, places or [Place("webhook", "json ndjson")], **config))
        return made[-1]

    yield relay
    for one in made:
        one.close()
