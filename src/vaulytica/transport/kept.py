"""Kept connections: whether the other end has closed one, looked at just before it is used again.

libcurl itself looks once a second at most, and sends into a connection whose end has long arrived.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Iterable

Addresses = tuple[str, str, int, int]  # of a connection: theirs and ours, their port and ours

_ENDED = select.POLLHUP | select.POLLERR | select.POLLNVAL | getattr(select, "POLLRDHUP", 0)
# In TLS 1.3 all looks like data; an alert is told by its length: two bytes, one for its kind, 16 of the tag.
_ALERT, _ENCRYPTED, _ENCRYPTED_ALERT = 21, 23, 19
_LOOKED_AT = 4096  # bytes of what has come: some tickets, and what follows them


class KeptConnections:
    """The sockets of connections: libcurl names a socket when it makes one, and addresses when it uses one.

    One that was closed may still be listed, by a number that is another's by now: to ask for its
    addresses again is to have made a connection anew, which is then listed in its place.
    """

    def __init__(self) -> None:
        self._sockets: dict[Addresses, int] = {}
        self._addresses: dict[int, Addresses] = {}

    def add(self, sockets: Iterable[int], addresses: Addresses) -> None:
        """One of these sockets has become the connection with these addresses."""
        for number in sockets:
            if _local_address(number) == (addresses[1], addresses[3]):
                self._sockets.pop(self._addresses.pop(number, addresses), None)
                self._sockets[addresses] = number
                self._addresses[number] = addresses

    def has_ended(self, addresses: Addresses, *, clear: bool) -> bool:
        """Whether there is no use in sending by this connection. `clear`: it is without TLS.

        Then whatever has come unasked would be taken for the answer. In TLS it may be a new ticket, or
        the end.
        """
        number = self._sockets.get(addresses)
        if number is None:
            return False
        look = select.poll()
        look.register(number, _ENDED | select.POLLIN)
        for _, news in look.poll(0):
            return clear or bool(news & _ENDED) or _says_it_ends(number)
        return False


def _says_it_ends(number: int) -> bool:
    """Whether an alert has come by TLS, as a server sends before it closes (RFC 8446, 6.1)."""
    try:
        borrowed = socket.socket(fileno=number)
    except OSError:
        return True
    try:
        records = borrowed.recv(_LOOKED_AT, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        borrowed.detach()
    while len(records) >= 5:
        kind, length = records[0], int.from_bytes(records[3:5])
        if kind == _ALERT or (kind == _ENCRYPTED and length == _ENCRYPTED_ALERT):
            return True
        records = records[5 + length :]
    return False


def _local_address(number: int) -> tuple[str, int] | None:
    try:
        borrowed = socket.socket(fileno=number)
    except OSError:  # one of several that were tried, and closed
        return None
    try:
        host, port = borrowed.getsockname()[:2]
        return host, port
    except (OSError, ValueError):
        return None
    finally:
        borrowed.detach()
