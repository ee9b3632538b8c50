"""TLS settings: what is refused when a config is built, and what never shows."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import trustme

from support.certificates import PASSWORD, Pair, pair, pem
from vaulytica.config import WebhookConfig, WebhookTLS
from vaulytica.errors import WebhookConfigError

URL = "https://siem.example.com/hook"
PIN, BACKUP = f"sha256//{'A' * 43}=", f"sha256//{'B' * 42}A="


@pytest.fixture(scope="module")
def made() -> Pair:
    return pair(trustme.CA())


@pytest.fixture(scope="module")
def other() -> Pair:
    return pair(trustme.CA())


def refused(**tls: Any) -> str:
    with pytest.raises(WebhookConfigError) as caught:
        WebhookConfig(url=URL, tls=tls)
    return str(caught.value)


@pytest.mark.parametrize(
    ("pins", "says"),
    [
        ([PIN], "pins has one pin; give the backup key's as well"),
        ([PIN, PIN], "has one pin"),
        ([PIN, "sha256//"], r"pins[1] is not sha256// and 32 bytes in Base64"),
        (["A" * 43 + "=", PIN], "pins[0] is not"),
        ([f"sha1//{'A' * 43}=", PIN], "pins[0] is not"),
        ([PIN, "/etc/key.pem"], "pins[1] is not"),
        ([f"{PIN};{BACKUP}", PIN], "pins[0] is not"),
        (PIN, "pins"),
    ],
)
def test_pins_that_are_none_or_too_few(pins: Any, says: str) -> None:
    assert says in refused(pins=pins)


def test_pins_and_server_name_need_tls() -> None:
    for tls in ({"pins": [PIN, BACKUP]}, {"server_name": "x.example"}):
        assert WebhookConfig(url=URL, tls=tls)
        with pytest.raises(WebhookConfigError, match="need an https:// url"):
            WebhookConfig(url="http://siem.example.com/", tls=tls)


@pytest.mark.parametrize("name", ["", "a b", "a,b", "a:1", "x/y", "[::1]", "a\r\nb", "x" * 300])
def test_server_name_is_the_name_of_a_host(name: str) -> None:
    assert "server_name: is not the name of a host" in refused(server_name=name)


@pytest.mark.parametrize("version", ["1.1", "1.0", 1.1, "2", 1, None])
def test_older_versions_cannot_be_had(version: object) -> None:
    assert "min_version" in refused(min_version=version)


def test_files_that_are_not_there_or_hold_something_else(tmp_path: Path, made: Pair) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()
    for name in ("ca", "client_cert"):
        assert f"{name}: cannot read {tmp_path}: Is a directory" in refused(**{name: str(tmp_path)})
        assert "No such file" in refused(**{name: str(tmp_path / "nowhere")})
    assert "ca holds no certificates in PEM" in refused(ca=str(empty))
    assert "ca holds no certificates in PEM" in refused(ca=made.key)
    assert "client_cert holds no certificate in PEM" in refused(client_cert=str(empty))
    assert "ca: cannot read" in refused(ca="nul\0")
    assert "~nobody-of-that-name/ca.pem: No such file" in refused(ca="~nobody-of-that-name/ca.pem")


def test_a_key_that_has_lost_its_first_line_is_not_repeated(made: Pair) -> None:
    """It is none in PEM, so it could only be the path of a file; as such it would stand in the error."""
    lines = made.key.splitlines()[1:-1]
    for text in ("".join(lines), "\n".join(lines), "/" + "\n".join(lines), "~" + "\n".join(lines)):
        for name in ("ca", "client_cert", "client_key"):
            error = refused(**{name: text})
            assert f"{name}: cannot read a file of that name" in error
            assert "PEM itself would begin with -----BEGIN" in error
            assert not any(line in error for line in lines)


def test_a_relative_path_is_named_where_something_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    assert f"ca: cannot read {tmp_path}/folder: Is a directory" in refused(ca="folder")
    assert f"ca: cannot read {tmp_path}/nowhere.pem: No such file" in refused(ca="nowhere.pem")
    assert "ca: cannot read a file of that name" in refused(ca="nowhere")


def test_a_file_that_is_too_large_a_device_or_a_pipe_is_not_read(tmp_path: Path) -> None:
    large, pipe = tmp_path / "large", tmp_path / "pipe"
    large.write_bytes(b"x" * (4 * 1024 * 1024 + 1))
    os.mkfifo(pipe)
    assert f"ca: {large} is over 4194304 bytes" in refused(ca=str(large))
    for path in (pipe, Path("/dev/zero")):
        assert f"ca: cannot read {path}: not a regular file" in refused(ca=str(path))


def test_an_empty_setting_is_no_path() -> None:
    for name in ("ca", "client_cert", "client_key"):
        assert f"{name} is empty; leave it out" in refused(**{name: " "}).replace(": is", " is")


def test_parts_that_do_not_fit_together(made: Pair, other: Pair) -> None:
    cert, key = made.certificate, made.key
    assert "client_cert is missing" in refused(client_key=key)
    assert "client_cert is missing" in refused(client_key_password=PASSWORD)
    assert "client_key is not that of tls.client_cert" in refused(
        client_cert=cert, client_key=other.key
    )
    assert "client_key is missing" in refused(client_cert=cert)
    for password in ({}, {"client_key_password": "wrong"}):
        text = refused(client_cert=cert, client_key=made.encrypted_key, **password)
        assert "client_key cannot be read, or the password is not the key's" in text
    assert WebhookConfig(url=URL, tls={"client_cert": cert + key})
    assert WebhookConfig(
        url=URL,
        tls={
            "client_cert": cert,
            "client_key": made.encrypted_key,
            "client_key_password": PASSWORD,
        },
    )


def test_neither_key_nor_password_ever_shows(made: Pair) -> None:
    tls = {
        "ca": pem(trustme.CA()),
        "client_cert": made.certificate,
        "client_key": made.encrypted_key,
        "client_key_password": PASSWORD,
    }
    config = WebhookConfig(url=URL, tls=tls)
    key = made.encrypted_key.splitlines()[2]
    shown = [repr(config), str(config), repr(config.tls), config.model_dump_json()]
    shown += [repr(config.network()), repr(config.network().tls), repr(config.model_dump())]
    shown.append(repr(config.network().tls.current()))
    for text in shown:
        assert PASSWORD not in text
        assert key not in text
    for holder in (config.tls, config.network().tls):
        with pytest.raises(TypeError, match="holds secrets"):
            pickle.dumps(holder)


def test_a_certificate_and_its_key_in_one_text_do_not_show_either(made: Pair) -> None:
    config = WebhookConfig(url=URL, tls={"client_cert": made.certificate + made.key})
    key = made.key.splitlines()[1]
    for text in (repr(config), config.model_dump_json()):
        assert key not in text


def test_the_defaults() -> None:
    assert WebhookConfig(url=URL).tls == WebhookTLS()
    assert "tls" not in repr(WebhookConfig(url=URL))


@pytest.mark.parametrize(
    "host", ["", "a,b", "a b", "http://x", "b\u00fccher.example", "a\nb", "x|y"]
)
def test_no_proxy_takes_hosts(host: str) -> None:
    with pytest.raises(WebhookConfigError, match="no_proxy takes host names"):
        WebhookConfig(url=URL, no_proxy=["ok.example", host])
    assert WebhookConfig(url=URL, no_proxy=["ok.example", ".end", "10.0.0.0/8", "[::1]", "*"])


@pytest.mark.parametrize(
    ("url", "is_so"),
    [
        ("https://siem.example.com/", True),
        ("https://siem.example.com/hook?x=1", True),
        ("https://siem.example.com.evil.example/", False),
        ("https://siem.example.com:8443/", False),
        ("https://siem.example.com@evil.example/", False),
        ("http://siem.example.com/", False),
    ],
)
def test_pins_are_for_the_very_origin(url: str, is_so: bool) -> None:
    tls = WebhookTLS(pins=[PIN, BACKUP]).settings("https://siem.example.com")
    assert tls.is_pinned(url) is is_so
