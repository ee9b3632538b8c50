"""The receivers all contestants post to: nginx where it is installed, else a small uvloop server.

nginx reads the whole body before it answers, as a destination does, and logs each request; a server
of ours counts the events in each body and answers bulks item by item.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from bench.machine import HERE, THEIRS, pin

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
TMPFS = "/dev/shm"
# For /events the answer goes out before the body is read: what single requests are measured with.
# For /batches the body is read first; then a second server, which sees no body, gives the answer.
NGINX_CONFIG = """
worker_processes 1; daemon off; master_process off; pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; log_format batch '$msec $content_length $status';
  client_body_buffer_size 4m; client_body_temp_path {folder}/body; client_max_body_size 100m;
  keepalive_requests 1000000000; proxy_http_version 1.1;
  proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;
  scgi_temp_path {folder}/s;
  upstream answer {{ server unix:{folder}/answer; keepalive 64; }}
  server {{ listen unix:{folder}/answer; return 200 '{{"text":"Success","code":0}}'; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ return 200 "ok"; }}
    location /batches/ {{
      access_log {folder}/batches.log batch;
      proxy_pass http://answer; proxy_method GET; proxy_pass_request_body off;
      proxy_set_header Content-Length ""; proxy_set_header Connection "";
    }}
  }}
}}
"""


class Arrived(NamedTuple):
    """What has come to /batches/ so far; `last` in seconds since 1970, when its answer had gone out."""

    requests: int
    body_bytes: int
    last: float


class Nginx(NamedTuple):
    """A running nginx, or what stands in for it."""

    url: str
    name: str
    pid: int
    log: Path

    def forget(self) -> None:
        """Begin the count of batches anew."""
        self.log.open("w").close()

    def arrived(self) -> Arrived:
        """What came since; every answer must have been a 200."""
        text = self.log.read_text()
        lines = [line.split() for line in text[: text.rfind("\n") + 1].splitlines()]
        assert all(status == "200" for _, _, status in lines), "nginx refused a batch"
        last = max((float(at) for at, _, _ in lines), default=0.0)
        return Arrived(len(lines), sum(int(size) for _, size, _ in lines), last)


@contextmanager
def receiver() -> Iterator[Nginx]:
    """nginx on a core of its own, its log in memory where the system has such a place."""
    port = _free_port()
    memory = TMPFS if Path(TMPFS).is_dir() else None
    with tempfile.TemporaryDirectory(prefix="vaulytica-bench-", dir=memory) as folder:
        if NGINX:
            config = Path(folder, "nginx.conf")
            config.write_text(NGINX_CONFIG.format(folder=folder, port=port))
            command, name = [NGINX, "-c", str(config)], "nginx"
        else:
            command = [sys.executable, "-m", "bench.uvloop_receiver", str(port)]
            name = "a uvloop receiver (nginx is not installed)"
        with _running(command, port) as pid:
            yield Nginx(f"http://127.0.0.1:{port}", name, pid, Path(folder, "batches.log"))


class Counted(msgspec.Struct):
    """What a counting receiver took since it was last asked; see `bench.counting_receiver.Counts`."""

    requests: int
    events: int
    documents: int
    bytes: int
    first: str

    def and_then(self, more: Counted) -> Counted:
        """What came until then, and since."""
        return Counted(
            self.requests + more.requests,
            self.events + more.events,
            self.documents + more.documents,
            self.bytes + more.bytes,
            self.first or more.first,
        )


class Counting(NamedTuple):
    """A running server that counts events."""

    url: str
    pid: int

    def counted(self) -> Counted:
        """What came since the last call."""
        with urllib.request.urlopen(f"{self.url}/count", timeout=10) as answer:
            return msgspec.json.decode(answer.read(), type=Counted)


@contextmanager
def counting_receiver() -> Iterator[Counting]:
    """The server that counts, on a core of its own."""
    port = _free_port()
    with _running([sys.executable, "-m", "bench.counting_receiver", str(port)], port) as pid:
        yield Counting(f"http://127.0.0.1:{port}", pid)


@contextmanager
def _running(command: Sequence[str], port: int) -> Iterator[int]:
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=HERE)
    try:
        pin(process.pid, THEIRS)
        _wait_for(port)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("the receiver did not start")
