"""Reading what was sent, strictly: paths, compressed bodies, JSON."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NoReturn
from urllib.parse import parse_qsl, unquote, urlsplit

_WBITS = {"gzip": 31, "deflate": 15}  # "deflate" in HTTP is zlib's format, RFC 9110 8.4.1.2
_SPACE = re.compile(r"[ \t\n\r]*")


class TooLargeError(Exception):
    """The body is over the limit when unpacked."""


class CodingError(Exception):
    """The body is not in the coding it claims, or is cut off."""


def target(path: str) -> tuple[str, dict[str, str]]:
    """Path and query of a request's target, decoded."""
    parts = urlsplit(path)
    return unquote(parts.path), dict(parse_qsl(parts.query, keep_blank_values=True))


def unpacked(body: bytes, coding: str, most: int) -> bytes:
    """The body out of its coding ("" for none), never more than `most` bytes of it.

    Raises `TooLargeError`, `CodingError`, and `LookupError` for a coding that nobody knows here.
    """
    if coding in ("", "identity"):
        if len(body) > most:
            raise TooLargeError
        return body
    wbits = _WBITS[coding]
    pieces: list[bytes] = []
    while body:  # gzip may have several members
        inflater = zlib.decompressobj(wbits)
        try:
            piece = inflater.decompress(body, most + 1)
        except zlib.error as error:
            raise CodingError(str(error)) from None
        most -= len(piece)
        if most < 0:
            raise TooLargeError
        if not inflater.eof:
            raise CodingError("cut off")
        pieces.append(piece)
        body = inflater.unused_data
    return b"".join(pieces)


class Exponent(float):
    """A number that was spelled with an exponent, such as 1.7e9."""


def _number(text: str) -> float:
    return Exponent(text) if "e" in text or "E" in text else float(text)


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in value if names.count(name) > 1)
        raise ValueError(f"Duplicate field '{twice}'")
    return value


def _decoder(pairs: Callable[[list[tuple[str, Any]]], Any] | None) -> json.JSONDecoder:
    return json.JSONDecoder(parse_float=_number, parse_constant=_constant, object_pairs_hook=pairs)


_JSON, _DISTINCT_JSON = _decoder(None), _decoder(_distinct)


def distinct_json(text: str) -> Any:
    """The value of a JSON text in which no object has a key twice; raises `ValueError`."""
    try:
        return _DISTINCT_JSON.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def json_value(text: str, at: int = 0) -> tuple[Any, int]:
    """The JSON value at a place of the text, and where it ends; raises `ValueError`."""
    try:
        return _JSON.raw_decode(text, at)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def after_space(text: str, at: int) -> int:
    """The next place that is no white space."""
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()


def json_texts(text: str) -> Iterator[tuple[Any, str]]:
    """A JSON array's elements, or the one value that is none: each with the text it was spelled as.

    Raises `ValueError`, after the elements that can be read.
    """
    at = after_space(text, 0)
    is_array = text.startswith("[", at)
    at = after_space(text, at + is_array)
    while not (is_array and text.startswith("]", at)):
        value, end = json_value(text, at)
        yield value, text[at:end]
        at = after_space(text, end)
        if not is_array:
            break
        if not text.startswith(",", at):
            if not text.startswith("]", at):
                raise ValueError(f"no comma at {at}")
            break
        at = after_space(text, at + 1)
        if text.startswith("]", at):
            raise ValueError(f"a comma too many at {at}")
    if after_space(text, at + is_array) != len(text):
        raise ValueError(f"more after the end, at {at}")
