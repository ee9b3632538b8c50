"""The laws that every auth scheme keeps. A scheme added to `SCHEMES` is tested here by itself."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.heart import Canned, header, refusal
from vaulytica.auth import SCHEMES
from vaulytica.delivery.redaction import redact
from vaulytica.delivery.request import Request, Response
from vaulytica.errors import AuthFailure, FailureKind, TransportFailure, WebhookConfigError

SECRET = "fake-canary/secret+7f3a"
OTHER = "fake-other"
KEYS = (  # two that sign at a time, as while keys rotate
    "whsec_" + base64.b64encode(b"fake-canary-key-of-32-bytes-long").decode(),
    "whsk_" + base64.b64encode(b"fake-canary-seed-of-32-bytes-lon").decode(),
)
TOKEN_ANSWER = Response(200, (), b'{"access_token": "fake-canary-token", "expires_in": 600}')


@dataclass(frozen=True)
class Case:
    """How a scheme is made: its arguments, which of them it cannot do without, what it asks for first."""

    arguments: tuple[Any, ...] = ()
    needed: tuple[int, ...] = ()
    before: tuple[Response, ...] = field(default=())


CASES = {
    "none": Case(),
    "api_key": Case((SECRET, "X-API-Key"), (0,)),
    "bearer_token": Case((SECRET,), (0,)),
    "basic_auth": Case(("user", SECRET), (0, 1)),
    "hmac_sha256": Case((SECRET, "X-Signature"), (0,)),
    "standard_webhooks": Case((KEYS,), (0,)),
    "github": Case((SECRET,), (0,)),
    "stripe": Case(((SECRET, OTHER),), (0,)),
    "slack": Case((SECRET,), (0,)),
    "oauth2": Case(
        ("https://auth.example.com/token", "client", SECRET), (0, 1, 2), (TOKEN_ANSWER,)
    ),
}
BODY = b'{"raw": "\xc3\xa9 \x00 bytes"}'
REQUEST = Request(
    "https://siem.example.com/hook", (("X-Team", "blue"), ("Webhook-Id", "e-1")), BODY, 9.0
)


@pytest.fixture(params=SCHEMES.entries)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def case_of(name: str) -> Case:
    assert name in CASES, f"say in CASES how {name} is made, to have it tested"
    return CASES[name]


def made(name: str, **changed: Any) -> Any:
    """The scheme, with some arguments changed, by their position: `_0=""`."""
    arguments = list(case_of(name).arguments)
    for place, value in changed.items():
        arguments[int(place[1:])] = value
    return SCHEMES.load(name)(*arguments)


def sent(auth: Any, name: str, *answers: Any) -> list[Request]:
    """The requests to the destination that one flow makes on these answers."""
    canned = Canned(*case_of(name).before, *answers)
    canned.run(auth.flow(REQUEST, canned.clock.time()))
    assert canned.all_used
    return [r for r in canned.requests if r.url == REQUEST.url]


# --- What is sent.


def test_a_200_is_exactly_one_request(name: str) -> None:
    answer = Response(200)
    canned = Canned(*case_of(name).before, answer)
    assert canned.run(made(name).flow(REQUEST, canned.clock.time())) is answer
    assert len([r for r in canned.requests if r.url == REQUEST.url]) == 1


@pytest.mark.parametrize("status", [204, 301, 400, 403, 407, 429, 500, 503])
def test_so_is_every_other_answer_but_401(name: str, status: int) -> None:
    assert len(sent(made(name), name, Response(status))) == 1


def test_the_request_is_the_same_but_for_the_headers_told(name: str) -> None:
    auth = made(name)
    (request,) = sent(auth, name, Response(200))
    assert request.body is BODY
    assert (request.url, request.timeout) == (REQUEST.url, REQUEST.timeout)
    before = len(REQUEST.headers)
    assert request.headers[:before] == REQUEST.headers
    assert tuple(key for key, _ in request.headers[before:]) == auth.header_names


def test_a_failure_of_the_transport_passes_through(name: str) -> None:
    failure = TransportFailure(FailureKind.TIMEOUT, "too slow")
    with pytest.raises(TransportFailure) as caught:
        sent(made(name), name, failure)
    assert caught.value is failure


def test_a_flow_can_be_abandoned(name: str) -> None:
    flow = made(name).flow(REQUEST, 0.0)
    next(flow)
    flow.close()


def test_a_scheme_can_be_used_again_and_again(name: str) -> None:
    auth = made(name)
    first = sent(auth, name, Response(200))
    canned = Canned(Response(200))
    canned.run(auth.flow(REQUEST, canned.clock.time()))
    assert canned.requests == first


# --- Fails closed.


@pytest.mark.parametrize("value", [None, "", " ", "\t \n", b"fake", 5, [], "\ud800"], ids=repr)
def test_without_what_it_needs_it_cannot_be_made(name: str, value: Any) -> None:
    for place in case_of(name).needed:
        with pytest.raises(WebhookConfigError) as caught:
            made(name, **{f"_{place}": value})
        assert "fake" not in str(caught.value)
        assert "\n" not in str(caught.value)


CONTROL = ["\r", "\n", "\r\nX-Evil: 1", "\x00", "\x1b", "\x7f", "\x0b"]


@pytest.mark.parametrize("control", CONTROL, ids=repr)
def test_control_characters_never_reach_a_header(name: str, control: str) -> None:
    case = case_of(name)
    for place, value in enumerate(case.arguments):
        for text in (f"{value}{control}", f"{control}{value}", f"a{control}b"):
            changed = {f"_{place}": text}
            refused = refusal(WebhookConfigError, lambda changed=changed: made(name, **changed))
            if refused is not None:
                assert "canary" not in refused
                continue
            auth = made(name, **changed)
            canned = Canned(*case.before, Response(200))
            canned.run(auth.flow(REQUEST, canned.clock.time()))
            written = [part for r in canned.requests for pair in r.headers for part in pair]
            assert not any(c < " " or c == "\x7f" for part in written for c in part)


# --- Secrets.


def test_nothing_of_what_is_on_the_wire_survives_redaction(name: str) -> None:
    auth = made(name)
    canned = Canned(*case_of(name).before, Response(200))
    canned.run(auth.flow(REQUEST, canned.clock.time()))
    secrets = auth.secrets()
    for request in canned.requests:
        written = [value for _, value in request.headers]
        if request.url != REQUEST.url:
            written.append(request.body.decode())
        for text in written:
            left = redact(text, secrets)
            encoded = [word for word in left.replace("=", " ").split() if len(word) > 20]
            assert "canary" not in left
            assert all(b"canary" not in _decoded(word) for word in encoded)


def _decoded(word: str) -> bytes:
    try:
        return base64.b64decode(word + "===")
    except ValueError:
        return b""


def test_the_secret_given_is_one_of_its_secrets(name: str) -> None:
    secrets = made(name).secrets()
    given = [
        one
        for argument in case_of(name).arguments
        for one in (argument if isinstance(argument, tuple) else (argument,))
    ]
    assert set(given) & {SECRET, OTHER, *KEYS} <= set(secrets)
    assert (SECRET in secrets) is (SECRET in given)
    assert all(isinstance(secret, str) and secret for secret in secrets)


def test_its_repr_shows_no_secret(name: str) -> None:
    auth = made(name)
    sent(auth, name, Response(200))
    for shown in (repr(auth), str(auth), f"{auth}"):
        assert not [secret for secret in auth.secrets() if secret in shown]
        assert "canary" not in shown


# --- Each scheme to the letter.


def one_header(name: str, *arguments: Any) -> tuple[str, str]:
    canned = Canned(Response(200))
    canned.run(SCHEMES.load(name)(*arguments).flow(REQUEST, 0.0))
    return canned.requests[0].headers[-1]


def test_the_headers_of_the_guide() -> None:
    assert one_header("api_key", "your-api-key-here") == ("X-API-Key", "your-api-key-here")
    assert one_header("api_key", "k", "DD-API-KEY") == ("DD-API-KEY", "k")
    assert one_header("bearer_token", "t") == ("Authorization", "Bearer t")


@given(
    st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters=":"), min_size=1
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1),
)
def test_basic_is_utf8(username: str, password: str) -> None:
    if not username.strip() or not password.strip():
        return
    name, value = one_header("basic_auth", username, password)
    scheme, _, encoded = value.partition(" ")
    assert (name, scheme) == ("Authorization", "Basic")
    assert base64.b64decode(encoded, validate=True).decode("utf-8") == f"{username}:{password}"


def test_basic_of_rfc_7617() -> None:
    assert one_header("basic_auth", "test", "123\u00a3")[1] == "Basic dGVzdDoxMjPCow=="


@given(secret=st.text(min_size=1).filter(str.strip), body=st.binary())
def test_the_signature_is_over_exactly_the_bytes_sent(secret: str, body: bytes) -> None:
    try:
        auth = SCHEMES.load("hmac_sha256")(secret, "X-Hub")
    except WebhookConfigError:
        assert any("\ud800" <= c <= "\udfff" for c in secret)
        return
    for _ in range(2):  # the second is not changed by the first
        canned = Canned(Response(200))
        canned.run(auth.flow(Request(REQUEST.url, (), body), 0.0))
        expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        assert canned.requests[0].headers == (("X-Hub", expected),)


def test_the_signature_of_rfc_4231() -> None:
    auth = SCHEMES.load("hmac_sha256")("Jefe")
    canned = Canned(Response(200))
    canned.run(auth.flow(Request(REQUEST.url, (), b"what do ya want for nothing?"), 0.0))
    assert header(canned.requests[0], "X-Signature") == (
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )


@given(client=st.text(min_size=1), secret=st.text(min_size=1))
def test_the_token_request_is_a_form(client: str, secret: str) -> None:
    try:
        auth = SCHEMES.load("oauth2")("https://auth.example.com/token", client, secret)
    except WebhookConfigError:
        return
    canned = Canned(TOKEN_ANSWER, Response(200))
    canned.run(auth.flow(REQUEST, 0.0))
    request = canned.requests[0]
    assert header(request, "Content-Type") == "application/x-www-form-urlencoded"
    assert header(request, "Authorization") is None
    assert dict(parse_qsl(request.body.decode("ascii"), keep_blank_values=True)) == {
        "grant_type": "client_credentials", "client_id": client, "client_secret": secret
    }  # fmt: skip


def test_schemes_do_not_share_state() -> None:
    for name in SCHEMES.entries:
        one, two = made(name), made(name)
        sent(one, name, Response(200))
        requests = sent(two, name, Response(200))  # asks for its own token, if it needs one
        assert len(requests) == 1


def test_no_credentials_are_an_auth_failure_and_no_request() -> None:
    canned = Canned(*itertools.repeat(Response(500), 1))
    with pytest.raises(AuthFailure):
        canned.run(made("oauth2").flow(REQUEST, 0.0))
    assert [r.url for r in canned.requests] == ["https://auth.example.com/token"]
