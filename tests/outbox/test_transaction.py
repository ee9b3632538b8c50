"""A put that joins the caller's own transaction: with the caller's rows, or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from support.outbox import ids_in, parcel, the_law
from vaulytica.errors import IdempotencyConflictError, OutboxError, WebhookConfigError
from vaulytica.outbox.sqlite import SqliteOutbox


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "own.db"
    own = sqlite3.connect(path)
    own.execute("CREATE TABLE users (name TEXT)")
    own.close()
    return path


@pytest.fixture
def outbox(path: Path) -> Iterator[SqliteOutbox]:
    with SqliteOutbox(path) as outbox:
        yield outbox
        the_law(outbox)
        assert outbox.audit().problems == []


@pytest.fixture
def own(path: Path, outbox: SqliteOutbox) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path)
    yield connection
    connection.close()


def users(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    found = [name for (name,) in connection.execute("SELECT name FROM users")]
    connection.close()
    return found


def test_both_are_there(outbox: SqliteOutbox, own: sqlite3.Connection, path: Path) -> None:
    with own:
        own.execute("INSERT INTO users VALUES ('a')")
        receipt = outbox.put(parcel("e"), ["one", "two"], connection=own)
        assert outbox.counts() == {}  # not yet
    assert receipt.ids == ("e",)
    assert (users(path), ids_in(*outbox.claim("one"))) == (["a"], ["e"])


def test_neither_is_there(outbox: SqliteOutbox, own: sqlite3.Connection, path: Path) -> None:
    own.execute("INSERT INTO users VALUES ('a')")
    outbox.put(parcel("e"), ["siem"], connection=own, idempotency_key="K")
    own.rollback()
    assert (users(path), outbox.counts()) == ([], {})
    assert not outbox.put(parcel("e"), ["siem"], idempotency_key="K").repeated


def test_the_first_statement_may_be_the_put(outbox: SqliteOutbox, own: sqlite3.Connection) -> None:
    with own:
        outbox.put(parcel("e"), ["siem"], connection=own)
        assert own.in_transaction
    assert ids_in(*outbox.claim("siem")) == ["e"]


def test_rows_of_another_shape_do_no_harm(outbox: SqliteOutbox, own: sqlite3.Connection) -> None:
    own.row_factory = lambda cursor, row: dict(
        zip([d[0] for d in cursor.description], row, strict=True)
    )
    events = parcel("e")
    for repeated in (False, True):
        with own:
            receipt = outbox.put(events, ["siem"], connection=own, key="k", idempotency_key="K")
        assert (receipt.ids, receipt.repeated) == (("e",), repeated)
    assert ids_in(*outbox.claim("siem")) == ["e"]


def test_a_key_used_again_leaves_the_transaction_to_the_caller(
    outbox: SqliteOutbox, own: sqlite3.Connection, path: Path
) -> None:
    outbox.put(parcel("e"), ["siem"], idempotency_key="K")
    with own:
        own.execute("INSERT INTO users VALUES ('a')")
        with pytest.raises(IdempotencyConflictError, match="'K' was used before"):
            outbox.put(parcel("f"), ["other"], connection=own, idempotency_key="K")
        outbox.put(parcel("g"), ["siem"], connection=own)
    assert (users(path), list(outbox.counts())) == (["a"], ["siem"])
    assert ids_in(*outbox.claim("siem")) == ["e", "g"]


def test_a_key_is_used_when_its_transaction_is_committed(
    outbox: SqliteOutbox, own: sqlite3.Connection
) -> None:
    """Until then nobody else writes; and what is rolled back has used nothing."""
    for end, ids in ((own.rollback, ["f"]), (own.commit, ["e"])):
        outbox.put(parcel("e"), ["siem"], connection=own, idempotency_key=f"K{ids}")
        end()
        with suppress(IdempotencyConflictError):
            outbox.put(parcel("f"), ["siem"], idempotency_key=f"K{ids}")
        assert ids_in(*outbox.claim("siem")) == ids


def test_without_a_transaction_it_would_not_be_whole(outbox: SqliteOutbox, path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    with pytest.raises(WebhookConfigError, match="is in no transaction; begin one first"):
        outbox.put(parcel("e"), ["siem"], connection=connection)
    connection.execute("BEGIN")
    outbox.put(parcel("e"), ["siem"], connection=connection)
    connection.execute("COMMIT")
    connection.close()
    assert ids_in(*outbox.claim("siem")) == ["e"]


def test_another_file_is_refused(outbox: SqliteOutbox, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "other.db")
    with pytest.raises(WebhookConfigError, match="is to another file"):
        outbox.put(parcel("e"), ["siem"], connection=other)
    other.close()
    memory = sqlite3.connect(":memory:")
    with pytest.raises(WebhookConfigError, match="is to another file"):
        outbox.put(parcel("e"), ["siem"], connection=memory)
    memory.close()


def test_a_connection_that_gives_texts_as_bytes(
    outbox: SqliteOutbox, own: sqlite3.Connection, path: Path
) -> None:
    own.text_factory = bytes
    what = parcel("e")
    for _ in range(2):  # the second time what was remembered is read
        with own:
            receipt = outbox.put(what, ["siem"], connection=own, idempotency_key="K")
        assert (receipt.ids, own.text_factory) == (("e",), bytes)
    assert ids_in(*outbox.claim("siem")) == ["e"]


@pytest.mark.parametrize(
    "name", ["bad name", "", "a/b", "ä", "x" * 101, "https://a.example/path", "https://", 7, "a\n"]
)
def test_a_name_that_nobody_could_deliver_to(outbox: SqliteOutbox, name: str) -> None:
    with pytest.raises(WebhookConfigError, match=r"put: .* name is"):
        outbox.put(parcel("e"), ["siem", name])
    assert outbox.counts() == {}


@pytest.mark.parametrize(
    "name",
    ["siem", "a.b-c_D9", "https://siem.example.com", "http://[::1]:8088", "http://127.0.0.1:1"],
)
def test_a_name_of_a_config_and_a_sender_s_own(outbox: SqliteOutbox, name: str) -> None:
    outbox.put(parcel("e"), [name])
    assert outbox.counts()[name].pending == 1


def test_a_fork_may_use_it(path: Path, tmp_path: Path) -> None:
    """In a program of its own, as a test runner has threads."""
    import subprocess
    import sys

    program = """
import os, sys
from pathlib import Path
from vaulytica.outbox.sqlite import SqliteOutbox
outbox = SqliteOutbox(Path(sys.argv[1]))
outbox.put({"type": "t", "data": {}}, ["siem"])
if (pid := os.fork()) == 0:
    outbox.put({"type": "t", "data": {}}, ["siem"])
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
outbox.put({"type": "t", "data": {}}, ["siem"])
print(outbox.counts()["siem"].pending)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "3\n"


def test_the_error_of_a_closed_connection_is_ours(outbox: SqliteOutbox, path: Path) -> None:
    closed = sqlite3.connect(path)
    closed.close()
    with pytest.raises((OutboxError, sqlite3.ProgrammingError)):
        outbox.put(parcel("e"), ["siem"], connection=closed)
