"""The receiver all contestants post to: nginx where it is installed, else a small uvloop server."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NGINX_CONFIG = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}/body; keepalive_requests 1000000000;
  proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;
  scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port}; client_max_body_size 100m; location / {{ return 200 "ok"; }} }}
}}
"""


@contextmanager
def receiver(core: int | None) -> Iterator[tuple[str, str]]:
    """A running receiver on a core of its own: (URL, what it is)."""
    port = _free_port()
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    with tempfile.TemporaryDirectory(prefix="vaulytica-bench-") as folder:
        if nginx:
            config = Path(folder, "nginx.conf")
            config.write_text(NGINX_CONFIG.format(folder=folder, port=port))
            command, name = [nginx, "-c", str(config)], "nginx"
        else:
            command = [sys.executable, "-m", "bench.uvloop_receiver", str(port)]
            name = "a uvloop receiver (nginx is not installed)"
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            if core is not None:
                os.sched_setaffinity(process.pid, {core})
            _wait_for(port)
            yield f"http://127.0.0.1:{port}/events", name
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
