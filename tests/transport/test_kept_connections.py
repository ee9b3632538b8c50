"""What waits to be read on a kept TLS connection: whether that is its end."""

from __future__ import annotations

import socket

import pytest

from vaulytica.transport.kept import KeptConnections


def record(kind: int, length: int) -> bytes:
    return bytes((kind, 3, 3)) + length.to_bytes(2) + bytes(length)


ALERT, ENCRYPTED_ALERT, TICKET = record(21, 26), record(23, 19), record(23, 250)


@pytest.mark.parametrize(
    ("unread", "ended"),
    [
        (b"", False),
        (ALERT, True),
        (ENCRYPTED_ALERT, True),
        (TICKET * 2, False),
        (TICKET * 2 + ENCRYPTED_ALERT, True),
        (TICKET[:100], False),
        (ENCRYPTED_ALERT[:3], False),
    ],
)
def test_an_alert_is_told_from_tickets(unread: bytes, ended: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    with ours, theirs:
        (host, port), (peer, peer_port) = ours.getsockname(), ours.getpeername()
        kept = KeptConnections()
        kept.add([ours.fileno()], (peer, host, peer_port, port))
        if unread:
            theirs.sendall(unread)
            # Loopback: all has come by the time it can be read in full.
            assert ours.recv(len(unread), socket.MSG_PEEK | socket.MSG_WAITALL) == unread
        assert kept.has_ended((peer, host, peer_port, port), clear=False) == ended
        if unread:
            assert ours.recv(len(unread)) == unread, "nothing of it was taken away"
