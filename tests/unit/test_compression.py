"""Compression by name: what comes out is what went in, always the same bytes, from any thread."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.heart import refusal
from vaulytica.compression import COMPRESSIONS, Compressor, compressor
from vaulytica.errors import WebhookConfigError

BODY = b'{"event_type":"login_failed","severity":"warning"}\n' * 2000


def without(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """As if these could not be imported."""
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)


def made(name: str) -> Compressor:
    found = compressor(name)
    assert found is not None
    return found


def unzstd(body: bytes) -> bytes:
    return bytes(pytest.importorskip("zstandard").ZstdDecompressor().decompress(body))


READERS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.decompress, "zstd": unzstd}


def test_none_is_no_compressor() -> None:
    assert compressor("none") is None


def test_each_but_none_has_a_reader_here() -> None:
    assert set(COMPRESSIONS) == {"none", *READERS}


@pytest.mark.parametrize("name", ["", "GZIP", "br", "deflate"])
def test_an_unknown_one_is_refused_and_the_known_are_listed(name: str) -> None:
    message = refusal(WebhookConfigError, lambda: compressor(name))
    assert message == "unknown compression; known are none, gzip, zstd"


@pytest.mark.parametrize("name", READERS)
def test_it_is_called_as_content_encoding_calls_it(name: str) -> None:
    assert made(name).encoding == name
    assert name in repr(made(name))


@given(body=st.binary(max_size=5000))
@pytest.mark.parametrize("name", READERS)
def test_what_comes_out_is_what_went_in(name: str, body: bytes) -> None:
    compressed = made(name)(body)
    assert type(compressed) is bytes
    assert READERS[name](compressed) == body


@pytest.mark.parametrize("name", READERS)
def test_it_is_smaller_and_always_the_same_bytes_from_any_thread(name: str) -> None:
    compress = made(name)
    bodies = [BODY[n:] for n in range(32)]
    expected = [compress(body) for body in bodies]
    assert all(len(one) < len(BODY) // 20 for one in expected)
    assert [made(name)(body) for body in bodies] == expected
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(compress, bodies * 8)) == expected * 8


def test_gzip_is_by_isal_where_that_is_installed() -> None:
    isal_zlib = pytest.importorskip("isal.isal_zlib")
    assert made("gzip")(BODY) == isal_zlib.compress(BODY, 1, 31) != zlib.compress(BODY, 1, 31)


def test_gzip_needs_nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "isal", "isal.isal_zlib")
    assert made("gzip")(BODY) == zlib.compress(BODY, 1, 31)
    assert gzip.decompress(made("gzip")(BODY)) == BODY


@pytest.mark.parametrize("installed", [True, False])
def test_gzip_tells_no_time_and_no_name(monkeypatch: pytest.MonkeyPatch, installed: bool) -> None:
    if not installed:
        without(monkeypatch, "isal", "isal.isal_zlib")
    # RFC 1952, 2.3: magic, deflate, no flags (no name, no comment), a time of zero.
    assert made("gzip")(BODY)[:8] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00"


def test_zstd_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "zstandard", "compression.zstd")
    message = refusal(WebhookConfigError, lambda: compressor("zstd"))
    assert message is not None
    assert "pip install 'vaulytica[compression]'" in message


def test_zstd_without_its_package_is_pythons_own_where_it_has_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = SimpleNamespace(compress=lambda body, level: b"%d:" % level + body)
    monkeypatch.setitem(sys.modules, "compression.zstd", own)
    without(monkeypatch, "zstandard")
    assert made("zstd")(b"body") == b"1:body"
