"""Where a logging handler's events go: a relay's intake over HTTP or its socket, or straight into an outbox."""

from __future__ import annotations

# Sockets need it, and load it late: a child that is forked in the midst of that never has it.
import encodings.idna  # noqa: F401 - for the sake of being loaded
import http.client
import json
import socket
import ssl
import uuid
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol
from urllib.parse import urlsplit

from pydantic import SecretStr

from vaulytica.errors import (
    IdempotencyConflictError,
    WebhookConfigError,
    WebhookError,
    WebhookEventError,
)
from vaulytica.outbox import check_url, open_outbox
from vaulytica.urls import is_cleartext

_PATH = "/v1/events"
_MOST_ANSWER = 64 * 1024


class NotNow(Exception):
    """They may be taken later; `seconds`: after which to try again, if that was said."""

    def __init__(self, why: str, seconds: float | None = None) -> None:
        super().__init__(why)
        self.seconds = seconds


class Refused(Exception):
    """They will never be taken; `line`: the one that is at fault, from 1, if that was said."""

    def __init__(self, why: str, line: int | None = None) -> None:
        super().__init__(why)
        self.line = line


class Shipper(Protocol):
    """Sends lines to where they are kept. Used by one thread at a time."""

    def send(self, lines: Sequence[bytes], key: str) -> None:
        """Return when they are on disk there; or raise `NotNow` or `Refused`. A `key` is for one batch."""

    def forked(self) -> None:
        """This is a child: what is open is the parent's."""

    def close(self) -> None:
        """Let go of what it holds."""


class HttpShipper:
    """To an intake: `http://127.0.0.1:8780`, `https://…`, or `unix:/run/vaulytica/intake.sock`."""

    def __init__(self, url: str, token: SecretStr | None, timeout: float) -> None:
        self._token, self._timeout = token, timeout
        self._connection: http.client.HTTPConnection | None = None
        parts = urlsplit(url)
        self._scheme, self._path = parts.scheme, parts.path
        if parts.scheme == "unix" and parts.path.startswith("/"):
            self._target = _PATH
            return
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise WebhookConfigError(
                "url: write it like http://127.0.0.1:8780 or unix:/run/vaulytica/intake.sock"
            )
        try:
            self._host, self._port = parts.hostname, parts.port
        except ValueError:
            raise WebhookConfigError("url: its port is no number up to 65535") from None
        if token is not None and is_cleartext(url):
            raise WebhookConfigError("url: a token goes over https only, or to this machine")
        self._target = parts.path if parts.path not in ("", "/") else _PATH

    def send(self, lines: Sequence[bytes], key: str) -> None:
        """See `Shipper`."""
        headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": key}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token.get_secret_value()}"
        status, answer, after = self._ask(b"\n".join(lines), headers)
        if status == 202:
            return
        why = f"HTTP {status}: {answer.get('error', '')}"
        if status in (400, 413, 422):
            line = answer.get("line")
            is_one = isinstance(line, int) and 1 <= line <= len(lines)
            raise Refused(why, line if is_one else None)
        raise NotNow(why, after)

    def _ask(
        self, body: bytes, headers: dict[str, str]
    ) -> tuple[int, dict[str, Any], float | None]:
        is_new = self._connection is None
        try:
            answer, text = self._exchange(body, headers)
        except ConnectionError as error:
            if is_new:
                raise NotNow(f"{type(error).__name__}: {error}") from None
            # A relay closes what has been idle for long. The key makes it safe to ask once more.
            return self._ask(body, headers)
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            raise NotNow(f"{type(error).__name__}: {error}") from None
        said: Any = {}
        with suppress(ValueError):
            said = json.loads(text)
        after = answer.headers.get("Retry-After", "")
        seconds = float(after) if after.isascii() and after.isdigit() else None
        return answer.status, said if isinstance(said, dict) else {}, seconds

    def _exchange(
        self, body: bytes, headers: dict[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        try:
            if self._connection is None:
                self._connection = self._connect()
            self._connection.request("POST", self._target, body, headers)
            answer = self._connection.getresponse()
            text = answer.read(_MOST_ANSWER)
        except BaseException:
            self.close()
            raise
        if not answer.isclosed():  # longer than any answer of an intake
            self.close()
        return answer, text

    def _connect(self) -> http.client.HTTPConnection:
        if self._scheme == "unix":
            return _UnixConnection(self._path, self._timeout)
        if self._scheme == "http":
            return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(
            self._host, self._port, timeout=self._timeout, context=context
        )

    def forked(self) -> None:
        """See `Shipper`."""
        self.close()  # which closes only this process's end of it

    def close(self) -> None:
        """See `Shipper`."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._socket_path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._socket_path)


class OutboxShipper:
    """Into an outbox's file, without a relay in between; one that runs on it delivers them."""

    def __init__(self, url: str, destinations: Sequence[str]) -> None:
        if isinstance(destinations, str) or not destinations:
            raise WebhookConfigError(
                "destinations: a list of names, one at least, goes with outbox"
            )
        check_url(url)
        self._url, self._destinations = url, tuple(destinations)
        self._outbox: Any = None

    def send(self, lines: Sequence[bytes], key: str) -> None:
        """See `Shipper`."""
        try:
            if self._outbox is None:
                self._outbox = open_outbox(self._url)
            events = [json.loads(line) for line in lines]
            self._outbox.put(events, self._destinations, idempotency_key=f"log:{key}")
        except (WebhookEventError, IdempotencyConflictError) as error:
            raise Refused(str(error)) from None
        except WebhookError as error:
            raise NotNow(str(error)) from None

    def forked(self) -> None:
        """See `Shipper`."""  # the outbox itself sees to it

    def close(self) -> None:
        """See `Shipper`."""
        if self._outbox is not None:
            self._outbox.close()
            self._outbox = None


def new_key() -> str:
    """For one batch, so that a second try is not a second batch."""
    return uuid.uuid4().hex
