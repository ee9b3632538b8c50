"""Listen: an address as a config has it, HOST:PORT."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, Field

_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*\.?")
_LOCAL = "127.0.0.1"


def address_of(listen: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`; raises `ValueError`. Without a host it is this machine only."""
    host, colon, port = listen.rpartition(":")
    if not colon or not re.fullmatch("[0-9]{1,5}", port):
        raise ValueError("is HOST:PORT, such as 127.0.0.1:8780")
    if int(port) > 65535:
        raise ValueError("has a port over 65535")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if ":" not in host:
            raise ValueError("has brackets that hold no IPv6 address")
    if ":" in host:
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise ValueError(
                "has a host that is no IPv6 address; it is written [::1]:8780"
            ) from None
    elif host and not _NAME.fullmatch(host):
        raise ValueError("has a host that is no name and no address")
    return host or _LOCAL, int(port)


def is_loopback(listen: str) -> bool:
    """Whether only this machine can reach it."""
    host, _ = address_of(listen)
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"


def are_one(first: str, second: str) -> bool:
    """Whether two addresses cannot be listened on at a time, for one is, or holds, the other."""
    (host, port), (other, its_port) = address_of(first), address_of(second)
    if port != its_port or port == 0:
        return False
    hosts = {_LOCAL if one == "localhost" else one for one in (host, other)}
    if len(hosts) == 1 or "::" in hosts:  # which takes IPv4 as well
        return True
    return "0.0.0.0" in hosts and not any(":" in one for one in hosts)  # noqa: S104 - it is looked for


def _checked(listen: str) -> str:
    address_of(listen)
    return listen


Listen = Annotated[
    str,
    AfterValidator(_checked),
    Field(json_schema_extra={"pattern": ":[0-9]{1,5}$", "examples": ["127.0.0.1:8780"]}),
]
