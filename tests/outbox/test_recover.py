"""Recovery: pages are overwritten at random; what can be read is saved, and the rest is counted."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from support.heart import refusal
from support.outbox import NEVER, everything, ids_in, parcel, the_law
from vaulytica.errors import OutboxDamagedError, OutboxError
from vaulytica.outbox.delivery import Mark, Once, ack, bury
from vaulytica.outbox.sqlite import SqliteOutbox
from vaulytica.outbox.sqlite.recover import recover

PAGE, LEAF = 16384, 13


def filled(path: Path) -> set[tuple[str, str]]:
    """An outbox with some delivered, dead, claimed and fresh ones; what is not delivered."""
    left = set()
    with SqliteOutbox(path) as outbox:
        for number in range(300):
            names = ["one", "two"][: 1 + number % 2]
            ids = [f"{number}-a", f"{number}-b"]
            outbox.put(parcel(*ids, text="x" * (900 + number)), names)
            left |= {(name, id) for name in names for id in ids}
        delivered = outbox.claim("one", 100)
        outbox.settle([ack(delivery) for delivery in delivered])
        left -= {("one", id) for id in ids_in(*delivered)}
        outbox.settle([bury(delivery, NEVER) for delivery in outbox.claim("two", 40)])
        outbox.claim("one", 20)
        outbox.put_shares((), ("k",), once=Once("K", "digest"), mark=Mark("file", "7"))
    return left


def found_in(outbox: SqliteOutbox) -> list[tuple[str, str]]:
    return [(kept.destination, id) for kept in everything(outbox) for id in ids_in(kept)]


def test_a_whole_file_comes_out_as_it_was(tmp_path: Path) -> None:
    left = filled(tmp_path / "old.db")
    recovered = recover(tmp_path / "old.db", tmp_path / "new.db")
    assert (recovered.lost, recovered.doubtful) == ({}, 0)
    with SqliteOutbox(tmp_path / "new.db") as new, SqliteOutbox(tmp_path / "old.db") as old:
        assert sorted(found_in(new)) == sorted(left)
        assert new.audit().problems == []
        assert {
            n: (c.accepted, c.delivered, c.dead, c.pending) for n, c in new.counts().items()
        } == {n: (c.accepted, c.delivered, c.dead, c.pending) for n, c in old.counts().items()}
        assert ids_in(*new.claim("one")) != []
        assert new.marks() == {"file": "7"}
        assert new.put_shares((), (), once=Once("K")).digest == "digest"
    with SqliteOutbox(tmp_path / "new.db") as new:
        new.put(parcel("more"), ["one"])


def pages_of(path: Path, *, leaves: bool) -> list[int]:
    """The file's pages but the first; or those of rows only, that none is found by."""
    content = path.read_bytes()
    pages = range(1, len(content) // PAGE)
    return [page for page in pages if not leaves or content[page * PAGE] == LEAF]


@pytest.mark.parametrize("leaves", [True, False])
@pytest.mark.parametrize("seed", range(8))
def test_what_can_be_read_is_saved_and_what_cannot_is_counted(
    tmp_path: Path, seed: int, leaves: bool
) -> None:
    path, rng = tmp_path / "old.db", random.Random(seed)
    left = filled(path)
    pages = pages_of(path, leaves=leaves)
    with path.open("r+b") as file:
        for page in rng.sample(pages, k=1 + seed % 4):
            file.seek(page * PAGE)
            file.write(os.urandom(PAGE) if seed % 2 else bytes(PAGE))
    recovered = recover(path, tmp_path / "new.db")
    with SqliteOutbox(tmp_path / "new.db") as new:
        assert new.audit().problems == []
        the_law(new)
        found = found_in(new)
    known = {(name, id) for name, id in found if not name.startswith("unknown-")}
    events = {id for _, id in found}
    lost = {(name, id) for name, id in left if id not in events}
    if leaves:
        assert len(known) > len(left) / 4
    assert sum(recovered.lost.values()) >= len(lost - known) or any(
        name.startswith("unknown-") for name in recovered.counts
    )


def test_a_target_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    filled(tmp_path / "old.db")
    (tmp_path / "new.db").write_text("precious")
    message = refusal(OutboxError, lambda: recover(tmp_path / "old.db", tmp_path / "new.db"))
    assert "is there already" in str(message)
    assert (tmp_path / "new.db").read_text() == "precious"
    message = refusal(OutboxError, lambda: recover(tmp_path / "none.db", tmp_path / "x.db"))
    assert "no such file" in str(message)


def test_a_file_that_a_relay_uses_is_left_alone(tmp_path: Path) -> None:
    with SqliteOutbox(tmp_path / "old.db", owner=True):
        message = refusal(OutboxError, lambda: recover(tmp_path / "old.db", tmp_path / "new.db"))
    assert "is in use by another relay" in str(message)


def test_a_file_without_its_first_page_cannot_be_read(tmp_path: Path) -> None:
    filled(tmp_path / "old.db")
    with (tmp_path / "old.db").open("r+b") as file:
        file.write(bytes(PAGE))
    message = refusal(OutboxDamagedError, lambda: recover(tmp_path / "old.db", tmp_path / "new.db"))
    assert "nothing of it can be read" in str(message)
