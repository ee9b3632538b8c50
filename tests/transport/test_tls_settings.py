"""TLS as the user sets it: authorities, client certificates, pins, versions, names; real handshakes."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from support.certificates import PASSWORD, pair, pem, server_of
from support.drivers import Sending
from support.faulty import OK, Faulty, Line, http, replies
from support.replacing import as_file, refused
from support.tls import demanding_tls, server_tls
from vaulytica.integrations.webhook import WebhookAuth, WebhookError

Serve = Callable[..., Faulty]
SenderOf = Callable[..., Sending]


pytestmark = pytest.mark.usefixtures("looks_at_once")


# --- Authorities.


@pytest.mark.parametrize("how", ["file", "pem"])
def test_an_authority_of_ones_own_is_trusted(
    how: str, serve: Serve, ca: trustme.CA, sender_of: SenderOf, tmp_path: Path
) -> None:
    server = serve(replies(OK), tls=server_tls(ca))
    given = as_file(tmp_path, "ca.pem", pem(ca)) if how == "file" else pem(ca)
    assert sender_of(server.url, tls={"ca": given}).send_event("file_shared", {})


def test_it_takes_the_place_of_all_others(
    serve: Serve, ca: trustme.CA, trusted: None, sender_of: SenderOf
) -> None:
    server = serve(replies(OK), tls=server_tls(ca))
    assert sender_of(server.url).send_event("file_shared", {})
    server.arrived.clear()
    refused(server, sender_of(server.url, tls={"ca": pem(trustme.CA())}))


def test_a_bundle_may_hold_several(serve: Serve, ca: trustme.CA, sender_of: SenderOf) -> None:
    server = serve(replies(OK), tls=server_tls(ca))
    bundle = pem(trustme.CA()) + pem(ca)
    assert sender_of(server.url, tls={"ca": bundle}).send_event("file_shared", {})


# --- Client certificates.


@pytest.mark.parametrize("how", ["files", "one file", "pem", "encrypted files", "encrypted pem"])
def test_a_client_certificate_is_shown(
    how: str,
    serve: Serve,
    ca: trustme.CA,
    clients: trustme.CA,
    sender_of: SenderOf,
    tmp_path: Path,
) -> None:
    made = pair(clients)
    certificate, key = made.certificate, made.encrypted_key if "encrypted" in how else made.key
    tls = {"ca": pem(ca), "client_cert": certificate, "client_key": key}
    if how == "one file":
        tls["client_cert"] = as_file(tmp_path, "both.pem", certificate + key)
        del tls["client_key"]
    elif "file" in how:
        tls["client_cert"] = as_file(tmp_path, "client.pem", certificate)
        tls["client_key"] = as_file(tmp_path, "client.key", key)
    if "encrypted" in how:
        tls["client_key_password"] = PASSWORD
    server = serve(_tells_subject, tls=server_of(pair(ca, "127.0.0.1"), clients=clients))
    sender = sender_of(server.url, tls=tls)
    assert sender.send_event("file_shared", {})
    assert server.arrived[0].header("x-subject") == "client.example"
    assert sender.check().ok


def _tells_subject(line: Line) -> None:
    """Answers, and notes of each request by whose certificate it came."""
    assert isinstance(line.sock, ssl.SSLSocket)
    names = dict(line.sock.getpeercert() or {}).get("subjectAltName", ())
    while (arrived := line.request()) is not None:
        arrived.headers += [("X-Subject", name) for kind, name in names if kind == "DNS"]
        line.send(OK)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("given", ["none", "another authority's"])
def test_a_client_certificate_that_is_refused_is_not_tried_again(
    version: ssl.TLSVersion, given: str, serve: Serve, ca: trustme.CA, sender_of: SenderOf
) -> None:
    """With TLS 1.3 the server says so only after the handshake."""
    context = demanding_tls(ca)
    context.minimum_version = context.maximum_version = version
    server = serve(replies(OK), tls=context)
    tls = {"ca": pem(ca)}
    if given != "none":
        made = pair(trustme.CA())
        tls |= {"client_cert": made.certificate, "client_key": made.key}
    text = refused(server, sender_of(server.url, tls=tls))
    assert "alert" in text
    assert server.connections == 1


def test_a_refusal_that_comes_too_early_to_be_heard_is_told_with_a_hint(
    serve: Serve, ca: trustme.CA, sender_of: SenderOf
) -> None:
    """Whichever of the two it is, nothing is delivered; many times, since it is a matter of timing."""
    server = serve(replies(OK), tls=demanding_tls(ca))
    for _ in range(10):
        sender = sender_of(server.url, tls={"ca": pem(ca)})
        with pytest.raises(WebhookError) as caught:
            sender.send_event("file_shared", {"large": "x" * 400_000})
        said = str(caught.value)
        assert "alert" in said or (
            "just after the handshake: if often, see whether it wants a client certificate" in said
        )
    assert server.arrived == []


def test_a_token_request_shows_the_client_certificate_too(
    serve: Serve, ca: trustme.CA, clients: trustme.CA, sender_of: SenderOf
) -> None:
    """As RFC 8705 wants it; the pins are not for the token endpoint, whose key is another."""
    made, own = pair(clients), pair(ca, "127.0.0.1")
    token = http(200, b'{"access_token": "t", "token_type": "Bearer", "expires_in": 60}')
    tokens = serve(replies(token), tls=server_of(pair(ca, "127.0.0.1"), clients=clients))
    server = serve(replies(OK), tls=server_of(own, clients=clients))
    auth = WebhookAuth(
        auth_type="oauth2",
        oauth2_token_url=tokens.url,
        oauth2_client_id="id",
        oauth2_client_secret="obviously-fake",
    )
    pins = [own.pin, pair(ca).pin]
    tls = {
        "ca": pem(ca), "client_cert": made.certificate, "client_key": made.key, "pins": pins,
    }  # fmt: skip
    sender = sender_of(server.url, auth=auth, tls=tls)
    for _ in range(2):
        assert sender.send_event("file_shared", {})
    assert (len(tokens.arrived), len(server.arrived), server.connections) == (1, 2, 1)


# --- Versions.


def _only(context: ssl.SSLContext, version: ssl.TLSVersion) -> ssl.SSLContext:
    context.minimum_version = context.maximum_version = version
    return context


def test_tls_1_2_is_enough_unless_1_3_is_asked_for(
    serve: Serve, ca: trustme.CA, sender_of: SenderOf
) -> None:
    server = serve(replies(OK), tls=_only(server_tls(ca), ssl.TLSVersion.TLSv1_2))
    text = refused(server, sender_of(server.url, tls={"ca": pem(ca), "min_version": "1.3"}))
    assert "protocol version" in text
    assert sender_of(server.url, tls={"ca": pem(ca)}).send_event("file_shared", {})


@pytest.mark.parametrize("version", ["1.2", "1.3", 1.3])
def test_tls_1_3_is_spoken_with_who_speaks_it(
    version: object, serve: Serve, ca: trustme.CA, sender_of: SenderOf
) -> None:
    server = serve(replies(OK), tls=_only(server_tls(ca), ssl.TLSVersion.TLSv1_3))
    tls = {"ca": pem(ca), "min_version": version}
    assert sender_of(server.url, tls=tls).send_event("file_shared", {})


# --- Pins.


@pytest.mark.parametrize("place", [0, 1])
def test_a_key_that_is_pinned_is_accepted_as_the_first_or_as_the_backup(
    place: int, serve: Serve, ca: trustme.CA, sender_of: SenderOf
) -> None:
    own = pair(ca, "127.0.0.1")
    pins = [pair(ca).pin]
    pins.insert(place, own.pin)
    server = serve(replies(OK), tls=server_of(own))
    sender = sender_of(server.url, tls={"ca": pem(ca), "pins": pins})
    assert sender.send_event("file_shared", {})
    assert sender.check().ok


def test_a_key_that_is_not_pinned_is_refused_though_its_certificate_is_trusted(
    serve: Serve, ca: trustme.CA, sender_of: SenderOf
) -> None:
    server = serve(replies(OK), tls=server_of(pair(ca, "127.0.0.1")))
    tls = {"ca": pem(ca), "pins": [pair(ca).pin, pair(ca).pin]}
    sender = sender_of(server.url, tls=tls)
    text = refused(server, sender)
    assert "public key does not match pinned" in text
    report = sender.check()
    assert report.failed.name == "tls"
    assert "pin" in report.failed.advice


@pytest.mark.filterwarnings("ignore::vaulytica.errors.WebhookSecurityWarning")
def test_a_pin_holds_also_without_verification(
    serve: Serve, ca: trustme.CA, sender_of: SenderOf
) -> None:
    own = pair(ca, "127.0.0.1")
    server = serve(replies(OK), tls=server_of(own))
    wrong = [pair(ca).pin, pair(ca).pin]
    refused(server, sender_of(server.url, verify_ssl=False, tls={"pins": wrong}))
    right = [own.pin, pair(ca).pin]
    sender = sender_of(server.url, verify_ssl=False, tls={"pins": right})
    assert sender.send_event("file_shared", {})


# --- The name that is asked for.


def test_server_name_is_asked_for_and_checked_and_the_host_stays(
    serve: Serve, ca: trustme.CA, sender_of: SenderOf
) -> None:
    asked: list[str | None] = []
    context = server_of(pair(ca, "inner.example"))
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    server = serve(replies(OK), tls=context)
    tls = {"ca": pem(ca), "server_name": "inner.example"}
    sender = sender_of(server.url, tls=tls)
    assert sender.send_event("file_shared", {})
    assert asked == ["inner.example"]
    assert server.arrived[0].header("host") == f"127.0.0.1:{server.port}"
    assert server.arrived[0].target == "/hook"
    assert sender.check().ok
    named = sender_of(server.url, tls=tls, headers={"Host": "outer.example"})
    assert named.send_event("file_shared", {})
    assert server.arrived[-1].all("host") == ["outer.example"]
    server.arrived.clear()
    other = {"ca": pem(ca), "server_name": "other.example"}
    assert "other.example" in refused(server, sender_of(server.url, tls=other))
