"""Private keys of OAuth2 clients and service accounts: which are taken, and what is said of the others."""

from __future__ import annotations

import json
import sys
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from vaulytica.auth.oauth2.assertion import Signer
from vaulytica.config import WebhookAuth
from vaulytica.errors import WebhookConfigError

NOW = 1761739200.7
WHAT = "oauth2_private_key"


def pem(
    key: Any,
    format: PrivateFormat = PrivateFormat.PKCS8,
    how: KeySerializationEncryption | None = None,
) -> str:
    encryption = NoEncryption() if how is None else how
    return str(key.private_bytes(Encoding.PEM, format, encryption).decode())


@pytest.mark.parametrize("format", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_an_assertion_says_what_rfc_7523_wants(format: PrivateFormat) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    signer = Signer(WHAT, pem(key, format), "key-7")
    made = [signer.sign("robot", "https://auth.example.com/", NOW, 300, sub="robot") for _ in "12"]
    for each in made:
        assert jwt.get_unverified_header(each) == {"alg": "ES256", "typ": "JWT", "kid": "key-7"}
    claims = [
        jwt.decode(
            each,
            key.public_key(),
            ["ES256"],
            audience="https://auth.example.com/",
            options={"verify_exp": False, "verify_iat": False},
        )
        for each in made
    ]
    ids = {each.pop("jti") for each in claims}
    assert len(ids) == 2
    assert claims[0] == claims[1] == {
        "iss": "robot", "sub": "robot", "aud": "https://auth.example.com/",
        "iat": 1761739200, "exp": 1761739500,
    }  # fmt: skip


def test_without_a_key_id_none_is_said() -> None:
    made = Signer(WHAT, pem(ed25519.Ed25519PrivateKey.generate()), None).sign("i", "a", NOW, 60)
    assert jwt.get_unverified_header(made) == {"alg": "EdDSA", "typ": "JWT"}


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: pem(rsa.generate_private_key(65537, 1024)), "an RSA key needs 2048 bits or more"),
        (lambda: pem(ec.generate_private_key(ec.SECP256K1())), "must be an RSA, P-256"),
        (lambda: pem(ed448.Ed448PrivateKey.generate()), "must be an RSA, P-256"),
        (lambda: pem(dsa.generate_private_key(1024)), "must be an RSA, P-256"),
        (
            lambda: pem(ed25519.Ed25519PrivateKey.generate(), how=BestAvailableEncryption(b"fake")),
            "is encrypted; give the key without a password",
        ),
        (lambda: "fake-canary", "is no private key in PEM"),
        (lambda: "-----BEGIN PRIVATE KEY-----\nfake-canary\n-----END PRIVATE KEY-----", "is no private"),
    ],
)  # fmt: skip
def test_another_key_is_refused_in_one_line_without_it(make: Any, why: str) -> None:
    key = make()
    with pytest.raises(WebhookConfigError) as caught:
        Signer(WHAT, key, None)
    assert why in str(caught.value)
    assert not any(line in str(caught.value) for line in key.splitlines())
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("package", ["jwt", "cryptography.hazmat.primitives.serialization"])
def test_without_the_extra_the_error_names_it(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = pem(ed25519.Ed25519PrivateKey.generate())
    account = {
        "type": "service_account",
        "client_email": "e",
        "private_key": key,
        "token_uri": "https://a",
    }
    monkeypatch.setitem(sys.modules, package, None)
    client = {
        "oauth2_token_url": "https://auth.example.com/",
        "oauth2_client_id": "robot",
        "oauth2_client_auth": "private_key_jwt",
        "oauth2_private_key": key,
    }
    google = {"oauth2_service_account": json.dumps(account), "oauth2_scope": "s"}
    for settings, what in ((client, WHAT), (google, "oauth2_service_account: private_key")):
        with pytest.raises(WebhookConfigError) as caught:
            WebhookAuth(auth_type="oauth2", **settings)
        assert str(caught.value) == (
            f'{what} needs packages that are not installed: pip install "vaulytica[oauth2]"'
        )
    secret = {"oauth2_client_secret": "fake", "oauth2_client_auth": "client_secret_basic"}
    assert WebhookAuth(auth_type="oauth2", **{**client, "oauth2_private_key": None, **secret})
