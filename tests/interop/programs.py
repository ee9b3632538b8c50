"""Real programs, started for a test on a port of their own, and asked what arrived in them."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.ports import free_port

_UP_WITHIN = 60.0  # seconds
_HERE = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never by a proxy


def ask(url: str, body: Any = None, method: str | None = None) -> tuple[int, bytes]:
    """Status and body of a GET, or of a POST of this JSON (bytes: as they are, of NDJSON)."""
    raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    kind = "application/x-ndjson" if isinstance(body, bytes) else "application/json"
    request = urllib.request.Request(url, raw, {"Content-Type": kind}, method=method)
    try:
        with _HERE.open(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def asked(url: str, body: Any = None, method: str | None = None) -> Any:
    """The JSON of an answer that must be a good one."""
    status, answer = ask(url, body, method)
    assert 200 <= status < 300, (url, status, answer[:500])
    return json.loads(answer)


@contextmanager
def running(command: list[str], ready: str, folder: Path) -> Iterator[None]:
    """The program, once `ready` answers; it is stopped in the end."""
    log = folder / "program.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=subprocess.STDOUT)
        try:
            _wait_for(ready, process, log)
            yield
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Let it write what it has, and end."""
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=20)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _UP_WITHIN
    while True:
        try:
            ask(url)
            return
        except OSError:
            over = process.poll() is not None or time.monotonic() > until
            assert not over, f"not up: {log.read_text(errors='replace')[-2000:]}"
            time.sleep(0.05)


class Collector:
    """An OpenTelemetry Collector with the receiver `splunk_hec`, the exporter `file`, and `ack`."""

    _CONFIG = """
extensions: {{ ack/here: {{ }} }}
receivers:
  splunk_hec:
    endpoint: 127.0.0.1:{port}
    keep_alives_enabled: true
    max_request_body_size: {max_body}
    {ack}
exporters: {{ file: {{ path: {out} }} }}
service:
  extensions: [ack/here]
  telemetry: {{ metrics: {{ level: none }} }}
  pipelines: {{ logs: {{ receivers: [splunk_hec], exporters: [file] }} }}
"""

    def __init__(self, binary: str, folder: Path) -> None:
        self._binary, self._folder = binary, folder
        self._out = folder / "arrived.json"
        self.url = ""

    @contextmanager
    def started(self, *, ack: bool = False, max_body: int = 20_000_000) -> Iterator[Collector]:
        """The collector, which takes bodies of so many bytes at most."""
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/services/collector"
        text = self._CONFIG.format(
            port=port,
            max_body=max_body,
            ack="ack: { extension: ack/here }" if ack else "",
            out=self._out,
        )
        config = self._folder / "config.yaml"
        config.write_text(text)
        command = [self._binary, "--config", f"file:{config}"]
        with running(command, f"{self.url}/health", self._folder):
            yield self

    def arrived(self) -> list[dict[str, Any]]:
        """The records, in order; to be asked when it has ended, so that nothing is on its way."""
        return [
            {**record, "resource": resource.get("resource", {})}
            for line in self._out.read_bytes().splitlines()  # of a text, U+2028 would end a line too
            for resource in json.loads(line)["resourceLogs"]
            for scope in resource["scopeLogs"]
            for record in scope["logRecords"]
        ]


def plain(value: dict[str, Any]) -> Any:
    """An OTLP value as JSON has it; all numbers are floats, as the collector reads them."""
    match value:
        case {"kvlistValue": items}:
            return {item["key"]: plain(item["value"]) for item in items.get("values", [])}
        case {"arrayValue": items}:
            return [plain(item) for item in items.get("values", [])]
        case {"intValue": number} | {"doubleValue": number}:
            return float(number)
    return next(iter(value.values()), None)


class VictoriaLogs:
    """VictoriaLogs, with its data in the folder."""

    def __init__(self, binary: str, folder: Path) -> None:
        self._binary, self._folder = binary, folder
        self.url = ""

    @contextmanager
    def started(self) -> Iterator[VictoriaLogs]:
        """The program, empty."""
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = [
            self._binary,
            f"-httpListenAddr=127.0.0.1:{port}",
            f"-storageDataPath={self._folder / 'data'}",
            "-retentionPeriod=100y",
            "-memory.allowedBytes=256MB",
            "-http.shutdownDelay=0",
        ]
        with running(command, f"{self.url}/health", self._folder):
            yield self

    def numbers(self, field: str) -> Counter[int]:
        """How often each event is there, by the number in its data."""
        ask(f"{self.url}/internal/force_flush")
        status, answer = ask(
            f"{self.url}/select/logsql/query?query=*+|+fields+{field}&limit=100000"
        )
        assert status == 200, answer
        return Counter(int(json.loads(line)[field]) for line in answer.splitlines())


class Search:
    """Elasticsearch or OpenSearch, which runs already; each test has an index of its own."""

    def __init__(self, url: str, index: str) -> None:
        self.url, self.index = url.rstrip("/"), index

    @property
    def bulk(self) -> str:
        """Where bulks for the index go."""
        return f"{self.url}/{self.index}/_bulk"

    def prepare(self, mappings: dict[str, Any], settings: dict[str, Any] | None = None) -> None:
        """Make the index."""
        body = {"mappings": mappings, "settings": settings or {}}
        asked(f"{self.url}/{self.index}", body, "PUT")

    def remove(self) -> None:
        """The index, or the data stream of that name, and its template."""
        for path in (self.index, f"_data_stream/{self.index}", f"_index_template/{self.index}"):
            ask(f"{self.url}/{path}", method="DELETE")

    def numbers(self) -> Counter[int]:
        """How often each event is there, by the number in its data."""
        asked(f"{self.url}/{self.index}/_refresh", {})
        query = {"size": 10_000, "_source": ["vaulytica.number"]}
        hits = asked(f"{self.url}/{self.index}/_search", query)["hits"]["hits"]
        return Counter(hit["_source"]["vaulytica"]["number"] for hit in hits)
