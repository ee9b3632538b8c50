"""Target: any text as URL, as proxy, and as a header's name and value."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from fuzz.taking import Taking
from vaulytica.delivery.request import checked_header
from vaulytica.errors import WebhookConfigError
from vaulytica.urls import (
    checked_proxy,
    checked_url,
    is_cleartext,
    origin,
    query_names,
    split_userinfo,
    url_secrets,
)


def target(data: bytes) -> None:
    """Refused by `WebhookConfigError`, or fit to be put on the wire as it is."""
    taking = Taking(data)
    _url(taking.text())
    _proxy(taking.text())
    _header(taking.text(), taking.text())


def _url(text: str) -> None:
    try:
        url = checked_url(text, "url")
    except WebhookConfigError as error:
        _is_one_line(error)
        return
    assert url.isascii() and url.isprintable() and " " not in url
    assert checked_url(url, "url") == url, "what was checked is checked for good"
    parts = urlsplit(url)
    assert parts.scheme in ("http", "https")
    assert parts.hostname
    if text.isascii():  # else IDNA has its say
        assert _place(text.lower()) == _place(url), "it leads where it says"
    bare, userinfo = split_userinfo(url)
    assert (userinfo is None) == ("@" not in parts.netloc)
    assert "@" not in urlsplit(bare).netloc
    assert urlsplit(bare).hostname == parts.hostname
    shown = origin(url)
    assert shown.startswith(f"{parts.scheme}://") and not {"@", "?", "#"} & set(shown)
    assert all(isinstance(secret, str) for secret in url_secrets(url))
    query_names(url)
    assert is_cleartext(url) is False or parts.scheme == "http"


def _place(url: str) -> str:
    """What stands between userinfo and port, brackets and all."""
    return re.sub(":[0-9]*$", "", urlsplit(url).netloc.rpartition("@")[2])


def _proxy(text: str) -> None:
    try:
        proxy = checked_proxy(text)
    except WebhookConfigError as error:
        _is_one_line(error)
        return
    assert proxy.isascii() and proxy.isprintable()
    assert "@" not in origin(proxy)
    assert all(isinstance(secret, str) for secret in url_secrets(proxy))


def _header(name: str, value: str) -> None:
    try:
        name, value = checked_header(name, value)
    except WebhookConfigError as error:
        _is_one_line(error)
        return
    line = f"{name}: {value}".encode()
    assert not set(line) & {0, 10, 13, 127}
    assert name.isascii() and ":" not in name and " " not in name


def _is_one_line(error: WebhookConfigError) -> None:
    assert not {"\n", "\r", "\0"} & set(str(error))
