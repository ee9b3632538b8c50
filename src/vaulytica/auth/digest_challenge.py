"""A Digest challenge, read from an answer, and the header that meets it (RFC 7616)."""

from __future__ import annotations

import hashlib
import itertools
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from vaulytica.delivery.request import Request, Response
from vaulytica.urls import path_as_sent

_HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PART = re.compile(rf'({_WORD})(?:\s*=\s*("(?:[^"\\]|\\.)*"|{_WORD}))?')  # a scheme, or name=value


@dataclass(frozen=True)
class Challenge:
    """What the destination wants an answer to; one serves for many requests, which are counted."""

    realm: str
    nonce: str
    algorithm: str  # as given
    opaque: str | None = None
    qop: str | None = None
    stale: bool = False
    hides_user: bool = False
    client_nonce: str = field(default_factory=lambda: secrets.token_hex(16))
    count: Iterator[int] = field(default_factory=lambda: itertools.count(1))  # safe among threads

    def answer(self, request: Request, username: str, password: str) -> str:
        """The value of Authorization for this request."""
        query = urlsplit(request.url).query
        uri = path_as_sent(request.url) + (f"?{query}" if query else "")
        nonce, client_nonce = self.nonce, self.client_nonce
        user = self._hash(f"{username}:{self.realm}:{password}")
        if self.algorithm.lower().endswith("-sess"):
            user = self._hash(f"{user}:{nonce}:{client_nonce}")
        what = f"{request.method}:{uri}"
        if self.qop == "auth-int":
            what += f":{self._hash(request.body)}"
        if self.hides_user:
            username = self._hash(f"{username}:{self.realm}")
        parts = [
            _user(username),
            f"realm={_quoted(self.realm)}",
            f"nonce={_quoted(nonce)}",
            f"uri={_quoted(uri)}",
            f"algorithm={self.algorithm}",
        ]
        if self.qop is None:  # as before RFC 2617
            response = self._hash(f"{user}:{nonce}:{self._hash(what)}")
        else:
            count = f"{next(self.count):08x}"
            middle = f"{nonce}:{count}:{client_nonce}:{self.qop}"
            response = self._hash(f"{user}:{middle}:{self._hash(what)}")
            parts += [f"qop={self.qop}", f"nc={count}", f'cnonce="{client_nonce}"']
        parts.append(f'response="{response}"')
        if self.opaque is not None:
            parts.append(f"opaque={_quoted(self.opaque)}")
        if self.hides_user:
            parts.append("userhash=true")
        return f"Digest {', '.join(parts)}"

    def _hash(self, text: str | bytes) -> str:
        data = text if isinstance(text, bytes) else text.encode("utf-8")
        name = _HASHES[self.algorithm.upper().removesuffix("-SESS")]
        return hashlib.new(name, data, usedforsecurity=False).hexdigest()


def challenge_of(response: Response) -> Challenge | None:
    """The first Digest challenge that can be met; the destination names the best one first."""
    for scheme, given in _challenges(response):
        algorithm = given.get("algorithm", "MD5")
        name = _HASHES.get(algorithm.upper().removesuffix("-SESS"))
        offered = [qop.strip().lower() for qop in given.get("qop", "").split(",") if qop.strip()]
        qop = next((known for known in ("auth", "auth-int") if known in offered), None)
        is_met = name in hashlib.algorithms_available and bool(qop or not offered)
        if scheme == "digest" and is_met and {"realm", "nonce"} <= given.keys():
            return Challenge(
                realm=given["realm"],
                nonce=given["nonce"],
                algorithm=algorithm,
                opaque=given.get("opaque"),
                qop=qop,
                stale=given.get("stale", "").lower() == "true",
                hides_user=given.get("userhash", "").lower() == "true",
            )
    return None


def asks_for_digest(response: Response) -> bool:
    """Whether there is a Digest challenge at all, be it one that cannot be met."""
    return any(scheme == "digest" for scheme, _ in _challenges(response))


def _challenges(response: Response) -> Iterator[tuple[str, dict[str, str]]]:
    """Each scheme named in WWW-Authenticate, in lower case, with its parameters."""
    for line in response.all("www-authenticate"):
        scheme, given = "", dict[str, str]()
        for name, value in _PART.findall(_as_text(line)):
            if value:
                given[name.lower()] = (
                    re.sub(r"\\(.)", r"\1", value[1:-1]) if value[0] == '"' else value
                )
                continue
            yield scheme, given
            scheme, given = name.lower(), {}
        yield scheme, given


def _as_text(line: str) -> str:
    """Headers are read as Latin-1, and written as UTF-8: so is what they hold, if it can be."""
    try:
        return line.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return line


def _quoted(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _user(username: str) -> str:
    if username.isascii():
        return f"username={_quoted(username)}"
    return f"username*=UTF-8''{quote(username, safe='')}"  # RFC 5987
