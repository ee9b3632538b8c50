"""URLs: what is accepted as one, which parts of one are secret, and what may be shown of it."""

from __future__ import annotations

import base64
import ipaddress
import re
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit

from vaulytica.errors import WebhookConfigError

# Characters on which URL parsers disagree (and which RFC 3986 allows nowhere).
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\^`{}|<>\"]")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_HOST = re.compile(r"[A-Za-z0-9._-]+")
# An IPv6 address, perhaps with a zone, and a port: urlsplit lets other text stand beside the brackets.
_BRACKETED = re.compile(r"\[([0-9A-Fa-f:.]+)(%[A-Za-z0-9._~%-]+)?\](:[0-9]*)?")
CREDENTIAL_WORDS = (
    *("auth", "token", "key", "secret", "pass", "pwd"),
    *("cookie", "sig", "credential", "jwt", "session"),
)
_CREDENTIAL_NAME = re.compile("|".join(CREDENTIAL_WORDS), re.IGNORECASE)
_PROXY_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")
# Python's codec is of 2003, and would lead to another host than browsers (IDNA 2008) do.
_IDNA_DIFFERS = frozenset("ßς\u200c\u200d")
_LONGEST = 8000  # octets of a request line that RFC 9110, 4.1 asks everybody to support
_SHORTEST_TOKEN = 10  # a path segment this long may be a token, as in chat webhooks


def checked_url(url: str, what: str) -> str:
    """The URL, made ASCII, if it is an http(s) one that leaves no doubt; else `WebhookConfigError`."""
    parts = _split(url, what)
    if parts.scheme not in ("http", "https"):
        raise WebhookConfigError(f"{what} must begin with https:// or http://")
    userinfo, at, _ = parts.netloc.rpartition("@")
    if "@" in userinfo:
        raise WebhookConfigError(f"{what} has more than one @ before its path; write one as %40")
    host = _ascii_host(parts.hostname or "", what)
    port = "" if parts.port is None else f":{parts.port}"
    userinfo, path, query = map(_ascii, (userinfo, parts.path, parts.query))
    return urlunsplit((parts.scheme, f"{userinfo}{at}{host}{port}", path or "/", query, ""))


def checked_proxy(url: str) -> str:
    """The proxy's URL, if it is one libcurl can use; else `WebhookConfigError`."""
    parts = _split(url, "proxy")
    if not url.isascii():
        raise WebhookConfigError("proxy must be ASCII; write its host in punycode, the rest as %XX")
    if parts.scheme not in _PROXY_SCHEMES:
        raise WebhookConfigError(f"proxy must begin with one of {', '.join(_PROXY_SCHEMES)}://")
    return url


def checked_no_proxy(host: str) -> str:
    """A host, the end of one, a network or `*` that is reached without the proxy; else `WebhookConfigError`."""
    if not host or not host.isascii() or "," in host or "//" in host or _FORBIDDEN.search(host):
        raise WebhookConfigError(
            "no_proxy takes host names, the ends of some, addresses and networks, or *; one each"
        )
    return host


def _split(url: str, what: str) -> SplitResult:
    if len(url) > _LONGEST:
        raise WebhookConfigError(f"{what} is longer than {_LONGEST} characters")
    if _FORBIDDEN.search(url):
        raise WebhookConfigError(f"{what} holds a space or a character that no URL may hold")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise WebhookConfigError(f"{what} is not a valid URL: its host or port is wrong") from None
    if not parts.scheme or "://" not in url:
        raise WebhookConfigError(f"{what} has no scheme; begin it with https://")
    if not parts.hostname:
        raise WebhookConfigError(f"{what} has no host")
    place = parts.netloc.rpartition("@")[2]
    if {"[", "]"} & set(place) and not _is_ipv6(place):
        raise WebhookConfigError(f"{what} has brackets that hold no IPv6 address, or not only one")
    if port == 0:
        raise WebhookConfigError(f"{what} has port 0, which nothing can listen on")
    return parts


def _is_ipv6(place: str) -> bool:
    match = _BRACKETED.fullmatch(place)
    try:
        return match is not None and bool(ipaddress.IPv6Address(match[1]).compressed)
    except ValueError:
        return False


def _ascii_host(host: str, what: str) -> str:
    if ":" in host:
        return f"[{host}]"
    if set(host) & _IDNA_DIFFERS:
        raise WebhookConfigError(
            f"{what} has a host name that IDNA 2003 and 2008 read differently; write it as xn--…"
        )
    try:
        name = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        raise WebhookConfigError(f"{what} has a host name that IDNA cannot encode") from None
    if not _HOST.fullmatch(name):
        raise WebhookConfigError(f"{what} has a host name with characters that no host has")
    return name


def _ascii(text: str) -> str:
    return text if text.isascii() else "".join(c if c.isascii() else _percent(c) for c in text)


def _percent(character: str) -> str:
    try:
        return "".join(f"%{byte:02X}" for byte in character.encode("utf-8"))
    except UnicodeEncodeError:
        raise WebhookConfigError("the url is not valid Unicode") from None


def split_userinfo(url: str) -> tuple[str, tuple[str, str] | None]:
    """The URL without userinfo, and (username, password) if it had any."""
    parts = urlsplit(url)
    userinfo, at, rest = parts.netloc.rpartition("@")
    if not at:
        return url, None
    name, _, password = userinfo.partition(":")
    bare = urlunsplit((parts.scheme, rest, parts.path, parts.query, ""))
    return bare, (unquote(name), unquote(password))


def whole_userinfo(userinfo: tuple[str, str]) -> tuple[str, str]:
    """Username and password, if both are there; else `WebhookConfigError`."""
    for what, text in zip(("username", "password"), userinfo, strict=True):
        if not text.strip():
            raise WebhookConfigError(
                f"the {what} is missing in the url's userinfo; write https://name:password@host"
            )
    return userinfo


def path_as_sent(url: str) -> str:
    """The path in the request line: libcurl resolves dot segments, and writes %2f as %2F."""
    path = _ESCAPE.sub(lambda match: match[0].upper(), urlsplit(url).path)
    segments: list[str] = []
    parts = path.split("/")[1:]
    for number, part in enumerate(parts, 1):
        plain = part.replace("%2E", ".")
        if plain == ".." and segments:
            segments.pop()
        if plain not in (".", ".."):
            segments.append(part)
        elif number == len(parts):
            segments.append("")
    return "/" + "/".join(segments)


def origin(url: str) -> str:
    """Scheme, host and port: all of a URL that is safe to show."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def url_secrets(url: str) -> list[str]:
    """The texts of a URL that no message may hold: password, query, path, and what may be a token in it."""
    parts = urlsplit(url)
    userinfo = split_userinfo(url)[1]
    secrets = [userinfo[1], _basic(*userinfo)] if userinfo and userinfo[1] else []
    if parts.query:
        secrets += [parts.query, *(value for _, value in parse_qsl(parts.query))]
    secrets += [s for s in parts.path.split("/") if len(s) >= _SHORTEST_TOKEN]
    if len(parts.path) > 1:
        secrets.append(parts.path)
    return secrets + [unquote(s) for s in secrets if "%" in s]


def _basic(username: str, password: str) -> str:
    # A proxy is told its userinfo so, and may repeat it.
    return base64.b64encode(f"{username}:{password}".encode("utf-8", "replace")).decode("ascii")


def query_names(url: str) -> list[str]:
    """The names of a URL's query parameters."""
    return [name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)]


def is_credential(name: str) -> bool:
    """Whether a header or query parameter of that name is likely to carry a credential."""
    return _CREDENTIAL_NAME.search(name) is not None


def is_cleartext(url: str, proxy: str | None = None) -> bool:
    """Whether what is sent there can be read on the way: plain http, and not within this machine."""
    if urlsplit(url).scheme != "http":
        return False
    return not (_is_here(url) and (not proxy or _is_here(proxy)))


def _is_here(url: str) -> bool:
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
