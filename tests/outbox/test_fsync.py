"""On disk, by fsync: seen from outside, in the system calls that a process makes, and inside, at each COMMIT."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.outbox import parcel
from vaulytica.outbox.delivery import ack, bury, nak
from vaulytica.outbox.sqlite import SqliteOutbox

FULL = 2  # of `PRAGMA synchronous`: each COMMIT waits until the disk has it


class Watched:
    """A connection that notes, at each COMMIT, how durable it is to be."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.commits: list[int] = []

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql == "COMMIT":
            self.commits.append(self._connection.execute("PRAGMA synchronous").fetchone()[0])
        return self._connection.execute(sql, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def test_each_commit_of_what_is_told_to_be_on_disk_is_a_full_one(tmp_path: Path) -> None:
    with SqliteOutbox(tmp_path / "outbox.db") as outbox:
        session = outbox._writer
        assert session is not None
        watched = Watched(session.connection)
        session.connection = watched  # type: ignore[assignment] # it does what one does

        def done() -> list[int]:
            commits, watched.commits = watched.commits, []
            return commits

        for end in (ack, lambda one: nak(one, 0.0), lambda one: bury(one)):
            outbox.put(parcel("a"), ["siem"])
            assert done() == [FULL]
            claimed = outbox.claim("siem")
            assert len(done()) == 1
            outbox.settle([end(one) for one in claimed])
            assert done() == [FULL]


PROGRAM = """
import os, sys
from pathlib import Path
from vaulytica.outbox.delivery import ack
from vaulytica.outbox.parcel import Parcel
from vaulytica.outbox.sqlite import SqliteOutbox

def say(text):
    os.write(1, text.encode())

with SqliteOutbox(Path(sys.argv[1])) as outbox:
    for number in range(5):
        say("begin\\n")
        outbox.put(Parcel.of({"type": "t", "data": {}, "id": str(number)}), ["siem"])
        say("put\\n")
        claimed = outbox.claim("siem")
        say("begin\\n")
        assert not outbox.settle([ack(one) for one in claimed])
        say("settle\\n")
"""


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The system calls of that program, one a line; skips where there is no strace, or none that may look."""
    strace = shutil.which("strace")
    if (
        strace is None
        or subprocess.run([strace, "-o", "/dev/null", "true"], capture_output=True).returncode
    ):
        pytest.skip("needs strace")
    folder = tmp_path_factory.mktemp("strace")
    seen = "trace=write,pwrite64,fsync,fdatasync,link,linkat"
    command = [strace, "-f", "-y", "-e", seen, "-o", str(folder / "calls")]
    command += [sys.executable, "-c", PROGRAM, str(folder / "outbox.db")]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return (folder / "calls").read_text("utf-8", "replace").splitlines()


def test_what_is_told_has_been_synced_since_it_was_written(calls: list[str]) -> None:
    told: list[str] = []
    written = synced = False
    for call in calls:
        if (said := re.search(r'write\(1<[^>]*>, "(begin|put|settle)\\n"', call)) is not None:
            if said[1] != "begin":
                told.append(said[1])
                assert written, f"{said[1]}: nothing was written"
                assert synced, f"{said[1]}: told before it was synced"
            written = synced = False
        elif re.search(r"pwrite64\(\d+<[^>]*outbox\.db-wal>", call):
            written, synced = True, False
        elif re.search(r"f(data)?sync\(\d+<[^>]*outbox\.db-wal>\) *= 0", call):
            synced = True
    assert told == ["put", "settle"] * 5


def test_a_new_file_is_synced_before_it_has_its_name_and_its_name_before_anything_is_told(
    calls: list[str],
) -> None:
    steps = {
        "made": r"pwrite64\(\d+<[^>]*/\.vaulytica-[^>]*>",
        "synced": r"fsync\(\d+<[^>]*/\.vaulytica-[^>]*>\) *= 0",
        "named": r"link(at)?\(.*/\.vaulytica-.*outbox\.db\".*\) *= 0",
        "name synced": r"fsync\(\d+<[^>]*/strace\d+>\) *= 0",
        "told": r"write\(1<[^>]*>, \"put",
    }
    found = [name for call in calls for name, words in steps.items() if re.search(words, call)]
    before, after = found[: found.index("named")], found[found.index("named") + 1 :]
    assert before[-1] == "synced"
    assert after[:2] == ["name synced", "told"]
