"""Files that are renamed while they are looked at, or written while they are read; inodes used again."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from support.tail import LINE, Steps, append, rotate, said
from vaulytica.outbox.delivery import Mark
from vaulytica.relay.door.accept import Entry
from vaulytica.relay.intake.feed import Feed
from vaulytica.relay.intake.settings import TailSettings
from vaulytica.relay.intake.tail import files, following
from vaulytica.relay.intake.tail.files import Sight, sight
from vaulytica.relay.intake.tail.followed import BLOCK
from vaulytica.relay.intake.tail.position import generation

Meanwhile = Callable[[Callable[[Sight], None], int], None]


def rotate_on(path: Path) -> None:
    """Each gets another number, whether anything new was written or not."""
    path.touch()
    rotate(path)


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """Has something done between what the next looks see and what they do with it."""

    def after(what: Callable[[Sight], None], times: int) -> None:
        turns = iter(range(times))

        def seen(tails: Sequence[TailSettings]) -> Sight:
            found = sight(tails)
            if next(turns, None) is not None:
                what(found)
            return found

        monkeypatch.setattr(following, "sight", seen)

    return after


@pytest.mark.parametrize("glob", ["app.log", "app.log*"])
@pytest.mark.parametrize("is_down", [False, True])
@pytest.mark.parametrize("times", [1, 4])
def test_renamed_while_they_are_looked_at(
    steps: Steps,
    meanwhile: Meanwhile,
    caplog: pytest.LogCaptureFixture,
    glob: str,
    is_down: bool,
    times: int,
) -> None:
    path = steps.folder / "app.log"
    append(path, LINE % 0)
    steps.begin({"path": glob})
    if is_down:
        steps.end()
    for number in (1, 2, 3):
        append(path, LINE % number)
        rotate(path)
    append(path, LINE % 4)
    meanwhile(lambda _: rotate_on(path), times)
    if is_down:
        steps.begin({"path": glob})
    assert steps.go_on() == [0, 1, 2, 3, 4]
    append(path, LINE % 5)
    assert steps.go_on() == [0, 1, 2, 3, 4, 5]
    assert not said(caplog)


def test_renamed_in_the_first_look_of_all(steps: Steps, meanwhile: Meanwhile) -> None:
    path = steps.folder / "app.log"
    for number in range(3):
        append(path, LINE % number)
        rotate(path)
    append(path, LINE % 3)
    meanwhile(lambda _: rotate_on(path), 2)
    steps.begin({"path": "app.log"})
    append(path, LINE % 4)
    for _ in range(3):
        assert steps.go_on() == [4]  # the others were there before


def test_what_is_missed_in_a_storm_is_not_said_to_be_gone(
    steps: Steps, meanwhile: Meanwhile, caplog: pytest.LogCaptureFixture
) -> None:
    path = steps.folder / "app.log"
    append(path, LINE % 0)
    steps.begin({"path": "app.log"})
    steps.end()
    append(path, LINE % 1)
    path.with_name("app.log.1.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    append(path, LINE % 2)

    def miss(found: Sight) -> None:
        found.seen = {id: it for id, it in found.seen.items() if not it.beside}
        found.steady = False

    meanwhile(miss, 8)  # more looks than are put off
    steps.begin({"path": "app.log"})
    for _ in range(9):
        steps.go_on()
    assert sorted(steps.go_on()) == [0, 1, 2]
    assert not said(caplog)


def test_what_one_listing_misses_another_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 4):
        append(tmp_path / f"app.log.{number}", LINE % number)
    inodes = [path.stat().st_ino for path in tmp_path.iterdir()]
    turns = itertools.count()
    listed = files._sight

    def missing_one(*given: Any) -> Sight:
        found = listed(*given)
        found.seen = {id: it for id, it in found.seen.items() if id[1] != inodes[next(turns) % 3]}
        rotate_on(tmp_path / "app.log")
        return found

    monkeypatch.setattr(files, "_sight", missing_one)
    found = sight([TailSettings(path=str(tmp_path / "app.log"))])
    assert not found.steady
    assert set(inodes) <= {inode for _, inode in found.seen}


@pytest.mark.parametrize("first", [1, BLOCK // 25])
def test_a_writer_that_goes_on_to_the_next_file_while_they_are_read(
    steps: Steps, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    path, old = steps.folder / "app.log", steps.folder / "app.log.1"
    path.touch()
    steps.begin({"path": "app.log"})
    path.rename(old)
    append(old, "".join(LINE % number for number in range(first)))
    path.touch()
    numbers = itertools.count(first)
    put = Feed.put

    async def meanwhile(self: Feed, entries: Sequence[Entry], mark: Mark) -> None:
        await put(self, entries, mark)
        if next(turns, None) is not None:
            append(old, LINE % next(numbers))
            append(path, LINE % next(numbers))

    assert steps.tail is not None
    steps.do(steps.tail.look())
    turns = iter(range(1))
    monkeypatch.setattr(Feed, "put", meanwhile)
    assert steps.go_on() == list(range(first + 2))


def test_a_log_that_is_begun_anew_in_the_same_inode_with_the_same_lines(
    steps: Steps, caplog: pytest.LogCaptureFixture
) -> None:
    path = steps.folder / "app.log"
    append(path, LINE % 0)
    inode = path.stat().st_ino
    steps.begin({"path": "app.log"})
    steps.end()
    path.unlink()
    for number in range(20):  # until one has the same inode, where that can be
        new = steps.folder / f"new-{number}"
        append(new, LINE % 0 + LINE % 1)
        if new.stat().st_ino == inode:
            break
    new.rename(path)
    with path.open() as file:
        if path.stat().st_ino == inode and not generation(file.fileno()):
            pytest.skip("this file system does not tell how often an inode was used")
    steps.begin({"path": "app.log"})
    assert steps.go_on() == [0, 0, 1]
    assert [line for line in said(caplog) if "is gone" in line]


def test_generations_are_of_inodes(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for _ in range(2):
        path.touch()
        with path.open() as one, path.open() as other:
            number = generation(one.fileno())
            assert number == generation(other.fileno())
        with path.rename(tmp_path / "b").open() as same:
            assert number == generation(same.fileno())
