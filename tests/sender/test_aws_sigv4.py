"""AWS signatures of captured requests, compared with those that botocore makes of the same bytes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from support.drivers import Sending
from support.faulty import OK, Arrived, Faulty, replies
from vaulytica.auth.aws_sigv4 import AwsSigV4Auth
from vaulytica.delivery.request import Request, Response
from vaulytica.driver.sync import Driver
from vaulytica.integrations.webhook import WebhookAuth, WebhookConfig
from vaulytica.transport.memory import MemoryTransport
from vaulytica.urls import path_as_sent

Serve = Callable[..., Faulty]
SenderOf = Callable[..., Sending]
KEY = "AKIDOBVIOUSLYFAKE"
SECRET = "obviously-fake/secret+key"
TOKEN = "obviously-fake-session-token=="
_CREDENTIAL = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(\w+)/(\d{8})/([\w-]+)/([\w-]+)/aws4_request, "
    r"SignedHeaders=([\w;-]+), Signature=([0-9a-f]{64})"
)


def signed_headers(
    method: str, target: str, headers: dict[str, str], body: bytes, scheme: str = "http"
) -> list[str]:
    """The names of the headers that are signed, if the signature is the one botocore would make."""
    match = _CREDENTIAL.fullmatch(headers["authorization"])
    assert match is not None
    key, day, region, service, names, signature = match.groups()
    given = {name: headers[name] for name in names.split(";")}
    request = AWSRequest(method, f"{scheme}://{headers['host']}{target}", headers=given, data=body)
    request.context["timestamp"] = headers["x-amz-date"]
    signer = SigV4Auth(
        Credentials(key, SECRET, headers.get("x-amz-security-token")), service, region
    )
    text = signer.string_to_sign(request, signer.canonical_request(request))
    assert (key, day) == (KEY, headers["x-amz-date"][:8])
    assert signer.signature(text, request) == signature
    return names.split(";")


def verified(arrived: Arrived) -> list[str]:
    method, target, _ = arrived.line.split(" ")
    headers = {name.lower(): value for name, value in arrived.headers}
    return signed_headers(method, target, headers, arrived.body)


def aws(**settings: Any) -> WebhookAuth:
    given = {
        "aws_access_key_id": KEY,
        "aws_secret_access_key": SECRET,
        "aws_region": "eu-central-1",
    }
    return WebhookAuth(auth_type="aws_sigv4", **(given | settings))


PATHS = [
    "/", "/a/b", "/a%20b", "/a%2Fb", "/a%2fb", "/a/../b", "/./a/", "/..", "//a///b//", "/index-*/_bulk",
    "/x:y@z;v=1,2", "/~user/-._", "/a+b", "/%e4%F6", "/'(a)!$&", "/?b=2&a=1", "/?a=2&a=1", "/?a", "/?a=",
    "/?a=x+y", "/?a=x%20y", "/?a=b=c", "/?q=%E2%82%AC", "/?filter_path=items.*.error,took", "/?a=1&&b=2",
    "/?x=/a/b:c", "/?%41=%7e~", "/_bulk?pipeline=a%26b", "/?a=%zz", "/?a-b=1&a=2&a%20=3",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_the_signature_is_the_one_aws_computes(
    serve: Serve, sender_of: SenderOf, path: str
) -> None:
    server = serve(replies(OK))
    sender = sender_of(server.url.replace("/hook", path), auth=aws())
    assert sender.send_event("file_shared", {"name": "ü"})
    (arrived,) = server.arrived
    names = verified(arrived)
    assert {"host", "content-type", "x-amz-date", "x-amz-content-sha256", "webhook-id"} <= {*names}


@pytest.mark.parametrize("service", ["es", "aoss", "execute-api"])
def test_services_and_session_tokens(serve: Serve, sender_of: SenderOf, service: str) -> None:
    server = serve(replies(OK))
    auth = aws(aws_service=service, aws_session_token=TOKEN)
    sender = sender_of(server.url, auth=auth, compression="gzip", headers={"X-Team": "a  b\tc  "})
    assert sender.send_event("file_shared", {"n": 1})
    (arrived,) = server.arrived
    names = verified(arrived)
    assert arrived.header("x-amz-security-token") == TOKEN
    assert {"x-amz-security-token", "content-encoding", "x-team"} <= {*names}
    assert f"/eu-central-1/{service}/" in str(arrived.header("authorization"))


def test_what_may_change_on_the_way_is_not_signed(serve: Serve, sender_of: SenderOf) -> None:
    server = serve(replies(OK))
    headers = {"User-Agent": "mine", "Connection": "keep-alive", "X-Amzn-Trace-Id": "fake"}
    assert sender_of(server.url, auth=aws(), headers=headers).send_event("file_shared", {})
    (arrived,) = server.arrived
    assert {"user-agent", "connection", "x-amzn-trace-id"}.isdisjoint(verified(arrived))


def test_each_attempt_is_signed_anew(serve: Serve, sender_of: SenderOf) -> None:
    server = serve(replies(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: 2\r\n\r\n", OK))
    assert sender_of(server.url, auth=aws()).send_event("file_shared", {})
    first, second = server.arrived
    assert verified(first)
    assert verified(second)
    assert first.header("x-amz-date") != second.header("x-amz-date")
    assert first.body == second.body


def test_a_changed_body_or_header_has_another_signature(serve: Serve, sender_of: SenderOf) -> None:
    """The verifier here can fail."""
    server = serve(replies(OK))
    assert sender_of(server.url, auth=aws()).send_event("file_shared", {})
    (arrived,) = server.arrived
    headers = {name.lower(): value for name, value in arrived.headers}
    for changed in ({"webhook-id": "other"}, {"x-amz-content-sha256": "0" * 64}):
        with pytest.raises(AssertionError):
            signed_headers("POST", "/hook", headers | changed, arrived.body)
    with pytest.raises(AssertionError):
        signed_headers("POST", "/hook?x", headers, arrived.body)


# --- Any URL.

_WORD = st.text(st.sampled_from("abcAZ019-._~%20%2F%e4+*:@!$'(),;="), max_size=12)


@given(
    path=st.lists(_WORD, max_size=5).map(lambda words: "/" + "/".join(words)),
    query=st.lists(st.tuples(_WORD, _WORD), max_size=4),
    body=st.binary(max_size=50),
    value=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=20),
    host=st.sampled_from(
        ["siem.example.com", "siem.example.com:443", "siem.example.com:8443", "[::1]"]
    ),
)
def test_any_url_body_and_header(
    path: str, query: list[tuple[str, str]], body: bytes, value: str, host: str
) -> None:
    pairs = "&".join(f"{name}={text}" for name, text in query)
    url = f"https://{host}{path}" + (f"?{pairs}" if pairs else "")
    auth = AwsSigV4Auth(KEY, SECRET, "eu-central-1", "es", TOKEN)
    transport = MemoryTransport([Response(200)])
    Driver(transport).run(auth.flow(Request(url, (("X-Team", value),), body), 1761739200.0))
    (request,) = transport.requests
    headers = {name.lower(): text.strip() for name, text in request.headers}
    headers["host"] = host.removesuffix(":443")
    target = path_as_sent(request.url) + ("?" + q if (q := request.url.partition("?")[2]) else "")
    assert "host" in signed_headers("POST", target, headers, body, "https")


def test_the_secret_key_does_not_travel_so_http_is_allowed() -> None:
    config = WebhookConfig(url="http://siem.example.com/", auth=aws(aws_session_token=TOKEN))
    assert SECRET not in repr(config)
    assert TOKEN not in repr(config)
