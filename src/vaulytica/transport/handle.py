"""A libcurl handle made ready: what libcurl would do unasked switched off, TLS and proxies as they should be."""

from __future__ import annotations

import certifi
import pycurl

from vaulytica.transport.network import Network
from vaulytica.transport.tls import Material, Tls

_VERSIONS = {
    "1.2": (pycurl.SSLVERSION_TLSv1_2, "TLSv1.2"),
    "1.3": (pycurl.SSLVERSION_TLSv1_3, "TLSv1.3"),
}


def made(network: Network, material: Material, *, pinned: bool) -> pycurl.Curl:
    """A handle for requests by http and https alone. `pinned`: for the place that pins are for."""
    curl = pycurl.Curl()
    curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    curl.setopt(pycurl.FOLLOWLOCATION, 0)
    curl.setopt(pycurl.NETRC, pycurl.NETRC_IGNORED)
    curl.setopt(pycurl.NOSIGNAL, 1)
    curl.setopt(pycurl.TCP_NODELAY, 1)
    curl.setopt(pycurl.SSL_VERIFYPEER, 1 if network.verify else 0)
    curl.setopt(pycurl.SSL_VERIFYHOST, 2 if network.verify else 0)
    _set_tls(curl, network.tls, material)
    if pinned and network.tls.pins:
        curl.setopt(pycurl.PINNEDPUBLICKEY, network.tls.pins)
    _set_proxy(curl, network, material)
    return curl


def _set_tls(curl: pycurl.Curl, tls: Tls, material: Material) -> None:
    curl.setopt(pycurl.SSLVERSION, _VERSIONS[tls.min_version][0])
    curl.unsetopt(pycurl.CAPATH)  # some builds trust a folder besides
    if material.ca is None:
        curl.setopt(pycurl.CAINFO, certifi.where())
    else:
        curl.setopt(pycurl.CAINFO_BLOB, material.ca)
    if material.certificate is not None:
        curl.setopt(pycurl.SSLCERT_BLOB, material.certificate)
        curl.setopt(pycurl.SSLKEY_BLOB, material.key or material.certificate)
        # Given none, OpenSSL would ask on the terminal.
        curl.setopt(pycurl.KEYPASSWD, material.password or "")


def _set_proxy(curl: pycurl.Curl, network: Network, material: Material) -> None:
    """A proxy by https is shown no certificate of ours, and always has to show one of its own."""
    if network.proxy is not None or not network.trust_env:
        curl.setopt(pycurl.PROXY, network.proxy or "")  # "" also overrules the environment
    if network.no_proxy is not None or network.proxy is not None or not network.trust_env:
        # Else the environment's no_proxy could lead around the proxy given.
        hosts = network.no_proxy or ()  # of which libcurl knows * only alone
        curl.setopt(pycurl.NOPROXY, "*" if "*" in hosts else ",".join(hosts))
    curl.setopt(pycurl.PROXY_SSLVERSION, pycurl.SSLVERSION_TLSv1_2)
    curl.unsetopt(pycurl.PROXY_CAPATH)
    if material.ca is None:
        curl.setopt(pycurl.PROXY_CAINFO, certifi.where())
    else:
        curl.setopt(pycurl.PROXY_CAINFO_BLOB, material.ca)
