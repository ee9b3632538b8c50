"""A client of the intake that takes little time itself: keep-alive connections, prepared requests, uvloop.

`python -m bench.intake_client PORT CLIENTS SECONDS EVENTS`: each client posts EVENTS events and waits for
its answer before it posts again. Prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from typing import Any

import uvloop

from bench.events import ndjson
from bench.intake import TOKEN

WARM_UP = 0.5  # seconds


class Client(asyncio.Protocol):
    """One connection; it adds what each request took, in seconds, to `latencies`."""

    def __init__(self, request: bytes, latencies: list[float]) -> None:
        self._request, self._latencies = request, latencies
        self._answer = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._post()

    def _post(self) -> None:
        self._at = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found:
            return
        if not head.startswith(b"HTTP/1.1 202"):
            raise SystemExit(f"not accepted: {self._answer[:300]!r}")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) >= length:
            self._answer = b""
            self._latencies.append(time.perf_counter() - self._at)
            self._post()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            raise SystemExit(f"the connection broke: {exc}")


async def main(port: int, clients: int, seconds: float, events: int) -> None:
    lines = ndjson(events)
    request = (
        b"POST /v1/events HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\n"
        b"Content-Type: application/x-ndjson\r\nContent-Length: %d\r\n\r\n%s"
        % (TOKEN.encode(), len(lines), lines)
    )
    latencies: list[float] = []
    loop = asyncio.get_running_loop()
    for _ in range(clients):
        await loop.create_connection(lambda: Client(request, latencies), "127.0.0.1", port)
    await asyncio.sleep(WARM_UP)
    latencies.clear()
    began, busy = time.perf_counter(), time.process_time()
    await asyncio.sleep(seconds)
    took, busy = time.perf_counter() - began, time.process_time() - busy
    latencies.sort()
    figures = {
        "requests": len(latencies) / took,
        "p50": latencies[len(latencies) // 2],
        "p99": latencies[len(latencies) * 99 // 100],
        "busy": busy / took,
    }
    print(json.dumps(figures), flush=True)
    os._exit(0)  # requests are under way


if __name__ == "__main__":
    port, clients, seconds, events = sys.argv[1:]
    uvloop.run(main(int(port), int(clients), float(seconds), int(events)))
