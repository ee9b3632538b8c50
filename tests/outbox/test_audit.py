"""Audit: whatever is changed behind the outbox's back is named, in one line that says what to do."""

from __future__ import annotations

import sqlite3
from itertools import combinations, product
from pathlib import Path

import pytest

from support.heart import refusal
from support.outbox import NEVER, WHY, dead, ids_in, parcel
from vaulytica.errors import OutboxDamagedError
from vaulytica.outbox.delivery import Filter, Retention, ack, nak
from vaulytica.outbox.sqlite import SqliteOutbox
from vaulytica.outbox.states import Step

COUNTERS = ("accepted", "delivered", "buried", "replayed", "dropped", "purged", "gone", "proof")
_ROW = "INSERT INTO outbox_delivery (destination, batch, events, severity, state, kept, due, key)"

# What is done to the file, and the line that the audit says of it.
TAMPERED = {
    "DELETE FROM outbox_delivery WHERE state = 'fresh'": "siem: 2 pending are counted, 0 are on disk",
    "DELETE FROM outbox_delivery WHERE state = 'dead'": "siem: 2 dead letters are counted, 0 are on disk",
    "DELETE FROM outbox_delivery WHERE state = 'delivered'": (
        "siem: 2 delivered are kept as counted, 0 are on disk"
    ),
    f"{_ROW} SELECT 1, batch, events, 1, state, 1, 1, NULL FROM outbox_delivery WHERE id = 3": (
        "siem: 2 pending are counted, 4 are on disk"
    ),
    "DELETE FROM outbox_batch WHERE id = 3": "delivery 3: its events are missing",
    "UPDATE outbox_delivery SET batch = 1 WHERE id = 3": "batch 3: no delivery has it",
    "UPDATE outbox_batch SET refs = 2 WHERE id = 3": (
        "batch 3: the deliveries that have it are miscounted"
    ),
    "UPDATE outbox_delivery SET events = 3 WHERE id = 3": (
        "delivery 3: its batch has another number of events"
    ),
    "UPDATE outbox_delivery SET events = 'two' WHERE id = 3": (
        "delivery 3: what is written there of its state cannot be"
    ),
    "UPDATE outbox_delivery SET state = 'lost' WHERE id = 3": (
        "delivery 3: what is written there of its state cannot be"
    ),
    "UPDATE outbox_delivery SET state = 'claimed' WHERE id = 3": (
        "delivery 3: what is written there of its state cannot be"
    ),
    "UPDATE outbox_delivery SET due = -5 WHERE id = 3": (
        "delivery 3: what is written there of its state cannot be"
    ),
    "UPDATE outbox_delivery SET destination = 9 WHERE id = 3": (
        "delivery 3: the destination that it is for is not known"
    ),
    "UPDATE outbox_delivery SET tried = X'00' WHERE id = 2": (
        "delivery 2: its attempts cannot be read"
    ),
    "UPDATE outbox_batch SET body = CAST(body AS TEXT) WHERE id = 3": (
        "batch 3: where its events should be, there is something else"
    ),
    "UPDATE outbox_batch SET body = X'0A' WHERE id = 3": "batch 3: holds 1 events, and should 2",
    "UPDATE outbox_batch SET body = replace(CAST(body AS TEXT), 'info', 'INFO') WHERE id = 3": (
        "batch 3: where its events should be, there is something else"
    ),
    "UPDATE outbox_batch SET body = CAST(replace(CAST(body AS TEXT), 'info', 'infp') AS BLOB)"
    " WHERE id = 3": "batch 3: an event in it is not as it was put (its checksum does not fit)",
    "UPDATE outbox_destination SET accepted = 'many'": "siem: its counters were changed from outside",
}  # fmt: skip


def filled(path: Path) -> None:
    """Two delivered ones that are kept, two dead, two pending, of one destination."""
    with SqliteOutbox(path, retention=Retention(1e6)) as outbox:
        outbox.put(parcel("a", "b"), ["siem"])
        outbox.settle([ack(delivery) for delivery in outbox.claim("siem")])
        dead(outbox, "c", "d")
        outbox.put(parcel("e", "f"), ["siem"])
        assert outbox.audit().problems == []


def tamper(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def problems(path: Path) -> list[str]:
    with SqliteOutbox(path) as outbox:
        found = outbox.audit().problems
    assert not [line for line in found if "None" in line or "\n" in line]
    assert all("vaulytica outbox" in line for line in found), "each says what to do"
    return found


@pytest.mark.parametrize(("statement", "said"), TAMPERED.items())
def test_what_is_tampered_with_is_named(statement: str, said: str, tmp_path: Path) -> None:
    filled(tmp_path / "outbox.db")
    tamper(tmp_path / "outbox.db", statement)
    next_step = "; save what is there into a new file: vaulytica outbox recover"
    assert said + next_step in problems(tmp_path / "outbox.db")


@pytest.mark.parametrize("counter", COUNTERS)
@pytest.mark.parametrize("by", [1, -1])
def test_a_counter_that_is_off_by_one_is_noticed(counter: str, by: int, tmp_path: Path) -> None:
    filled(tmp_path / "outbox.db")
    tamper(tmp_path / "outbox.db", f"UPDATE outbox_destination SET {counter} = {counter} + {by}")
    assert problems(tmp_path / "outbox.db")


def test_counters_that_were_changed_so_that_the_sum_is_right_are_noticed(tmp_path: Path) -> None:
    filled(tmp_path / "outbox.db")
    changes = [
        dict(zip(names, by, strict=True))
        for count in (2, 3)
        for names in combinations(COUNTERS[:-1], count)
        for by in product((1, -1), repeat=count)
    ]
    with SqliteOutbox(tmp_path / "outbox.db") as outbox:
        session = outbox._writer
        assert session is not None
        for change in changes:
            for sign in ("+", "-"):
                text = ", ".join(f"{name} = {name} {sign} {by}" for name, by in change.items())
                session.connection.execute(f"UPDATE outbox_destination SET {text}")
                assert bool(outbox.audit().problems) == (sign == "+"), change


def test_every_byte_of_a_body_counts(tmp_path: Path) -> None:
    filled(tmp_path / "outbox.db")
    with SqliteOutbox(tmp_path / "outbox.db") as outbox:
        session = outbox._writer
        assert session is not None
        (body,) = session.connection.execute(
            "SELECT body FROM outbox_batch WHERE id = 3"
        ).fetchone()
        for place in range(0, len(body), 7):
            flipped = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
            session.connection.execute("UPDATE outbox_batch SET body = ? WHERE id = 3", (flipped,))
            (problem,) = outbox.audit().problems
            assert problem.startswith("batch 3: ")


def test_what_is_held_back_by_nothing_is_named_with_what_frees_it(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with SqliteOutbox(path) as outbox:
        for id in "abc":
            outbox.put(parcel(id), ["siem"], key="k")
        assert outbox.audit().problems == []
    tamper(path, "UPDATE outbox_delivery SET state = 'held'")
    (problem,) = problems(path)
    assert problem == (
        "delivery 1: is held, and nothing of its key is before it; "
        "vaulytica outbox bury 1, then replay 1"
    )
    with SqliteOutbox(path) as outbox:
        assert outbox.claim("siem") == []
        for step in (Step.BURY, Step.REPLAY):
            outbox.move(step, Filter(ids=(1,)))
        assert outbox.audit().problems == []
        assert ids_in(*outbox.claim("siem")) == ["b"]


def test_a_row_that_no_index_has_is_named(tmp_path: Path) -> None:
    """It would never be claimed."""
    path = tmp_path / "outbox.db"
    filled(path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        definition = "SELECT sql FROM sqlite_master WHERE name = 'outbox_delivery_due'"
        (sql,) = connection.execute(definition).fetchone()
        change = "UPDATE sqlite_master SET sql = ? WHERE name = 'outbox_delivery_due'"
        connection.execute(change, (f"{sql} WHERE id > 9",))
    connection.close()
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO outbox_delivery SELECT 8, destination, batch, 0, severity, "
                           "state, kept, due, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL "
                           "FROM outbox_delivery WHERE id = 3")  # fmt: skip
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(change, (sql,))
    connection.close()
    assert any("missing from index outbox_delivery_due" in line for line in problems(path))


def test_an_event_that_was_altered_on_the_disk_is_not_sent(tmp_path: Path) -> None:
    """What is claimed of it is nothing, of which a worker makes a dead letter that says to audit."""
    path = tmp_path / "outbox.db"
    filled(path)
    tamper(
        path, "UPDATE outbox_batch SET body = CAST(replace(CAST(body AS TEXT), 'e', 'E') AS BLOB)"
    )
    with SqliteOutbox(path) as outbox:
        (claimed,) = outbox.claim("siem")
        assert (claimed.events, claimed.body) == (2, b"")
        outbox.settle([nak(claimed, 0.0)])
        said = refusal(OutboxDamagedError, lambda: outbox.move(Step.BURY, Filter(grep="^(a|E)$")))
        assert "is not divided: see vaulytica outbox audit" in str(said)


def test_attempts_that_cannot_be_read_hold_up_nothing(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with SqliteOutbox(path) as outbox:
        outbox.put(parcel("a"), ["siem"])
        outbox.settle([nak(delivery, 0.0, [WHY]) for delivery in outbox.claim("siem")])
    tamper(path, "UPDATE outbox_delivery SET tried = X'FF00'")
    with SqliteOutbox(path) as outbox:
        (claimed,) = outbox.claim("siem")
        assert claimed.tried[0].text.startswith("the attempts before cannot be read")
        outbox.settle([nak(claimed, 0.0, [NEVER])])
        (kept,) = outbox.browse(Filter())
        assert [tried.status for tried in kept.tried] == [None, 400]


def test_a_file_of_version_1_is_audited_without_checksums(tmp_path: Path) -> None:
    """They come with what is put from then on."""
    path = tmp_path / "outbox.db"
    filled(path)
    tamper(
        path, "UPDATE outbox_batch SET crc = NULL", "UPDATE outbox_batch SET refs = 5 WHERE id = 1"
    )
    assert len(problems(path)) == 1
