"""Followed files that cannot be opened, for now: permissions, and too many files."""

from __future__ import annotations

import os
import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.sources import store
from support.tail import LINE, Steps, append, said


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
