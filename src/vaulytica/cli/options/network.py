"""The options that say how a destination is reached: through what, trusting whom, and where it may be."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from vaulytica.cli.options.auth import option


@dataclass(kw_only=True)
class NetworkOptions:
    """TLS, proxies, and which addresses may be connected to; as given on the command line."""

    ca_file: Annotated[
        Path | None, option("--ca-file", "Trust these authorities only (PEM).", "FILE")
    ] = None
    client_cert: Annotated[
        Path | None, option("--client-cert", "Our certificate (PEM).", "FILE")
    ] = None
    client_key: Annotated[
        Path | None, option("--client-key", "Its key, if it is in a file of its own.", "FILE")
    ] = None
    client_key_password: Annotated[
        str | None, option("--client-key-password", "The key's password.", "R")
    ] = None
    pin: Annotated[
        list[str], option("--pin", "Its public key, sha256//…; give the backup's too.", "PIN")
    ] = field(default_factory=list)
    tls_min: Annotated[str | None, option("--tls-min", "1.2 (default) or 1.3.", "V")] = None
    server_name: Annotated[
        str | None, option("--server-name", "Ask for this name, not the URL's.", "HOST")
    ] = None

    proxy: Annotated[
        str | None, option("--proxy", "A proxy's URL; or a reference to it.", "URL")
    ] = None
    no_proxy: Annotated[
        list[str], option("--no-proxy", "Reach this host without the proxy.", "HOST")
    ] = field(default_factory=list)
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
