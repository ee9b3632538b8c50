"""Every host leads to this machine: names, ports and certificates stay as the documents write them.

libcurl is told to connect elsewhere (CONNECT_TO) and to trust one more authority. So the URL, the Host
header, SNI and the certificate check are the real ones, and no block has to be changed to run.
Programs that a document starts are mapped too: their environment says where to (see `Mapping`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import certifi
import pycurl

PLAIN_PORT = 8080  # here, and at 80, documents speak plain http
RECEIVE_PORT = 8765  # where `vaulytica receive` listens, unless told otherwise
RELAY_PORT = 8780  # where a relay listens, in the documents
_VARIABLE = "DOCS_HOSTS"


@dataclass(frozen=True)
class Mapping:
    """The ports of this machine that all hosts lead to, and the authority of their certificates."""

    tls: int
    plain: int
    authority: str
    receive: int | None = None

    def environment(self) -> dict[str, str]:
        """The variable that makes `apply_from_environment` do the same in another process."""
        return {_VARIABLE: json.dumps(asdict(self))}

    def apply(self, replace: Callable[[object, str, Any], None] = setattr) -> None:
        """From now on every connection goes to these ports."""
        real = pycurl.Curl
        targets = [
            f":80:127.0.0.1:{self.plain}",
            f":{PLAIN_PORT}:127.0.0.1:{self.plain}",
            f":{RECEIVE_PORT}:127.0.0.1:{self.receive or self.plain}",
            "127.0.0.1:::",  # a program's own receiver, as in `vaulytica demo`
            f"::127.0.0.1:{self.tls}",
        ]

        def mapped() -> pycurl.Curl:
            curl = real()
            curl.setopt(pycurl.CONNECT_TO, targets)
            return curl

        replace(pycurl, "Curl", mapped)
        replace(certifi, "where", lambda: self.authority)


def apply_from_environment() -> None:
    """Called by the stand-in for `vaulytica` before it runs the real one."""
    Mapping(**json.loads(os.environ[_VARIABLE])).apply()
