"""The statements: all of them used, and those that are frequent found by an index."""

from __future__ import annotations

from pathlib import Path

import pytest

from vaulytica.outbox import sqlite as package
from vaulytica.outbox.sqlite import SqliteOutbox
from vaulytica.outbox.sqlite.queries import SQL

FREQUENT = (
    "due", "claim", "claimed", "extend", "held_claim", "remove", "release_batch", "remove_batch",
    "idempotent", "has_pending_of_key", "has_free_of_key", "free_next_of_key", "has_free_before", "has_free_behind", "hold", "held_next", "expire", "disown",
    "delivered_before", "forget_keys", "destination", "count_accepted", "count_settled", "mark",
    "least", "small_batches", "last_batch", "move_batch", "follow_batch", "waiting",
)  # fmt: skip


def test_every_statement_is_used() -> None:
    folder = Path(package.__file__).parent
    code = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))
    assert [name for name in SQL if f'"{name}"' not in code] == []


@pytest.mark.parametrize("name", FREQUENT)
def test_what_is_frequent_looks_at_no_more_than_it_must(name: str, tmp_path: Path) -> None:
    with SqliteOutbox(tmp_path / "outbox.db") as outbox:
        session = outbox._writer
        assert session is not None
        values = dict.fromkeys(
            ("destination", "state", "now", "most", "id", "token", "lease", "owned", "batch", "key", "gone",
             "before", "name", "events", "delivered", "buried", "source", "position", "severity", "low", "high", "small", "to"), 1
        )  # fmt: skip
        session.execute("index_least")
        plan = session.connection.execute(f"EXPLAIN QUERY PLAN {SQL[name]}", values).fetchall()
        steps = [step for *_, step in plan]
        assert not [step for step in steps if step.startswith("SCAN")], steps
        assert not [step for step in steps if "TEMP B-TREE" in step and name != "forget_keys"], (
            steps
        )


@pytest.mark.parametrize("name", ["browse", "browse_bodies"])
def test_a_page_of_what_is_looked_at_costs_no_more_than_what_stands_before_it(
    name: str, tmp_path: Path
) -> None:
    """By an index of states all that fit would be sorted, for each page anew."""
    with SqliteOutbox(tmp_path / "outbox.db") as outbox:
        session = outbox._writer
        assert session is not None
        which = "d.id > 5 AND d.state IN ('dead') AND n.name IN ('siem') AND d.due <= 7"
        text = f"EXPLAIN QUERY PLAN {SQL[name]} WHERE {which} ORDER BY d.id LIMIT 100"
        steps = [step for *_, step in session.connection.execute(text)]
        assert steps[0] == "SEARCH d USING INTEGER PRIMARY KEY (rowid>?)"
        assert not [step for step in steps if "TEMP B-TREE" in step], steps
