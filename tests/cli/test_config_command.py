"""`vaulytica config`: all that is wrong, by its place; and a schema that is as true as the program."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

LEAST = """
outbox: sqlite:///var/lib/vaulytica/outbox.db
intake: {listen: "127.0.0.1:8780", tokens: ["env:SECRET"]}
destinations:
  splunk:
    url: https://splunk.example.com:8088/services/collector/event
    format: splunk_hec
    auth: {auth_type: api_key, api_key: "env:SECRET", api_key_header: Authorization}
    retry_config: {max_retries: 10, initial_delay: 1.0}
"""
FULL = """
outbox: sqlite:///var/lib/vaulytica/outbox.db
intake:
  listen: 127.0.0.1:8780
  tokens: [env:SECRET]
metrics: {listen: 127.0.0.1:9780}
retention: {days: 7, size: 1GiB}
full: {size: 10GiB, events: 1000000, then: drop}
drain: 30
destinations:
  a:
    url: https://a.example
    auth: {auth_type: bearer, bearer_token: env:SECRET}
    match: {types: [login_*, file_*], min_severity: WARNING, where: data.user == 'root'}
    order_by: data.user
    batch: {as: ndjson, max_events: 100}
    headers: {X-One: "1"}
  b: {url: https://b.example, ordered: true, match: {types: "*"}}
"""
WRONG = """outbox: sqlite:///tmp/o.db
intak: {}
full: {then: explode}
destinations:
  splunk:
    url: https://splunk.example.com
    formt: splunk_hec
    retry_config: {max_retries: -1}
    match:
      where: "a b"
      min_severity: high
  b:
    url: ftp://x
    auth: {api_key: canary-5f2c-secret}
  c: {url: https://c.example, headers: {X-Key: env:NOT_SET_AT_ALL}}
  d: 7
"""


NO_EXPRESSION = (
    "destination splunk: where: is not a JMESPath expression: Unexpected token: b: "
    'Parse error at column 2, token "b" (UNQUOTED_IDENTIFIER)'
)
NO_SEVERITY = (
    "destination splunk: min_severity: Input should be 'debug', 'info', 'warning', 'error' "
    "or 'critical'"
)


@pytest.mark.parametrize("text", [LEAST, FULL])
def test_what_is_right(vaulytica, tmp_path, text):
    (tmp_path / "c.yaml").write_text(text)
    done = vaulytica("config", "check", "c.yaml")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("c.yaml: ")
    assert done.out.endswith(", nothing is wrong\n")


def test_all_that_is_wrong_by_line_and_column(vaulytica, tmp_path):
    (tmp_path / "c.yaml").write_text(WRONG)
    done = vaulytica("config", "check", "c.yaml")
    assert (done.code, done.err) == (2, "")
    assert done.out.splitlines() == [
        "c.yaml:2:1: the config has no setting intak; did you mean intake?",
        "c.yaml:3:8: then: Input should be 'refuse' or 'drop'",
        "c.yaml:7:5: destination splunk has no setting formt; did you mean format?",
        "c.yaml:8:20: destination splunk: max_retries: Input should be greater than or equal to 0",
        "c.yaml:10:7: " + NO_EXPRESSION,
        "c.yaml:11:7: " + NO_SEVERITY,
        "c.yaml:13:5: destination b: url must begin with https:// or http://",
        "c.yaml:14:12: auth.api_key takes a reference (env:NAME or file:PATH), not the secret itself",
        "c.yaml:15:41: headers.X-Key: env:NOT_SET_AT_ALL is not set",
        "c.yaml:16:3: destination d must be a mapping",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "c.yaml must hold a mapping"),
        ("a: [", "c.yaml does not parse: "),
        ("a: 1\na: 2", "a is given twice, at line 2, column 1 again"),
        ("outbox: sqlite:///o\ndestinations: {}", "c.yaml:2:1: destinations: "),
        ("destinations: {a: {url: https://a}}", "c.yaml:1:1: outbox: "),
        ("outbox: &a [*a]", "c.yaml:1:1: outbox: "),
    ],
)
def test_files_that_are_wrong_as_a_whole(vaulytica, tmp_path, text, words):
    (tmp_path / "c.yaml").write_text(text)
    done = vaulytica("config", "check", "c.yaml")
    assert done.code == 2
    assert words in done.out + done.err


def test_a_relay_says_the_first_and_how_many_more(vaulytica, tmp_path):
    (tmp_path / "c.yaml").write_text(WRONG)
    done = vaulytica("relay", "--config", "c.yaml")
    assert done.code == 2
    assert done.error == (
        "vaulytica: error: c.yaml:2:1: the config has no setting intak; did you mean intake? "
        "(and 9 more: vaulytica config check c.yaml)"
    )


def test_the_schema_fits_what_the_program_takes(vaulytica, tmp_path):
    schema = json.loads(vaulytica("config", "schema").out)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for text in (LEAST, FULL):
        assert list(validator.iter_errors(yaml.safe_load(text))) == []
    errors = {tuple(e.absolute_path)[:3] for e in validator.iter_errors(yaml.safe_load(WRONG))}
    assert ("destinations", "splunk") in errors
    assert ("destinations", "d") in errors
    assert ("full", "then") in errors


def test_json_and_toml(vaulytica, tmp_path):
    import tomllib

    (tmp_path / "c.json").write_text(json.dumps(yaml.safe_load(FULL), indent=2))
    assert vaulytica("config", "check", "c.json").code == 0
    toml = (
        'outbox = "sqlite:///o.db"\n[destinations.a]\nurl = "https://a.example"\nformt = "json"\n'
    )
    tomllib.loads(toml)
    (tmp_path / "c.toml").write_text(toml)
    done = vaulytica("config", "check", "c.toml")
    assert done.out == "c.toml:4:1: destination a has no setting formt; did you mean format?\n"


def test_one_file_for_the_relay_and_for_sending(vaulytica, receiver, tmp_path):
    text = FULL.replace("https://b.example", receiver.url)
    (tmp_path / "c.yaml").write_text(text)
    done = vaulytica("send", "--config", "c.yaml", "--to", "b", stdin='{"type":"a"}')
    assert (done.code, done.err) == (0, "")


def test_relative_references_are_read_beside_the_file(vaulytica, tmp_path):
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "token").write_text("canary-5f2c-secret\n")
    Path(folder / "c.yaml").write_text(LEAST.replace("env:SECRET", "file:token"))
    assert vaulytica("config", "check", "etc/c.yaml").code == 0
