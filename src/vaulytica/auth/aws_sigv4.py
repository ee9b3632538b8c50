"""AWS Signature Version 4, for services behind AWS's front door: es (OpenSearch), aoss, execute-api…

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html says how;
the tests compare with botocore. Why not libcurl's own: docs/adr/0015.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import quote, unquote_plus, urlsplit

from msgspec.structs import replace

from vaulytica.auth.fixed import needed
from vaulytica.delivery.ports import Flow, Send
from vaulytica.delivery.redaction import HoldsSecrets
from vaulytica.delivery.request import Header, Request, Response, checked_header
from vaulytica.errors import WebhookConfigError
from vaulytica.urls import path_as_sent

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNRESERVED = "-_.~"
_SCOPE_NAME = re.compile(r"[a-z0-9-]{1,64}")
_ACCESS_KEY = re.compile(r"\w{4,128}", re.ASCII)
# What a proxy on the way may change or take away; botocore leaves out the same.
_NOT_SIGNED = frozenset(("user-agent", "expect", "transfer-encoding", "connection", "x-amzn-trace-id"))  # fmt: skip


class AwsSigV4Auth(HoldsSecrets):
    """Signs method, URL, headers and body, at each attempt anew; the secret key does not travel."""

    name = "aws_sigv4"
    travels = False

    def __init__(
        self,
        access_key_id: str | None,
        secret_access_key: str | None,
        region: str | None,
        service: str = "es",
        session_token: str | None = None,
    ) -> None:
        self._id = needed("aws_access_key_id", access_key_id)
        self._secret = needed("aws_secret_access_key", secret_access_key)
        if not _ACCESS_KEY.fullmatch(self._id):
            raise WebhookConfigError("aws_access_key_id must be of letters and digits")
        region, service = needed("aws_region", region), needed("aws_service", service)
        for what, name in (("aws_region", region), ("aws_service", service)):
            if not _SCOPE_NAME.fullmatch(name):
                raise WebhookConfigError(f"{what} must be of a-z, 0-9 and -")
        if service == "s3":
            raise WebhookConfigError("aws_service: s3 signs in its own way, and takes no events")
        self._region, self._service = region, service
        self._token: tuple[Header, ...] = ()
        if session_token is not None:
            token = needed("aws_session_token", session_token)
            self._token = (checked_header("X-Amz-Security-Token", token, "auth header"),)
        self._key: tuple[str, bytes] = ("", b"")  # for one day
        self.header_names: tuple[str, ...] = (
            "Authorization", "X-Amz-Date", "X-Amz-Content-Sha256", *(n for n, _ in self._token),
        )  # fmt: skip

    def flow(self, request: Request, now: float) -> Flow[Response]:
        """Sign and send."""
        moment = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
        digest = hashlib.sha256(request.body).hexdigest()
        query = _canonical_query(urlsplit(request.url).query)
        signed = replace(
            request,
            url=urlsplit(request.url)._replace(query=query).geturl(),
            headers=(
                *request.headers,
                ("X-Amz-Date", moment),
                ("X-Amz-Content-Sha256", digest),
                *self._token,
            ),
        )
        header = ("Authorization", self._authorization(signed, moment, digest))
        response: Response = yield Send(signed.with_headers(header))
        return response

    def secrets(self) -> Sequence[str]:
        """The secret key, and the session's token."""
        return (self._secret, *(token for _, token in self._token))

    def _authorization(self, request: Request, moment: str, digest: str) -> str:
        headers = _canonical_headers(request)
        names = ";".join(headers)
        parts = urlsplit(request.url)
        canonical = "\n".join((
            request.method,
            _canonical_path(request.url),
            "&".join(sorted(parts.query.split("&"), key=lambda pair: pair.partition("=")[::2])),
            *(f"{name}:{value}" for name, value in headers.items()),
            "",
            names,
            digest,
        ))  # fmt: skip
        scope = f"{moment[:8]}/{self._region}/{self._service}/aws4_request"
        hashed = hashlib.sha256(canonical.encode("utf-8")).hexdigest()
        to_sign = f"{_ALGORITHM}\n{moment}\n{scope}\n{hashed}"
        signature = hmac.new(
            self._key_of(moment[:8]), to_sign.encode("ascii"), "sha256"
        ).hexdigest()
        return (
            f"{_ALGORITHM} Credential={self._id}/{scope}, SignedHeaders={names}, "
            f"Signature={signature}"
        )

    def _key_of(self, day: str) -> bytes:
        known, key = self._key
        if known != day:
            key = f"AWS4{self._secret}".encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, part.encode("ascii"), "sha256")
            self._key = day, key
        return key

    def __repr__(self) -> str:
        return f"AwsSigV4Auth({self._region}, {self._service})"


def _canonical_path(url: str) -> str:
    """The path as it is sent, less its empty segments, encoded once more."""
    path = path_as_sent(url)
    kept = [segment for segment in path.split("/") if segment]
    end = "/" if kept and path.endswith("/") else ""
    return quote(f"/{'/'.join(kept)}{end}", safe=f"/{_UNRESERVED}")


def _canonical_query(query: str) -> str:
    """The same query, every character that can be encoded so: it is also sent so, to leave no doubt."""
    pairs = (pair.partition("=")[::2] for pair in query.split("&") if pair)
    return "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in pairs)


def _encoded(text: str) -> str:
    # "+" is a space to all services that read forms; to the others it is written in no query.
    return quote(
        unquote_plus(text, errors="surrogateescape"), safe=_UNRESERVED, errors="surrogateescape"
    )


def _canonical_headers(request: Request) -> dict[str, str]:
    """By lower-case name, sorted; with the Host that a client sends for this URL."""
    parts = urlsplit(request.url)
    default = {"http": 80, "https": 443}[parts.scheme]
    host = parts.netloc.rpartition("@")[2]
    found = {"host": [host.removesuffix(f":{default}")]}
    if any(name.lower() == "host" for name, _ in request.headers):
        del found["host"]
    for name, value in request.headers:
        if name.lower() not in _NOT_SIGNED:
            found.setdefault(name.lower(), []).append(" ".join(value.split()))
    return {name: ",".join(values) for name, values in sorted(found.items())}
