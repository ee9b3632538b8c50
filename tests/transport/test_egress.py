"""Where we connect: the egress policy, held at the socket, against servers on this machine."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.drivers import Sending
from support.faulty import OK, Faulty, http, replies
from vaulytica.integrations.webhook import (
    WebhookAuth,
    WebhookConfigError,
    WebhookEgressError,
    WebhookExhaustedError,
    WebhookRejectedError,
)

Serve = Callable[..., Faulty]
SenderOf = Callable[..., Sending]
HERE = {"allow": ["127.0.0.0/8"]}


@pytest.fixture
def server(serve: Serve) -> Faulty:
    return serve(replies(OK))


def refused(sender: Sending) -> str:
    with pytest.raises(WebhookEgressError) as caught:
        sender.send_event("file_shared", {})
    assert (caught.value.attempts, caught.value.kind) == (1, "egress")
    assert sender.waits == []
    return str(caught.value)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0x7F000001",
        "0177.0.0.1",
        "127.0.0.1.",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
        "[::FFFF:7f00:1]",
        "localhost",
        "LOCALHOST",
        "LocalHost.",
        "x.localhost",
        "１２７.０.０.１",
        "①②⑦.0.0.1",
        "ｌｏｃａｌｈｏｓｔ",
    ],
)
def test_public_only_refuses_this_machine_however_it_is_written(
    host: str, server: Faulty, sender_of: SenderOf
) -> None:
    text = refused(sender_of(f"http://{host}:{server.port}/", egress="public-only"))
    assert "egress refused: " in text
    assert "is not public: " in text
    assert server.connections == 0


def test_public_only_refuses_this_machine_over_ipv6(serve: Serve, sender_of: SenderOf) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        server = serve(replies(OK), host="::1")
    except OSError as error:
        pytest.skip(f"no IPv6 loopback: {error}")
    assert "::1 is not public: loopback" in refused(
        sender_of(f"http://[::1]:{server.port}/", egress="public-only")
    )
    assert server.connections == 0


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "168.63.129.16",
        "100.64.0.1",
        "192.0.0.192",
        "224.0.0.1",
        "255.255.255.255",
        "10.255.255.1",
        "[fe80::1]",
        "[fec0::1]",
        "[fd00:ec2::254]",
        "[ff02::1]",
        "[::]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
    ],
)
def test_public_only_refuses_special_addresses(host: str, sender_of: SenderOf) -> None:
    assert "is not public" in refused(sender_of(f"http://{host}/", egress="public-only"))


def test_what_is_allowed_is_reached_and_its_connection_kept(
    server: Faulty, sender_of: SenderOf
) -> None:
    sender = sender_of(server.url, egress=HERE)
    for _ in range(5):
        assert sender.send_event("file_shared", {})
    assert (server.connections, len(server.arrived)) == (1, 5)


def test_every_new_connection_is_judged_anew(serve: Serve, sender_of: SenderOf) -> None:
    server = serve(replies(http(200, b"", [("Connection", "close")])))
    sender = sender_of(server.url, egress=HERE)
    for _ in range(3):
        assert sender.send_event("file_shared", {})
    assert server.connections == 3


@pytest.mark.parametrize("host", ["0.0.0.0", "0", "0.0", "[::ffff:0.0.0.0]"])
def test_deny_of_loopback_holds_for_the_unspecified_address_too(
    host: str, server: Faulty, sender_of: SenderOf
) -> None:
    """To connect to it is to connect to this machine."""
    deny = {"deny": ["127.0.0.0/8", "::1/128"]}
    text = refused(sender_of(f"http://{host}:{server.port}/", egress=deny))
    assert "leads to 127.0.0.1, which is in deny 127.0.0.0/8" in text
    text = refused(sender_of(f"http://[::]:{server.port}/", egress=deny))
    assert "leads to ::1, which is in deny ::1/128" in text
    assert server.connections == 0


def test_deny_wins_over_allow(server: Faulty, sender_of: SenderOf) -> None:
    egress = {"allow": ["127.0.0.0/8"], "deny": ["127.0.0.1"]}
    text = refused(sender_of(server.url, egress=egress))
    assert "egress refused: 127.0.0.1 is in deny 127.0.0.1/32" in text
    assert server.connections == 0


def test_allow_alone_lets_nothing_else_pass(server: Faulty, sender_of: SenderOf) -> None:
    text = refused(sender_of(server.url, egress={"allow": ["public", "10.0.0.0/8"]}))
    assert "egress refused: 127.0.0.1 is not public: loopback" in text
    text = refused(sender_of(server.url, egress={"allow": ["10.0.0.0/8"]}))
    assert "egress refused: 127.0.0.1 is in none of allow" in text
    assert server.connections == 0


def test_no_address_of_a_name_is_tried_if_one_is_refused(
    server: Faulty, sender_of: SenderOf
) -> None:
    """localhost is ::1 and 127.0.0.1 to libcurl; either alone may be refused."""
    for denied in ("::1", "127.0.0.1"):
        sender = sender_of(f"http://localhost:{server.port}/", egress={"deny": [denied]})
        text = refused(sender)
        assert f"{denied} is in deny" in text
        assert "its name has 1 more, and none of them is tried" in text
    assert server.connections == 0


def test_a_second_address_is_tried_where_all_are_allowed(
    server: Faulty, sender_of: SenderOf
) -> None:
    sender = sender_of(f"http://localhost:{server.port}/", egress={"allow": ["127.0.0.0/8", "::1"]})
    assert sender.send_event("file_shared", {})
    assert server.connections == 1


def test_a_token_request_is_held_to_the_policy(
    serve: Serve, server: Faulty, sender_of: SenderOf
) -> None:
    tokens = serve(replies(http(200, b'{"access_token": "t", "expires_in": 60}')))
    auth = WebhookAuth(
        auth_type="oauth2",
        oauth2_token_url=f"http://localhost:{tokens.port}/token",
        oauth2_client_id="id",
        oauth2_client_secret="obviously-fake",
    )
    text = refused(sender_of(server.url, auth=auth, egress={"deny": ["::1"]}))
    assert "no token" in text
    assert "egress refused: ::1 is in deny ::1/128" in text
    assert (tokens.connections, server.connections) == (0, 0)


def test_redirects_are_not_followed_around_the_policy(serve: Serve, sender_of: SenderOf) -> None:
    inside = serve(replies(OK))
    server = serve(replies(http(307, b"", [("Location", inside.url)])))
    with pytest.raises(WebhookRejectedError, match="which is not followed"):
        sender_of(server.url, egress=HERE).send_event("file_shared", {})
    assert inside.connections == 0


def test_a_batch_is_refused_with_one_look(server: Faulty, sender_of: SenderOf) -> None:
    sender = sender_of(server.url, egress="public-only", concurrency=1)
    report = sender.send_batch([{"type": "file_shared"}] * 50)
    assert (report, report.counts.attempts) == (0, 1)
    first = report.results[0].reason
    assert first is not None
    assert (first.kind, server.connections) == ("egress", 0)


def test_check_says_what_is_refused_and_what_to_do(server: Faulty, sender_of: SenderOf) -> None:
    report = sender_of(server.url, egress="public-only").check()
    assert not report.ok
    assert report.failed.name == "address"
    assert report.failed.detail.startswith("egress refused: 127.0.0.1 is not public: loopback")
    assert "egress" in report.failed.advice
    assert server.connections == 0
    assert sender_of(server.url, egress=HERE).check().ok


def test_an_allowed_address_where_nobody_listens_is_no_refusal(sender_of: SenderOf) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(WebhookExhaustedError, match="no connection") as caught:
        sender_of(f"http://127.0.0.1:{port}/", egress=HERE).send_event("file_shared", {})
    assert caught.value.attempts == 3


@pytest.mark.parametrize(
    "url",
    ["file://localhost/etc/passwd", "ftp://127.0.0.1/", "unix://run/x.sock", "gopher://127.0.0.1/"],
)
def test_only_http_and_https_are_taken(url: str, sender_of: SenderOf) -> None:
    with pytest.raises(WebhookConfigError, match="must begin with https:// or http://"):
        sender_of(url)


def test_a_child_process_does_not_inherit_the_connection(
    server: Faulty, kind: str, sender_of: SenderOf
) -> None:
    sender: Any = sender_of(server.url, egress=HERE)
    assert sender.send_event("file_shared", {})
    ours = [fd for fd in _sockets() if _peer(fd) == ("127.0.0.1", server.port)]
    assert len(ours) == 1
    assert not os.get_inheritable(ours[0])


def _sockets() -> set[int]:
    try:
        return {int(path.name) for path in Path("/proc/self/fd").iterdir()}
    except OSError:
        pytest.skip("no /proc here")


def _peer(descriptor: int) -> object:
    try:
        with socket.socket(fileno=os.dup(descriptor)) as copy:
            return copy.getpeername()
    except OSError:
        return None
