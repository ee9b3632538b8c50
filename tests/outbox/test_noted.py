"""What a relay has found of its file is noted once, whole, and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vaulytica.errors import OutboxDamagedError
from vaulytica.outbox.sqlite import SqliteOutbox, noted
from vaulytica.outbox.sqlite.lock import OwnerLock


def test_of_two_who_note_at_once_the_first_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, which = tmp_path / "outbox.db", noted._which
    SqliteOutbox(path).close()
    lock = OwnerLock(path)

    def and_another(file: Path) -> tuple[int, int]:
        monkeypatch.undo()
        noted.note(lock, path, OutboxDamagedError("page " + 100 * "7"), 1.0)
        return which(file)

    monkeypatch.setattr(noted, "_which", and_another)
    noted.note(lock, path, OutboxDamagedError("short"), 2.0)
    found = noted.noted_damage(path)
    lock.release()
    assert found is not None
    assert (found.since, found.why) == (1.0, "page " + 100 * "7")


def test_what_is_noted_after_the_end_is_written_to_no_other_file(tmp_path: Path) -> None:
    lock = OwnerLock(tmp_path / "outbox.db")
    lock.release()
    with (tmp_path / "other").open("w+b") as other:  # most likely the same descriptor
        lock.note(b"damage")
        assert os.fstat(other.fileno()).st_size == 0
