"""A canary in every place where a secret can stand; and how to look for it in any text."""

from __future__ import annotations

import base64
import json
import os
import pickle
import traceback
from collections.abc import Callable, Iterator
from typing import Any, get_args
from urllib.parse import quote

import trustme
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import BaseModel, SecretStr

from support.certificates import pair, pem
from vaulytica.config import WebhookConfig
from vaulytica.config.auth import AUTH_SETTINGS
from vaulytica.config.settings import secret_fields
from vaulytica.secrets import SecretRef

CANARY = "cAnArY.obviously-fake.0123456789"
PIECE = 8  # so many characters of it in a row are a leak: half a secret helps to guess the rest


def _private_key() -> str:
    """One with the canary before it, where a PEM file may say what it is."""
    key = ec.generate_private_key(ec.SECP256R1())
    return (
        f"{CANARY}\n{key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()}"
    )


PRIVATE_KEY = _private_key()


def _in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def leaks(text: str) -> list[str]:
    """The pieces of the canary, in any of its forms, that the text holds."""
    forms = {CANARY, quote(CANARY, safe=""), json.dumps(CANARY)[1:-1]}
    forms |= {_in_base64(f"robot:{CANARY}"), _in_base64(CANARY)}
    pieces = {form[at : at + PIECE] for form in forms for at in range(len(form) - PIECE + 1)}
    return sorted(piece for piece in pieces if piece in text)


def _auth(**fields: Any) -> Callable[[str], dict[str, Any]]:
    return lambda base: {
        "auth": {
            name: value.replace("BASE", base) if isinstance(value, str) else value
            for name, value in fields.items()
        }
    }


def _aws(**fields: str) -> Callable[[str], dict[str, Any]]:
    given = {
        "aws_access_key_id": "AKIDFAKE",
        "aws_secret_access_key": "obviously-other",
        "aws_region": "eu-west-1",
    }
    return _auth(auth_type="aws_sigv4", **(given | fields))


def _oauth2(
    url: str, secret: str = "obviously-other", **more: Any
) -> Callable[[str], dict[str, Any]]:
    return _auth(
        auth_type="oauth2",
        oauth2_token_url=url,
        oauth2_client_id="robot",
        oauth2_client_secret=secret,
        **more,
    )


def _by_reference() -> SecretRef:
    os.environ["VAULYTICA_TESTS_CANARY"] = CANARY
    return SecretRef("env:VAULYTICA_TESTS_CANARY")


_AUTHORITY = trustme.CA()
_PAIR = pair(_AUTHORITY)
_BOTH = _PAIR.certificate + _PAIR.key  # text before a certificate is no part of it

# Each makes the settings of a config, given the origin ("http://127.0.0.1:8080") of the destination.
PLACES: dict[str, Callable[[str], dict[str, Any]]] = {
    "api_key": _auth(auth_type="api_key", api_key=CANARY),
    "api_key with a scheme": _auth(
        auth_type="api_key", api_key=f"Splunk {CANARY}", api_key_header="Authorization"
    ),
    "bearer_token": _auth(auth_type="bearer_token", bearer_token=CANARY),
    "password": _auth(auth_type="basic_auth", username="robot", password=CANARY),
    "digest's password": _auth(auth_type="digest", username="robot", password=CANARY),
    "auth_headers": lambda base: {
        "auth": {"auth_type": "headers", "auth_headers": {"X-Key": f"Token {CANARY}"}}
    },
    "auth_secrets": lambda base: {
        "auth": {
            "auth_type": "headers",
            "auth_headers": {"Authorization": "Token {key}"},
            "auth_secrets": {"key": CANARY},
        }
    },
    "aws_secret_access_key": _aws(aws_secret_access_key=CANARY),
    "aws_session_token": _aws(aws_session_token=CANARY),
    "hmac_secret": _auth(auth_type="hmac_sha256", hmac_secret=CANARY),
    "hmac_secret, one of several": lambda base: {
        "auth": {"auth_type": "stripe", "hmac_secret": ["obviously-other", CANARY]}
    },
    "hmac_secret, in base64": _auth(
        auth_type="standard_webhooks", hmac_secret=f"whsec_{_in_base64(CANARY)}"
    ),
    "oauth2_client_secret": _oauth2("BASE/token", CANARY),
    "oauth2_client_secret as Basic": _oauth2(
        "BASE/token", CANARY, oauth2_client_auth="client_secret_basic"
    ),
    "oauth2_private_key": _auth(
        auth_type="oauth2",
        oauth2_token_url="BASE/token",
        oauth2_client_id="robot",
        oauth2_client_auth="private_key_jwt",
        oauth2_private_key=PRIVATE_KEY,
    ),
    "oauth2_service_account": lambda base: {
        "auth": {
            "auth_type": "oauth2",
            "oauth2_scope": "events:write",
            "oauth2_service_account": json.dumps(
                {
                    "type": "service_account",
                    "client_email": "robot",
                    "private_key": PRIVATE_KEY,
                    "token_uri": f"{base}/token",
                }
            ),
        }
    },
    "oauth2_params": _oauth2("BASE/token", oauth2_params={"api_key": CANARY}),
    "oauth2_token_url's path": _oauth2(f"BASE/{CANARY}/token"),
    "oauth2_token_url's query": _oauth2(f"BASE/token?key={CANARY}"),
    "url's userinfo": lambda base: {"url": f"{base}/hook".replace("//", f"//robot:{CANARY}@", 1)},
    "url's path": lambda base: {"url": f"{base}/services/T0/{CANARY}"},
    "url's query": lambda base: {"url": f"{base}/hook?x=1&token={CANARY}"},
    "url's query, encoded": lambda base: {
        "url": f"{base}/hook?%74oken={CANARY.replace('.', '%2E')}"
    },
    "Authorization": lambda base: {"headers": {"Authorization": f"Splunk {CANARY}"}},
    "DD-API-KEY": lambda base: {"headers": {"DD-API-KEY": CANARY}},
    "X-Auth-Token": lambda base: {"headers": {"x-auth-token": CANARY}},
    "Cookie": lambda base: {"headers": {"Cookie": f"session={CANARY}"}},
    "proxy's password": lambda base: {"proxy": base.replace("//", f"//robot:{CANARY}@", 1)},
    "api_key by reference": lambda base: {
        "auth": {"auth_type": "api_key", "api_key": _by_reference()}
    },
    "a header by reference": lambda base: {"headers": {"X-Mine": _by_reference()}},
    "ca": lambda base: {"tls": {"ca": SecretStr(f"{CANARY}\n{pem(_AUTHORITY)}")}},
    "client_cert": lambda base: {"tls": {"client_cert": f"{CANARY}\n{_BOTH}"}},
    "client_key": lambda base: {
        "tls": {"client_cert": _PAIR.certificate, "client_key": f"{CANARY}\n{_PAIR.key}"}
    },
    "client_key_password": lambda base: {
        "tls": {
            "client_cert": _PAIR.certificate,
            "client_key": _PAIR.encrypted_with(CANARY),
            "client_key_password": CANARY,
        }
    },
}

# What the settings of an auth type need beside the secret, where the canary would not do.
BESIDE: dict[str, Any] = {
    "username": "robot",
    "oauth2_client_id": "robot",
    "oauth2_token_url": "BASE/token",
}


def secret_paths(model: type[BaseModel] = WebhookConfig, *before: str) -> Iterator[tuple[str, ...]]:
    """Every setting that takes a secret, as the models themselves have it: `("auth", "api_key")`."""
    for name in secret_fields(model):
        yield (*before, name)
    for name, field in model.model_fields.items():
        for part in _models(field.annotation):
            yield from secret_paths(part, *before, name)


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models(inner)]


def _made_for(path: tuple[str, ...]) -> Callable[[str], dict[str, Any]]:
    """Settings with the canary at that path, and what it needs beside it."""
    *parents, name = path

    def settings(base: str) -> dict[str, Any]:
        made: dict[str, Any] = {name: CANARY}
        if parents == ["auth"]:
            type = next(t for t, its in AUTH_SETTINGS.items() if name in its)
            beside = {n: v for n, v in BESIDE.items() if n in AUTH_SETTINGS[type]}
            made |= {"auth_type": type} | beside
            made = {n: v.replace("BASE", base) for n, v in made.items()}
        for parent in reversed(parents):
            made = {parent: made}
        return made

    return settings


# A secret setting that has no place above gets one here by itself.
for _path in secret_paths():
    if _path[-1] not in PLACES and _path != ("headers",):
        PLACES[_path[-1]] = _made_for(_path)


def settings_with(place: str, base: str) -> dict[str, Any]:
    """A config's settings with the canary in that place, for a destination of that origin."""
    return {"url": f"{base}/hook", "timeout": 60.0, **PLACES[place](base)}


def texts_of(error: BaseException) -> str:
    """All that an error may put in a log: its traceback with all causes, each one's fields, and pickles."""
    texts = traceback.format_exception(error)
    link: BaseException | None = error
    while link is not None:
        texts += [str(link), repr(link), repr(link.args), repr(vars(link))]
        texts.append(pickle.dumps(link, 0).decode("latin-1"))
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return " ".join(texts)
