"""syslog-ng's http() destination, which reads the same file without parsing it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

SYSLOG_NG = shutil.which("syslog-ng") or shutil.which("syslog-ng", path="/usr/sbin")
# The best of what was tried on one core: what it looks up for each message is off, and the window
# between source and destination is wide enough that neither waits for the other. With the default
# window of 100 lines no batch would ever be full. More than one worker changes nothing on one core,
# nor does a wider window; threaded(no), or fetching 10000 lines at a time, make it slower.
CONFIG = """
@version: {version}
options {{
  stats-level(0); stats-freq(0); use-dns(no); dns-cache(no); chain-hostnames(no);
  keep-hostname(yes); use-uniqid(no);
}};
source lines {{
  file("{file}" flags(no-parse) follow-freq(0.1) log-iw-size(20000) log-fetch-limit(1000));
}};
destination receiver {{
  http(
    url("{url}") method("POST") headers("Authorization: Splunk {token}")
    body("${{MESSAGE}}") delimiter("\\n")
    batch-lines({lines}) batch-timeout(100) workers({workers}) {queue}
  );
}};
log {{ source(lines); destination(receiver); flags(flow-control); }};
"""


IN_MEMORY = "log-fifo-size(20000)"
# What keeps messages over a crash; its sizes are such that it never has to wait for room.
RELIABLE = """disk-buffer(
      reliable(yes) disk-buf-size(4294967296) mem-buf-size(163840000) dir("{state}")
    )"""


def version() -> str | None:
    """Such as 3.38; None where it, or its http(), is not installed."""
    if SYSLOG_NG is None:
        return None
    said = subprocess.run([SYSLOG_NG, "--version"], check=True, capture_output=True, text=True)
    if "http" not in said.stdout.partition("Available-Modules:")[2].partition("\n")[0]:
        return None
    installed = said.stdout.partition("Installer-Version:")[2].split()[0]
    return ".".join(installed.split(".")[:2])


def command(
    folder: Path,
    file: Path,
    url: str,
    token: str,
    lines: int,
    workers: int,
    *,
    durable: bool = False,
) -> list[str]:
    """How to start it in the foreground, with a state of its own: so it begins with the first line."""
    assert SYSLOG_NG is not None
    state = Path(tempfile.mkdtemp(dir=folder))
    config = state / "syslog-ng.conf"
    settings = {"file": file, "url": url, "token": token, "lines": lines, "workers": workers}
    settings["queue"] = RELIABLE.format(state=state) if durable else IN_MEMORY
    config.write_text(CONFIG.format(version=version(), **settings))
    return [
        *(SYSLOG_NG, "--foreground", "--no-caps", "--cfgfile", str(config)),
        *("--persist-file", str(state / "persist"), "--control", str(state / "control")),
        *("--pidfile", str(state / "pid")),
    ]
