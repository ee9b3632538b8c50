"""Rotations that nobody saw: what was renamed twice, copied, truncated or gone before it was looked at."""

from __future__ import annotations

import gzip
import os
import shutil

import pytest

from support.tail import LINE, Steps, append, lines, long_lines, rotate, said
from vaulytica.relay.intake.tail.followed import BLOCK

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
