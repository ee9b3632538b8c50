"""Kept connections: whether the other end has closed one, looked at just before it is used again.

libcurl itself looks once a second at most, and sends into a connection whose end has long arrived.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Iterable

Addresses = tuple[str, str, int, int]  # of a connection: theirs and ours, their port and ours

_ENDED = select.POLLHUP | select.POLLERR | select.POLLNVAL | getattr(select, "POLLRDHUP", 0)


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

        Then whatever has come unasked would be taken for the answer. In TLS it may be a new ticket.
        """
        number = self._sockets.get(addresses)
        if number is None:
            return False
        look = select.poll()
        look.register(number, _ENDED | select.POLLIN if clear else _ENDED)
        return bool(look.poll(0))


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
