"""Rotated files that were packed: before they were read, while they are, or after it; and those that cannot be."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from support.tail import LINE, Steps, append, lines, long_lines, rotate, said
from vaulytica.relay.intake.tail.followed import BLOCK

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
