"""Real handshakes, with certificates made on the spot: what is refused, and that it is not retried."""

from __future__ import annotations

import socket
import ssl
import warnings
from collections.abc import Callable

import pytest
import trustme

from support.drivers import Sending
from support.faulty import OK, Faulty, Line, replies
from support.tls import demanding_tls, old_tls, server_tls
from vaulytica.integrations.webhook import (
    WebhookExhaustedError,
    WebhookSecurityWarning,
    WebhookTLSError,
)

Serve = Callable[..., Faulty]
SenderOf = Callable[..., Sending]


def refused(server: Faulty, sender: Sending) -> str:
    """The text of the error; asserts that one connection was made, and no event went over it."""
    with pytest.raises(WebhookTLSError) as caught:
        sender.send_event("file_shared", {})
    assert caught.value.attempts == 1
    assert (server.connections, server.arrived) == (1, [])
    text = str(caught.value)
    assert text.startswith(f"{server.origin}: event rejected after 1 attempt: no trusted TLS")
    return text


def test_a_trusted_certificate_is_accepted(
    serve: Serve, ca: trustme.CA, trusted: None, sender_of: SenderOf
) -> None:
    server = serve(replies(OK), tls=server_tls(ca))
    sender = sender_of(server.url)
    assert sender.send_event("file_shared", {})
    assert sender.send_event("file_shared", {})
    assert (server.connections, len(server.arrived)) == (1, 2)


def test_a_certificate_for_another_name_is_refused(
    serve: Serve, ca: trustme.CA, trusted: None, sender_of: SenderOf
) -> None:
    server = serve(replies(OK), tls=server_tls(ca, "elsewhere.example"))
    assert "127.0.0.1" in refused(server, sender_of(server.url))


def test_an_expired_certificate_is_refused(
    serve: Serve, ca: trustme.CA, trusted: None, sender_of: SenderOf
) -> None:
    server = serve(replies(OK), tls=server_tls(ca, days=-1))
    assert "expired" in refused(server, sender_of(server.url))


def test_an_unknown_authority_is_refused(serve: Serve, trusted: None, sender_of: SenderOf) -> None:
    server = serve(replies(OK), tls=server_tls(trustme.CA()))
    assert "certificate" in refused(server, sender_of(server.url))


def test_the_tests_own_authority_is_not_trusted_by_default(
    serve: Serve, ca: trustme.CA, sender_of: SenderOf
) -> None:
    server = serve(replies(OK), tls=server_tls(ca))
    refused(server, sender_of(server.url))


@pytest.fixture
def old(serve: Serve, ca: trustme.CA) -> Faulty:
    """A server that speaks TLS 1.1 at most; skips where this Python's OpenSSL cannot even offer that."""
    try:
        server = serve(replies(OK), tls=old_tls(ca))
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            client.minimum_version = ssl.TLSVersion.TLSv1_1
        client.set_ciphers("ALL:@SECLEVEL=0")
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            client.wrap_socket(sock).close()
    except (ssl.SSLError, ValueError) as error:
        pytest.skip(f"this OpenSSL offers no TLS 1.1: {error}")
    server.connections = 0
    return server


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.filterwarnings("ignore::vaulytica.errors.WebhookSecurityWarning")
def test_tls_1_1_is_refused_whatever_the_certificate(
    verify: bool, old: Faulty, trusted: None, sender_of: SenderOf
) -> None:
    assert "protocol" in refused(old, sender_of(old.url, verify_ssl=verify))


def test_a_server_that_demands_a_client_certificate_is_not_tried_again(
    serve: Serve, ca: trustme.CA, trusted: None, sender_of: SenderOf
) -> None:
    server = serve(replies(OK), tls=demanding_tls(ca))
    assert "certificate required" in refused(server, sender_of(server.url))


def test_a_port_that_speaks_plain_http_is_not_tried_again(
    serve: Serve, sender_of: SenderOf
) -> None:
    def plain(line: Line) -> None:
        line.sock.recv(65536)
        line.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        line.end()

    server = serve(plain)
    server.origin = server.origin.replace("http:", "https:")
    refused(server, sender_of(f"{server.origin}/hook"))


@pytest.mark.parametrize("end", [Line.end, Line.reset])
def test_a_handshake_cut_off_is_a_broken_connection_and_tried_again(
    end: Callable[[Line], None], serve: Serve, sender_of: SenderOf
) -> None:
    """As behind a load balancer whose servers are restarting; nothing is wrong with the certificate."""

    def cut(line: Line) -> None:
        line.sock.recv(65536)
        end(line)

    server = serve(cut)
    with pytest.raises(WebhookExhaustedError) as caught:
        sender_of(server.url.replace("http:", "https:")).send_event("file_shared", {})
    assert (caught.value.attempts, server.connections) == (3, 3)


def test_verify_ssl_false_works_and_warns_once(serve: Serve, sender_of: SenderOf) -> None:
    server = serve(replies(OK), tls=server_tls(trustme.CA(), "elsewhere.example", days=-1))
    with pytest.warns(WebhookSecurityWarning, match="verify_ssl=False") as warned:
        sender = sender_of(server.url, verify_ssl=False)
    assert warned[0].filename.endswith("drivers.py"), "the warning points at who made the sender"
    # From here on a warning is an error.
    assert sender.send_event("file_shared", {})
    assert sender.send_batch([{"type": "file_shared"}] * 3) == 3
    assert sender.test_connection()
    assert len(warned) == 1


def test_the_warning_is_given_however_the_sender_is_used(kind: str) -> None:
    from support.drivers import config_for, sending

    with pytest.warns(WebhookSecurityWarning):
        sending(kind, config_for("https://127.0.0.1:9/", verify_ssl=False)).finish()
