"""The laws that every auth scheme keeps. A scheme added to `SCHEMES` is tested here by itself."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from support.heart import Canned, header, refusal
from vaulytica import testing
from vaulytica.auth import SCHEMES
from vaulytica.auth.headers import HeadersAuth
from vaulytica.delivery.ports import Flow, Send
from vaulytica.delivery.request import Request, Response
from vaulytica.errors import AuthFailure, TransportFailure, WebhookConfigError
from vaulytica.testing import AUTH_LAWS, AuthCase

SECRET = "fake-canary/secret+7f3a"
OTHER = "fake-other"
KEYS = (  # two that sign at a time, as while keys rotate
    "whsec_" + base64.b64encode(b"fake-canary-key-of-32-bytes-long").decode(),
    "whsk_" + base64.b64encode(b"fake-canary-seed-of-32-bytes-lon").decode(),
)
TOKEN_ANSWER = Response(200, (), b'{"access_token": "fake-canary-token", "expires_in": 600}')
CHALLENGE = Response(
    401,
    {"WWW-Authenticate": 'Digest realm="siem", nonce="fake-nonce", qop="auth", algorithm=SHA-256'},
)


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
    "digest": Case(("user", SECRET), (0, 1), (CHALLENGE,)),
    "headers": Case(
        ({"Authorization": "Token {t}", "X-Org": "{o}"}, {"t": SECRET, "o": OTHER}), (0,)
    ),
    "hmac_sha256": Case((SECRET, "X-Signature"), (0,)),
    "standard_webhooks": Case((KEYS,), (0,)),
    "github": Case((SECRET,), (0,)),
    "stripe": Case(((SECRET, OTHER),), (0,)),
    "slack": Case((SECRET,), (0,)),
    "aws_sigv4": Case(("AKIDFAKE", SECRET, "eu-west-1", "es", "fake-session"), (0, 1, 2)),
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
    """The requests that one flow makes on these answers, after those it makes first."""
    before = case_of(name).before
    canned = Canned(*before, *answers)
    canned.run(auth.flow(REQUEST, canned.clock.time()))
    assert canned.all_used
    return canned.requests[len(before) :]


@pytest.mark.parametrize("law", AUTH_LAWS, ids=lambda law: law.__name__)
def test_law(name: str, law: Callable[[AuthCase], None]) -> None:
    case = case_of(name)
    given = [
        one
        for argument in case.arguments
        for one in (
            argument.values()
            if isinstance(argument, dict)
            else argument
            if isinstance(argument, tuple)
            else [argument]
        )
    ]
    secrets = [one for one in given if one in (SECRET, *KEYS)]
    law(AuthCase(lambda: made(name), secrets, case.before))


class Broken(HeadersAuth):
    """Breaks one law after another."""

    fault = ""

    def flow(self, request: Request, now: float) -> Flow[Response]:
        if self.fault == "twice":
            yield Send(request)
        if self.fault == "body":
            request = Request(request.url, request.headers, b"other", request.timeout)
        if self.fault == "header":
            request = request.with_headers(("X-Other", "1"))
        try:
            response = yield Send(request.with_headers(*self._headers))
        except TransportFailure:
            if self.fault != "swallows":
                raise
            response = Response(200)
        return Response(200) if self.fault == "answer" else response

    def secrets(self) -> Sequence[str]:
        return () if self.fault == "hides" else super().secrets()

    def __repr__(self) -> str:
        return f"Broken({self._headers})" if self.fault == "shows" else "Broken"


@pytest.mark.parametrize(
    ("fault", "law"),
    [
        ("twice", testing.sends_once_and_returns_the_answer),
        ("answer", testing.sends_once_and_returns_the_answer),
        ("body", testing.sends_the_same_bytes),
        ("header", testing.sends_the_same_bytes),
        ("swallows", testing.lets_failures_pass),
        ("hides", testing.names_its_secrets),
        ("shows", testing.shows_no_secret),
    ],
)
def test_a_law_finds_who_breaks_it(fault: str, law: Callable[[AuthCase], None]) -> None:
    def make() -> Broken:
        auth = Broken({"Authorization": "Token {t}"}, {"t": SECRET})
        auth.fault = fault
        return auth

    with pytest.raises(AssertionError):
        law(AuthCase(make, [SECRET]))


class Unchecked:
    """Writes its key into a header as it is, as a scheme of one's own may."""

    name, header_names = "unchecked", ("X-Key",)

    def __init__(self, key: str) -> None:
        self._key = key

    def flow(self, request: Request, now: float) -> Flow[Response]:
        return (yield Send(request.with_headers(("X-Key", self._key))))

    def secrets(self) -> Sequence[str]:
        return (self._key,)


def test_the_law_of_control_characters_tries_secrets_that_hold_some() -> None:
    law = testing.writes_no_control_character
    case = AuthCase(lambda: Unchecked(SECRET), [SECRET])
    law(case)
    with pytest.raises(AssertionError):
        law(AuthCase(case.make, [SECRET], make_with=Unchecked))
    bearer = SCHEMES.load("bearer_token")
    law(AuthCase(lambda: bearer(SECRET), [SECRET], make_with=bearer))


# --- Fails closed.


@pytest.mark.parametrize("value", [None, "", " ", "\t \n", b"fake", 5, [], "\ud800"], ids=repr)
def test_without_what_it_needs_it_cannot_be_made(name: str, value: Any) -> None:
    for place in case_of(name).needed:
        with pytest.raises(WebhookConfigError) as caught:
            made(name, **{f"_{place}": value})
        assert "fake" not in str(caught.value)
        assert "\n" not in str(caught.value)


CONTROL = ["\r", "\n", "\r\nX-Evil: 1", "\x00", "\x1b", "\x7f", "\x0b"]


def _spoilt(value: Any, control: str) -> list[Any]:
    """The value with the control character in it; of a mapping, in each name and value."""
    if not isinstance(value, dict):
        return [f"{value}{control}", f"{control}{value}", f"a{control}b"]
    spoilt = [value | {key: text} for key in value for text in _spoilt(value[key], control)]
    return spoilt + [
        {text if k == key else k: v for k, v in value.items()}
        for key in value
        for text in _spoilt(key, control)
    ]


@pytest.mark.parametrize("control", CONTROL, ids=repr)
def test_control_characters_never_reach_a_header(name: str, control: str) -> None:
    case = case_of(name)
    for place, value in enumerate(case.arguments):
        for text in _spoilt(value, control):
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


@example(secret="whsk_", body=b"")
@given(secret=st.text(min_size=1).filter(str.strip), body=st.binary())
def test_the_signature_is_over_exactly_the_bytes_sent(secret: str, body: bytes) -> None:
    try:
        auth = SCHEMES.load("hmac_sha256")(secret, "X-Hub")
    except WebhookConfigError:
        is_key_of_another_kind = secret.startswith(("whsk_", "whpk_"))
        assert is_key_of_another_kind or any("\ud800" <= c <= "\udfff" for c in secret)
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


def test_no_credentials_are_an_auth_failure_and_no_request() -> None:
    canned = Canned(*itertools.repeat(Response(500), 1))
    with pytest.raises(AuthFailure):
        canned.run(made("oauth2").flow(REQUEST, 0.0))
    assert [r.url for r in canned.requests] == ["https://auth.example.com/token"]
