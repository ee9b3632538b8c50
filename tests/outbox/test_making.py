"""A new file is made whole or not at all; so one that is empty was not made here, and is not taken for a new one."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from support.heart import refusal
from support.outbox import everything, ids_in, parcel
from vaulytica.errors import OutboxDamagedError, OutboxError
from vaulytica.outbox.sqlite import SqliteOutbox
from vaulytica.outbox.sqlite.place import why_unusable
from vaulytica.outbox.sqlite.recover import recover

KILLED = """
import os, signal, sys
from pathlib import Path
from vaulytica.outbox.parcel import Parcel
from vaulytica.outbox.sqlite import SqliteOutbox

# What Python tells of before it is done: each is a moment to be killed at.
MOMENTS = ("open", "os.", "sqlite3.", "tempfile.", "fcntl.")
event = Parcel.of({"type": "t", "data": {}, "id": "a"})

def make(path, moment):
    seen = 0
    def look(name, _):
        nonlocal seen
        seen += name.startswith(MOMENTS)
        if seen == moment:
            os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(look)
    with SqliteOutbox(path, owner=moment % 2 == 0) as outbox:
        outbox.put(event, ["siem"])
    os._exit(0)

for moment in range(1, 1000):
    folder = Path(sys.argv[1], str(moment))
    folder.mkdir()
    path = folder / "outbox.db"
    child = os.fork()
    if child == 0:
        make(path, moment)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        assert os.waitstatus_to_exitcode(status) == 0
        break
    size = path.stat().st_size if path.exists() else "none"
    with SqliteOutbox(path, owner=moment % 3 == 0) as outbox:
        outbox.put(event, ["siem"])
        assert outbox.audit().problems == []
    print(size)
"""


def test_who_is_killed_while_it_makes_a_file_leaves_none_or_one_to_go_on_with(
    tmp_path: Path,
) -> None:
    """At every moment at which Python can be told to stop."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    sizes = done.stdout.split()
    assert "0" not in sizes, sizes
    assert sizes.count("none") > 3, sizes
    assert sizes.count("16384") > 3, sizes


def test_many_make_one_file(tmp_path: Path) -> None:
    barrier = threading.Barrier(8)
    path = tmp_path / "outbox.db"
    failed: list[BaseException] = []

    def begin(number: int) -> None:
        try:
            barrier.wait(60)
            with SqliteOutbox(path) as outbox:
                outbox.put(parcel(str(number)), ["siem"])
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    with SqliteOutbox(path, create=False) as outbox:
        assert sorted(id for one in everything(outbox) for id in ids_in(one)) == list("01234567")
    assert {file.name for file in tmp_path.iterdir()} == {"outbox.db", "outbox.db.lock"}


def test_who_is_late_uses_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program makes the file while this one does; what it has put is there."""
    path, link = tmp_path / "outbox.db", os.link

    def too_late(*args: str) -> None:
        monkeypatch.undo()
        with SqliteOutbox(path) as other:
            other.put(parcel("a"), ["siem"])
        link(*args)

    monkeypatch.setattr(os, "link", too_late)
    with SqliteOutbox(path) as outbox:
        assert ids_in(*outbox.claim("siem")) == ["a"]


LOOKING = """
import sqlite3, sys
from contextlib import closing
with closing(sqlite3.connect(sys.argv[1])) as look:
    look.execute("SELECT count(*) FROM sqlite_master").fetchone()
"""


def looked_at_by_another(path: Path) -> None:
    """By another process, which takes the log away when it closes, if it finds no lock of anybody."""
    subprocess.run([sys.executable, "-c", LOOKING, str(path)], check=True, timeout=60)


def test_who_made_a_file_ends_no_locks_of_a_thread_that_opens_it_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To close any descriptor of a file ends all that its process has locked of it."""
    path, link = tmp_path / "outbox.db", os.link
    opened: list[SqliteOutbox] = []

    def and_opened(*args: str) -> None:
        monkeypatch.undo()
        link(*args)
        opened.append(SqliteOutbox(path))

    monkeypatch.setattr(os, "link", and_opened)
    with SqliteOutbox(path), opened[0] as other:
        other.put(parcel("a"), ["siem"])
        looked_at_by_another(path)
        assert path.with_name("outbox.db-wal").stat().st_size > 0
        other.put(parcel("b"), ["siem"])
        with contextlib.closing(sqlite3.connect(path)) as fresh:
            assert fresh.execute("SELECT count(*) FROM outbox_delivery").fetchone() == (2,)


def test_a_look_at_the_place_ends_no_locks_of_an_outbox_in_use_here(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with SqliteOutbox(path) as outbox:
        outbox.put(parcel("a"), ["siem"])
        assert why_unusable(path) is None
        looked_at_by_another(path)
        assert path.with_name("outbox.db-wal").stat().st_size > 0


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP])
def test_where_files_cannot_be_linked_it_is_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """As on FAT: there is none here to be mounted."""

    def link(*_: str) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", link)
    with SqliteOutbox(tmp_path / "outbox.db") as outbox:
        outbox.put(parcel("a"), ["siem"])
    assert {file.name for file in tmp_path.iterdir()} == {"outbox.db", "outbox.db.lock"}


def test_where_files_cannot_be_linked_it_is_renamed_over_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another begins to make it between the look at the place and the renaming."""
    path, rename, flock = tmp_path / "outbox.db", Path.rename, fcntl.flock
    waits = threading.Event()

    def link(*_: str) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    def put() -> None:
        with SqliteOutbox(path) as outbox:
            outbox.put(parcel("b"), ["siem"])
        waits.set()

    def locked(file: int, how: int) -> None:
        if stat.S_ISDIR(os.fstat(file).st_mode):
            waits.set()
        flock(file, how)

    late = threading.Thread(target=put)

    def renamed(made: Path, place: Path) -> None:
        monkeypatch.setattr(Path, "rename", rename)
        monkeypatch.setattr(fcntl, "flock", locked)
        late.start()
        assert waits.wait(60)
        rename(made, place)

    monkeypatch.setattr(os, "link", link)
    monkeypatch.setattr(Path, "rename", renamed)
    with SqliteOutbox(path) as outbox:
        late.join(60)
        assert ids_in(*outbox.claim("siem")) == ["b"]
    assert {file.name for file in tmp_path.iterdir()} == {"outbox.db", "outbox.db.lock"}


def test_a_file_is_made_where_a_symbolic_link_leads(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link = tmp_path / "outbox.db"
    link.symlink_to("there/real.db")
    with SqliteOutbox(link) as outbox:
        outbox.put(parcel("a"), ["siem"])
    assert link.is_symlink()
    assert (tmp_path / "there/real.db").stat().st_mode & 0o777 == 0o600
    with SqliteOutbox(link, create=False) as outbox:
        assert ids_in(*outbox.claim("siem")) == ["a"]


@pytest.mark.parametrize("owner", [True, False])
def test_an_empty_file_is_refused_and_left_as_it_is(tmp_path: Path, owner: bool) -> None:
    path = tmp_path / "outbox.db"
    path.touch()
    message = str(refusal(OutboxDamagedError, lambda: SqliteOutbox(path, owner=owner)))
    assert f"outbox {path} is empty, as no outbox ever is" in message
    assert "put a copy back, or remove it to begin anew" in message
    assert [file.name for file in tmp_path.iterdir()] == ["outbox.db"]
    assert path.stat().st_size == 0
    path.unlink()
    SqliteOutbox(path, owner=owner).close()


def test_a_database_of_ones_own_needs_a_table_first_or_the_outbox_before(tmp_path: Path) -> None:
    path = tmp_path / "own.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert path.stat().st_size == 0
        message = str(refusal(OutboxDamagedError, lambda: SqliteOutbox(path)))
        assert "(a database of your own needs a table first)" in message
        connection.execute("CREATE TABLE mine (id)")
        with SqliteOutbox(path) as outbox, connection:
            connection.execute("INSERT INTO mine VALUES (1)")
            outbox.put(parcel("a"), ["siem"], connection=connection)
        with SqliteOutbox(path) as outbox:
            assert ids_in(*outbox.claim("siem")) == ["a"]


def killed_with_a_log(path: Path, events: int) -> None:
    """An outbox as kill -9 leaves it: what was put last stands in its log."""
    program = (
        "import os, sys; from pathlib import Path; from vaulytica.outbox.parcel import Parcel\n"
        "from vaulytica.outbox.sqlite import SqliteOutbox\n"
        "outbox = SqliteOutbox(Path(sys.argv[1]))\n"
        f"for n in range({events}):\n"
        "    outbox.put(Parcel.of({'type': 't', 'data': {}, 'id': str(n)}), ['siem'])\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], timeout=60)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize("is_there", [True, False])
def test_a_log_whose_file_is_gone_is_not_thrown_away(tmp_path: Path, is_there: bool) -> None:
    """SQLite itself would: it takes an empty file for a new database, and removes the log beside it."""
    path = tmp_path / "outbox.db"
    killed_with_a_log(path, 20)
    if is_there:
        os.truncate(path, 0)
    else:
        path.unlink()
    log = path.with_name("outbox.db-wal").read_bytes()
    for settings in ({"owner": True}, {}, {"create": False}):
        message = str(refusal(OutboxDamagedError, lambda: SqliteOutbox(path, **settings)))  # noqa: B023
        assert f"what was written to it last is in {path}-wal" in message.replace("is, in", "is in")
        assert f"vaulytica outbox recover --outbox sqlite://{path} --into NEW_FILE" in message
    assert path.with_name("outbox.db-wal").read_bytes() == log
    path.touch()
    saved = recover(path, tmp_path / "saved.db")
    assert (saved.lost, saved.counts["siem"].pending) == ({}, 20)


def test_what_is_saved_is_not_put_beside_the_log_of_another(tmp_path: Path) -> None:
    killed_with_a_log(tmp_path / "other.db", 5)
    (tmp_path / "other.db").unlink()
    log = (tmp_path / "other.db-wal").read_bytes()
    SqliteOutbox(tmp_path / "outbox.db").close()
    refusal(OutboxDamagedError, lambda: recover(tmp_path / "outbox.db", tmp_path / "other.db"))
    assert (tmp_path / "other.db-wal").read_bytes() == log


def test_a_journal_whose_file_is_gone_is_not_taken_for_that_of_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "own.db"
    path.with_name("own.db-journal").write_bytes(b"pages of another")
    message = str(refusal(OutboxDamagedError, lambda: SqliteOutbox(path)))
    assert f"what was written to it last is, in {path}-journal" in message


def test_without_create_a_file_without_an_outbox_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE mine (id)")
    before = path.read_bytes()
    message = str(refusal(OutboxError, lambda: SqliteOutbox(path, create=False)))
    assert message == f"outbox {path}: there is no outbox in this file; was another meant?"
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["other.db"]


def test_a_name_that_is_too_long_is_said(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 300)
    message = str(refusal(OutboxError, lambda: SqliteOutbox(path)))
    assert message == f"outbox {path}: it cannot be looked at: File name too long"
