"""A small HTTP proxy on loopback: CONNECT and plain forwarding. It keeps what it was asked."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading

from support.faulty import Arrived, Faulty, Line, http


class Proxy(Faulty):
    """Forwards every request to `port` on loopback, whatever host was named, or answers `refusal`.

    `targets` are the request lines' targets: `host:port` for CONNECT, a whole URL for forwarding.
    """

    def __init__(
        self, port: int, *, refusal: bytes | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self._port, self._refusal = port, refusal
        super().__init__(self._proxy, tls=tls)
        self.url = self.origin

    @property
    def targets(self) -> list[str]:
        return [arrived.target for arrived in self.arrived]

    def _proxy(self, line: Line) -> None:
        while (arrived := line.head()) is not None:
            if self._refusal is not None:
                line.send(self._refusal)
                line.end()
                return
            if arrived.line.startswith("CONNECT "):
                self._tunnel(line)
                return
            self._forward(line, arrived)

    def _tunnel(self, line: Line) -> None:
        with socket.create_connection(("127.0.0.1", self._port)) as onward:
            line.send(http(200))
            back = threading.Thread(target=pump, args=(onward, line.sock), daemon=True)
            back.start()
            pump(line.sock, onward)
            back.join()

    def _forward(self, line: Line, arrived: Arrived) -> None:
        arrived.body = line.body(arrived)
        path = "/" + arrived.target.split("/", 3)[3]
        headers = [h for h in arrived.headers if not h[0].lower().startswith("proxy-")]
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        with socket.create_connection(("127.0.0.1", self._port)) as onward:
            onward.sendall(f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + arrived.body)
            line.send(onward.recv(65536))


def pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(piece)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def at(scheme: str, proxy: Faulty, user: str = "") -> str:
    return f"{scheme}://{user}127.0.0.1:{proxy.port}"
