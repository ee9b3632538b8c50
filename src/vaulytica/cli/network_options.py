"""The options that say how a destination is reached: through what, and where it may be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from vaulytica.cli.auth_options import option


@dataclass(kw_only=True)
class NetworkOptions:
    """Proxies, and which addresses may be connected to; as given on the command line."""

    proxy: Annotated[
        str | None, option("--proxy", "A proxy's URL; or a reference to it.", "URL")
    ] = None
    trust_env: Annotated[
        bool | None,
        option("--trust-env/--no-trust-env", "Use the proxies the environment names (no)."),
    ] = None
    egress: Annotated[
        str | None, option("--egress", "Where it may connect: any (default), public-only.", "E")
    ] = None
    egress_allow: Annotated[
        list[str], option("--egress-allow", "Only this network, 192.0.2.0/24, or public.", "NET")
    ] = field(default_factory=list)
    egress_deny: Annotated[
        list[str], option("--egress-deny", "Never this network, 192.0.2.0/24.", "NET")
    ] = field(default_factory=list)
    proxy_is_guard: Annotated[
        bool | None,
        option("--proxy-is-guard/--no-proxy-is-guard", "The proxy itself keeps to that (no)."),
    ] = None
