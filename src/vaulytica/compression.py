"""Compression of bodies, by name. What is measured of each, and why these levels: docs/adr/0008."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from vaulytica.errors import WebhookConfigError

_GZIP = 31  # zlib's window bits for 32 KiB in gzip's format, with no time and no name in its header
_LEVEL = 1  # of isal, zlib and zstd alike


class Compressor:
    """Makes bodies smaller; `encoding` is for Content-Encoding. The same body gives the same bytes.

    Threads may share one: each call has a state of its own.
    """

    def __init__(self, encoding: str, compress: Callable[[bytes], bytes]) -> None:
        self.encoding = encoding
        self._compress = compress

    def __call__(self, body: bytes) -> bytes:
        """The body compressed."""
        return self._compress(body)

    def __repr__(self) -> str:
        return f"Compressor({self.encoding!r})"


def compressor(name: str) -> Compressor | None:
    """The one of that name, None for `none`; `WebhookConfigError` if unknown or not installed."""
    try:
        make = COMPRESSIONS[name]
    except KeyError:
        raise WebhookConfigError(
            f"unknown compression; known are {', '.join(COMPRESSIONS)}"
        ) from None
    return make and Compressor(name, make())


def _gzip() -> Callable[[bytes], bytes]:
    """By isal, five times as fast, where it is installed; else by zlib, which always is."""
    module = _installed("isal.isal_zlib") or zlib
    return partial(module.compress, level=_LEVEL, wbits=_GZIP)


def _zstd() -> Callable[[bytes], bytes]:
    package = _installed("zstandard")
    if package is not None:  # a compressor of this package is not for several threads
        return lambda body: bytes(package.ZstdCompressor(level=_LEVEL).compress(body))
    module = _installed("compression.zstd")  # Python's own, from 3.14 on
    if module is None:
        raise WebhookConfigError(
            "compression: zstd needs the package zstandard; pip install 'vaulytica[compression]'"
        )
    return partial(module.compress, level=_LEVEL)


def _installed(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None


COMPRESSIONS: dict[str, Callable[[], Callable[[bytes], bytes]] | None] = {
    "none": None,
    "gzip": _gzip,
    "zstd": _zstd,
}
