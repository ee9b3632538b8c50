"""Following files, with a real outbox behind it."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from support.intake import Intake
from support.sources import running
from support.tail import LINE, Steps, append
from vaulytica.errors import WebhookConfigError
from vaulytica.outbox.delivery import Mark
from vaulytica.relay.intake import sources
from vaulytica.relay.intake.settings import IntakeSettings
from vaulytica.relay.intake.tail.names import bases, is_rotation


def test_a_running_follower(behind: Intake, tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    (source,) = sources(IntakeSettings(tail=[{"path": str(tmp_path / "*.log")}]))
    with running(source, behind) as run:
        append(path, LINE % 0 + LINE % 1)
        run.until(2)
        path.rename(tmp_path / "app.log.1")
        append(path, LINE % 3)
        append(tmp_path / "app.log.1", LINE % 2)  # by a writer that has not heard of it yet
        run.until(4)
    assert sorted(event["data"]["n"] for event in behind.kept()) == [0, 1, 2, 3]


def test_a_line_is_taken_when_it_has_its_end(steps: Steps) -> None:
    path = steps.folder / "app.log"
    append(path, LINE % 0 + (LINE % 1)[:9])
    steps.begin({"path": "app.log"})
    assert steps.go_on() == [0]
    append(path, (LINE % 1)[9:])
    assert steps.go_on() == [0, 1]


def test_it_goes_on_at_the_right_byte(steps: Steps) -> None:
    path = steps.folder / "app.log"
    append(path, LINE % 0 + (LINE % 1)[:9])
    steps.begin({"path": "*.log"})
    append(path, (LINE % 1)[9:] + LINE % 2)
    steps.begin({"path": "*.log"})
    assert steps.go_on() == [0, 1, 2]


def test_begin_at_the_end_is_meant_for_the_first_start_only(steps: Steps) -> None:
    old, new = steps.folder / "old.log", steps.folder / "new.log"
    append(old, LINE % 0 + (LINE % 1)[:9])
    steps.begin({"path": "*.log", "begin": "end"})
    append(old, (LINE % 1)[9:])
    assert steps.go_on() == [1]
    steps.end()
    append(new, LINE % 2)  # while nobody looks
    steps.begin({"path": "*.log", "begin": "end"})
    assert steps.go_on() == [1, 2]


def test_a_file_that_is_truncated_begins_anew(
    steps: Steps, caplog: pytest.LogCaptureFixture
) -> None:
    path = steps.folder / "app.log"
    append(path, LINE % 0 + LINE % 1)
    steps.begin({"path": "app.log"})
    path.write_text(LINE % 2 + LINE % 3 + LINE % 4)  # longer than before
    assert steps.go_on() == [0, 1, 2, 3, 4]
    assert "were not read" not in caplog.text


def test_what_is_lost_by_a_truncation_is_said(
    steps: Steps, caplog: pytest.LogCaptureFixture
) -> None:
    path = steps.folder / "app.log"
    append(path, LINE % 0 + "x" * 99)
    steps.begin({"path": "app.log"})
    os.truncate(path, 0)
    assert steps.go_on() == [0]
    assert "99 bytes of it were not read yet" in caplog.text


def test_an_inode_used_again_is_a_new_file(steps: Steps) -> None:
    path = steps.folder / "app.log"
    append(path, LINE % 0)
    steps.begin({"path": "app.log"})
    steps.end()
    path.write_text(LINE % 9 + LINE % 8)  # the same inode, and other bytes before the place
    steps.begin({"path": "app.log"})
    assert steps.go_on() == [0, 9, 8]


def test_what_an_earlier_file_left_behind_under_an_inode_is_not_taken_for_this_one(
    steps: Steps,
) -> None:
    path = steps.folder / "app.log"
    append(path, LINE % 0 + LINE % 1)
    steps.begin({"path": "app.log"})
    (mark,) = steps.behind.outbox.marks("tail:").values()
    for key in ("tail:0", "tail:zzz"):  # before and behind any other
        earlier = {**json.loads(mark), "offset": 0, "print": ""}
        left_behind = Mark(key, json.dumps(earlier))
        steps.behind.outbox.put_shares([], (), mark=left_behind)
    steps.begin({"path": "app.log"})
    append(path, LINE % 2)
    assert steps.go_on() == [0, 1, 2]


def test_the_last_line_of_a_file_that_is_left_needs_no_end(steps: Steps) -> None:
    path = steps.folder / "app.log"
    append(path, LINE % 0 + (LINE % 1).rstrip())
    steps.begin({"path": "app.log"})
    path.rename(steps.folder / "app.log.1")
    assert steps.go_on() == [0]
    steps.now += 31
    steps.go_on()
    assert steps.go_on() == [0, 1]


def test_a_file_that_is_deleted_is_read_to_its_end(steps: Steps) -> None:
    path = steps.folder / "app.log"
    append(path, LINE % 0)
    steps.begin({"path": "app.log"})
    append(path, LINE % 1)
    path.unlink()
    assert steps.go_on() == [0, 1]
    steps.now += 31
    steps.go_on()
    steps.go_on()
    (mark,) = steps.behind.outbox.marks("tail:").values()
    assert json.loads(mark)["done"]  # it is known for a while, as it may have been packed


def test_what_is_in_gzip_is_left_alone(steps: Steps) -> None:
    (steps.folder / "app.log.2.gz").write_bytes(gzip.compress(b"x"))
    append(steps.folder / "app.log", LINE % 0)
    steps.begin({"path": "app.log*"})
    assert steps.go_on() == [0]


def test_two_settings_for_one_file(steps: Steps) -> None:
    append(steps.folder / "app.log", LINE % 0)
    append(steps.folder / "b.log", "text\n")
    steps.begin({"path": "app.log"}, {"path": "*.log", "as": "text", "type": "plain"})
    assert sorted(map(str, steps.go_on())) == ["0", "text"]


@pytest.mark.parametrize("length", [600_000, 1_000_000])
def test_a_long_line(steps: Steps, length: int) -> None:
    path = steps.folder / "app.log"
    append(path, "x" * length)
    steps.begin({"path": "app.log", "as": "text"})
    append(path, "\nend\n")
    assert steps.go_on() == ["x" * length, "end"]


def test_a_line_that_is_too_long_is_cut_and_said(steps: Steps) -> None:
    path = steps.folder / "app.log"
    append(path, "first\n" + "x" * 2_000_000)
    steps.begin({"path": "app.log", "as": "text"}, event=1_000_000)
    append(path, "x" * 2_000_000)
    steps.begin({"path": "app.log", "as": "text"}, event=1_000_000)  # and a restart in its midst
    append(path, "x\nlast\n")
    first, _, last = steps.go_on()
    assert (first, last) == ("first", "last")
    assert "longer than 1000000 bytes" in steps.behind.kept()[1]["data"]["why"]


def test_a_line_that_is_no_event_says_where_it_was(steps: Steps) -> None:
    path = steps.folder / "app.log"
    append(path, LINE % 0 + "plain\n")
    steps.begin({"path": "app.log"})
    data = steps.behind.kept()[1]["data"]
    assert (data["origin"], data["byte"], data["text"]) == (str(path), len(LINE % 0), "plain")


def test_nothing_to_follow_yet(steps: Steps) -> None:
    steps.begin({"path": "later/*.log"})
    (steps.folder / "later").mkdir()
    append(steps.folder / "later" / "app.log", LINE % 0)
    assert steps.go_on() == [0]


def test_a_relative_path_is_refused() -> None:
    with pytest.raises(WebhookConfigError, match="whole path"):
        IntakeSettings(tail=[{"path": "logs/*.log"}])


@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("app.log.1", ["app.log"]), ("app.log.12.gz", ["app.log"]), ("app.log-20251029", ["app.log"]),
        ("app.log-20251029-2.zst", ["app.log", "app.log-20251029"]), ("app-20251029.log", ["app.log"]), ("app.log.old", ["app.log"]),
        ("app.log.2025-10-29T12:00:00Z", ["app.log", "app.log.2025", "app.log.2025-10"]),
        ("0.log.20251029-120000", ["0.log", "0.log.20251029"]), ("app.2025-10-29.log.gz", ["app.log"]),
        ("app.log", []), ("app-2.log", []), ("app.log.gz", []), ("app.log.1.swp", []), ("app2.log", []),
    ],
)  # fmt: skip
def test_what_a_rotated_file_was_called(name: str, of: list[str]) -> None:
    assert list(bases(name)) == of


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("app.log.1", True), ("app.log-20251029", True), ("app-20251029.log", True), ("app.2.log", True), ("app.log~", True),
        ("app.log", False), ("app-worker.log", False), ("app2.log", False), ("other.log.1", False), ("app.logs", False),
    ],
)  # fmt: skip
def test_names_of_a_rotation(name: str, is_one: bool) -> None:
    assert is_rotation(f"/l/{name}", "/l/app.log") is is_one
    assert not is_rotation(f"/other/{name}", "/l/app.log")
