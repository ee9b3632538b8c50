"""Options and config files say where to connect, through what, and whom to trust."""

from __future__ import annotations

import pytest
import trustme

from support.certificates import PASSWORD, pair, pem, server_of
from support.faulty import OK, Faulty, replies

EVENT = '{"type": "t"}\n'


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--egress", "public-only"], "127.0.0.1 is not public: loopback"),
        (["--egress-allow", "10.0.0.0/8"], "127.0.0.1 is in none of allow"),
        (["--egress", "public-only", "--egress-allow", "10.0.0.0/8"], "127.0.0.1 is not public"),
        (["--egress-deny", "127.0.0.0/8"], "127.0.0.1 is in deny 127.0.0.0/8"),
        (
            ["--egress-allow", "127.0.0.0/8", "--egress-deny", "127.0.0.1"],
            "127.0.0.1 is in deny 127.0.0.1/32",
        ),
    ],
)
def test_what_the_egress_options_refuse(vaulytica, receiver, options, words):
    done = vaulytica("send", "--url", receiver.url, *options, stdin=EVENT)
    assert done.code == 1
    assert f"egress refused: {words}" in done.err
    checked = vaulytica("check", "--url", receiver.url, *options)
    assert checked.code == 1
    assert "fails at: address" in checked.out
    assert not receiver.received


@pytest.mark.parametrize(
    "options",
    [
        ["--egress", "any"],
        ["--egress", "public-only", "--egress-allow", "127.0.0.0/8"],
        ["--egress-allow", "10.0.0.0/8", "--egress-allow", "127.0.0.1"],
        ["--egress", "any", "--egress-deny", "10.0.0.0/8"],
    ],
)
def test_what_the_egress_options_allow(vaulytica, receiver, options):
    assert vaulytica("send", "--url", receiver.url, *options, stdin=EVENT).code == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--egress", "private"], "egress: is any, public-only, or"),
        (["--egress", "any", "--egress-allow", "10.0.0.0/8"], "--egress is any or public-only"),
        (["--egress-allow", "10.0.0.1/8"], "allow[0] has host bits set"),
        (["--egress", "public-only", "--trust-env"], "say proxy_is_guard=True"),
    ],
)
def test_egress_options_that_cannot_be_meant(vaulytica, options, words):
    done = vaulytica("send", "--url", "http://127.0.0.1:1", *options, stdin=EVENT)
    assert done.code == 2
    assert words in done.error
    assert "TUM0Q0FRQX" not in done.error


def test_a_config_file_says_it_in_the_configs_own_words_and_options_take_its_place(
    vaulytica, receiver, tmp_path
):
    (tmp_path / "c.yaml").write_text(
        "destinations:\n"
        f"  a: {{url: '{receiver.url}', egress: public-only}}\n"
        f"  b: {{url: '{receiver.url}', egress: {{allow: [public, 127.0.0.1], deny: [10.0.0.0/8]}}}}\n"
        f"  c: {{url: '{receiver.url}', egress: {{alow: [public]}}}}\n"
    )
    done = vaulytica("send", "--config", "c.yaml", "--to", "a", stdin=EVENT)
    assert (done.code, "127.0.0.1 is not public" in done.err) == (1, True)
    assert vaulytica("send", "--config", "c.yaml", "--to", "b", stdin=EVENT).code == 0
    done = vaulytica("send", "--config", "c.yaml", "--to", "c", stdin=EVENT)
    assert (done.code, "did you mean allow?" in done.error) == (2, True)
    options = ("--config", "c.yaml", "--to", "a", "--egress", "any")
    assert vaulytica("send", *options, stdin=EVENT).code == 0


@pytest.fixture
def secure(tmp_path):
    """A server that wants a client certificate, and the files to reach it, in the working directory."""
    ca = trustme.CA()
    own = pair(ca, "127.0.0.1")
    made = pair(ca)
    (tmp_path / "ca.pem").write_text(pem(ca))
    (tmp_path / "client.pem").write_text(made.certificate)
    (tmp_path / "client.key").write_text(made.encrypted_key)
    (tmp_path / "pins").write_text(own.pin)
    with Faulty(replies(OK), tls=server_of(own, clients=ca)) as server:
        yield server
    assert server.failures == []


def test_tls_by_options(vaulytica, secure, tmp_path):
    pin = (tmp_path / "pins").read_text()
    backup = f"sha256//{'A' * 43}="
    options = (
        "--ca-file", "ca.pem", "--client-cert", "client.pem", "--client-key", "client.key",
        "--client-key-password", "env:KEY", "--pin", pin, "--pin", backup, "--tls-min", "1.3",
    )  # fmt: skip
    done = vaulytica("send", "--url", secure.url, *options, stdin=EVENT, KEY=PASSWORD)
    assert (done.code, done.err) == (0, "")
    assert len(secure.arrived) == 1
    assert vaulytica("check", "--url", secure.url, *options, KEY=PASSWORD).code == 0
    done = vaulytica("send", "--url", secure.url, *options[:2], stdin=EVENT)
    assert (done.code, "no trusted TLS connection" in done.err) == (1, True)


def test_tls_by_a_config_file_whose_paths_are_from_its_folder(vaulytica, secure, tmp_path):
    folder = tmp_path / "etc"
    folder.mkdir()
    for name in ("ca.pem", "client.pem", "client.key"):
        (tmp_path / name).rename(folder / name)
    text = (
        f"destinations:\n  a:\n    url: {secure.url}\n    tls:\n      ca: ca.pem\n"
        "      client_cert: client.pem\n      client_key: KEY\n      min_version: 1.3\n"
        "      client_key_password: env:PASSWORD\n"
    )
    for key in ("client.key", "file:client.key", "env:CLIENT_KEY"):
        (folder / "c.yaml").write_text(text.replace("KEY", key, 1))
        pem_text = (folder / "client.key").read_text()
        done = vaulytica(
            "send", "--config", "etc/c.yaml", stdin=EVENT, PASSWORD=PASSWORD, CLIENT_KEY=pem_text
        )
        assert (done.code, done.err) == (0, "")
    assert len(secure.arrived) == 3


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("client_key_password: obviously-fake", "tls.client_key_password: takes a reference"),
        (
            'client_key: "-----BEGIN PRIVATE KEY-----"',
            "tls.client_key: takes a path or a reference",
        ),
        ("client_certificate: x", "did you mean client_cert?"),
        ("ca: nowhere.pem", "nowhere.pem: No such file"),
        ("client_key: TUM0Q0FRQXdCUVlESzJWd0JDSUVJ", "tls.client_key: cannot read a file of that"),
        ("pins: [sha256//x, sha256//y]", "pins[0] is not sha256//"),
    ],
)
def test_a_config_files_tls_settings_that_are_wrong(vaulytica, tmp_path, setting, words):
    text = f"destinations:\n  a:\n    url: https://127.0.0.1:1\n    tls:\n      {setting}\n"
    (tmp_path / "c.yaml").write_text(text)
    done = vaulytica("send", "--config", "c.yaml", stdin=EVENT)
    assert done.code == 2
    assert words in done.error
    assert "TUM0Q0FRQX" not in done.error


def test_no_proxy_and_the_guard(vaulytica, receiver, tmp_path):
    """Nobody listens where the proxy would be."""
    proxy = ("--proxy", "http://127.0.0.1:1", "--max-retries", "0")
    around = ("--no-proxy", "other.example", "--no-proxy", "127.0.0.1")
    done = vaulytica("send", "--url", receiver.url, *proxy, "--patience", "0", stdin=EVENT)
    assert (done.code, "the proxy failed: no connection to it" in done.err) == (1, True)
    assert vaulytica("send", "--url", receiver.url, *proxy, *around, stdin=EVENT).code == 0
    guarded = ("--egress", "public-only", "--proxy-is-guard")
    done = vaulytica("send", "--url", receiver.url, *proxy, *around, *guarded, stdin=EVENT)
    assert (done.code, "127.0.0.1 is not public" in done.err) == (1, True)
    (tmp_path / "c.yaml").write_text(
        f"destinations:\n  a: {{url: '{receiver.url}', proxy: 'http://127.0.0.1:1', "
        "no_proxy: [127.0.0.1], proxy_is_guard: true}\n"
    )
    assert vaulytica("send", "--config", "c.yaml", stdin=EVENT).code == 0
