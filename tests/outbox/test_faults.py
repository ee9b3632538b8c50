"""Real faults: a full disk, a read-only one, failing writes, damage, a second owner. One line that helps, and no lie."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.damage import PAGE, Whole
from support.disks import disk
from support.disks import fill as fill_disk
from support.heart import refusal
from support.outbox import OwnClock, everything, ids_in, parcel, the_law
from vaulytica.errors import OutboxDamagedError, OutboxError, OutboxInUseError
from vaulytica.outbox.delivery import Filter, ack
from vaulytica.outbox.sqlite import SqliteOutbox
from vaulytica.outbox.sqlite.commit import Op
from vaulytica.outbox.states import State, Step

PROGRAM = """
import sys
from pathlib import Path
from vaulytica.outbox.parcel import Parcel
from vaulytica.outbox.sqlite import SqliteOutbox
path = Path(sys.argv[1])
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with disk(tmp_path / "disk", 4) as folder:
        yield folder


def fill(outbox: SqliteOutbox, size: int = 20_000) -> tuple[list[str], str]:
    """Put until it is refused: what is kept, and what was said."""
    kept: list[str] = []
    for number in range(1000):
        put = parcel(str(number), text="x" * size)
        message = refusal(OutboxError, lambda: kept.extend(outbox.put(put, ["siem"]).ids))  # noqa: B023
        if message is not None:
            return kept, message
    raise AssertionError("it never ended")


def test_a_full_disk_is_said_and_nothing_is_said_to_be_kept(small_disk: Path) -> None:
    with SqliteOutbox(small_disk / "outbox.db", min_free=0) as outbox:
        kept, message = fill(outbox)
        assert f"outbox {outbox.path}: the disk is full; make room" in message
        assert len(kept) > 10
        assert sorted(id for one in everything(outbox) for id in ids_in(one)) == sorted(kept)
        the_law(outbox)


def test_puts_leave_room_for_delivering(tmp_path: Path) -> None:
    with disk(tmp_path / "disk", 80) as folder:
        path = folder / "outbox.db"
        with SqliteOutbox(path) as outbox:
            kept, message = fill(outbox, 200_000)
            assert f"outbox {path}: the disk is nearly full (" in message
            assert "MiB free, and 32 are left for delivering)" in message
        found: list[str] = []
        with SqliteOutbox(path) as outbox:
            while claimed := outbox.claim("siem", 10):
                found += ids_in(*claimed)
                assert outbox.settle([ack(delivery) for delivery in claimed]) == []
            assert found == kept
            while outbox.tidy():
                pass
            size = path.stat().st_size
        assert path.stat().st_size <= size
        with SqliteOutbox(path) as outbox:
            assert len(fill(outbox, 200_000)[0]) > len(kept) / 2


def test_a_full_disk_that_has_room_again_is_used_again(small_disk: Path) -> None:
    filler = small_disk / "filler"
    with SqliteOutbox(small_disk / "outbox.db", min_free=0) as outbox:
        outbox.put(parcel("a"), ["siem"])
        with contextlib.suppress(OSError):
            filler.write_bytes(b"x" * 2**22)
        assert "is full" in str(
            refusal(OutboxError, lambda: outbox.put(parcel("b", text="x" * 99_999), ["siem"]))
        )
        filler.unlink()
        outbox.put(parcel("c"), ["siem"])
        assert ids_in(*outbox.claim("siem")) == ["a", "c"]


def test_a_full_disk_is_said_where_a_file_is_opened(small_disk: Path) -> None:
    path = small_disk / "outbox.db"
    SqliteOutbox(path, min_free=0).close()
    filler = fill_disk(small_disk / "filler")
    message = str(refusal(OutboxError, lambda: SqliteOutbox(path)))
    assert f"outbox {path}: the disk is full; make room, and try again" in message
    filler.unlink()
    SqliteOutbox(path).close()


def test_a_read_only_disk_is_said(small_disk: Path) -> None:
    with SqliteOutbox(small_disk / "outbox.db", min_free=0) as outbox:
        outbox.put(parcel("a"), ["siem"])
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    message = str(refusal(OutboxError, lambda: SqliteOutbox(small_disk / "outbox.db")))
    assert str(small_disk / "outbox.db") in message
    assert "read-only" in message or "cannot be opened" in message


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    path = tmp_path / "nowhere/outbox.db"
    message = str(refusal(OutboxError, lambda: SqliteOutbox(path)))
    assert message == f"outbox {path}: cannot make it: No such file or directory"
    message = str(refusal(OutboxError, lambda: SqliteOutbox(path, create=False)))
    assert message == f"outbox {path}: there is no such file"


def test_a_write_that_fails_is_said(tmp_path: Path) -> None:
    """By the kernel's own limit on a file's size: a write past it fails, as on a disk with an error."""
    program = (
        PROGRAM
        + """
import resource
with SqliteOutbox(path) as outbox:
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
    for number in range(1000):
        event = {"type": "t", "data": {"text": "x" * 20_000}, "id": str(number)}
        try:
            outbox.put(Parcel.of(event), ["siem"])
        except Exception as error:
            print(type(error).__name__, error)
            break
        print(number)
"""
    )
    path = tmp_path / "outbox.db"
    out = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert out[-1].startswith(f"OutboxError outbox {path}: the disk ")
    with SqliteOutbox(path) as outbox:
        assert ids_in(*outbox.claim("siem")) == out[:-1]
        the_law(outbox)


def test_a_damaged_file_is_said_with_the_command_that_helps(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with SqliteOutbox(path) as outbox:
        for number in range(200):
            outbox.put(parcel(str(number), text="x" * 2000), ["siem"])
    with path.open("r+b") as file:
        for page in range(3, path.stat().st_size // 16384):
            file.seek(page * 16384)
            file.write(os.urandom(200))

    def read() -> None:
        with SqliteOutbox(path) as outbox:
            while outbox.claim("siem"):
                pass

    message = str(refusal(OutboxDamagedError, read))
    assert f"vaulytica outbox recover --outbox sqlite://{path} --into NEW_FILE" in message


def test_rows_that_make_no_sense_are_said_to_be_damage(tmp_path: Path) -> None:
    """As where a page stands in another's place: SQLite itself finds nothing wrong with what it reads."""
    path = tmp_path / "outbox.db"
    told: list[OutboxError] = []
    one = Filter(states=(State.FRESH,))
    with SqliteOutbox(path, on_error=told.append) as outbox:
        outbox.put(parcel("a", "b"), ["siem"])
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("DELETE FROM outbox_batch")
            written = refusal(OutboxDamagedError, lambda: outbox.move(Step.DROP, one, events=1))
            connection.execute("UPDATE outbox_delivery SET kept = x'00'")
            read = refusal(OutboxDamagedError, outbox.counts)
    assert f"outbox {path} is damaged (delivery 1: its events are missing); stop" in str(written)
    assert f"outbox {path} is damaged (its rows are not as they were written); stop" in str(read)
    assert str(read).endswith(f"vaulytica outbox recover --outbox sqlite://{path} --into NEW_FILE")
    assert [str(error) for error in told] == [str(written), str(read)]


def test_a_file_that_has_lost_its_time_is_said_to_be_damaged(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    SqliteOutbox(path).close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE outbox_clock SET seen = x'00'")
    assert "outbox recover" in str(refusal(OutboxDamagedError, lambda: SqliteOutbox(path)))


def test_a_fault_of_the_program_is_not_said_to_be_damage(tmp_path: Path) -> None:
    with SqliteOutbox(tmp_path / "outbox.db", on_error=pytest.fail) as outbox:
        outbox.put(parcel("a"), ["siem"])
        for reads in (True, False):
            with pytest.raises(TypeError, match="mine"):
                outbox.do(Op(of_the_program, reads=reads))


def of_the_program(_: object) -> None:
    raise TypeError("mine")


def test_what_cannot_be_read_is_passed_over_by_claims_and_told_of(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with SqliteOutbox(path) as outbox:
        for number in range(60):
            key = "k" if number % 10 == 5 else None
            outbox.put(
                parcel(*[f"{number}-{n}" for n in range(9)], text="x" * 900), ["siem"], key=key
            )
    whole = Whole(path)
    bad = whole.of_bodies()[20:23]
    with path.open("r+b") as file:
        for page in bad:
            file.seek(page * PAGE)
            file.write(b"\xff" * PAGE)
    there = {json.loads(line)["id"] for line in whole.untouched(bad)}
    told: list[OutboxError] = []
    found: set[str] = set()
    clock = OwnClock()
    clock.jump(time.time() - clock.time())
    with SqliteOutbox(path, clock=clock, on_error=told.append) as outbox:
        while claimed := outbox.claim("siem", 10):
            found.update(ids_in(*claimed))
            refusal(OutboxDamagedError, lambda: outbox.settle([ack(one) for one in claimed]))
        assert outbox.due() == {}, "nobody waits for what cannot be read"
        clock.pass_by(599.0)
        assert outbox.due() == {}
        clock.pass_by(1.0)
        assert outbox.due() == {"siem": 0.0}, "it is looked at again"
        pending = outbox.counts()["siem"].pending
        passed = {one.id for one in outbox.browse(Filter(states=(State.FRESH, State.HELD)))}
    assert there - found == behind_one_of_its_key(there - found), (
        "only order holds back what can be read"
    )
    assert len(found) > 400
    assert pending >= 540 - len(found)
    assert passed
    assert {type(error) for error in told} == {OutboxDamagedError}
    assert f"vaulytica outbox recover --outbox sqlite://{path} --into NEW_FILE" in str(told[0])


def behind_one_of_its_key(ids: set[str]) -> set[str]:
    """Those of them that have the key."""
    return {id for id in ids if int(id.split("-")[0]) % 10 == 5}


def test_what_is_no_outbox_is_said(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    path.write_bytes(b"not a database at all, but some text" * 1000)
    message = str(refusal(OutboxError, lambda: SqliteOutbox(path)))
    assert f"outbox {path} is damaged (file is not a database), if it ever was an outbox" in message


def test_the_lock_of_an_owner_ends_with_it_however_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    program = (
        PROGRAM
        + """
outbox = SqliteOutbox(path, owner=True)
outbox.put(Parcel.of({"type": "t", "data": {}, "id": "a"}), ["siem"])
assert outbox.claim("siem", lease=1e6)
print("ready", flush=True)
sys.stdin.read()
"""
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        message = str(refusal(OutboxInUseError, lambda: SqliteOutbox(path, owner=True)))
        assert f"is in use by another relay (process {process.pid}); stop it first" in message
        with SqliteOutbox(path) as reader:
            assert reader.counts()["siem"].pending == 1
            assert reader.claim("siem") == []
        process.send_signal(signal.SIGKILL)
        process.wait()
        with SqliteOutbox(path, owner=True) as owner:
            assert ids_in(*owner.claim("siem")) == ["a"]
    finally:
        process.kill()
        process.communicate()


def test_a_file_that_another_holds_for_too_long_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlite3

    from vaulytica.outbox.sqlite import connection

    monkeypatch.setattr(connection, "_BUSY", 0.05)
    path = tmp_path / "outbox.db"
    with SqliteOutbox(path) as outbox:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        message = str(refusal(OutboxInUseError, lambda: outbox.put(parcel("a"), ["siem"])))
        assert "another program holds it for too long" in message
        other.execute("ROLLBACK")
        other.close()
        outbox.put(parcel("b"), ["siem"])
        assert ids_in(*outbox.claim("siem")) == ["b"]


def test_a_new_file_is_for_its_owner_only(tmp_path: Path) -> None:
    with SqliteOutbox(tmp_path / "outbox.db") as outbox:
        outbox.put(parcel("a"), ["siem"])
        for file in tmp_path.iterdir():
            assert file.stat().st_mode & 0o077 == 0, file


def test_a_file_on_a_read_only_disk_can_be_looked_at(small_disk: Path) -> None:
    path = small_disk / "outbox.db"
    with SqliteOutbox(path, min_free=0) as outbox:
        outbox.put(parcel("a"), ["siem"])
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with SqliteOutbox(path, create=False, look_only=True) as outbox:
        assert outbox.audit().problems == []
        assert ids_in(*everything(outbox)) == ["a"]
        assert "read-only" in str(refusal(OutboxError, lambda: outbox.claim("siem")))
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    path.with_name("outbox.db-wal").write_bytes(b"something")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    message = str(refusal(OutboxError, lambda: SqliteOutbox(path, create=False, look_only=True)))
    assert f"vaulytica outbox recover --outbox sqlite://{path} --into FILE" in message


def test_a_folder_is_no_outbox(tmp_path: Path) -> None:
    message = str(refusal(OutboxError, lambda: SqliteOutbox(tmp_path)))
    assert message == f"outbox {tmp_path}: it is a folder; name the file in it"
