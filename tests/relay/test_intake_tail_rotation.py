"""Rotations that nobody saw: what was renamed twice, copied, compressed or gone before it was looked at."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import resource
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zstandard

from support.sources import store
from support.tail import LINE, Steps, append, rotate, said
from vaulytica.relay.intake.tail.followed import BLOCK


def lines(first: int, last: int) -> str:
    return "".join(LINE % number for number in range(first, last))


def long_lines(first: int, last: int) -> str:
    """Of about 1000 bytes."""
    return lines(first, last).replace("}}", ',"pad":"' + "x" * 960 + '"}}')


# --- By renaming.


@pytest.mark.parametrize("is_down", [False, True])
def test_rotated_three_times_before_anybody_looks(steps: Steps, is_down: bool) -> None:
    path = steps.folder / "app.log"
    append(path, LINE % 0)
    steps.begin({"path": "app.log"})
    if is_down:
        steps.end()
    append(path, LINE % 1)
    for number in (2, 4, 6):
        rotate(path)
        append(path, lines(number, number + 2))
    if is_down:
        steps.begin({"path": "app.log"})
    assert steps.go_on() == list(range(8))


def test_by_dates_and_with_the_same_time(steps: Steps) -> None:
    path = steps.folder / "app.log"
    append(path, LINE % 0)
    steps.begin({"path": "app.log"})
    for number, date in enumerate(["20261124", "20261125", "20261125-1", "20261125-2"]):
        path.rename(path.with_name(f"app.log-{date}"))
        append(path, LINE % (number + 1))
    for file in steps.folder.iterdir():
        os.utime(file, (1_700_000_000, 1_700_000_000))
    assert steps.go_on() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("glob", ["app.log", "app.log*"])
def test_a_restart_in_the_middle_of_one_that_was_found(steps: Steps, glob: str) -> None:
    path = steps.folder / "app.log"
    steps.begin({"path": glob}, event=2000)
    append(path, LINE % 0)
    rotate(path)
    many = BLOCK * 3 // 1000
    append(path, long_lines(1, many))
    rotate(path)
    append(path, LINE % many)
    assert steps.tail is not None
    steps.do(steps.tail.look())
    for _ in range(2):
        steps.do(steps.tail.poll())
    assert 1 < len(steps.behind.kept()) < many
    rotate(path)
    steps.begin({"path": glob}, event=2000)
    assert steps.go_on() == list(range(many + 1))


def test_what_was_rotated_before_it_was_followed_is_not_read(steps: Steps) -> None:
    path = steps.folder / "app.log"
    for number in range(3):
        append(path, LINE % number)
        rotate(path)
    append(path, LINE % 10)
    steps.begin({"path": "app.log"})
    rotate(path)
    third = path.with_name("app.log.3")
    path.with_name("app.log.3.gz").write_bytes(gzip.compress(third.read_bytes()))
    third.unlink()
    steps.go_on()
    steps.begin({"path": "app.log"})
    assert steps.go_on() == [10]
    append(path.with_name("app.log.2"), LINE % 11)  # by a writer that has not heard of it
    assert steps.go_on() == [10, 11]


def test_a_log_that_came_and_was_rotated_while_the_relay_was_down(steps: Steps) -> None:
    steps.begin({"path": "*.log"})
    steps.end()
    for number in range(3):
        append(steps.folder / "new.log", LINE % number)
        rotate(steps.folder / "new.log")
    steps.begin({"path": "*.log"})
    assert steps.go_on() == [0, 1, 2]


def test_files_of_other_settings_and_programs_are_not_taken_for_rotated_ones(steps: Steps) -> None:
    app, other = {"path": "app.log"}, {"path": "app.log.9", "as": "text"}
    steps.begin(app, other)
    append(steps.folder / "app.log.9", "text\n")
    append(steps.folder / "app-2.log", LINE % 1)  # another program's
    append(steps.folder / "app.log.1.swp", LINE % 2)
    append(steps.folder / "secret", LINE % 3)
    (steps.folder / "app.log.1").symlink_to(steps.folder / "secret")
    (steps.folder / "app.log.2").mkdir()
    os.mkfifo(steps.folder / "app.log.3")
    assert steps.go_on() == ["text"]


def test_where_a_link_leads_to(steps: Steps) -> None:
    link = steps.folder / "app.log"
    for folder in ("a", "b"):
        (steps.folder / folder).mkdir()
    target = steps.folder / "a" / "0.log"
    append(target, LINE % 0)
    link.symlink_to(target)
    steps.begin({"path": "app.log"})
    for number in (1, 2):  # it is rotated where it lies
        target.rename(target.with_name(f"0.log.20261125-12000{number}"))
        append(target, LINE % number)
    append(steps.folder / "b" / "1.log", LINE % 3)
    link.unlink()
    link.symlink_to(steps.folder / "b" / "1.log")  # and then leads to another one
    steps.begin({"path": "app.log"})
    assert set(steps.go_on()) >= {0, 3}
    link.unlink()
    link.symlink_to(target)
    assert sorted(steps.go_on()) == [0, 1, 2, 3]


def test_renamed_to_where_nobody_looks_is_said(
    steps: Steps, caplog: pytest.LogCaptureFixture
) -> None:
    path = steps.folder / "app.log"
    append(path, LINE % 0)
    steps.begin({"path": "app.log"})
    append(path, LINE % 1)
    path.rename(steps.folder / "app-1.log")
    assert steps.go_on() == [0, 1]
    steps.now += 31
    for _ in range(3):
        steps.go_on()
    (line,) = said(caplog)
    assert line.startswith(f"{path} was renamed to where it is not looked for; ")


def test_what_is_gone_after_a_restart_is_said_once(
    steps: Steps, caplog: pytest.LogCaptureFixture
) -> None:
    path = steps.folder / "app.log"
    append(path, LINE % 0)
    steps.begin({"path": "app.log"})
    steps.end()
    path.unlink()
    append(path, lines(1, 3))
    for _ in range(3):
        steps.begin({"path": "app.log"})
    assert steps.go_on() == [0, 1, 2]
    assert said(caplog) == [
        f"{path} was read to byte {len(LINE % 0)} and is gone; what else was in it is lost"
    ]


def test_a_folder_that_vanishes_and_comes_back(steps: Steps) -> None:
    path, away = steps.folder / "sub" / "app.log", steps.folder / "away"
    path.parent.mkdir()
    for number in range(3):
        append(path, LINE % number)
        rotate(path)
    append(path, LINE % 3)
    steps.begin({"path": "sub/app.log"})
    path.parent.rename(away)
    for _ in range(3):
        steps.go_on()
        steps.now += 31
    steps.begin({"path": "sub/app.log"})
    append(away / "app.log", LINE % 4)
    away.rename(path.parent)
    assert steps.go_on() == [3, 4]


# --- Packed.

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.compress,
}


def pack(path: Path, ending: str) -> Path:
    """The time is kept, and the file goes when it is done."""
    packed = path.with_name(f"{path.name}.{ending}")
    packed.write_bytes(PACKERS[ending](path.read_bytes()))
    os.utime(packed, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    path.unlink()
    return packed


@pytest.mark.parametrize("ending", PACKERS)
@pytest.mark.parametrize("glob", ["app.log", "app.log*"])
def test_packed_before_it_was_read_to_its_end(steps: Steps, ending: str, glob: str) -> None:
    path = steps.folder / "app.log"
    append(path, LINE % 0)
    steps.begin({"path": glob})
    steps.end()
    many = 50
    append(path, lines(1, many))
    rotate(path)
    append(path, (LINE % many).rstrip())
    rotate(path)
    for number in (1, 2):
        pack(path.with_name(f"app.log.{number}"), ending)
    append(path, LINE % (many + 1))
    steps.begin({"path": glob})
    rotate(path)
    steps.begin({"path": glob})
    assert steps.go_on() == list(range(many + 2))


@pytest.mark.parametrize("is_down", [False, True])
@pytest.mark.parametrize("glob", ["app.log", "app.log*"])
def test_packed_after_it_was_read(
    steps: Steps, glob: str, is_down: bool, caplog: pytest.LogCaptureFixture
) -> None:
    path = steps.folder / "app.log"
    append(path, lines(0, 3))
    steps.begin({"path": glob})
    if is_down:
        steps.end()
    rotate(path)
    pack(path.with_name("app.log.1"), "gz")
    append(path, LINE % 3)
    if is_down:
        steps.begin({"path": glob})
    for _ in range(4):
        steps.go_on()
        steps.now += 31
    steps.begin({"path": glob})
    assert steps.go_on() == [0, 1, 2, 3]
    assert not said(caplog)


def test_a_restart_in_the_middle_of_a_packed_one(steps: Steps) -> None:
    path = steps.folder / "app.log"
    steps.begin({"path": "app.log"}, event=2000)
    many = BLOCK * 4 // 1000
    append(path, long_lines(0, many))
    rotate(path)
    pack(path.with_name("app.log.1"), "gz")
    assert steps.tail is not None
    steps.do(steps.tail.look())
    for _ in range(2):
        steps.do(steps.tail.poll())
    assert 0 < len(steps.behind.kept()) < many
    path.with_name("app.log.1.gz").rename(path.with_name("app.log.2.gz"))
    steps.begin({"path": "app.log"}, event=2000)
    assert steps.go_on() == list(range(many))


def test_what_is_being_packed_is_read_once(steps: Steps) -> None:
    path = steps.folder / "app.log"
    steps.begin({"path": "app.log"})
    append(path, lines(0, 1000))
    rotate(path)
    packed = gzip.compress(path.with_name("app.log.1").read_bytes())
    for part in (packed[:100], packed):
        path.with_name("app.log.1.gz").write_bytes(part)
        assert steps.go_on() == list(range(1000))
    path.with_name("app.log.1").unlink()
    assert steps.go_on() == list(range(1000))


@pytest.mark.parametrize("is_read", [False, True])
def test_packed_beside_it_before_it_is_truncated(steps: Steps, is_read: bool) -> None:
    path = steps.folder / "app.log"
    append(path, lines(0, 3))
    steps.begin({"path": "app.log"})
    append(path, lines(3, 6))
    if is_read:
        steps.go_on()
    path.with_name("app.log-20261125.gz").write_bytes(gzip.compress(path.read_bytes()))
    steps.go_on()
    os.truncate(path, 0)
    append(path, LINE % 6)
    assert steps.go_on() == list(range(7))


def test_a_packed_one_that_is_broken_is_said_once(
    steps: Steps, caplog: pytest.LogCaptureFixture
) -> None:
    path = steps.folder / "app.log"
    steps.begin({"path": "app.log"})
    append(path, lines(0, 3))
    rotate(path)
    packed = pack(path.with_name("app.log.1"), "gz")
    packed.write_bytes(packed.read_bytes()[:-9])
    append(path, LINE % 3)
    assert steps.go_on() == [3]
    assert not said(caplog)  # as long as it may be that it is being written
    for _ in range(3):
        steps.now += 61
        steps.go_on()
    (why,) = said(caplog)
    assert why.startswith(f"{packed} cannot be unpacked: ")
    assert why.endswith("; what was not read of it before is lost")


@pytest.mark.parametrize("is_read", [False, True])
def test_packed_by_what_is_not_installed(
    steps: Steps, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, is_read: bool
) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    path = steps.folder / "app.log"
    append(path, LINE % 0)
    steps.begin({"path": "app.log"})
    rotate(path)
    if is_read:
        for _ in range(3):
            steps.go_on()
            steps.now += 31
    else:
        steps.end()
    packed = pack(path.with_name("app.log.1"), "zst")
    if not is_read:
        steps.begin({"path": "app.log"})
    for _ in range(3):
        assert steps.go_on() == [0]
    of_it = [line for line in said(caplog) if "unpacked" in line]
    assert of_it == [] if is_read else len(of_it) == 1 and str(packed) in of_it[0]
    assert is_read or "pip install 'vaulytica[compression]'" in of_it[0]


# --- By copying and truncating.


@pytest.mark.parametrize("is_read", [False, True])
def test_a_copy_that_takes_its_time(steps: Steps, is_read: bool) -> None:
    path, copy = steps.folder / "app.log", steps.folder / "app.log.1"
    steps.begin({"path": "app.log"})
    append(path, lines(0, 100))
    if is_read:
        steps.go_on()
    content = path.read_bytes()
    copy.touch()
    for end in (0, 1000, 2222, len(content)):
        copy.write_bytes(content[:end])
        assert steps.tail is not None
        steps.do(steps.tail.look())
    os.truncate(path, 0)
    append(path, lines(100, 102))
    assert steps.go_on() == list(range(102))
    steps.begin({"path": "app.log"})
    assert steps.go_on() == list(range(102))


@pytest.mark.parametrize("how", ["looked", "not looked", "down"])
def test_what_was_read_after_the_copy_was_made(
    steps: Steps, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    path, copy = steps.folder / "app.log", steps.folder / "app.log.1"
    steps.begin({"path": "app.log"})
    append(path, lines(0, 100))
    assert steps.tail is not None
    steps.do(steps.tail.look())
    shutil.copyfile(path, copy)
    if how == "looked":
        steps.go_on()
    append(path, lines(100, 103))
    while steps.do(steps.tail.poll()):
        pass
    if how == "down":
        steps.go_on()
        steps.end()
    os.truncate(path, 0)
    append(path, LINE % 103)
    if how == "down":
        steps.begin({"path": "app.log"})
    assert steps.go_on() == list(range(104))
    assert not [line for line in said(caplog) if "not read" in line]


def test_what_a_truncation_took_with_it_is_said(
    steps: Steps, caplog: pytest.LogCaptureFixture
) -> None:
    path = steps.folder / "app.log"
    append(path, "x" * 99)  # nothing of it can be read yet
    steps.begin({"path": "app.log"})
    path.write_text("y" * 120 + "\n")  # longer than it was
    steps.go_on()
    steps.go_on()
    assert said(caplog) == [f"{path} was truncated, and 99 bytes of it were not read yet"]
    shutil.copyfile(path, path.with_name("app.log.1"))
    append(path, "z" * 50)
    steps.go_on()
    os.truncate(path, 0)
    for _ in range(3):
        steps.go_on()
    assert said(caplog)[1:] == [f"{path} was truncated, and 50 bytes of it were not read yet"]


def test_what_was_cut_off_is_said(steps: Steps, caplog: pytest.LogCaptureFixture) -> None:
    path = steps.folder / "app.log"
    append(path, LINE % 0 + "x" * 99)
    steps.begin({"path": "app.log"})
    os.truncate(path, len(LINE % 0) + 9)
    steps.go_on()
    append(path, "\n" + LINE % 1)
    assert steps.go_on()[0::2] == [0, 1]
    assert said(caplog) == [f"{path} was made shorter, and 90 bytes of it were not read yet"]


# --- What cannot be opened.


@contextmanager
def denied() -> Iterator[None]:
    """As somebody for whom permissions count."""
    me = os.geteuid()
    if me == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        if me == 0:
            os.seteuid(me)


@pytest.fixture
def elsewhere(steps: Steps) -> Iterator[Steps]:
    """Where anybody may look, with an outbox that is nobody's."""
    with tempfile.TemporaryDirectory() as folder:
        steps.folder = Path(folder)
        steps.folder.chmod(0o755)
        box = steps.folder / "box"
        box.mkdir()
        box.chmod(0o777)
        with denied():
            steps.behind = store(box)
        yield steps
        steps.end()
        steps.behind.outbox.close()


def test_permission_that_is_denied_and_granted_later(
    elsewhere: Steps, caplog: pytest.LogCaptureFixture
) -> None:
    path, rotated = elsewhere.folder / "app.log", elsewhere.folder / "app.log.1"
    for file in (path, rotated):
        append(file, LINE % 0)
        file.chmod(0)
    with denied():
        elsewhere.begin({"path": "app.log"})
        for _ in range(3):
            elsewhere.go_on()
        assert said(caplog) == [f"{path} cannot be read: Permission denied; it is tried again"]
        assert len(elsewhere.behind.outbox.marks("tail:")) == 1  # of the one that is passed by
    for file in (path, rotated):
        file.chmod(0o644)
    with denied():
        assert elsewhere.go_on() == [0]


def test_permission_that_is_denied_for_a_while(elsewhere: Steps) -> None:
    path = elsewhere.folder / "app.log"
    append(path, LINE % 0)
    path.chmod(0o644)
    with denied():
        elsewhere.begin({"path": "app.log"})
        path_is = elsewhere.behind.outbox.marks("tail:")
    path.chmod(0)
    with denied():
        for _ in range(2):  # its place is not forgotten, as it is there
            elsewhere.begin({"path": "app.log"})
            elsewhere.go_on()
        assert elsewhere.behind.outbox.marks("tail:").keys() == path_is.keys()
    path.chmod(0o644)
    append(path, LINE % 1)
    with denied():
        assert elsewhere.go_on() == [0, 1]


def test_more_files_than_may_be_open(steps: Steps) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    open_now = len(list(Path("/proc/self/fd").iterdir()))
    paths = [steps.folder / f"{number}.log" for number in range(2 * open_now + 100)]
    for path in paths:
        append(path, LINE % 0)
    resource.setrlimit(resource.RLIMIT_NOFILE, (2 * open_now + 60, limits[1]))
    try:
        steps.begin({"path": "*.log"})
        for path in paths:
            append(path, LINE % 1)
        for _ in range(5):
            steps.go_on()
            steps.now += 1
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert sorted(steps.go_on()) == [0] * len(paths) + [1] * len(paths)


@pytest.mark.parametrize("is_down", [False, True])
def test_a_packed_one_whose_time_is_set_anew(steps: Steps, is_down: bool) -> None:
    path = steps.folder / "app.log"
    append(path, LINE % 8)
    rotate(path)
    old = pack(path.with_name("app.log.1"), "gz")  # before it is followed
    steps.begin({"path": "app.log"})
    append(path, lines(0, 3))
    rotate(path)
    packed = pack(path.with_name("app.log.1"), "gz")
    for _ in range(3):
        steps.go_on()
        steps.now += 31
    if is_down:
        steps.end()
    for file in (packed, old.with_name("app.log.2.gz")):
        os.utime(file, (1_700_000_000, 1_700_000_000))
    if is_down:
        steps.begin({"path": "app.log"})
    assert steps.go_on() == [0, 1, 2]


def test_an_empty_log_that_was_rotated_is_not_said_to_be_gone(
    steps: Steps, caplog: pytest.LogCaptureFixture
) -> None:
    path = steps.folder / "app.log"
    path.touch()
    steps.begin({"path": "app.log"})
    steps.end()
    rotate(path)
    append(path, LINE % 0)
    steps.begin({"path": "app.log"})
    assert steps.go_on() == [0]
    assert not said(caplog)
