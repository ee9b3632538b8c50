"""Certificates that are replaced while a sender lives: used from then on, half of them never."""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from support.certificates import Pair, pair, pem, server_of
from support.drivers import Sending
from support.faulty import OK, Arrived, Faulty, Line, replies
from support.replacing import as_file, refused
from support.tls import server_tls

Serve = Callable[..., Faulty]
SenderOf = Callable[..., Sending]


pytestmark = pytest.mark.usefixtures("looks_at_once")


def _tells_subject(line: Line) -> None:
    """Answers, and notes of each request by whose certificate it came."""
    assert isinstance(line.sock, ssl.SSLSocket)
    names = dict(line.sock.getpeercert() or {}).get("subjectAltName", ())
    while (arrived := line.request()) is not None:
        arrived.headers += [("X-Subject", name) for kind, name in names if kind == "DNS"]
        line.send(OK)


def test_a_client_certificate_that_is_replaced_is_used_from_then_on(
    serve: Serve, ca: trustme.CA, clients: trustme.CA, sender_of: SenderOf, tmp_path: Path
) -> None:
    """The connection that was kept with the old one is dropped."""
    gone: list[int] = []

    def script(line: Line) -> None:
        _tells_subject(line)
        gone.append(line.number)

    server = serve(script, tls=server_of(pair(ca, "127.0.0.1"), clients=clients))
    tls = {"ca": pem(ca)} | _client_files(tmp_path, pair(clients, "old.example"))
    sender = sender_of(server.url, tls=tls)
    for _ in range(2):
        assert sender.send_event("file_shared", {})
    assert server.connections == 1
    _client_files(tmp_path, pair(clients, "new.example"))
    for _ in range(2):
        assert sender.send_event("file_shared", {})
    subjects = [arrived.header("x-subject") for arrived in server.arrived]
    assert subjects == ["old.example"] * 2 + ["new.example"] * 2
    assert server.connections == 2
    server.count(4)
    assert _soon(lambda: gone == [1]), "the old connection is still there"


def _client_files(folder: Path, made: Pair) -> dict[str, str]:
    return {
        "client_cert": as_file(folder, "client.pem", made.certificate),
        "client_key": as_file(folder, "client.key", made.key),
    }


def _soon(is_so: Callable[[], bool]) -> bool:
    import time

    until = time.monotonic() + 60
    while not is_so() and time.monotonic() < until:
        time.sleep(0.01)
    return is_so()


def test_half_a_replacement_leaves_the_old_certificate_in_use(
    serve: Serve,
    ca: trustme.CA,
    clients: trustme.CA,
    sender_of: SenderOf,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = serve(_tells_subject, tls=server_of(pair(ca, "127.0.0.1"), clients=clients))
    tls = {"ca": pem(ca)} | _client_files(tmp_path, pair(clients, "old.example"))
    sender = sender_of(server.url, tls=tls)
    assert sender.send_event("file_shared", {})
    new = pair(clients, "new.example")
    as_file(tmp_path, "client.pem", new.certificate)
    with caplog.at_level(logging.WARNING, logger="vaulytica"):
        for _ in range(2):
            assert sender.send_event("file_shared", {})
    (warning,) = caplog.messages
    assert "tls.client_key is not that of tls.client_cert" in warning
    (tmp_path / "client.key").unlink()
    assert sender.send_event("file_shared", {})
    as_file(tmp_path, "client.key", new.key)
    assert sender.send_event("file_shared", {})
    subjects = [arrived.header("x-subject") for arrived in server.arrived]
    assert subjects == ["old.example"] * 4 + ["new.example"]
    assert server.connections == 2


def test_an_authority_that_is_replaced_is_trusted_from_then_on(
    serve: Serve, sender_of: SenderOf, tmp_path: Path
) -> None:
    old, new = trustme.CA(), trustme.CA()
    first, second = serve(replies(OK), tls=server_tls(old)), serve(replies(OK), tls=server_tls(new))
    sender = sender_of(first.url, tls={"ca": as_file(tmp_path, "ca.pem", pem(old))})
    assert sender.send_event("file_shared", {})
    as_file(tmp_path, "ca.pem", pem(new))
    first.arrived.clear()
    refused(first, sender)
    after = sender_of(second.url, tls={"ca": str(tmp_path / "ca.pem")})
    assert after.send_event("file_shared", {})


def test_what_is_under_way_ends_on_its_old_connection(
    serve: Serve, ca: trustme.CA, clients: trustme.CA, tmp_path: Path
) -> None:
    """With asyncio, where all connections are one object's."""
    import asyncio

    from support.drivers import config_for
    from vaulytica.integrations.webhook import AsyncWebhookSender

    replaced, quick_is_there = threading.Event(), threading.Event()

    def slowly(arrived: Arrived) -> bytes:
        if b'"slow"' in arrived.body:
            _client_files(tmp_path, pair(clients, "new.example"))
            replaced.set()
            assert quick_is_there.wait(60)
        return OK

    server = serve(replies(slowly), tls=server_of(pair(ca, "127.0.0.1"), clients=clients))
    tls = {"ca": pem(ca)} | _client_files(tmp_path, pair(clients, "old.example"))

    async def both() -> None:
        async with AsyncWebhookSender(config_for(server.url, tls=tls)) as sender:
            slow = asyncio.create_task(sender.send_event("slow", {}))
            while not replaced.is_set():
                await asyncio.sleep(0.01)
            assert await sender.send_event("quick", {})
            assert not slow.done()
            quick_is_there.set()
            assert await slow
            assert await sender.send_event("quick", {})

    asyncio.run(both())
    assert (server.connections, len(server.arrived)) == (2, 3)
