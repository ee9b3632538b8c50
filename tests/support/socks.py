"""A small SOCKS5 proxy on loopback (RFC 1928, 1929): CONNECT, with or without a password."""

from __future__ import annotations

import socket
import struct
import threading

from support.faulty import Faulty, Line
from support.proxy import pump

SUCCEEDED, FAILED, NOT_ALLOWED, NET_UNREACHABLE, HOST_UNREACHABLE, REFUSED, EXPIRED = range(7)
_NONE, _PASSWORD, _NO_METHOD = 0x00, 0x02, 0xFF


class Socks5(Faulty):
    """Connects to `port` on loopback, whatever is named, or replies `reply`.

    `targets`: what was asked for, the host as a name or an address. `users`: who said what password.
    """

    def __init__(
        self, port: int, *, password: tuple[str, str] | None = None, reply: int = SUCCEEDED
    ) -> None:
        self._onward, self._password, self._reply = port, password, reply
        self.targets: list[str] = []
        self.users: list[tuple[str, str]] = []
        super().__init__(self._serve_socks)

    def _serve_socks(self, line: Line) -> None:
        sock = line.sock
        _, count = _take(sock, 2)
        methods = _take(sock, count)
        method = _NONE if self._password is None else _PASSWORD
        if method not in methods:
            line.send(bytes([5, _NO_METHOD]))
            line.end()
            return
        line.send(bytes([5, method]))
        if method == _PASSWORD and not self._lets_in(line):
            return
        _, _, _, kind = _take(sock, 4)
        if kind == 3:
            host = _take(sock, _take(sock, 1)[0]).decode()
        else:
            family, size = (socket.AF_INET, 4) if kind == 1 else (socket.AF_INET6, 16)
            host = socket.inet_ntop(family, _take(sock, size))
        (port,) = struct.unpack("!H", _take(sock, 2))
        self.targets.append(f"{host}:{port}")
        line.send(bytes([5, self._reply, 0, 1, 0, 0, 0, 0, 0, 0]))
        if self._reply != SUCCEEDED:
            line.end()
            return
        with socket.create_connection(("127.0.0.1", self._onward)) as onward:
            back = threading.Thread(target=pump, args=(onward, sock), daemon=True)
            back.start()
            pump(sock, onward)
            back.join()

    def _lets_in(self, line: Line) -> bool:
        _, length = _take(line.sock, 2)
        user = _take(line.sock, length).decode()
        password = _take(line.sock, _take(line.sock, 1)[0]).decode()
        self.users.append((user, password))
        right = (user, password) == self._password
        line.send(bytes([1, 0 if right else 1]))
        if not right:
            line.end()
        return right


def _take(sock: socket.socket, size: int) -> bytes:
    taken = b""
    while len(taken) < size:
        piece = sock.recv(size - len(taken))
        if not piece:
            raise ConnectionError("the client is gone")
        taken += piece
    return taken
