"""Real faults under a whole relay: a full disk, failing writes, damage, receivers that die. Nothing is lost, and it goes on."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.conservation import Ledger, Relay
from support.disks import disk, fill
from support.nursery import until
from support.putting import accepted, post, stopped
from vaulytica.outbox.sqlite import SqliteOutbox


def test_a_full_disk_while_events_are_accepted(tmp_path: Path, make: Callable[..., Relay]) -> None:
    """First what puts may use is spent, then the last byte; then there is room again."""
    with disk(tmp_path / "disk", 96) as folder:
        one = make(folder)
        (place,) = one.places
        process = one.start()
        place.before = lambda _: time.sleep(0.01)
        names = accepted(one, 400, "a")
        filler = fill(folder / "filler", leave=20 * 2**20)
        said = post(one, "@b@")
        assert (said.status, said.retry_after) == (503, "5")
        assert "cannot keep events now; its log says why" in said.body
        process.until(f"outbox {one.outbox_path}: the disk is nearly full (")
        fill(filler)
        assert post(one, "@c@").status == 503
        time.sleep(1.5)  # lanes claim and settle meanwhile, or try to
        filler.unlink()
        names |= accepted(one, 100, "d")
        Ledger(one).check(names)
        assert set(place.taken.values()) == {1}, "what could not be written down was remembered"
        stopped(one)


def test_a_log_that_cannot_be_written_stops_nothing(
    tmp_path: Path, make: Callable[..., Relay]
) -> None:
    """It is often on the disk that is full."""
    one = make(tmp_path)
    (place,) = one.places
    process = one.start(log=Path("/dev/full"))
    place.before = lambda _: time.sleep(0.01)
    names = accepted(one, 300, "a")
    limits = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (4096, limits[1]))
    said = post(one, "@b@")  # which the relay logs, as it does that lanes cannot write
    assert (said.status, said.retry_after) == (503, "5")
    time.sleep(1.5)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limits)
    names |= accepted(one, 100, "c")
    Ledger(one).check(names)
    assert set(place.taken.values()) == {1}
    process.signal(signal.SIGTERM)
    assert process.wait() == 0


def test_a_log_tells_once_of_many_that_are_refused(
    tmp_path: Path, make: Callable[..., Relay]
) -> None:
    with disk(tmp_path / "disk", 80) as folder:
        one = make(folder)
        process = one.start()
        fill(folder / "filler", leave=8 * 2**20)
        assert {post(one, "@a@").status for _ in range(20)} == {503}
        assert process.log.read_text("utf-8").count("is nearly full") == 1
        stopped(one)


def test_a_read_only_disk_at_the_start(tmp_path: Path, make: Callable[..., Relay]) -> None:
    with disk(tmp_path / "disk", 80) as folder:
        one = make(tmp_path)
        one.configure()
        config = one.path.read_text().replace(str(one.outbox_path), str(folder / "outbox.db"))
        one.path.write_text(config)
        SqliteOutbox(folder / "outbox.db").close()
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        process = one.start(ready=False)
        assert process.wait() == 2
        said = process.log.read_text("utf-8").splitlines()[-1]
        assert f": outbox: the folder {folder} cannot be written: its disk" in said
        assert "mounted read-only" in said


def test_a_clock_that_jumps_stalls_nothing_and_loses_nothing(
    tmp_path: Path, make: Callable[..., Relay]
) -> None:
    """Both ways, while it runs, and while it does not, with events that wait to be tried again."""
    one = make(tmp_path)
    (place,) = one.places
    one.clock = tmp_path / "clock"
    is_busy = True
    place.stand_in.refuse = lambda _: 503 if is_busy else None
    process = one.start()
    ledger = Ledger(one)
    names: set[str] = set()
    for number, days in enumerate((-3, 0.4, -30, 0.8)):
        is_busy = True
        names |= accepted(one, 40, f"a{number}")
        before = place.requests
        until(lambda before=before: place.requests > before, lambda: "the first try")
        one.clock.write_text(str(days * 86400.0))
        names |= accepted(one, 40, f"b{number}")
        if number % 2:
            process.kill()
            ledger.after_kill()
            process = one.start()
        is_busy = False
        ledger.drained(20)
    ledger.check(names)
    stopped(one)


def damage(path: Path, first: int) -> None:
    """Overwrite the beginnings of pages from that one on."""
    with path.open("r+b") as file:
        for page in range(first, path.stat().st_size // 16384):
            file.seek(page * 16384)
            file.write(os.urandom(200))


def kept(one: Relay, count: int) -> set[str]:
    """Put events past the intake, all in the file and not in its log."""
    names = [f"@k-{number}@" for number in range(count)]
    with SqliteOutbox(one.outbox_path) as outbox:
        for name in names:
            outbox.put({"type": "t", "data": {"of": name, "text": "x" * 2000}}, ["webhook"])
    return set(names)


def test_a_file_that_is_damaged_at_the_start(tmp_path: Path, make: Callable[..., Relay]) -> None:
    one = make(tmp_path)
    kept(one, 50)
    damage(one.outbox_path, 0)
    process = one.start(ready=False)
    assert process.wait() == 2
    said = process.log.read_text("utf-8").splitlines()[-1]
    assert f": outbox: {one.outbox_path} is there, and is no SQLite file" in said
    assert f"vaulytica outbox recover --outbox {one.url} --into NEW_FILE" in said


@pytest.mark.parametrize("is_killed", [True, False])
def test_a_file_that_has_become_empty(
    tmp_path: Path, make: Callable[..., Relay], is_killed: bool
) -> None:
    """No relay makes a new one of it; and what its log still has can be saved."""
    one = make(tmp_path)
    process = one.start()
    kept(one, 50)
    process.kill() if is_killed else stopped(one)
    os.truncate(one.outbox_path, 0)
    process = one.start(ready=False)
    assert process.wait() == 2
    said = process.log.read_text("utf-8").splitlines()[-1]
    assert f": outbox: {one.outbox_path} is empty, " in said
    log = one.outbox_path.with_name("outbox.db-wal")
    assert (one.outbox_path.stat().st_size, log.exists()) == (0, is_killed)
    assert (f"vaulytica outbox recover --outbox {one.url} --into NEW_FILE" in said) is is_killed


def test_a_page_that_turns_out_to_be_damaged(tmp_path: Path, make: Callable[..., Relay]) -> None:
    """The relay says so, with the command that helps; what that saves is delivered by a relay on the new file."""
    one = make(tmp_path)
    (place,) = one.places
    names = kept(one, 400)
    size = one.outbox_path.stat().st_size // 16384
    damage(one.outbox_path, size - size // 4)
    process = one.start()
    process.until(f"outbox {one.outbox_path} is damaged (")
    process.until(f"vaulytica outbox recover --outbox {one.url} --into NEW_FILE")
    process.kill()
    audit = one.outbox_command("audit")
    assert audit.wait() == 1, audit.log.read_text("utf-8")
    new = tmp_path / "new.db"
    recover = one.outbox_command("recover", "--into", str(new))
    assert recover.wait() in (0, 1), recover.log.read_text("utf-8")
    one.outbox_path, one.url = new, f"sqlite://{new}"
    one.configure()
    one.start()
    Ledger(one).drained()
    assert place.taken.keys() <= names
    assert len(place.taken) > len(names) // 4
    stopped(one)
