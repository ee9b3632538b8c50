"""What commands print: text made safe for a terminal, and secrets masked."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from vaulytica.cli.credentials.references import is_secret_header
from vaulytica.errors import WebhookError, one_line

if TYPE_CHECKING:
    from rich.console import Console

MASK = "***"

# Control characters and direction marks can rewrite what a terminal shows. Line ends and tabs may stay.
_UNSAFE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)
_SCHEMES = ("basic", "bearer", "digest", "splunk", "apikey", "token")
_SHORTEST_TOKEN, _LONGEST_WORD = 10, 19
# Parts of well-known paths that look like tokens.
_PLAIN_WORDS = ("servicesNS", "IncomingWebhook")


def line(text: str = "") -> None:
    """Print to stdout."""
    _write(f"{visible(text)}\n")


def error_line(text: str) -> None:
    """Print one line to stderr."""
    sys.stderr.write(f"vaulytica: {visible(one_line(text))}\n")


def json_line(value: Any) -> None:
    """Print a JSON value to stdout, on one line."""
    _write(f"{json.dumps(value)}\n")


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise WebhookError(f"cannot write the output: {error.strerror}") from None


def stdout_console() -> Console:
    """Rich's console, for tables: what is no terminal gets 100 columns, and no colours."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else 100
    return Console(width=width, highlight=False, markup=False, emoji=False)


def visible(text: str) -> str:
    """The text with every character escaped that could do something to a terminal."""
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def masked_headers(headers: Any, secret_names: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """Header pairs with the values masked that are, or may be, credentials."""
    secret = {name.lower() for name in secret_names}
    return [
        (name, _masked(value) if name.lower() in secret or is_secret_header(name) else value)
        for name, value in headers
    ]


def _masked(value: str) -> str:
    scheme, space, _ = value.partition(" ")
    return f"{scheme} {MASK}" if space and scheme.lower() in _SCHEMES else MASK


def masked_target(url: str) -> str:
    """Path and query of a URL; query values, and segments that look like tokens, masked."""
    parts = urlsplit(url)
    path = "/".join(MASK if _looks_like_token(part) else part for part in parts.path.split("/"))
    if not parts.query:
        return path or "/"
    pairs = (pair.partition("=") for pair in parts.query.split("&"))
    # A pair without "=" may be a bare token.
    query = "&".join(f"{name}={MASK}" if equals else MASK for name, equals, _ in pairs)
    return f"{path or '/'}?{query}"


def _looks_like_token(segment: str) -> bool:
    if segment in _PLAIN_WORDS or len(segment) < _SHORTEST_TOKEN:
        return False
    kinds = (str.isdigit, str.isupper, str.islower)
    return len(segment) > _LONGEST_WORD or sum(any(map(kind, segment)) for kind in kinds) > 1


def pretty_body(body: bytes) -> str:
    """JSON indented; any other text as it is; anything else as its size."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return f"({len(body)} bytes that are not UTF-8)"
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
