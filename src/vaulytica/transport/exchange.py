"""Exchange: one libcurl handle, prepared for a request, and its answer read back.

What libcurl would do unasked stays off: no redirects, netrc, cookies, decompression, silent sending
again, nor proxies from the environment unless `trust_env`. See `handle` for most of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pycurl

from vaulytica.delivery.request import (
    MAX_ANSWER_BYTES,
    Certificate,
    Header,
    Probe,
    Request,
    Response,
    refuse_control_characters,
)
from vaulytica.errors import FailureKind, TransportFailure
from vaulytica.transport.curl_failures import failure_by_proxy, failure_of
from vaulytica.transport.egress import Gate
from vaulytica.transport.handle import made
from vaulytica.transport.kept import KeptConnections
from vaulytica.transport.network import Network
from vaulytica.transport.tls import Material

_CUT = (pycurl.E_SEND_ERROR, pycurl.E_RECV_ERROR)
_NO_MORE = [b"\r\n"]
# What libcurl takes of a body at a time: its own default, and what holds most batches in one piece.
_SMALLEST_PIECE, _LARGEST_PIECE = 64 * 1024, 512 * 1024


class Exchange:
    """A libcurl handle with its settings, used for one request after another."""

    def __init__(
        self, network: Network, material: Material, kept: KeptConnections, *, pinned: bool
    ) -> None:
        self.material, self.pinned = material, pinned
        self._kept = kept
        self._opened: list[int] = []  # sockets, for this request
        self._had_ended = self._anew = False
        self._head: list[bytes] = []
        self._body: list[bytes] = []
        self._room = MAX_ANSWER_BYTES
        self._unsent = BytesIO()
        self._url = ""
        self._host: str | None = None
        self._server_name = network.tls.server_name if pinned else None
        self._timeout = 0.0
        self._method = "POST"
        self._piece = _SMALLEST_PIECE
        self.curl = curl = made(network, material, pinned=pinned)
        self._gate: Gate | None = None
        if not network.egress.is_any:
            self._gate = Gate(
                network.egress, pycurl.SOCKET_BAD, proxy_is_guard=network.proxy_is_guard
            )
            curl.setopt(pycurl.OPENSOCKETFUNCTION, self._gate.open)
        curl.setopt(pycurl.SOCKOPTFUNCTION, self._open)
        curl.setopt(pycurl.PREREQFUNCTION, self._begin)
        curl.setopt(pycurl.POST, 1)
        curl.setopt(pycurl.HEADERFUNCTION, self._head.append)
        curl.setopt(pycurl.WRITEFUNCTION, self._take)
        # libcurl cannot rewind a function. Given the bytes themselves it would send them once more,
        # unasked and uncounted, when a kept connection ends before an answer.
        curl.setopt(pycurl.READFUNCTION, self._unsent.read)

    def prepare(self, request: Request) -> None:
        """Set what differs from request to request."""
        if self._anew:
            self._set_anew(False)
        self._opened.clear()
        if request.url != self._url:
            self._set_url(request.url)
        if request.timeout != self._timeout:
            self._set_timeout(request.timeout)
        if request.method != self._method:
            self.curl.setopt(pycurl.HTTPGET if request.method == "GET" else pycurl.POST, 1)
            self._method = request.method
        # "Expect:" keeps libcurl from asking first (100-continue) before a large body.
        lines = [f"{name}: {value}" if value else f"{name};" for name, value in request.headers]
        refuse_control_characters(lines)
        lines.append("Expect:")
        if self._host is not None and all(name.lower() != "host" for name, _ in request.headers):
            lines.append(self._host)
        try:
            self.curl.setopt(pycurl.HTTPHEADER, lines)
        except UnicodeEncodeError:
            self.curl.setopt(pycurl.HTTPHEADER, [line.encode("utf-8") for line in lines])
        if len(request.body) > self._piece < _LARGEST_PIECE:
            # Else libcurl comes back for each 64 KiB, and a loop wakes up for each.
            self._piece = min(2 * len(request.body), _LARGEST_PIECE)
            self.curl.setopt(pycurl.UPLOAD_BUFFERSIZE, self._piece)
        self._unsent.__init__(request.body)  # type: ignore[misc]  # anew, over these bytes
        self.curl.setopt(pycurl.POSTFIELDSIZE_LARGE, len(request.body))
        self._head.clear()
        self._body.clear()
        self._room = request.answer_bytes
        if self._gate is not None:
            self._gate.close()

    def _set_url(self, url: str) -> None:
        self._url = url
        if self._server_name is not None:
            # libcurl asks by SNI for the URL's host, and holds the certificate to it.
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port or 443
            url = urlunsplit(parts._replace(netloc=f"{self._server_name}:{port}"))
            there = f"[{host}]" if ":" in host else host
            self.curl.setopt(pycurl.CONNECT_TO, [f"{self._server_name}:{port}:{there}:{port}"])
            self._host = f"Host: {parts.netloc}"
        self.curl.setopt(pycurl.URL, url)

    def _set_timeout(self, seconds: float) -> None:
        milliseconds = max(1, int(seconds * 1000))
        self.curl.setopt(pycurl.TIMEOUT_MS, milliseconds)
        self.curl.setopt(pycurl.CONNECTTIMEOUT_MS, milliseconds)
        self._timeout = seconds

    def _set_anew(self, anew: bool) -> None:
        self.curl.setopt(pycurl.FRESH_CONNECT, int(anew))
        self._anew = anew

    def _open(self, socket: int, _purpose: int) -> int:
        self._opened.append(socket)
        # Where we made it for libcurl, what it keeps is a copy, which a child process would inherit.
        os.set_inheritable(socket, False)
        return int(pycurl.SOCKOPT_OK)

    def _begin(self, *addresses: Any) -> int:
        """Whether to send by the connection with these addresses: libcurl asks before each request."""
        if self._opened:
            self._kept.add(self._opened, addresses)
            self._opened.clear()
        elif self._kept.has_ended(addresses, clear=self._url.startswith("http:")):
            self._had_ended = True
            return int(pycurl.PREREQFUNC_ABORT)
        return int(pycurl.PREREQFUNC_OK)

    def goes_on(self, error: pycurl.error) -> bool:
        """Whether a transfer that failed has sent nothing, and is to be performed again.

        Its kept connection had ended; or it has but shown where the name leads. Raises
        `TransportFailure` where the egress policy refuses that.
        """
        if self._had_ended:
            self._had_ended = False
            self._set_anew(True)
            return True
        if self._gate is None:
            return False
        proxy = bool(self.curl.getinfo(pycurl.USED_PROXY))
        if not self._gate.judge(through_proxy=proxy) or error.args[0] != pycurl.E_COULDNT_CONNECT:
            return False
        left = self._timeout - self.curl.getinfo(pycurl.TOTAL_TIME)
        if left <= 0 or self._unsent.tell():
            return False
        self._set_timeout(left)
        return True

    def answer(self) -> Response:
        """What came back, after a transfer that succeeded."""
        if self._head[-1:] != _NO_MORE and not _ended(self._head):
            # libcurl takes the end of the connection for the end of the headers.
            raise TransportFailure(FailureKind.BROKEN, "the connection broke within the headers")
        status = self.curl.getinfo(pycurl.RESPONSE_CODE)
        body = b"".join(self._body)
        self._body.clear()  # else kept till the next request, as is the one that was sent
        self._unsent.__init__(b"")  # type: ignore[misc]
        return Response(status, _headers(self._head.copy()), body)

    def failed(self, error: pycurl.error) -> Response:
        """The answer all the same, if enough of it came; else raises `TransportFailure`.

        Enough is as much as we read of any, or the status where that is no success: a success counts
        only whole.
        """
        if error.args[0] == pycurl.E_WRITE_ERROR and self._room == 0:
            return self.answer()
        if self.curl.getinfo(pycurl.RESPONSE_CODE) >= 300 and _ended(self._head):
            return self.answer()
        if self.curl.getinfo(pycurl.HTTP_CONNECTCODE) == 407:  # for a tunnel; else it is an answer
            return Response(407, _headers(self._head.copy()))
        raise self.failure(error) from None

    def failure(self, error: pycurl.error) -> TransportFailure:
        """What went wrong, where no answer came."""
        code, message = error.args[0], error.args[1] if len(error.args) > 1 else ""
        if self.curl.getinfo(pycurl.USED_PROXY):
            failure = failure_by_proxy(self.curl, code, message)
            if failure is not None:
                return failure
        if code in _CUT and "SSL routines" not in message and self._is_fresh_tls():
            # By TLS 1.3 a server judges our certificate after the handshake; where it has hung up before
            # we sent, its reason is not read any more. It may as well be a server that restarts.
            message += (
                "; just after the handshake: if often, see whether it wants a client certificate"
            )
        return failure_of(code, message)

    def _is_fresh_tls(self) -> bool:
        """Whether the connection was made for this request, by a handshake that succeeded."""
        return bool(
            self.curl.getinfo(pycurl.NUM_CONNECTS) and self.curl.getinfo(pycurl.APPCONNECT_TIME)
        )

    def _take(self, chunk: bytes) -> int | None:
        if len(chunk) <= self._room:
            self._room -= len(chunk)
            self._body.append(chunk)
            return None
        self._body.append(chunk[: self._room])
        self._room = 0
        return 0  # less than we were given: libcurl ends the transfer


class Prober(Exchange):
    """A handle that connects (and shakes hands) to a URL's host, and sends nothing."""

    def open(self, url: str, timeout: float) -> None:
        """Set what to connect to."""
        self.prepare(Request(url, (), b"", timeout))
        self.curl.setopt(pycurl.CONNECT_ONLY, 1)
        self.curl.setopt(pycurl.OPT_CERTINFO, 1)

    def probe(self) -> Probe:
        """What the connection showed."""
        address = f"{self.curl.getinfo(pycurl.PRIMARY_IP)}:{self.curl.getinfo(pycurl.PRIMARY_PORT)}"
        chain = self.curl.getinfo(pycurl.INFO_CERTINFO)
        return Probe(address, _certificate(dict(chain[0])) if chain else None)


class InterruptibleExchange(Exchange):
    """A handle whose transfer Ctrl-C can end: Python looks at signals only when it is called."""

    def __init__(
        self, network: Network, material: Material, kept: KeptConnections, *, pinned: bool
    ) -> None:
        super().__init__(network, material, kept, pinned=pinned)
        self.curl.setopt(pycurl.NOPROGRESS, 0)
        self.curl.setopt(pycurl.XFERINFOFUNCTION, lambda *_: None)


def _ended(lines: list[bytes]) -> bool:
    """Whether the last block's headers ended with an empty line; trailers may come after it."""
    for line in reversed(lines):
        if line in (b"\r\n", b"\n"):
            return True
        if line.startswith(b"HTTP/"):
            break
    return False


def _headers(lines: list[bytes]) -> Iterator[Header]:
    """The last block's headers: before it may stand a proxy's, or a 100 Continue."""
    starts = [n for n, line in enumerate(lines) if line.startswith(b"HTTP/")]
    for line in lines[starts[-1] if starts else 0 :]:
        name, colon, value = line.partition(b":")
        if colon:
            yield name.decode("latin-1"), value.decode("latin-1").strip()


def _certificate(fields: dict[str, str]) -> Certificate | None:
    try:
        expires = parsedate_to_datetime(fields["Expire date"]).timestamp()
    except (KeyError, ValueError):
        return None
    return Certificate(fields.get("Subject", ""), expires)
