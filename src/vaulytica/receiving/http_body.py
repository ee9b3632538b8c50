"""The body of an HTTP/1.1 request, by Content-Length or in chunks, and never more than a bound."""

from __future__ import annotations

import re
from email.message import Message
from typing import BinaryIO

from vaulytica.receiving.content_length import content_length

_MAX_LINE = 8192  # bytes of a chunk's size line, or of a trailer


class BodyError(Exception):
    """The body cannot be read; `status` is the answer. The connection is of no further use."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def read_body(stream: BinaryIO, headers: Message, most: int) -> bytes:
    """All of the body; raises `BodyError` where it is malformed, cut off, or over `most` bytes."""
    coding = headers.get("Transfer-Encoding")
    lengths = headers.get_all("Content-Length", [])
    if coding is not None:
        if lengths or coding.strip().lower() != "chunked":
            raise BodyError(400, "Transfer-Encoding must be chunked, and without Content-Length")
        return _chunked(stream, most)
    try:
        length = content_length(lengths)
    except ValueError as error:
        raise BodyError(400, str(error)) from None
    return _exactly(stream, length or 0, most)


def _exactly(stream: BinaryIO, size: int, most: int) -> bytes:
    if size > most:
        raise BodyError(413, f"the body is larger than {most} bytes")
    body = stream.read(size)
    if len(body) < size:
        raise BodyError(400, "the body ended early")
    return body


def _chunked(stream: BinaryIO, most: int) -> bytes:
    chunks: list[bytes] = []
    room = most
    while size := _chunk_size(_line(stream)):
        chunks.append(_exactly(stream, size, room))
        room -= size
        if _line(stream):
            raise BodyError(400, "a chunk is longer than it says")
    for _ in range(100):  # trailers, which nobody reads
        if not _line(stream):
            return b"".join(chunks)
    raise BodyError(400, "too many trailers")


def _line(stream: BinaryIO) -> bytes:
    """A whole line without its end: of half a one, the rest would be read as the body."""
    line = stream.readline(_MAX_LINE)
    if not line.endswith(b"\n"):
        raise BodyError(400, "a line among the chunks is too long, or ends early")
    return line.strip()


def _chunk_size(line: bytes) -> int:
    size = line.partition(b";")[0].strip()
    if not re.fullmatch(rb"[0-9A-Fa-f]{1,16}", size):  # int() would also take "-1" and "0x1"
        raise BodyError(400, "a chunk's size is not a number")
    return int(size, 16)
