"""The collector's URLs: `…/services/collector` and, under it, `event`, `raw`, `ack` and `health`."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

_COLLECTOR = "/services/collector"


def is_raw(url: str) -> bool:
    """Whether it is the endpoint that takes lines of text: `/services/collector/raw[/1.0]`."""
    path = urlsplit(url).path.rstrip("/").removesuffix("/1.0")
    return path.endswith(f"{_COLLECTOR}/raw")


def sibling(url: str, name: str) -> str | None:
    """Another endpoint of the same collector, such as `ack`; None if the URL is not a collector's.

    Receivers that speak HEC have it under a path of their own, such as `/insert/splunk`.
    """
    parts = urlsplit(url)
    before, found, _ = parts.path.rpartition(_COLLECTOR)
    if not found:
        return None
    return urlunsplit((*parts[:2], f"{before}{_COLLECTOR}/{name}", parts.query, ""))


def query(url: str) -> dict[str, str]:
    """The URL's parameters; the last one where one is repeated."""
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def with_query(url: str, changes: Mapping[str, str]) -> str:
    """The URL with these parameters, in place of those it has by the same names."""
    parts = urlsplit(url)
    # %20 for a space, since + is one in forms only; lone surrogates have no form in a URL.
    text = urlencode(query(url) | dict(changes), quote_via=quote, safe="", errors="replace")
    return urlunsplit((*parts[:3], text, ""))
