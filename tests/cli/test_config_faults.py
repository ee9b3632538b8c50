"""What `config check` finds, each in one line that names the place, the setting, and what to do."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from vaulytica.cli.config_files.relay import checked_relay

SECRET = "canary-5f2c-secret"


@pytest.fixture
def check(tmp_path, monkeypatch):
    """The lines for a config, `{here}` being a folder; less the path."""
    monkeypatch.setenv("SECRET", SECRET)

    def run(text: str, *, elsewhere: bool = False) -> list[str]:
        path = tmp_path / "c.yaml"
        path.write_text(text.replace("{here}", str(tmp_path)))
        config, lines = checked_relay(path, elsewhere=elsewhere)
        assert (config is None) == bool(lines)
        assert SECRET not in "".join(lines)
        assert all(line.startswith(f"{path}:") and "\n" not in line for line in lines)
        return [line.removeprefix(f"{path}:") for line in lines]

    return run


def section(text: str) -> str:
    return (
        f"outbox: sqlite://{{here}}/o.db\n{text}\ndestinations: {{a: {{url: https://a.example}}}}"
    )


def destination(text: str) -> str:
    return f"outbox: sqlite://{{here}}/o.db\ndestinations:\n  a:\n    url: https://a.example\n    {text}"


ADDRESSES = [
    ("8780", "is HOST:PORT, such as 127.0.0.1:8780"),
    ('"127.0.0.1:"', "is HOST:PORT, such as 127.0.0.1:8780"),
    ("127.0.0.1:http", "is HOST:PORT, such as 127.0.0.1:8780"),
    ("127.0.0.1:65536", "has a port over 65535"),
    ('"127.0.0.1:-1"', "is HOST:PORT"),
    ("127.0.0.1:+80", "is HOST:PORT"),
    ('"127.0.0.1:٨٠"', "is HOST:PORT"),
    ('"[127.0.0.1]:80"', "has brackets that hold no IPv6 address"),
    ('"[::g]:80"', "has a host that is no IPv6 address; it is written [::1]:8780"),
    ("http://127.0.0.1:80", "has a host that is no IPv6 address"),
    ("a..b:80", "has a host that is no name and no address"),
    ('"a b:80"', "has a host that is no name and no address"),
    (f"{'a' * 64}.b:80", "has a host that is no name and no address"),
    ("no-such-host.invalid:8780", "cannot listen on no-such-host.invalid:8780: "),
    ("192.0.2.1:8780", "cannot listen on 192.0.2.1:8780: Cannot assign requested address"),
]


@pytest.mark.parametrize(("listen", "words"), ADDRESSES)
@pytest.mark.parametrize("name", ["intake", "metrics"])
def test_addresses_that_cannot_be_listened_on(check, listen, words, name):
    if listen == "8780":
        words = "Input should be a valid string; without quotes it is a number"
    more = ", anonymous: true" if name == "intake" else ""
    (line,) = check(section(f"{name}: {{listen: {listen}{more}}}"))
    assert line.startswith(f"2:{len(name) + 4}: {name}.listen: {words}")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("127.0.0.1:7", "127.0.0.1:7"),
        (":7", "localhost:7"),
        ("0.0.0.0:7", "127.0.0.1:7"),
        ("127.0.0.1:7", "[::]:7"),
        ("[::1]:7", "[::1]:7"),
    ],
)
def test_two_listeners_on_one_address(check, first, second):
    text = f'intake: {{listen: "{first}", anonymous: true}}\nmetrics: {{listen: "{second}"}}'
    (line,) = [one for one in check(section(text), elsewhere=True) if "metrics" in one]
    assert line == (
        f"3:11: metrics.listen: {second} is the address of intake.listen; "
        "give it another, or leave it out to have the pages on the intake's"
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [("127.0.0.1:0", "127.0.0.1:0"), ("127.0.0.1:7", "127.0.0.2:7"), ("0.0.0.0:7", "[::1]:7")],
)
def test_two_listeners_on_two_addresses(check, first, second):
    text = f'intake: {{listen: "{first}", anonymous: true}}\nmetrics: {{listen: "{second}"}}'
    assert check(section(text), elsewhere=True) == []


def test_an_address_that_another_program_has(check):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        (line,) = check(section(f"intake: {{listen: {listen}}}"))
    assert line == (
        f"2:10: intake.listen: cannot listen on {listen}: Address already in use; "
        "stop what has it, or take another"
    )


OF_A_FILE = "file: is where the URL is read from; an outbox's own is like sqlite://"
NO_URL = "is no URL of an outbox; write it like sqlite://"
OUTBOXES = [
    ("/var/lib/o.db", f"'/var/lib/o.db' {NO_URL}/var/lib/o.db"),
    ("o.db", f"'o.db' {NO_URL}/var/lib/vaulytica/outbox.db"),
    ("sqlite:o.db", f"'sqlite:o.db' {NO_URL}/var/lib/vaulytica/outbox.db"),
    ("sqlite:/lib/o.db", f"'sqlite:/lib/o.db' {NO_URL}/lib/o.db"),
    ("sqlite:////lib/o.db", "sqlite:////lib/o.db has a slash too many; write sqlite:///lib/o.db"),
    ("sqlite://////o.db", "sqlite://////o.db has a slash too many; write sqlite:///o.db"),
    ("file:/no/o.db", f"cannot read /no/o.db: No such file or directory; {OF_A_FILE}/no/o.db"),
    ("file:///no/o.db", f"cannot read /no/o.db: No such file or directory; {OF_A_FILE}/no/o.db"),
    ("file:no.db", f"cannot read {{here}}/no.db: No such file or directory; {OF_A_FILE}/var/lib/"),
    ("sqlit:///o.db", "unknown outbox 'sqlit'; known are sqlite; did you mean sqlite?"),
    ("redis://localhost/0", "unknown outbox 'redis'; known are sqlite"),
    ("sqlite://o.db", "sqlite://o.db names no file; write its whole path, like sqlite:///var"),
    ("sqlite://var/lib/o.db", "sqlite://var/lib/o.db names no file; write its whole path"),
    ("sqlite://{here}/nowhere/o.db", "the folder {here}/nowhere is not there; make it (mkdir -p)"),
    ("sqlite://{here}/c.yaml/o.db", "{here}/c.yaml is no folder"),
    ("sqlite://{here}", "{here} is no file; name one in a folder, such as {here}/outbox.db"),
    ("sqlite://{here}/c.yaml", "{here}/c.yaml is there, and is no SQLite file; take another name"),
    (f"sqlite://{{here}}/{'x' * 250}", "the file's name is longer than 247 bytes"),
    ('"sqlite://{here}/a\\0b"', "{here}/a b cannot be used: "),
    ("env:NO_SUCH_VARIABLE", "env:NO_SUCH_VARIABLE is not set"),
]


@pytest.mark.parametrize(("url", "words"), OUTBOXES)
def test_outboxes_that_a_relay_cannot_have(check, tmp_path, url, words):
    (line,) = check(f"outbox: {url}\ndestinations: {{a: {{url: https://a.example}}}}")
    assert line.startswith(f"1:1: outbox: {words.replace('{here}', str(tmp_path))}")


def test_an_outbox_of_which_only_an_empty_file_or_the_log_is_left(check, tmp_path):
    path = tmp_path / "o.db"
    config = f"outbox: sqlite://{path}\ndestinations: {{a: {{url: https://a.example}}}}"
    path.touch()
    (line,) = check(config)
    assert line.startswith(f"1:1: outbox: {path} is empty, as no outbox ever is: if it was one, ")
    path.with_name("o.db-wal").write_bytes(b"what was written last")
    (line,) = check(config)
    save = f"vaulytica outbox recover --outbox sqlite://{path} --into NEW_FILE"
    assert line.endswith(f"is in {path}-wal: save that: {save}")
    path.unlink()
    (line,) = check(config)
    assert line.startswith(
        f"1:1: outbox: {path} is not there, but what was written to it last is, "
    )


AS_NOBODY = """
import os, sys
from vaulytica.outbox import why_unusable
import vaulytica.outbox.sqlite
if os.geteuid() == 0:
    os.setuid(65534)
print(why_unusable(f"sqlite://{sys.argv[1]}/o.db"))
"""


def test_an_outbox_in_a_folder_that_cannot_be_written():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        said = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, folder], capture_output=True, text=True, check=True
        )
        Path(folder).chmod(0o755)
    assert said.stdout.startswith(f"the folder {folder} cannot be written by user ")


SOCKETS = [
    ("{here}/nowhere/s", "cannot listen on {here}/nowhere/s: {here}/nowhere is no folder; make it"),
    ("{here}/c.yaml", "{here}/c.yaml is there, and is no socket"),
    (f"/tmp/{'x' * 120}", "the path is longer than 107 bytes"),
]


@pytest.mark.parametrize(("path", "words"), SOCKETS)
def test_sockets_that_a_relay_cannot_have(check, tmp_path, path, words):
    (line,) = check(section(f"intake: {{socket: '{path}'}}"))
    assert line.startswith("2:10: intake.socket: ")
    assert words.replace("{here}", str(tmp_path)) in line


@pytest.mark.parametrize(
    "path", ["*", "o.db", "o.db-*", "*.lock", "**", "../*/o*"], ids=lambda path: path
)
def test_the_outbox_is_no_source_of_its_own(check, tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    own = section(f"intake: {{tail: [{{path: '{tmp_path}/{path}'}}]}}")
    (line,) = check(own)
    assert "intake.tail[0].path: " in line
    assert f"takes in {tmp_path}/o.db" in line


def test_other_files_beside_the_outbox_may_be_followed(check, tmp_path):
    own = section(f"intake: {{tail: [{{path: '{tmp_path}/*.log'}}, {{path: '{tmp_path}/o'}}]}}")
    assert not check(own)


def test_a_socket_that_another_program_has(check, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's path may not be long
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind("s")
        taken.listen()
        (line,) = check(section("intake: {socket: s}"))
        assert line == "2:10: intake.socket: another program listens on s"
    assert check(section("intake: {socket: s}")) == []  # it is left over, and may go


SETTINGS = [
    ("auth: {auth_type: apikey}", "auth.auth_type: unknown auth type; known are ", "api_key"),
    ("auth: {auth_type: hmacsha256}", "auth.auth_type: unknown auth type; ", "hmac_sha256"),
    ("format: splunk-hec", "format: unknown format; known are json, ", "splunk_hec"),
    ("format: Datadoglogs", "format: unknown format; known are ", "datadog_logs"),
    ("compression: gzipp", "compression: Input should be 'none', 'gzip' or 'zstd'", "gzip"),
    ("match: {min_severity: eror}", "match.min_severity: Input should be ", "error"),
    ("match: {typs: x}", "match has no setting typs", "types"),
    ("batch: {as: nd_json}", "batch.as: Input should be 'array' or 'ndjson'", "ndjson"),
    ("egress: {alow: [public]}", "egress.alow: there is no such setting", "allow"),
    ("retry_config: {max_retry: 1}", "retry_config has no setting max_retry", "max_retries"),
    (
        "auth: {auth_type: oauth2, oauth2_client_auth: client_secret_jwt}",
        "auth.oauth2_client_auth: must be one of ",
        "client_secret_post",
    ),
    (
        "format: splunk_hec\n    format_options: {indx: main}",
        "format_options: no setting of that name; known are ",
        "index",
    ),
]


@pytest.mark.parametrize(("text", "words", "near"), SETTINGS)
def test_the_nearest_right_name(check, text, words, near):
    (line,) = check(destination(text))
    what = line.partition(": ")[2]
    assert what.startswith(f"destination a: {words}")
    assert line.endswith(f"; did you mean {near}?")
    assert "Settings" not in line


MORE = [
    ("ordered: true\n    order_by: data.user", "order_by: ordered is set, too"),
    ("order_by: data.[", "order_by: is not a JMESPath expression"),
    ("timeout: '30'", "timeout: must be a number of seconds, without quotes"),
    ("timeout: true", "timeout: must be a number"),
    ("timeout: .inf", "timeout: "),
    ("ordered: 'no'", "ordered: must be true or false, without quotes"),
    ("ordered: 1", "ordered: must be true or false"),
    ("format: 5", "format: Input should be a valid string; without quotes it is a number"),
    ("headers: {X-Rate: 5}", "headers.X-Rate: Input should be a valid string; without quotes it"),
    ("headers: {X-On: on}", "headers.X-On: Input should be a valid string; without quotes it"),
    ("headers: {Webhook-Id: x}", "headers.Webhook-Id: clashes with the one set by the event id"),
    ("headers: [a]", "headers must be a mapping"),
    ("auth: api_key", "auth must be a mapping"),
    ("auth: {auth_type: ''}", "auth.auth_type: is the name of an auth type, such as api_key"),
    ("auth: {auth_type: basic, username: u}", "auth.password: is missing or empty"),
    ("retry_config: []", "retry_config must be a mapping"),
    ("tls: {ca: nowhere.pem}", "tls.ca: cannot read {here}/nowhere.pem: No such file"),
    ("custom_template: '{}'", 'custom_template: needs format="custom"'),
    ("format: custom", 'format: format="custom" needs either custom_template'),
    ("proxy: p:3128", "proxy: has no scheme"),
    ("batch: {max_events: 2.5}", "batch.max_events: Input should be a valid integer"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), MORE)
def test_one_setting_that_is_wrong(check, tmp_path, text, words):
    (line,) = check(destination(text))
    what = line.partition(": ")[2]
    shown = words.replace("{here}", str(tmp_path))
    assert what.startswith((f"destination a: {shown}", f"destination a {shown}"))


REFERENCES = [
    ("12345", "takes a reference (env:NAME or file:PATH), not the secret itself"),
    ("0123", "takes a reference (env:NAME or file:PATH), not the secret itself"),
    (SECRET, "takes a reference (env:NAME or file:PATH), not the secret itself"),
    ("'${SECRET}'", "takes a reference (env:NAME or file:PATH), not the secret itself; a variable is"),
    ("evn:SECRET", "takes a reference (env:NAME or file:PATH), not the secret itself; did you mean env:…?"),
    ("{env: SECRET}", "takes a reference (env:NAME or file:PATH), not the secret itself; after env:"),
    ("'env:'", "env: takes the name of a variable, and nothing else; it has no defaults"),
    ("env:SECRET:-fallback", "env: takes the name of a variable, and nothing else; it has no"),
    ("'env:${SECRET}'", "env: takes the name of a variable"),
    ("env:SECRETT", "env:SECRETT is not set; did you mean SECRET?"),
    ("env:EMPTY", "env:EMPTY is not set"),
    ("'file:'", "file: takes the path of a file"),
    ("file:nowhere", "cannot read {here}/nowhere: No such file or directory"),
    ("file:.", "cannot read {here}: "),
]  # fmt: skip


@pytest.mark.parametrize(("given", "words"), REFERENCES)
def test_references(check, tmp_path, monkeypatch, given, words):
    monkeypatch.setenv("EMPTY", "")
    shown = words.replace("{here}", str(tmp_path))
    (line,) = check(destination(f"auth: {{api_key: {given}}}"))
    assert line.startswith(f"5:12: destination a: auth.api_key: {shown}")
    (line,) = check(section(f"intake: {{tokens: [env:SECRET, {given}]}}"))
    assert line.startswith(f"2:31: intake.tokens[1]: {shown}")


ALL = """outbox: env:NOT_SET
intake: {tokens: [env:NOT_SET], limits: {body: 1 XB}}
destinations:
  a:
    url: env:NOT_SET
    auth: {auth_type: api_key, api_key: env:NOT_SET, bearer_token: env:SECRET, username: u}
    timeout: -1
    format_options: {x: 1}
  b:
    url: https://b.example
    auth: {auth_type: standard_webhooks, hmac_secret: env:NOT_SET}
    headers: {X-Token: env:NOT_SET, Content-Length: "5"}
    tls: {ca: env:NOT_SET, min_version: "1.1"}
  c: {url: https://c.example, auth: {auth_type: oauth2, oauth2_service_account: env:NOT_SET, oauth2_scope: x}}
"""


def test_what_is_not_set_hides_nothing(check):
    assert [line.partition(": ")[2][:60] for line in check(ALL)] == [
        "outbox: env:NOT_SET is not set",
        "intake.tokens[0]: env:NOT_SET is not set",
        "intake.limits.body: is a number of bytes, or one with a unit, such as 10GiB"[:60],
        "destination a: url: env:NOT_SET is not set",
        "destination a: auth.api_key: env:NOT_SET is not set",
        "destination a: auth.bearer_token: is not used by auth type api_key"[:60],
        "destination a: auth.username: is not used by auth type api_key"[:60],
        "destination a: timeout: Input should be greater than 0",
        "destination a: format_options: json has none",
        "destination b: auth.hmac_secret: env:NOT_SET is not set",
        "destination b: headers.X-Token: env:NOT_SET is not set",
        "destination b: headers.Content-Length: clashes with the one set by the HTTP"[:60],
        "destination b: tls.ca: env:NOT_SET is not set",
        "destination b: tls.min_version: Input should be '1.2' or '1.3'"[:60],
        "destination c: auth.oauth2_service_account: env:NOT_SET is not set"[:60],
    ]


def test_without_what_is_elsewhere_all_else_is_looked_at(check):
    lines = check(ALL, elsewhere=True)
    assert lines
    assert not any("NOT_SET" in line for line in lines)
    whole = [line for line in check(ALL) if "NOT_SET" not in line]
    assert lines == whole


def test_certificates_are_elsewhere_too(check):
    text = destination(
        "tls: {client_cert: nowhere.pem, client_key: nowhere.key, client_key_password: env:NO}"
    )
    assert len(check(text)) == 1
    assert check(text, elsewhere=True) == []


def test_an_open_intake_is_refused_wherever_it_is(check):
    (line,) = check(section("intake: {listen: '0.0.0.0:0'}"), elsewhere=True)
    assert line.startswith("2:1: intake.tokens: 0.0.0.0:0 can be reached by others")
    assert check(section("intake: {listen: '0.0.0.0:0', tokens: [env:NO]}"), elsewhere=True) == []
    assert check(section("intake: {listen: ':0'}")) == []


def test_names_of_destinations(check):
    text = "outbox: sqlite://{here}/o.db\ndestinations:\n  'a b': {url: ftp://x}\n  1: {}\n  é: {url: https://e}"
    assert [line.partition(": ")[2] for line in check(text)] == [
        "destination a b: a destination's name is letters, digits, '-', '_' and '.', up to 100",
        "destination a b: url: must begin with https:// or http://",
        "destinations has a name that is not text; put it in quotes: 1",
        "destination é: a destination's name is letters, digits, '-', '_' and '.', up to 100",
    ]


def test_no_destinations(check):
    for text in ("destinations: {}", "destinations:", "x: 1", "destinations: []"):
        assert any(
            "destinations" in line for line in check(f"outbox: sqlite://{{here}}/o.db\n{text}")
        )


def test_an_import_of_nothing_is_made(check, tmp_path):
    assert check(section("intake: {listen: '127.0.0.1:0'}")) == []
    assert [path.name for path in tmp_path.iterdir()] == ["c.yaml"]
