from __future__ import annotations

import base64
import json
import os
import pty

import pytest

from support.signing import secret_of
from vaulytica.cli.credentials.references import secret
from vaulytica.errors import WebhookConfigError
from vaulytica.receiving import verify
from vaulytica.receiving.receiver import Answer, Receiver

CANARY = "canary-5f2c-secret"
BASIC = "Basic " + base64.b64encode(f"user:{CANARY}".encode()).decode()


@pytest.mark.parametrize(
    ("options", "header", "value"),
    [
        (["--api-key", "env:SECRET"], "X-API-Key", CANARY),
        (["--api-key", "file:key.txt", "--api-key-header", "X-Mine"], "X-Mine", CANARY),
        (["--auth-type", "bearer", "--bearer-token", "env:SECRET"], "Authorization", f"Bearer {CANARY}"),
        (["--username", "user", "--password", "env:SECRET"], "Authorization", BASIC),
        (["--header", "X-Plain: a: b"], "X-Plain", "a: b"),
        (["--header", "X-Token: file:key.txt"], "X-Token", CANARY),
    ],
)  # fmt: skip
def test_credentials_arrive_and_never_show(
    vaulytica, receiver, events, tmp_path, options, header, value
):
    (tmp_path / "key.txt").write_text(f"{CANARY}\n")
    done = vaulytica("send", events, "--url", receiver.url, "--report", "report", *options)
    assert done.code == 0
    assert {received.header(header) for received in receiver.received} == {value}
    assert CANARY not in (tmp_path / "report").read_text()


@pytest.mark.parametrize("name", ["Authorization", "X-Token", "cookie"])
def test_a_literal_credential_header_is_refused(vaulytica, tmp_path, name):
    done = vaulytica("send", "--url", "http://127.0.0.1:1", "--header", f"{name}: {CANARY}")
    assert done.code == 2
    assert f"--header {name} takes a reference (env:NAME, file:PATH or -" in done.error
    (tmp_path / "c.yaml").write_text(
        f"destinations:\n  a: {{url: 'http://127.0.0.1:1', headers: {{{name}: {CANARY}}}}}"
    )
    done = vaulytica("send", "--config", "c.yaml")
    assert done.code == 2
    assert f"headers.{name}: takes a reference (env:NAME or file:PATH)" in done.error


@pytest.mark.parametrize("scheme", ["standard_webhooks", "stripe"])
def test_keys_that_rotate(vaulytica, events, scheme, tmp_path):
    keys = [secret_of(scheme, fill) for fill in ("new", "old")]
    (tmp_path / "new").write_text(keys[0])
    with Receiver(hmac_secret=keys[1], scheme=scheme) as receiver:
        options = ("--auth-type", scheme, "--hmac-secret", "file:new", "--hmac-secret", "env:OLD")
        done = vaulytica("send", events, "--url", receiver.url, *options, OLD=keys[1])
        assert (done.code, done.err) == (0, "")
        (tmp_path / "c.yaml").write_text(
            f"destinations:\n  a:\n    url: {receiver.url}\n    auth:\n"
            f"      auth_type: {scheme}\n      hmac_secret: ['file:new', 'env:OLD']\n"
        )
        assert vaulytica("send", events, "--config", "c.yaml", OLD=keys[1]).code == 0
    first = receiver.received[0]
    assert all(received.verified for received in receiver.received)
    assert verify(first.headers, first.body, keys[0], scheme=scheme)


def test_a_list_of_keys_where_one_is_looked_at(vaulytica, events):
    options = ("--hmac-secret", "env:SECRET", "--hmac-secret", "env:SECRET")
    done = vaulytica("send", events, "--url", "https://siem.example.com", *options)
    assert done.code == 2
    assert "hmac_secret must be one secret, not a list" in done.error
    assert CANARY not in done.err


def test_hmac(vaulytica, events):
    with Receiver(hmac_secret=CANARY, hmac_header="X-Mine") as receiver:
        options = ("--hmac-secret", "env:SECRET", "--hmac-header", "X-Mine")
        done = vaulytica("send", events, "--url", receiver.url, *options)
    assert done.code == 0
    assert all(received.verified for received in receiver.received)
    first = receiver.received[0]
    assert verify(first.headers, first.body, CANARY, scheme="hmac_sha256", hmac_header="X-Mine")


@pytest.mark.parametrize("url", [None, "env:TOKEN_URL"])
def test_oauth2(vaulytica, events, url):
    def respond(received):
        if received.path == "/token":
            return Answer(200, b'{"access_token":"t-1","token_type":"Bearer","expires_in":60}')
        return None if received.header("Authorization") == "Bearer t-1" else Answer(401)

    with Receiver(respond=respond) as receiver:
        options = ["--oauth2-token-url", url or f"{receiver.url}/token", "--oauth2-client-id", "me"]
        options += ["--oauth2-client-secret", "env:SECRET"]
        done = vaulytica(
            "send", events, "--url", receiver.url, *options, TOKEN_URL=f"{receiver.url}/token"
        )
    assert done.code == 0
    assert receiver.counts == {200: 6}


def test_a_destination_that_repeats_the_secret(vaulytica, events, tmp_path):
    def respond(received):
        return Answer(400, f"wrong key {received.header('X-API-Key')}".encode())

    with Receiver(respond=respond) as receiver:
        options = ("--api-key", "env:SECRET", "--report", "report")
        done = vaulytica("send", events, "--url", f"{receiver.url}/?token={CANARY}", *options)
    assert done.code == 1
    assert "wrong key ***" in done.err
    assert CANARY not in (tmp_path / "report").read_text()


@pytest.mark.parametrize(
    "option", ["api-key", "bearer-token", "password", "hmac-secret", "oauth2-client-secret"]
)
def test_a_secret_on_the_command_line_is_refused(vaulytica, option):
    done = vaulytica("send", "--url", "http://127.0.0.1:1", f"--{option}", CANARY)
    assert done.code == 2
    assert f"--{option} takes a reference" in done.error
    assert "process list" in done.error


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("env:NOT_SET_AT_ALL", "not set"),
        ("file:nowhere", "cannot read .*nowhere"),
        ("file:/", "Is a directory"),
        ("file:/dev/null", "not a regular file"),
        ("file:/dev/zero", "not a regular file"),
        (7, "takes a reference"),
    ],
)
def test_references_that_lead_nowhere(reference, words):
    with pytest.raises(WebhookConfigError, match=words):
        secret(reference, "--api-key")


def test_no_terminal_to_ask_on(vaulytica, start):
    process = start("send", "--url", "http://127.0.0.1:1", "--api-key", "-", start_new_session=True)
    _, err = process.communicate(b"", timeout=20)
    assert process.returncode == 2
    assert b"no terminal to ask on" in err


def test_asked_on_the_terminal(start, receiver, events):
    controller, terminal = pty.openpty()
    # A session's leader gets the first terminal it opens as its own.
    shell = ("sh", "-c", 'exec "$@" <"$0" >"$0" 2>&1', os.ttyname(terminal))
    options = ("send", events, "--url", receiver.url, "--api-key", "-")
    process = start(*options, before=shell, start_new_session=True)
    shown = b""
    while b"--api-key: " not in shown:
        shown += os.read(controller, 1024)
    os.write(controller, f"{CANARY}\n".encode())
    assert process.wait(60) == 0
    shown += os.read(controller, 4096)
    os.close(controller)
    os.close(terminal)
    assert CANARY.encode() not in shown
    assert receiver.received[0].header("X-API-Key") == CANARY


YAML = """
retention: {days: 7}
destinations:
  siem:
    url: {url}/in
    format: splunk
    auth:
      auth_type: api_key
      api_key: "env:SECRET"
      api_key_header: Authorization
    retry_config: {max_retries: 1}
    headers: {X-One: "1", X-Two: "file:two.txt"}
  other: {url: {url}/other, format: custom, custom_template: "file:t.j2"}
"""
TOML = """
[destinations.siem]
url = "{url}/in"
format = "splunk"
headers = { X-One = "1", X-Two = "file:two.txt" }
auth = { auth_type = "api_key", api_key = "env:SECRET", api_key_header = "Authorization" }
[destinations.other]
url = "{url}/other"
"""


@pytest.mark.parametrize(("suffix", "text"), [("yaml", YAML), ("toml", TOML), ("json", YAML)])
def test_config_file(vaulytica, receiver, events, tmp_path, suffix, text):
    text = text.replace("{url}", receiver.url)
    if suffix == "json":
        import yaml

        text = json.dumps(yaml.safe_load(text))
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / f"relay.{suffix}").write_text(text)
    (folder / "two.txt").write_text("second\n")
    options = ("--config", f"etc/relay.{suffix}", "--to", "siem", "--header", "X-Three: 3")
    done = vaulytica("send", events, *options)
    assert (done.code, done.err) == (0, "")
    received = receiver.received[0]
    assert received.path == "/in"
    assert received.header("Authorization") == f"Splunk {CANARY}"
    assert [received.header(f"X-{n}") for n in ("One", "Two", "Three")] == ["1", "second", "3"]
    assert json.loads(received.body.splitlines()[0])["host"] == "vaulytica"


FILE_AUTH = "{auth_type: api_key, api_key: 'env:FILE_KEY', api_key_header: X-File}"
NOTHING = dict.fromkeys(["X-File", "X-Option", "X-API-Key", "Authorization", "X-Signature"])


@pytest.mark.parametrize(
    ("auth", "options", "sent"),
    [
        (FILE_AUTH, [], {"X-File": "file-key"}),
        (FILE_AUTH, ["--api-key", "env:SECRET"], {"X-File": CANARY}),
        (FILE_AUTH, ["--api-key-header", "X-Option"], {"X-Option": "file-key"}),
        (FILE_AUTH, ["--auth-type", "api_key"], {"X-File": "file-key"}),
        (FILE_AUTH, ["--auth-type", "none"], {}),
        (FILE_AUTH, ["--bearer-token", "env:SECRET"], {"Authorization": f"Bearer {CANARY}"}),
        ("{bearer_token: 'env:FILE_KEY'}", [], {"Authorization": "Bearer file-key"}),
        ("{auth_type: bearer, bearer_token: 'env:FILE_KEY'}", ["--bearer-token", "env:SECRET"],
         {"Authorization": f"Bearer {CANARY}"}),
        ("null", ["--api-key", "env:SECRET"], {"X-API-Key": CANARY}),
    ],
)  # fmt: skip
def test_auth_options_go_over_the_files(vaulytica, receiver, tmp_path, auth, options, sent):
    text = f"destinations: {{a: {{url: '{receiver.url}', auth: {auth}}}, b: {{url: 'http://b'}}}}"
    (tmp_path / "c.yaml").write_text(text)
    command = ("send", "--config", "c.yaml", "--to", "a", *options)
    done = vaulytica(*command, stdin='{"type":"a"}', FILE_KEY="file-key")
    assert (done.code, done.err) == (0, "")
    (received,) = receiver.received
    assert {name: received.header(name) for name in NOTHING} == NOTHING | sent


def test_header_options_go_over_the_files_in_any_case(vaulytica, receiver, tmp_path):
    (tmp_path / "c.yaml").write_text(
        f"destinations: {{a: {{url: '{receiver.url}', headers: {{X-One: file, X-Two: file}}}}}}"
    )
    options = ("--config", "c.yaml", "--header", "x-one: option")
    assert vaulytica("send", *options, stdin='{"type":"a"}').code == 0
    (received,) = receiver.received
    given = [(name, value) for name, value in received.headers if name.lower().startswith("x-")]
    assert sorted(given) == [("X-Two", "file"), ("x-one", "option")]


@pytest.mark.parametrize(
    ("auth", "words"),
    [
        ("{hmac_header: X-Sig}", "hmac_header is given, but hmac_secret is missing"),
        ("{auth_type: bearer, bearer_token: 'env:SECRET', api_key_header: X}",
         "api_key_header is not used by auth type bearer, but by api_key"),
        ("{api_key: 'env:SECRET', username: me}", "of several auth types: api_key, username"),
    ],
)  # fmt: skip
def test_auth_of_a_file_that_does_nothing_is_refused(vaulytica, tmp_path, auth, words):
    (tmp_path / "c.yaml").write_text(f"destinations: {{a: {{url: 'https://a', auth: {auth}}}}}")
    done = vaulytica("render", "--config", "c.yaml")
    assert done.code == 2
    assert words in done.error


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("destinations: [", "relay.yaml:2:1: does not parse: "),
        ("destinations: {}", "has no destinations"),
        ("[1]", "must hold a mapping"),
        ("destinations:\n  other: {url: x}", "has no destination 'siem'; known are other"),
        ("destinations:\n  sime: {url: x}", "did you mean sime?"),
        ("destinations:\n  siem: 7", "relay.yaml:2:3: destination siem must be a mapping"),
        ("destinations:\n  siem: {format: json}", "relay.yaml:2:3: destination siem has no url"),
        (
            "destinations:\n  siem:\n    url: https://a.example\n    formt: json",
            "relay.yaml:4:5: destination siem has no setting formt; did you mean format?",
        ),
        (
            "destinations:\n  siem:\n    url: https://a.example\n    auth:\n      api_kye: env:SECRET",
            "relay.yaml:5:7: destination siem: auth has no setting api_kye; did you mean api_key?",
        ),
        (
            "destinations:\n  siem:\n    url: https://a.example\n    auth: {api_key: canary-5f2c-secret}",
            "relay.yaml:4:12: destination siem: auth.api_key: takes a reference (env:NAME or file:PATH)",
        ),
        (
            "destinations:\n  siem:\n    url: https://a.example\n    retry_config: {max_retries: -1}",
            "max_retries",
        ),
        (
            "destinations:\n  siem:\n    url: https://a.example\n    custom_template_func: x",
            "relay.yaml:4:5: destination siem has no setting custom_template_func",
        ),
    ],
)
def test_config_files_that_are_wrong(vaulytica, tmp_path, text, words):
    (tmp_path / "relay.yaml").write_text(text)
    done = vaulytica("send", "--config", "relay.yaml", "--to", "siem")
    assert done.code == 2
    assert words in done.error


def test_which_destination(vaulytica, tmp_path):
    (tmp_path / "c.yaml").write_text("destinations:\n  a: {url: https://a}\n  b: {url: https://b}")
    assert "--to NAME is missing; c.yaml has a, b" in vaulytica("send", "--config", "c.yaml").error
    done = vaulytica("send", "--config", "c.yaml", "--to", "a", "--url", "https://c")
    assert "either --url" in done.error
    assert "cannot read nowhere" in vaulytica("send", "--config", "nowhere").error
