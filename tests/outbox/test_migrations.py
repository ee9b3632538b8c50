"""Files of every released version open as one of this version, with all that was in them."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from support.heart import refusal
from support.outbox import NEVER, everything, ids_in, the_law
from vaulytica.errors import OutboxError, OutboxInUseError
from vaulytica.outbox.delivery import ack
from vaulytica.outbox.sqlite import SqliteOutbox, schema

VERSIONS = Path(__file__).parent / "versions"
DUMPS = sorted(VERSIONS.glob("*.sql"))
NEWEST = schema.migrations()[-1][0]
NEXT = "ALTER TABLE outbox_delivery ADD COLUMN note TEXT;"


def restored(dump: Path, path: Path) -> Path:
    connection = sqlite3.connect(path)
    connection.executescript(dump.read_text(encoding="utf-8"))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    return path


def shape(path: Path) -> set[str]:
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT sql FROM sqlite_master WHERE name LIKE 'outbox_%'").fetchall()
    connection.close()
    return {re.sub(r"--[^\n]*|\s+", " ", sql or "").replace("  ", " ").strip() for (sql,) in rows}


def test_there_is_a_dump_of_every_version() -> None:
    assert [int(dump.stem.split("_")[1]) for dump in DUMPS] == list(range(1, NEWEST + 1))


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)
def test_all_that_was_in_an_older_file_is_there(dump: Path, tmp_path: Path) -> None:
    path = restored(dump, tmp_path / "old.db")
    with SqliteOutbox(path) as outbox:
        the_law(outbox)
        assert outbox.audit().problems == []
        counts = outbox.counts()["siem"]
        found = counts.accepted, counts.delivered, counts.dead, counts.pending
        assert found == (9, 2, 2, 5)
        (dead,) = everything(outbox, states=("dead",))
        assert (ids_in(dead), dead.tried) == (["e", "f"], (NEVER,))
        assert outbox.put({"type": "t", "data": {}}, ["siem"], idempotency_key="K").ids == (
            "a",
            "b",
        )
        assert outbox.marks() == {"file:/var/log/app.ndjson": "42"}
        claimed = outbox.claim("siem")
        assert sorted(ids_in(*claimed)) == ["c", "d", "g", "h"]
        assert outbox.settle([ack(delivery) for delivery in claimed]) == []
        assert ids_in(*outbox.claim("siem")) == ["i"]  # behind another of its key
        assert outbox.counts()["siem"].pending == 1


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)
def test_an_older_file_gets_the_shape_of_a_new_one(dump: Path, tmp_path: Path) -> None:
    SqliteOutbox(restored(dump, tmp_path / "old.db")).close()
    SqliteOutbox(tmp_path / "new.db").close()
    assert shape(tmp_path / "old.db") == shape(tmp_path / "new.db")


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    SqliteOutbox(path).close()
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO outbox_schema VALUES (99, 0)")
    connection.commit()
    connection.close()
    message = str(refusal(OutboxError, lambda: SqliteOutbox(path)))
    assert "is of schema 99" in message
    assert "use the newer vaulytica" in message


def test_a_file_is_not_migrated_under_a_relay_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "outbox.db"
    monkeypatch.setattr(schema, "_LOCK_WAIT", 0.0)
    with SqliteOutbox(path, owner=True):
        steps = [*schema.migrations(), (NEWEST + 1, NEXT)]
        monkeypatch.setattr(schema, "migrations", lambda: steps)
        assert "in use" in str(refusal(OutboxInUseError, lambda: SqliteOutbox(path)))
    SqliteOutbox(path).close()


def test_a_step_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "outbox.db"
    SqliteOutbox(path).close()
    before = shape(path)
    steps = [*schema.migrations(), (NEWEST + 1, f"{NEXT} INSERT INTO nowhere VALUES (1);")]
    monkeypatch.setattr(schema, "migrations", lambda: steps)
    assert "nowhere" in str(refusal(OutboxError, lambda: SqliteOutbox(path)))
    assert shape(path) == before
