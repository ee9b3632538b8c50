"""Secrets by reference: read at once, kept up with, and never shown."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.canaries import CANARY, leaks
from support.secrets import NEW, OLD, Time, replace
from vaulytica.errors import WebhookConfigError
from vaulytica.integrations.webhook import SecretRef
from vaulytica.secrets import is_reference, reference
from vaulytica.secrets.file import FileSecrets


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(f"{OLD}\n")
    os.utime(path, (1, 1))  # long ago
    return path


# --- Reading.


def test_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE", f" {OLD}\n")
    assert SecretRef("env:FAKE").get_secret_value() == f" {OLD}\n"


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"a", "a"),
        (b"a\n", "a"),
        (b"a\r\n", "a"),
        (b"a\n\r\n\n", "a"),
        (b"\n\xef\xbb\xbfa", "\n\ufeffa"),
        (b"\xef\xbb\xbfa\n", "a"),
        (b" \xc3\xa9 ", " \xe9 "),
    ],
)
def test_of_a_file(tmp_path: Path, content: bytes, secret: str) -> None:
    (tmp_path / "s").write_bytes(content)
    assert SecretRef(f"file:{tmp_path}/s").get_secret_value() == secret
    assert SecretRef("file:s", base=tmp_path).get_secret_value() == secret


def test_a_relative_path_stays_where_it_was(
    file: Path, monkeypatch: pytest.MonkeyPatch, clock: Time
) -> None:
    monkeypatch.chdir(file.parent)
    secret = SecretRef("file:secret")
    monkeypatch.chdir("/")
    replace(file, NEW)
    clock.now += 2
    assert secret.get_secret_value() == NEW


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("env:NOT_SET_AT_ALL", "env:NOT_SET_AT_ALL is not set"),
        ("env:", "env: names no secret"),
        ("file: ", "file: names no secret"),
        ("file:~nobody-of-that-name/x", "~nobody-of-that-name/x: No such file"),
        ("file:/nowhere/at/all", "cannot read /nowhere/at/all: No such file"),
        ("file:/", "Is a directory"),
        ("file:", "file: names no secret"),
        ("file:/dev/null", "cannot read /dev/null: not a regular file"),
        ("file:/dev/zero", "cannot read /dev/zero: not a regular file"),
        ("file:a\0b", "not a path"),
        (f"{CANARY}", "begins with env:…, file:…"),
        (f"Bearer:{CANARY}", "begins with env:…, file:…"),
        (f"https://{CANARY}", "begins with env:…, file:…"),
        (5, "begins with env:…, file:…"),
    ],
)
def test_what_is_no_reference_or_leads_nowhere(wrong: str, why: str) -> None:
    with pytest.raises(WebhookConfigError) as caught:
        SecretRef(wrong)
    assert why in str(caught.value)
    assert leaks(repr(caught.value)) == []
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.parametrize("content", [b"", b"\n", b" \t\n", b"\xff\xfe"])
def test_an_empty_file_or_one_that_is_no_text_is_no_secret(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s").write_bytes(content)
    with pytest.raises(WebhookConfigError, match=r"empty|UTF-8"):
        SecretRef("file:s", base=tmp_path)


def test_a_file_that_is_too_large_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"x" * 65536)
    assert len(SecretRef("file:s", base=tmp_path)) == 65536
    (tmp_path / "s").write_bytes(b"x" * 65537)
    with pytest.raises(WebhookConfigError, match="over 65536 bytes, so no secret"):
        SecretRef("file:s", base=tmp_path)


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    """To read from it would wait for somebody to write, in every thread that sends."""
    os.mkfifo(tmp_path / "pipe")
    refusals: list[str] = []

    def read() -> None:
        try:
            SecretRef("file:pipe", base=tmp_path)
        except WebhookConfigError as error:
            refusals.append(str(error))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(60)
    assert refusals == [f"cannot read {tmp_path}/pipe: not a regular file"]


@given(st.text())
def test_any_text_is_a_reference_or_not(text: str) -> None:
    assert is_reference(text) == text.startswith(("env:", "file:"))
    for kind in ("env:", "file:", "file://"):
        assert is_reference(kind + text)
    assert not is_reference(f"https:{text}")


# --- Keeping up.


def test_a_file_that_is_replaced_is_read_again_within_a_second(file: Path, clock: Time) -> None:
    secret = SecretRef(f"file:{file}")
    assert (secret.get_secret_value(), secret.revision()) == (OLD, 0)
    replace(file, NEW)
    clock.now += reference.LOOK_EVERY - 0.01
    assert (secret.get_secret_value(), secret.revision()) == (OLD, 0)
    clock.now += 0.02
    assert (secret.get_secret_value(), secret.revision()) == (NEW, 1)


def test_a_link_that_leads_elsewhere_is_followed(tmp_path: Path, clock: Time) -> None:
    """Kubernetes swaps a directory's link; the path stays."""
    for version, text in enumerate((OLD, NEW)):
        (tmp_path / f"v{version}").mkdir()
        (tmp_path / f"v{version}/key").write_text(text)
    (tmp_path / "data").symlink_to("v0")
    secret = SecretRef(f"file:{tmp_path}/data/key")
    (tmp_path / "data.new").symlink_to("v1")
    (tmp_path / "data.new").replace(tmp_path / "data")
    clock.now += 2
    assert secret.get_secret_value() == NEW


def test_a_change_within_one_tick_of_the_files_clock_is_seen(tmp_path: Path, clock: Time) -> None:
    path = tmp_path / "s"
    path.write_text(OLD)
    stamp = path.stat().st_mtime_ns
    secret = SecretRef(f"file:{path}")
    path.write_text(NEW)
    os.utime(path, ns=(stamp, stamp))  # same size, same inode, same stamp
    clock.now += 2
    assert secret.get_secret_value() == NEW


def test_what_has_not_changed_is_not_read_again(
    file: Path, clock: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = SecretRef(f"file:{file}")
    opened: list[object] = []
    monkeypatch.setattr(Path, "open", lambda *a: opened.append(a))
    for _ in range(10):
        clock.now += 2
        assert secret.get_secret_value() == OLD
    assert opened == []


def test_a_new_date_alone_is_no_change(file: Path, clock: Time) -> None:
    secret = SecretRef(f"file:{file}")
    os.utime(file, (2, 2))
    clock.now += 2
    assert secret.revision() == 0


def test_the_environment_is_read_once(monkeypatch: pytest.MonkeyPatch, clock: Time) -> None:
    """A program may take the secret out of its environment, so that its children do not get it."""
    monkeypatch.setenv("FAKE", OLD)
    secret = SecretRef("env:FAKE")
    monkeypatch.delenv("FAKE")
    clock.now += 100
    assert (secret.get_secret_value(), secret.revision()) == (OLD, 0)


BREAKS: dict[str, Callable[[Path], object]] = {
    "gone": lambda path: path.unlink(),
    "emptied": lambda path: path.write_text(""),
    "blank": lambda path: path.write_text(" \n"),
    "a directory": lambda path: (path.unlink(), path.mkdir()),
    "not text": lambda path: path.write_bytes(b"\xff"),
    "too long": lambda path: path.write_bytes(b"x" * 70_000),
}


@pytest.mark.parametrize("how", BREAKS)
def test_what_cannot_be_read_any_more_stays_as_it_was(
    file: Path, clock: Time, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    """A replacement may be under way; and old credentials that no longer hold are refused by others."""
    secret = SecretRef(f"file:{file}")
    BREAKS[how](file)
    for _ in range(5):
        clock.now += 2
        assert (secret.get_secret_value(), secret.revision()) == (OLD, 0)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().endswith("; the secret that was there stays in use")
    assert str(file) in record.getMessage()
    if file.is_dir():
        file.rmdir()
    replace(file, NEW)
    clock.now += 2
    assert (secret.get_secret_value(), secret.revision()) == (NEW, 1)
    BREAKS[how](file)
    clock.now += 2
    assert secret.get_secret_value() == NEW
    assert len(caplog.records) == 2, "the next time it is told again"


def test_threads_do_not_wait_for_one_that_looks(
    file: Path, clock: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = SecretRef(f"file:{file}")
    replace(file, NEW)
    looking, may_go = threading.Event(), threading.Event()
    get = FileSecrets.get

    def slow(*arguments: Any) -> Any:
        looking.set()
        may_go.wait(20)
        return get(*arguments)

    monkeypatch.setattr(FileSecrets, "get", slow)
    clock.now += 2
    thread = threading.Thread(target=secret.get_secret_value)
    thread.start()
    assert looking.wait(60)
    assert secret.get_secret_value() == OLD
    may_go.set()
    thread.join(60)
    assert secret.get_secret_value() == NEW


def test_asking_costs_little(file: Path) -> None:
    secret = SecretRef(f"file:{file}")
    started = time.process_time()
    for _ in range(100_000):
        secret.revision()
    assert time.process_time() - started < 1.0  # 10 µs each; 0.2 is usual
