"""Options and config files say where to connect, through what, and whom to trust."""

from __future__ import annotations

import pytest

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
