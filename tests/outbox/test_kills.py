"""kill -9 at random moments, more than a hundred times: what was told is there, and nothing is there twice."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from support import killed
from support.outbox import everything, ids_in
from vaulytica.outbox.delivery import Retention
from vaulytica.outbox.sqlite import SqliteOutbox, schema

KILLS = {"put": 40, "settle": 50, "migrate": 30}


def kill(folder: Path, kills: int, kind: str) -> list[list[Any]]:
    """What each of the killed had been told, in its order."""
    command = [sys.executable, "-m", "support.killed", str(folder), str(kills), "7", kind]
    tests = Path(__file__).parents[1]
    done = subprocess.run(command, capture_output=True, timeout=100, check=False, cwd=tests)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return json.loads(done.stdout)


def there(outbox: SqliteOutbox) -> Counter[tuple[str, str]]:
    """How often each event is there for each destination."""
    found = [(kept.destination, id) for kept in everything(outbox) for id in ids_in(kept)]
    return Counter(found)


def kept(told: list[list[Any]]) -> set[tuple[str, str]]:
    """What was told to be kept."""
    lines = [line for lines in told for line in lines if line[0] == "kept"]
    return {(name, id) for _, names, ids in lines for name in names for id in ids}


def test_what_was_told_to_be_kept_is_kept_once(tmp_path: Path) -> None:
    told = kill(tmp_path, KILLS["put"], "put")
    with SqliteOutbox(tmp_path / "outbox.db") as outbox:
        found = there(outbox)
        assert outbox.audit().problems == []
    assert len(kept(told)) > KILLS["put"]
    assert kept(told) - found.keys() == set()
    assert set(found.values()) == {1}


def test_what_is_settled_stays_so_and_nothing_is_lost_in_between(tmp_path: Path) -> None:
    told = kill(tmp_path, KILLS["settle"], "settle")
    with SqliteOutbox(tmp_path / "outbox.db") as outbox:
        found = there(outbox)
        assert outbox.audit().problems == []
        states = {k.state for k in everything(outbox)}
    assert kept(told) - found.keys() == set()
    assert set(found.values()) == {1}
    assert {"delivered", "dead"} <= states
    settled: set[tuple[str, str]] = set()
    for what, names, ids in [line for lines in told for line in lines]:
        which = {(name, id) for name in names for id in ids}
        if what == "sent":
            assert not which & settled
        elif what == "settled":
            settled |= which
    assert len(settled) > KILLS["settle"]


def test_moves_are_whole(tmp_path: Path) -> None:
    kill(tmp_path, 5, "put")
    with SqliteOutbox(tmp_path / "outbox.db") as outbox:
        before = there(outbox)
    kill(tmp_path, 30, "replay")
    with SqliteOutbox(tmp_path / "outbox.db") as outbox:
        assert there(outbox) == before
        assert outbox.audit().problems == []
        assert sum(counts.replayed for counts in outbox.counts().values()) > 0


def test_a_migration_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kill(tmp_path, 5, "put")
    with SqliteOutbox(tmp_path / "outbox.db") as outbox:
        before = there(outbox)
    told = kill(tmp_path, KILLS["migrate"], "migrate")
    first = schema.migrations()
    monkeypatch.setattr(schema, "migrations", lambda: [*first, (2, killed.SECOND)])
    with SqliteOutbox(tmp_path / "outbox.db", retention=Retention(1e9)) as outbox:
        assert outbox.audit().problems == []
        found = there(outbox)
    assert before.keys() | kept(told) <= found.keys()
    assert set(found.values()) == {1}


def test_a_file_is_made_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed while it is made, again and again."""
    for attempt in range(8):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        told = kill(folder, 2, "migrate")
        first = schema.migrations()
        with monkeypatch.context() as patched:
            patched.setattr(schema, "migrations", lambda: [*first, (2, killed.SECOND)])  # noqa: B023
            with SqliteOutbox(folder / "outbox.db") as outbox:
                assert outbox.audit().problems == []
                assert kept(told) <= there(outbox).keys()
