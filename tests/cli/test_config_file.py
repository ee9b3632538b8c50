"""Config files: never read without bound, and what is wrong in one is said with its name."""

from __future__ import annotations

from pathlib import Path

import pytest

URL = "https://a.example"
ZERO = Path("/dev/zero")


@pytest.mark.skipif(not ZERO.exists(), reason="no /dev/zero here")
def test_a_config_file_without_end(start):
    process = start(
        "render", "--config", ZERO, before=("sh", "-c", 'ulimit -v 2000000; exec "$@"', "sh")
    )
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err == b"vaulytica: error: /dev/zero is over 16777216 bytes\n"


@pytest.mark.skipif(not ZERO.exists(), reason="no /dev/zero here")
def test_events_without_end(vaulytica, receiver):
    done = vaulytica("send", ZERO, "--url", receiver.url)
    assert done.code == 1
    assert done.out.startswith("delivered 0 of 1 events (1 rejected")
    assert "the line does not end; the rest of /dev/zero is not read" in done.error


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("retry_config: {max_retries: -1}", "max_retries: "),
        ("timeout: .nan", "timeout: "),
        ("auth: {auth_type: kerberos}", "auth_type: "),
        ("auth: {username: u}", "password is missing"),
        ("auth: {username: u, hmac_header: h}", "these credentials"),
        ("url: ftp://a.example", "url must begin with"),
    ],
)
@pytest.mark.parametrize("options", [[], ["--to", "siem"], ["--initial-delay", "2"]])
def test_a_setting_that_is_wrong_names_file_and_destination(
    vaulytica, tmp_path, setting, words, options
):
    url = "" if setting.startswith("url") else f"url: {URL}, "
    (tmp_path / "c.yaml").write_text(f"destinations: {{siem: {{{url}{setting}}}}}")
    done = vaulytica("render", "--config", "c.yaml", *options)
    assert done.code == 2
    assert done.error.startswith("vaulytica: error: c.yaml: destination siem: ")
    assert words in done.error


def test_an_option_that_is_wrong_is_not_the_files_fault(vaulytica, tmp_path):
    (tmp_path / "c.yaml").write_text(f"destinations: {{siem: {{url: {URL}}}}}")
    done = vaulytica("render", "--config", "c.yaml", "--max-retries", "-1")
    assert done.error.startswith("vaulytica: error: max_retries: ")


def test_what_the_file_lacks_an_option_may_give(vaulytica, tmp_path):
    auth = "auth: {auth_type: basic_auth, username: u}"
    (tmp_path / "c.yaml").write_text(f"destinations: {{siem: {{url: {URL}, {auth}}}}}")
    done = vaulytica("render", "--config", "c.yaml", "--password", "env:SECRET")
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize("key", ["1", "no", "0x10"])
def test_names_must_be_text(vaulytica, tmp_path, key):
    (tmp_path / "c.yaml").write_text(f"destinations: {{{key}: {{url: {URL}}}}}")
    done = vaulytica("render", "--config", "c.yaml", "--to", key)
    assert done.code == 2
    assert "c.yaml:1:16: destinations has a name that is not text; put it in quotes: " in done.error
    (tmp_path / "c.yaml").write_text(f"destinations: {{'{key}': {{url: {URL}}}}}")
    assert vaulytica("render", "--config", "c.yaml", "--to", key).code == 0


def test_header_names_must_be_text(vaulytica, tmp_path):
    (tmp_path / "c.yaml").write_text(f"destinations: {{a: {{url: {URL}, headers: {{on: x}}}}}}")
    done = vaulytica("render", "--config", "c.yaml")
    assert done.code == 2
    assert "headers has a name that is not text; put it in quotes: True" in done.error


@pytest.mark.parametrize("suffix", ["yaml", "json", "toml"])
def test_an_integer_of_too_many_digits(vaulytica, tmp_path, suffix):
    huge = "7" * 5000
    text = {"yaml": f"a: {huge}", "json": f'{{"a": {huge}}}', "toml": f"a = {huge}"}[suffix]
    (tmp_path / f"c.{suffix}").write_text(text)
    done = vaulytica("render", "--config", f"c.{suffix}")
    assert done.code == 2
    assert done.error.endswith("does not parse: an integer has more than 4300 digits")
