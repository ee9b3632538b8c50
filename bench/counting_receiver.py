"""A receiver that counts the events it takes, and answers bulks as Elasticsearch does.

Each item names the `_id` that its action had, and holds what `filter_path` leaves of it, so that every
client gets the answer that a server would give to its own request. Of what comes to a collector under
/batches/ it counts the documents that Splunk would take.
"""

from __future__ import annotations

import asyncio
import gzip
import re
import sys
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import uvloop

HEAD = (
    b"HTTP/1.1 200 OK\r\nX-Elastic-Product: Elasticsearch\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
)
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
GZIP = re.compile(rb"\r\ncontent-encoding: *gzip", re.IGNORECASE)
ACTION_ID = re.compile(rb'^\{ ?"create": ?\{[^\n]*"_id": ?"([^"]*)"', re.MULTILINE)
SPLUNK = b'{"text":"Success","code":0}'
INFO = b'{"version":{"number":"9.1.0"},"tagline":"You Know, for Search"}'
# What Elasticsearch 9 says of a document it has created, around its id.
BEFORE_ID = b'{"create":{"_index":"logs","_id":"'
AFTER_ID = (
    b'","_version":1,"result":"created","_shards":{"total":2,"successful":1,"failed":0},'
    b'"_seq_no":7,"_primary_term":1,"status":201}}'
)
READ_BYTES = 1024 * 1024


class Document(msgspec.Struct, forbid_unknown_fields=True):
    """What Splunk's collector takes on its endpoint for events."""

    event: dict[str, Any] | str
    time: float | str | None = None
    host: str = ""
    source: str = ""
    sourcetype: str = ""
    index: str = ""
    fields: dict[str, str | list[str]] = {}


_documents = msgspec.json.Decoder(Document).decode_lines


class Counts(msgspec.Struct):
    """Since it was last asked. `documents`: events that are one; `first` of them all; `bytes` of bodies."""

    requests: int = 0
    events: int = 0
    documents: int = 0
    bytes: int = 0
    first: str = ""

    def told(self) -> bytes:
        """All of it as JSON; then it begins anew."""
        text = msgspec.json.encode(self)
        self.requests = self.events = self.documents = self.bytes = 0
        self.first = ""
        return text


class Counting(asyncio.BufferedProtocol):
    """Reads requests with a Content-Length, one after another."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._space = memoryview(bytearray(READ_BYTES))
        self._seen = bytearray()
        self._whole = 0  # bytes of the request that is being read, when its head is known

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def get_buffer(self, _hint: int) -> memoryview:
        return self._space

    def buffer_updated(self, n: int) -> None:
        self._seen += self._space[:n]
        while self._seen and len(self._seen) >= self._whole:
            if self._whole == 0:
                self._end = self._seen.find(b"\r\n\r\n") + 4
                if self._end < 4:
                    return
                length = LENGTH.search(self._seen, 0, self._end)
                self._whole = self._end + (int(length[1]) if length else 0)
                if b"100-continue" in self._seen[: self._end]:
                    self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")  # type: ignore[attr-defined]
                continue
            head, body = bytes(self._seen[: self._end]), bytes(self._seen[self._end : self._whole])
            del self._seen[: self._whole]
            self._whole = 0
            answer = self._answer(head, body)
            self._transport.write(HEAD % (len(answer), answer))  # type: ignore[attr-defined]

    def _answer(self, head: bytes, body: bytes) -> bytes:
        url = urlsplit(head.split(b" ", 2)[1].decode())
        if url.path == "/count":
            return self._counts.told()
        if not body:
            return INFO
        if GZIP.search(head):
            body = gzip.decompress(body)
        self._counts.requests += 1
        if not url.path.endswith("/_bulk"):
            self._count(body, check=url.path.startswith("/batches/"))
            return SPLUNK
        ids = ACTION_ID.findall(body)
        assert 2 * len(ids) == body.count(b"\n"), "not a bulk of creates, each with its document"
        self._counts.events += len(ids)
        return bulk_answer(ids, parse_qs(url.query).get("filter_path", [""])[0])

    def _count(self, body: bytes, *, check: bool) -> None:
        counts = self._counts
        counts.events += body.count(b"\n") + (not body.endswith(b"\n"))
        if check:
            counts.bytes += len(body)
            counts.first = counts.first or body.partition(b"\n")[0].decode()
            with suppress(msgspec.DecodeError):
                counts.documents += len(_documents(body))


def bulk_answer(ids: list[bytes], filter_path: str) -> bytes:
    """All created; only what `filter_path` names, for the two paths that clients here ask for."""
    if not filter_path:
        start, before, after = b'{"errors":false,"took":7,"items":[', BEFORE_ID, AFTER_ID
    elif "items.*._id" in filter_path.split(","):
        start, before, after = (
            b'{"errors":false,"items":[',
            b'{"create":{"_id":"',
            b'","status":201}}',
        )
    else:
        items = b",".join([b'{"create":{"status":201}}'] * len(ids))
        return b'{"errors":false,"items":[%b]}' % items
    between = after + b"," + before
    return b"%b%b%b%b]}" % (start, before, between.join(ids), after)


async def main(port: int) -> None:
    counts = Counts()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Counting(counts), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
