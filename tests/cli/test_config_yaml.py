"""Files that are traps: each is a line that says what is wrong and where; none is a traceback, and none takes long."""

from __future__ import annotations

import time

import pytest

from vaulytica.cli.config_files.document import Document
from vaulytica.cli.config_files.relay import checked_relay
from vaulytica.errors import WebhookConfigError

SECRET = "canary-5f2c-secret"
LONG = 20.0  # seconds: far more than any takes, far less than what would be without an end
HEAD = "outbox: sqlite:///stand-in/o.db\n"


@pytest.fixture
def check(tmp_path, monkeypatch):
    """The lines for a file's content, less its path."""
    monkeypatch.setenv("SECRET", SECRET)

    def run(content: str | bytes, suffix: str = "yaml") -> list[str]:
        path = tmp_path / f"c.{suffix}"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        began = time.monotonic()
        _, lines = checked_relay(path, elsewhere=True)
        assert time.monotonic() - began < LONG
        assert all(line.startswith(str(path)) for line in lines)
        assert all(len(line) < 2000 and line.isprintable() for line in lines)
        assert SECRET not in "".join(lines)
        return [line.removeprefix(str(path)).removeprefix(":") for line in lines]

    return run


def a(text: str) -> str:
    return f"{HEAD}destinations: {{a: {{url: https://a.example, {text}}}}}"


WHOLE = [
    ("", "1:1: is empty; a config has an outbox and destinations"),
    ("# nothing\n", "1:1: is empty"),
    ("---\n...\n", "1:1: is empty"),
    ("- a\n- b\n", "1:1: must hold a mapping with destinations, and nothing else on top"),
    ("just text", "1:1: must hold a mapping"),
    ("5", "1:1: must hold a mapping"),
    (b"outbox: a\nb: \xff\n", "2:4: is not UTF-8 text; save it as UTF-8"),
    ("outbox: é\n".encode("latin-1"), "1:9: is not UTF-8 text; save it as UTF-8"),
    ("outbox: a\n".encode("utf-16"), "1:1: is not UTF-8 text, but looks like UTF-16; save it as"),
    ("outbox: a\n\tb: c\n", "2:1: does not parse: a tab; indent with spaces"),
    ("a:\n  b: 1\n c: 2\n", "3:2: does not parse: "),
    ("a: b: c\n", "1:5: does not parse: a colon where none may be"),
    ("a: [1, 2\nb: 3\n", "2:2: does not parse: "),
    ("a: 'x\n", "2:1: does not parse: "),
    ("a: \x07\n", "1:4: does not parse: a character that YAML does not allow"),
    ("a: 1\n---\nb: 2\n", "2:1: does not parse: a second document begins (---); a config is one"),
    ("a: @b\n", "1:4: does not parse: a character with which no text begins, such as @"),
    ("a: *b\n", "1:4: does not parse: found undefined alias"),
    ("a: &a [*a]\n", "1:4: does not parse: an alias stands for what it is in"),
    ("a: !!python/object:os.system x\n", "1:4: does not parse: could not determine a constructor"),
    ("a: !!binary aGk=\n", "1:4: does not parse: binary is a kind that no config has"),
    ("a: !!set {b, c}\n", "1:4: does not parse: set is a kind that no config has"),
    ("a: !!int x\n", "1:4: does not parse: a value that is no int; put it in quotes if it is a text"),
    ("a: !!bool x\n", "1:4: does not parse: a value that is no bool"),
    ("a: !!float x\n", "1:4: does not parse: a value that is no float"),
    ("{[a]: b}\n", "1:2: does not parse: found unhashable key"),
    ("<<: 5\n", "1:5: does not parse: "),
    (f"a: {'7' * 5000}\n", "1:4: does not parse: an integer has more than 4300 digits"),
    (f"a: {':'.join(['1'] * 100_000)}\n", "1:4: does not parse: an integer has more than 4300"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "words"), WHOLE, ids=[repr(c)[:30] for c, _ in WHOLE])
def test_a_file_that_cannot_be_read(check, content, words):
    (line,) = check(content)
    assert line.startswith(words)


def test_every_key_that_is_given_twice_with_both_places(check):
    text = f"{HEAD}destinations:\n  a: {{url: https://a}}\noutbox: x\n'outbox': y\ndrain: 1\n  \nfull: {{size: 1, size: 2}}\n"
    assert check(text) == [
        "4:1: outbox is given twice: here, and at line 1, column 1",
        "5:1: outbox is given twice: here, and at line 1, column 1",
        "8:17: size is given twice: here, and at line 8, column 8",
    ]
    json = '{"outbox": "a",\n "destinations": {"a": {"url": "x", "url": "y"}}}'
    assert check(json, "json") == ["2:37: url is given twice: here, and at line 2, column 25"]
    tabs = '{"outbox": "a",\n\t"outbox": "b"}'
    assert check(tabs, "json") == ["2:2: outbox is given twice: here, and at line 1, column 2"]
    assert check("a = 1\n\na = 2\n", "toml") == ["3:6: does not parse: this key is given twice"]


SAME = [
    a("timeout: 5"),
    a("timeout: 5").replace("\n", "\r\n"),
    a("timeout: 5").encode("utf-8-sig"),
    a("verify_ssl: yes, ordered: off"),
    f"---\n{a('timeout: 5')}\n...\n",
    f"%YAML 1.1\n---\n{a('timeout: 5')}\n",
    a("headers: {X-Day: 2025-01-01, X-Time: 2025-01-01 12:00:00}"),
    f"{HEAD}destinations:\n  a: {{url: https://a, batch: &b {{max_events: 5}}}}\n  b: {{url: https://b, batch: *b}}",
    f"{HEAD}x: &x\n  timeout: 5\n".replace("x: &x\n  timeout: 5", "drain: &d 5")
    + "destinations: {a: {url: https://a.example, timeout: *d}}",
    f"{HEAD}destinations:\n  a: &a {{url: https://a.example, timeout: 5}}\n  b: {{<<: *a, timeout: 6}}\n",
]


@pytest.mark.parametrize("content", SAME, ids=range(len(SAME)))
def test_a_file_that_is_right(check, content):
    assert check(content) == []


def test_what_is_wrong_is_where_it_wins_over_a_merge(check):
    text = f"{HEAD}destinations:\n  a: &a {{url: https://a, timeout: -1}}\n  b: {{<<: *a, timeout: -2}}\n"
    places = [line.partition(": ")[0] for line in check(text)]
    assert places == ["3:26", "4:15"]


def test_a_merge_is_read_as_it_is_meant(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(SAME[-1])
    config, _ = checked_relay(path, elsewhere=True)
    assert config is not None
    assert [config.destinations[name].timeout for name in ("a", "b")] == [5, 6]
    assert config.destinations["b"].url == "https://a.example/"


VALUES = [
    ("api_key: 12345", "takes a reference (env:NAME or file:PATH), not the secret itself"),
    ("api_key: 0123", "takes a reference (env:NAME or file:PATH), not the secret itself"),
    ("api_key: 1_000", "takes a reference (env:NAME or file:PATH), not the secret itself"),
    ("api_key: yes", "takes a reference (env:NAME or file:PATH), not the secret itself"),
    ("api_key: 2025-01-01", "takes a reference (env:NAME or file:PATH), not the secret itself"),
    ("api_key: [a]", "takes a reference (env:NAME or file:PATH), not the secret itself"),
    (f"api_key: {SECRET}", "takes a reference (env:NAME or file:PATH), not the secret itself"),
    ("api_key: 'env: SECRET'", "env: takes the name of a variable, and nothing else; it has no"),
    ("api_key: 'env:SECRET '", "env: takes the name of a variable, and nothing else; it has no"),
    ("api_key: 'env:SECRET:-x'", "env: takes the name of a variable, and nothing else; it has no"),
    ("api_key: 'ENV:SECRET'", "takes a reference (env:NAME or file:PATH), not the secret itself; did"),
]  # fmt: skip


@pytest.mark.parametrize(("setting", "words"), VALUES)
def test_a_secret_that_is_none(check, setting, words):
    lines = check(a(f"auth: {{{setting}}}"))
    assert len(lines) == 1
    assert lines[0].startswith("2:51: destination a: auth.api_key"), lines
    assert words in lines[0]


OTHERS = [
    ("format: no", "format: Input should be a valid string; without quotes it is true or false"),
    ("format: 8:30", "format: Input should be a valid string; without quotes it is a number"),
    ("format: 0x10", "format: Input should be a valid string; without quotes it is a number"),
    ("format: ", "format: Input should be a valid string"),
    ("timeout: 010", None),
    ("timeout: 0o10", "timeout: must be a number of seconds, such as 30"),
    ("timeout: 5s", "timeout: must be a number of seconds; 5s is 5"),
    ("timeout: '30'", "timeout: must be a number of seconds, without quotes"),
    ("retry_config: {deadline: 5d}", "deadline: must be a number of seconds; 5d is 432000"),
    ("retry_config: {deadline: 1.5h}", "deadline: must be a number of seconds; 1.5h is 5400"),
    ("retry_config: {deadline: soon}", "deadline: must be a number of seconds, such as 30"),
    ("retry_config: {max_retries: many}", "max_retries: must be a number, such as 30"),
    ("timeout: 2025-01-01", "timeout: must be a number of seconds, such as 30"),
    ("timeout: .nan", "timeout: Input should be "),
    ("ordered: y", "ordered: must be true or false"),
    ("ordered: 'yes'", "ordered: must be true or false, without quotes"),
    ("headers: {1: x}", "headers has a name that is not text; put it in quotes: 1"),
    ("headers: {on: x}", "headers has a name that is not text; put it in quotes: True"),
    ("headers: {null: x}", "headers has a name that is not text; put it in quotes: None"),
]


@pytest.mark.parametrize(("setting", "words"), OTHERS)
def test_what_yaml_reads_as_something_else(check, setting, words):
    lines = check(a(setting))
    if words is None:
        assert lines == []
        return
    (line,) = lines
    assert words in line.replace("destination a: headers", "headers")
    assert line.startswith("2:")


def test_a_mode_in_octal(check):
    (line,) = check(f"{a('timeout: 5')}\nintake: {{socket: {{path: /run/s, mode: 0660}}}}")
    assert line.endswith('intake.socket.mode: is as for chmod, in quotes, such as "0660"')


def laughs(levels: int) -> str:
    """Each level stands nine times for the one before it."""
    lines = ["a0: &a0 [lol, lol]"]
    for n in range(1, levels):
        lines.append(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]")
    return "\n".join(lines)


def merges(levels: int) -> str:
    """Each level merges the one before it twice."""
    lines = ["a0: &a0 {k: 1}"]
    for n in range(1, levels):
        lines.append(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}")
    return "\n".join(lines)


BOMBS = [
    (laughs(12), "does not parse: aliases make over 500000 values of it"),
    (merges(40), "does not parse: aliases make over 500000 values of it"),
    ("[" * 1_000_000, "does not parse: lists and mappings are nested over 100 levels deep"),
    ("{a: " * 1_000_000, "does not parse: lists and mappings are nested over 100 levels deep"),
    ("- " * 1_000_000 + "a", "does not parse: lists and mappings are nested over 100 levels deep"),
    ("[" + "a," * 5_000_000 + "]", "does not parse: it holds over 500000 values"),
    ("- ab\n" * 2_000_000, "does not parse: it holds over 500000 values"),
    ("a: " + "x" * 10 * 2**20, "the config has no setting a"),
    ("x" * 10 * 2**20 + ": 1", "does not parse: "),
    ("#" * 10 * 2**20, "1:1: is empty"),
    ("\n" * 10 * 2**20, "1:1: is empty"),
    ("a: 'b\n" * 100_000, "does not parse: "),
    ("a" * 17 * 2**20, "is over 16777216 bytes"),
]


@pytest.mark.parametrize(("content", "words"), BOMBS, ids=range(len(BOMBS)))
def test_bombs(check, content, words):
    lines = check(content)
    assert any(words in line for line in lines), lines


@pytest.mark.parametrize("suffix", ["json", "toml"])
def test_bombs_in_other_languages(check, suffix):
    deep = {"json": '{"a": ' + "[" * 1_000_000, "toml": "a = " + "[" * 1_000_000}[suffix]
    assert "nested too deep" in check(deep, suffix)[0]
    if suffix == "toml":
        assert "a key of over 64 parts" in check("a" + ".a" * 1_000_000 + " = 1", suffix)[0]
    wide = {"json": '{"b": [' + "1," * 3_000_000 + "1]}", "toml": "b = 1"}[suffix]
    assert any("no setting b" in line for line in check(wide, suffix))


def test_a_laugh_in_a_setting_that_takes_anything(check):
    """Nothing that looks into settings may meet what aliases would make of them."""
    text = (
        laughs(12)
        + f"\n{HEAD}destinations: {{a: {{url: https://a, format: custom, custom_template: {{t: *a11}}}}}}"
    )
    assert "aliases make over" in check(text)[0]


OTHER_LANGUAGES = [
    ("json", "", "1:1: does not parse: Expecting value"),
    ("json", "[1]", "1:1: must hold a mapping"),
    ("json", "null", "1:1: is empty"),
    ("json", '{"a": 1,\n}', "does not parse: "),
    ("json", '{"a": NaN, "outbox": 1}', ""),
    ("json", "{'a': 1}", "1:2: does not parse: Expecting property name enclosed in double quotes"),
    ("toml", "", "1:1: the config"),
    ("toml", "a", "does not parse: "),
    ("toml", "a = 2025-01-01", "1:1: does not parse: a date; put it in quotes"),
    ("toml", "[b]\nc = [12:00:00]", "2:1: does not parse: a date; put it in quotes"),
    ("toml", "[a]\n[a]", "does not parse: "),
    ("toml", "a = 'x", "does not parse: "),
]


@pytest.mark.parametrize(("suffix", "content", "words"), OTHER_LANGUAGES)
def test_json_and_toml(check, suffix, content, words):
    lines = check(content, suffix)
    assert lines
    if words != "1:1: the config":
        assert words in lines[0]


def test_a_library_error_is_one_of_ours(tmp_path):
    """All kinds of wrong come as the error that callers catch."""
    for content in [one for one, _ in WHOLE]:
        path = tmp_path / "c.yaml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        with pytest.raises(WebhookConfigError):
            Document(path)
