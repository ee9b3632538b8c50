"""syslog-ng's http() destination, which reads the same file, and sends of it what a `Body` says."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

SYSLOG_NG = shutil.which("syslog-ng") or shutil.which("syslog-ng", path="/usr/sbin")


class Body(NamedTuple):
    """What is sent of a line. `parser`: what has to be known of it; `version`: of the config."""

    name: str
    template: str
    parser: str = ""
    version: str = ""


LINE = Body("the bare line", "${MESSAGE}")
LEAST = Body('`{"event":…}` around the line', '{"event":${MESSAGE}}')
# The quickest of what was tried that takes any data, and escapes it: to have the whole document made
# by format-json, or to name each field, are both slower. Numbers stay numbers from config 4.0 on.
PARSED = Body(
    "parsed, and our document",
    '{"time":$S_UNIXTIME,"host":"vaulytica","source":"vaulytica","sourcetype":"vaulytica:${e.type}","event":'
    "$(format-json --scope none event_type=${e.type} severity=${e.severity} timestamp=${e.timestamp}"
    " --rekey e.data.* --shift-levels 2 e.data.*)}",
    'json-parser(prefix("e.")); '
    'date-parser(format("%Y-%m-%dT%H:%M:%S.%f%z") template("${e.timestamp}"));',
    "4.0",
)
# The best of what was tried on one core: what it looks up for each message is off, and the window
# between source and destination is wide enough that neither waits for the other. With the default
# window of 100 lines no batch would ever be full. More than one worker changes nothing on one core,
# nor does a wider window; threaded(no), or fetching 10000 lines at a time, make it slower.
TUNED = """
@version: {version}
options {{
  stats-level(0); stats-freq(0); use-dns(no); dns-cache(no); chain-hostnames(no);
  keep-hostname(yes); use-uniqid(no); frac-digits(3);
}};
source lines {{
  file("{file}" flags(no-parse) follow-freq(0.1) log-iw-size(20000) log-fetch-limit(1000));
}};
destination receiver {{
  http(
    url("{url}") method("POST") headers("Authorization: Splunk {token}")
    body('{body}') delimiter("\\n")
    batch-lines({lines}) batch-timeout(100) workers({workers}) {queue}
  );
}};
log {{ source(lines); {parser} destination(receiver); flags(flow-control); }};
"""
# As its manual shows it: nothing is set but what it is for. Without a disk buffer it would lose lines.
PLAIN = """
@version: {version}
source lines {{ file("{file}" flags(no-parse)); }};
destination receiver {{
  http(
    url("{url}") method("POST") headers("Authorization: Splunk {token}")
    body('{body}') delimiter("\\n") batch-lines({lines}) batch-timeout(100) {queue}
  );
}};
log {{ source(lines); {parser} destination(receiver); }};
"""


IN_MEMORY = "log-fifo-size(20000)"
# What keeps messages over a crash; its sizes are such that it never has to wait for room.
RELIABLE = """disk-buffer(
      reliable(yes) disk-buf-size(4294967296) mem-buf-size(163840000) dir("{state}")
    )"""


class Settings(NamedTuple):
    """How it is to run; `plain`: with the manual's settings, which are for a disk buffer only."""

    body: Body = LEAST
    workers: int = 1
    durable: bool = False
    plain: bool = False


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
    folder: Path, file: Path, url: str, token: str, lines: int, settings: Settings
) -> list[str]:
    """How to start it in the foreground, with a state of its own: so it begins with the first line."""
    assert SYSLOG_NG is not None
    state = Path(tempfile.mkdtemp(dir=folder))
    config = state / "syslog-ng.conf"
    body = settings.body
    values = {
        "file": str(file),
        "url": url,
        "token": token,
        "lines": str(lines),
        "body": body.template,
    }
    values["parser"] = f"parser {{ {body.parser} }};" if body.parser else ""
    values["workers"] = str(settings.workers)
    values["version"] = body.version or version() or ""
    values["queue"] = RELIABLE.format(state=state) if settings.durable else IN_MEMORY
    config.write_text((PLAIN if settings.plain else TUNED).format(**values))
    return [
        *(SYSLOG_NG, "--foreground", "--no-caps", "--cfgfile", str(config)),
        *("--persist-file", str(state / "persist"), "--control", str(state / "control")),
        *("--pidfile", str(state / "pid")),
    ]
