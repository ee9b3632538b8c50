"""`vaulytica config check` as a command: what it prints, its exit code, and that the relay says the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

LEAST = """
outbox: sqlite://{here}/outbox.db
intake: {{listen: "127.0.0.1:0", tokens: ["env:SECRET"]}}
destinations:
  splunk:
    url: https://splunk.example.com:8088/services/collector/event
    format: splunk_hec
    auth: {{auth_type: api_key, api_key: "env:SECRET", api_key_header: Authorization}}
    retry_config: {{max_retries: 10, initial_delay: 1.0}}
"""
FULL = """
outbox: sqlite://{here}/outbox.db
intake:
  listen: 127.0.0.1:0
  tokens: [env:SECRET]
metrics: {{listen: 127.0.0.1:0}}
retention: {{days: 7, size: 1GiB}}
full: {{size: 10GiB, events: 1000000, then: drop}}
drain: 30
destinations:
  a:
    url: https://a.example
    auth: {{auth_type: bearer, bearer_token: env:SECRET}}
    match: {{types: [login_*, file_*], min_severity: WARNING, where: data.user == 'root'}}
    order_by: data.user
    batch: {{as: ndjson, max_events: 100}}
    headers: {{X-One: "1"}}
  b: {{url: https://b.example, ordered: true, match: {{types: "*"}}}}
"""
WRONG = """outbox: sqlite://{here}/nowhere/o.db
intak: {{}}
full: {{then: explode}}
destinations:
  splunk:
    url: https://splunk.example.com
    formt: splunk_hec
    retry_config: {{max_retries: -1}}
    match:
      where: "a b"
      min_severity: high
  b:
    url: ftp://x
    auth: {{api_key: canary-5f2c-secret}}
  c: {{url: https://c.example, headers: {{X-Key: env:NOT_SET_AT_ALL}}}}
  d: 7
"""
NO_EXPRESSION = (
    "match.where: is not a JMESPath expression: Unexpected token: b: "
    'Parse error at column 2, token "b" (UNQUOTED_IDENTIFIER)'
)
NO_SEVERITY = "Input should be 'debug', 'info', 'warning', 'error' or 'critical'"
LINES = [
    "c.yaml:1:1: outbox: the folder {here}/nowhere is not there; make it (mkdir -p), and let the relay write in it",
    "c.yaml:2:1: the config has no setting intak; did you mean intake?",
    "c.yaml:3:8: full.then: Input should be 'refuse' or 'drop'",
    "c.yaml:7:5: destination splunk has no setting formt; did you mean format?",
    "c.yaml:8:20: destination splunk: retry_config.max_retries: Input should be greater than or equal to 0",
    "c.yaml:10:7: destination splunk: " + NO_EXPRESSION,
    "c.yaml:11:7: destination splunk: match.min_severity: " + NO_SEVERITY,
    "c.yaml:13:5: destination b: url: must begin with https:// or http://",
    "c.yaml:14:12: destination b: auth.api_key: takes a reference (env:NAME or file:PATH), not the secret itself",
    "c.yaml:15:41: destination c: headers.X-Key: env:NOT_SET_AT_ALL is not set",
    "c.yaml:16:3: destination d must be a mapping",
]


@pytest.mark.parametrize("text", [LEAST, FULL])
def test_what_is_right(vaulytica, tmp_path, text):
    (tmp_path / "c.yaml").write_text(text.format(here=tmp_path))
    done = vaulytica("config", "check", "c.yaml")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("c.yaml: ")
    assert done.out.endswith(", nothing is wrong\n")
    assert [path.name for path in tmp_path.iterdir()] == ["c.yaml"]  # it has made nothing


def test_all_that_is_wrong_by_line_and_column_and_the_relay_says_the_same(vaulytica, tmp_path):
    (tmp_path / "c.yaml").write_text(WRONG.format(here=tmp_path))
    lines = [line.format(here=tmp_path) for line in LINES]
    done = vaulytica("config", "check", "c.yaml")
    assert (done.code, done.err) == (2, "")
    assert done.out.splitlines() == lines
    done = vaulytica("relay", "--config", "c.yaml")
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines() == [f"vaulytica: error: {line}" for line in lines]


def test_a_config_for_another_machine(vaulytica, tmp_path):
    there = LEAST.format(here="/not/there").replace("127.0.0.1:0", "192.0.2.1:80")
    (tmp_path / "c.yaml").write_text(there.replace("env:SECRET", "env:ONLY_THERE"))
    here = vaulytica("config", "check", "c.yaml")
    assert here.code == 2
    assert [line.partition(": ")[2].partition(":")[0] for line in here.out.splitlines()] == [
        "outbox",
        "intake.listen",
        "intake.tokens[0]",
        "destination splunk",
    ]
    done = vaulytica("config", "check", "c.yaml", "--elsewhere")
    assert (done.code, done.out) == (0, "c.yaml: 1 destination, nothing is wrong\n")


def test_json_and_toml(vaulytica, tmp_path):
    full = yaml.safe_load(FULL.format(here=tmp_path))
    (tmp_path / "c.json").write_text(json.dumps(full, indent=2))
    assert vaulytica("config", "check", "c.json").code == 0
    toml = (
        f'outbox = "sqlite://{tmp_path}/o.db"\n[destinations.a]\n'
        'url = "https://a.example"\nformt = "json"\n'
    )
    (tmp_path / "c.toml").write_text(toml)
    done = vaulytica("config", "check", "c.toml")
    assert done.out == "c.toml:4:1: destination a has no setting formt; did you mean format?\n"


def test_one_file_for_the_relay_and_for_sending(vaulytica, receiver, tmp_path):
    text = FULL.format(here=tmp_path).replace("https://b.example", receiver.url)
    (tmp_path / "c.yaml").write_text(text)
    done = vaulytica("send", "--config", "c.yaml", "--to", "b", stdin='{"type":"a"}')
    assert (done.code, done.err) == (0, "")


def test_relative_references_are_read_beside_the_file(vaulytica, tmp_path):
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "token").write_text("canary-5f2c-secret\n")
    text = LEAST.format(here=tmp_path).replace("env:SECRET", "file:token")
    Path(folder / "c.yaml").write_text(text)
    assert vaulytica("config", "check", "etc/c.yaml").code == 0
