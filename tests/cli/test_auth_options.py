"""Every auth scheme by options and by config file: what arrives, and that a secret comes by reference only."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from vaulytica.cli.credentials.mappings import NAMES
from vaulytica.cli.options.auth import AuthOptions
from vaulytica.config import WebhookAuth
from vaulytica.receiving.receiver import Answer, Receiver

CANARY = "canary-5f2c-secret"
TOKEN = Answer(200, b'{"access_token":"t-1","token_type":"Bearer","expires_in":600}')


def test_every_setting_has_its_option() -> None:
    options = {field.name for field in fields(AuthOptions)} - {"auth_settings"} | {"settings"}
    assert set(WebhookAuth.model_fields) == options
    mappings = {
        name for name in options if "dict" in str(WebhookAuth.model_fields[name].annotation)
    }
    assert mappings == set(NAMES)


def protected(received):
    """A token endpoint, and an API that wants the token."""
    if received.path == "/token":
        return TOKEN
    return None if received.header("Authorization") == "Bearer t-1" else Answer(401)


def config(tmp_path, url, auth):
    (tmp_path / "c.json").write_text(
        json.dumps({"destinations": {"a": {"url": url, "auth": auth}}})
    )
    return ["--config", "c.json"]


HEADERS = {"Authorization": f"Token {CANARY}", "DD-APPLICATION-KEY": "canary-app", "X-Org": "blue"}


def test_header_templates_by_options(vaulytica, receiver, events, tmp_path):
    (tmp_path / "app.txt").write_text("canary-app\n")
    options = ["--auth-header", "Authorization: Token {key}", "--auth-secret", "key=env:SECRET"]
    options += ["--auth-header", "DD-APPLICATION-KEY: file:app.txt", "--auth-header", "X-Org: blue"]
    done = vaulytica("send", events, "--url", receiver.url, *options)
    assert done.code == 0
    for received in receiver.received:
        assert {name: received.header(name) for name in HEADERS} == HEADERS


def test_header_templates_by_a_file(vaulytica, receiver, events, tmp_path):
    (tmp_path / "app.txt").write_text("canary-app\n")
    auth = {
        "auth_type": "headers",
        "auth_headers": {
            "Authorization": "Token {key}", "DD-APPLICATION-KEY": "{app}", "X-Org": "blue"
        },
        "auth_secrets": {"key": "env:SECRET", "app": "file:app.txt"},
    }  # fmt: skip
    done = vaulytica("send", events, *config(tmp_path, receiver.url, auth))
    assert done.code == 0
    for received in receiver.received:
        assert {name: received.header(name) for name in HEADERS} == HEADERS


def test_oauth2_in_full_by_options(vaulytica, events):
    with Receiver(respond=protected) as receiver:
        options = ["--oauth2-token-url", f"{receiver.url}/token", "--oauth2-client-id", "me"]
        options += ["--oauth2-client-secret", "env:SECRET", "--oauth2-scope", "a b"]
        options += ["--oauth2-client-auth", "client_secret_basic", "--oauth2-audience", "siem"]
        options += ["--oauth2-param", "resource=https://a", "--oauth2-param", "resource=https://b"]
        done = vaulytica("send", events, "--url", receiver.url, *options)
    assert done.code == 0
    asked = next(r for r in receiver.received if r.path == "/token")
    assert asked.body.decode() == (
        "grant_type=client_credentials&scope=a+b&audience=siem"
        "&resource=https%3A%2F%2Fa&resource=https%3A%2F%2Fb"
    )
    assert str(asked.header("Authorization")).startswith("Basic ")


def test_oauth2_by_private_key(vaulytica, events, tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(pem)
    with Receiver(respond=protected) as receiver:
        auth = {
            "oauth2_token_url": f"{receiver.url}/token",
            "oauth2_client_id": "me",
            "oauth2_client_auth": "private_key_jwt",
            "oauth2_private_key": "file:key.pem",
            "oauth2_key_id": "k-1",
            "oauth2_params": {"resource": ["https://a", "https://b"], "api_key": "env:SECRET"},
        }
        done = vaulytica("send", events, *config(tmp_path, receiver.url, auth))
    assert done.code == 0
    asked = next(r for r in receiver.received if r.path == "/token")
    assert b"client_assertion=ey" in asked.body
    assert f"api_key={CANARY}".encode() in asked.body


def test_aws_by_options(vaulytica, receiver, events):
    options = ["--aws-access-key-id", "AKIDFAKE", "--aws-secret-access-key", "env:SECRET"]
    options += ["--aws-region", "eu-west-1", "--aws-service", "aoss"]
    options += ["--aws-session-token", "env:SECRET"]
    assert vaulytica("send", events, "--url", receiver.url, *options).code == 0
    for received in receiver.received:
        assert "AKIDFAKE/" in received.header("Authorization")
        assert "/eu-west-1/aoss/aws4_request" in received.header("Authorization")
        assert received.header("X-Amz-Security-Token") == CANARY


def test_digest_by_options(vaulytica, events):
    def respond(received):
        if received.header("Authorization"):
            return None
        return Answer(
            401, headers=(("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth"'),)
        )

    with Receiver(respond=respond) as receiver:
        options = ["--auth-type", "digest", "--username", "me", "--password", "env:SECRET"]
        done = vaulytica("send", events, "--url", receiver.url, *options)
    assert done.code == 0
    values = [received.header("Authorization") for received in receiver.received]
    assert values[0] is None
    assert all('Digest username="me", realm="r"' in value for value in values[1:])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--oauth2-private-key", CANARY], "--oauth2-private-key takes a reference"),
        (["--oauth2-service-account", CANARY], "--oauth2-service-account takes a reference"),
        (["--aws-secret-access-key", CANARY], "--aws-secret-access-key takes a reference"),
        (["--aws-session-token", CANARY], "--aws-session-token takes a reference"),
        (["--auth-secret", f"key={CANARY}"], "--auth-secret key takes a reference"),
        (["--auth-secret", CANARY], "--auth-secret is written NAME=VALUE"),
        (["--auth-header", f"Authorization: Token {CANARY}"], "--auth-header Authorization takes a"),
        (["--auth-header", CANARY], "--auth-header is written 'Name: value'"),
        (["--auth-header", "X-A: {a}", "--auth-header", "X-A: {b}"], "--auth-header X-A is given twice"),
        (["--auth-header", "X-A: {a}"], "auth_secrets has no {a}"),
        (["--auth-header", "X-A: b", "--auth-secret", "a=env:SECRET"], "no header has a place for {a}"),
        (["--oauth2-param", f"api_key={CANARY}"], "--oauth2-param api_key takes a reference"),
        (["--auth-setting", f"token={CANARY}", "--auth-type", "x"], "--auth-setting token takes a"),
        (["--auth-setting", "a=b", "--auth-setting", "a=c"], "--auth-setting a is given twice"),
        (["--auth-setting", "a=b"], "--auth-setting is given, but --auth-type is missing"),
        (["--auth-setting", "a=b", "--auth-type", "x"], "unknown auth type"),
        (["--auth-setting", "a=b", "--auth-type", "digest"], "--auth-setting is not used by auth type"),
        (["--password", "env:SECRET", "--aws-region", "x"], "of several auth types: --password, --aws-region"),
    ],
)  # fmt: skip
def test_wrong_options(vaulytica, options, words):
    done = vaulytica("render", *options)
    assert done.code == 2
    assert CANARY not in done.err
    assert words in done.error


@pytest.mark.parametrize(
    ("auth", "words"),
    [
        ({"auth_type": "headers", "auth_headers": {"X-A": "{a}"}, "auth_secrets": {"a": CANARY}},
         "auth.auth_secrets.a: takes a reference"),
        ({"auth_type": "headers", "auth_headers": {"X-Api-Key": CANARY}},
         "auth.auth_headers.X-Api-Key: takes a reference"),
        ({"auth_type": "x", "settings": {"token": CANARY}}, "auth.settings.token: takes a reference"),
        ({"oauth2_params": {"password": [CANARY]}}, "auth.oauth2_params.password: takes a reference"),
        ({"settings": {"a": 1}}, "settings is given, but auth_type is missing"),
        ({"auth_type": "headers", "auth_headers": CANARY}, "auth_headers"),
    ],
)  # fmt: skip
def test_wrong_settings_of_a_file(vaulytica, tmp_path, auth, words):
    done = vaulytica("render", *config(tmp_path, "https://a.example", auth))
    assert done.code == 2
    assert words in done.error
    assert CANARY not in done.err
