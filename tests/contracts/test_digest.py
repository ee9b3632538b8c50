"""Digest to the letter of RFC 7616, and when a challenge is asked for, met again, or given up on."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.heart import Canned, batch_of, delivered, destination, guide_event, header, reason_of
from vaulytica.auth.digest import DigestAuth
from vaulytica.auth.digest_challenge import Challenge, challenge_of
from vaulytica.delivery.outcome import Deferred, Delivered, ReasonKind, Rejected, Result
from vaulytica.delivery.policy import RetryPolicy
from vaulytica.delivery.request import Request, Response
from vaulytica.errors import FailureKind, TransportFailure

OK = Response(200)
GET = Request("http://www.example.org/dir/index.html", (), b"", method="GET")


def asks(nonce: str = "fake-nonce", more: str = 'qop="auth", algorithm=SHA-256') -> Response:
    return Response(401, {"WWW-Authenticate": f'Digest realm="siem", nonce="{nonce}", {more}'})


class Talk:
    """Events one after another over one scheme; `log` tells each request in short."""

    def __init__(self, *answers: object, **retry: int) -> None:
        self.canned = Canned(*answers)  # type: ignore[arg-type]
        policy = RetryPolicy(**({"max_retries": 0, "jitter": False} | retry))  # type: ignore[arg-type]
        self.to = destination(auth=DigestAuth("robot", "fake-canary"), retry=policy)

    def event(self) -> Result:
        batch = batch_of(self.to.format, guide_event())
        (result,) = delivered(self.canned, self.to, batch)
        return result

    @property
    def log(self) -> list[str]:
        assert self.canned.all_used
        return [self._told(request) for request in self.canned.requests]

    def _told(self, request: Request) -> str:
        value = header(request, "Authorization")
        if value is None:
            assert request.body == b"", "an event without credentials"
            return "asks"
        nonce, count = re.search(r'nonce="([^"]*)"', value), re.search("nc=([0-9a-f]{8})", value)
        assert request.body, "credentials without an event"
        assert nonce is not None
        return f"{nonce[1]} {int(count[1], 16) if count else '-'}"


# --- To the letter.


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616(algorithm: str, response: str) -> None:
    challenge = Challenge(
        realm="http-auth@example.org",
        nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        algorithm=algorithm,
        opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
        qop="auth",
        client_nonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )
    value = challenge.answer(GET, "Mufasa", "Circle of Life")
    assert f'response="{response}"' in value
    assert 'username="Mufasa", realm="http-auth@example.org"' in value
    assert 'uri="/dir/index.html"' in value
    assert "qop=auth, nc=00000001" in value
    assert 'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"' in value


def test_the_example_of_rfc_7616_with_a_hidden_user() -> None:
    challenge = Challenge(
        realm="api@example.org",
        nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
        algorithm="SHA-512-256",
        opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS",
        qop="auth",
        hides_user=True,
        client_nonce="NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
    )
    value = challenge.answer(
        Request("http://api.example.org/doe.json", (), b"", method="GET"),
        "Jäsøn Doe",
        "Secret, or not?",
    )
    # The RFC's own username and response are not SHA-512/256's (erratum 4897); these are.
    assert 'username="793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"' in value
    assert 'response="3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"' in value
    assert "userhash=true" in value


def test_the_example_of_rfc_2617_before_qop() -> None:
    challenge = Challenge("testrealm@host.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093", "MD5")
    value = challenge.answer(GET, "Mufasa", "Circle Of Life")
    assert 'response="670fd8c2df070c60b045671b8b24ff02"' in value
    assert "nc=" not in value


def test_the_body_is_in_it_where_only_that_is_offered() -> None:
    challenge = Challenge("r", "n", "MD5-sess", qop="auth-int", client_nonce="c")
    value = challenge.answer(Request("https://siem.example.com/x", (), b"body"), "u", "p")

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    user = md5(f"{md5('u:r:p')}:n:c")
    response = md5(f"{user}:n:00000001:c:auth-int:{md5('POST:/x:' + md5('body'))}")
    assert f'response="{response}"' in value


def test_the_uri_is_what_is_in_the_request_line() -> None:
    for path, sent in [("/a/../b%2f?x=%2f&y", "/b%2F?x=%2f&y"), ("", "/"), ("/a/.", "/a/")]:
        request = Request(f"https://siem.example.com{path}", (), b"{}")
        value = Challenge("r", "n", "MD5", qop="auth").answer(request, "u", "p")
        assert f'uri="{sent}"' in value


def test_names_are_quoted_and_a_user_that_is_not_ascii_is_encoded() -> None:
    challenge = Challenge('a "realm" \\', "n", "MD5", qop="auth")
    value = challenge.answer(GET, 'rob"ot', "p")
    assert 'username="rob\\"ot", realm="a \\"realm\\" \\\\"' in value
    assert "username*=UTF-8''J%C3%A4s%C3%B8n%20Doe" in challenge.answer(GET, "Jäsøn Doe", "p")


@pytest.mark.parametrize(
    ("given", "algorithm", "qop"),
    [
        (['Digest realm="r", nonce="n"'], "MD5", None),
        (['digest REALM=r,NONCE=n,qop="auth-int"'], "MD5", "auth-int"),
        (['Digest realm="r", nonce="n", qop="auth-int, auth"'], "MD5", "auth"),
        (['Basic realm="x, Digest y", Digest realm="r", nonce="n", qop=auth'], "MD5", "auth"),
        (['Digest realm="r", nonce="n", qop=auth, Basic realm="x"'], "MD5", "auth"),
        (["Negotiate", "Basic realm=x", 'Digest realm="r", nonce="n"'], "MD5", None),
        (['Digest realm="r", nonce="n", algorithm=SHA-1', 'Digest realm="r", nonce="n", algorithm=SHA-256-sess'], "SHA-256-sess", None),
        (['Digest realm="r", nonce="n", algorithm=sha-256', 'Digest realm="r", nonce="n"'], "sha-256", None),
    ],
)  # fmt: skip
def test_the_first_challenge_that_can_be_met(
    given: list[str], algorithm: str, qop: str | None
) -> None:
    challenge = challenge_of(Response(401, [("WWW-Authenticate", line) for line in given]))
    assert challenge is not None
    assert (challenge.realm, challenge.nonce) == ("r", "n")
    assert (challenge.algorithm, challenge.qop) == (algorithm, qop)


@pytest.mark.parametrize(
    "given",
    [
        "", "Digest", "Basic realm=x", 'Digest realm="r"', 'Digest nonce="n"', "Negotiate abc==",
        'Digest realm="r", nonce="n", algorithm=MD4', 'Digest realm="r", nonce="n", qop="other"',
        'Digest realm="r", nonce="n', '=,=,"',
    ],
)  # fmt: skip
def test_what_is_no_challenge(given: str) -> None:
    assert challenge_of(Response(401, {"WWW-Authenticate": given})) is None


@given(st.text(max_size=200), st.text(max_size=50))
def test_no_challenge_breaks_anything(words: str, name: str) -> None:
    for line in (words, f"Digest {words}", f'Digest realm="{name}", nonce="{words}"'):
        talk = Talk(Response(401, {"WWW-Authenticate": line}), OK)
        result = talk.event()
        value = header(talk.canned.requests[-1], "Authorization")
        assert result.delivered is (value is not None)
        assert value is None or not any(c in value for c in "\r\n\0\x1b\x7f")


# --- When.


def test_one_challenge_serves_for_many_events_and_each_is_counted() -> None:
    talk = Talk(asks(), OK, OK, OK)
    assert all(talk.event().delivered for _ in range(3))
    assert talk.log == ["asks", "fake-nonce 1", "fake-nonce 2", "fake-nonce 3"]


def test_the_request_that_asks_is_the_same_but_for_the_body() -> None:
    talk = Talk(asks(), OK)
    talk.event()
    first, second = talk.canned.requests
    assert (first.url, first.method, first.timeout) == (second.url, second.method, second.timeout)
    assert first.headers == second.headers[:-1]


def test_a_stale_challenge_is_renewed_by_the_answer_that_says_so() -> None:
    talk = Talk(asks("one"), OK, asks("two", "qop=auth, stale=true"), OK, OK)
    assert all(talk.event().delivered for _ in range(3))
    assert talk.log == ["asks", "one 1", "one 2", "two 1", "two 2"]


def test_wrong_credentials_are_rejected_after_one_request_with_them() -> None:
    talk = Talk(asks("one"), asks("two"), max_retries=3)
    result = talk.event()
    assert isinstance(result.outcome, Rejected)
    assert (reason_of(result).kind, reason_of(result).status) == (ReasonKind.AUTH, 401)
    assert talk.log == ["asks", "one 1"]


def test_credentials_that_are_withdrawn_are_rejected_after_one_more() -> None:
    talk = Talk(asks("one"), OK, asks("two"), asks("three"))
    assert talk.event().delivered
    assert isinstance(talk.event().outcome, Rejected)
    assert talk.log == ["asks", "one 1", "one 2", "two 1"]


@pytest.mark.parametrize("status", [200, 204, 302, 400, 403, 404])
def test_a_destination_that_does_not_ask_gets_no_event(status: int) -> None:
    talk = Talk(Response(status), max_retries=3)
    result = talk.event()
    assert isinstance(result.outcome, Rejected)
    assert reason_of(result).text == (
        "no credentials sent: the destination did not ask for Digest authentication, "
        f"but answered HTTP {status}"
    )
    assert talk.log == ["asks"]


def test_nor_does_one_that_asks_for_something_else() -> None:
    talk = Talk(Response(401, {"WWW-Authenticate": "Basic realm=x"}))
    assert "HTTP 401" in reason_of(talk.event()).text
    assert talk.log == ["asks"]


def test_a_busy_destination_is_asked_again() -> None:
    talk = Talk(Response(503, {"Retry-After": "7"}), asks(), OK, max_retries=1)
    result = talk.event()
    assert (result.outcome, result.attempts) == (Delivered(200), 2)
    assert talk.canned.delays == [7.0]
    assert talk.log == ["asks", "asks", "fake-nonce 1"]


def test_a_destination_that_cannot_be_reached_is_unreachable() -> None:
    talk = Talk(TransportFailure(FailureKind.CONNECT, "no connection"))
    result = talk.event()
    assert isinstance(result.outcome, Deferred)
    assert reason_of(result).kind is ReasonKind.UNREACHABLE


def test_the_password_never_shows() -> None:
    echo = Response(400, (), b"robot:fake-canary")
    talk = Talk(asks(), echo)
    assert reason_of(talk.event()).text == "HTTP 400: robot:***"
    assert "canary" not in repr(talk.to.auth) + repr(vars(talk.to.auth)["_challenge"])


@pytest.mark.parametrize(
    "more", ['qop="auth", algorithm=SHA3-512', 'qop="auth-later", algorithm=SHA-256', ""]
)
def test_a_challenge_that_cannot_be_met_is_told_apart_from_none(more: str) -> None:
    asked = asks("n", more) if more else Response(401, {"WWW-Authenticate": 'Digest realm="siem"'})
    talk = Talk(asked)
    reason = reason_of(talk.event())
    assert "the destination asks for Digest in a way that is not known here" in reason.text
    assert reason.kind is ReasonKind.AUTH
    assert talk.log == ["asks"]
