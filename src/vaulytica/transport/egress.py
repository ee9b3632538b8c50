"""Egress: which addresses may be connected to. A pure policy, and the gate that holds libcurl to it.

libcurl resolves names, and asks before each connection for a socket. The gate refuses at first, so that
libcurl goes on to the next address, until the whole answer has been seen. If every address in it is
allowed, the same transfer runs again and gets its sockets, for these addresses only. See ADR 0014.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

from vaulytica.errors import FailureKind, TransportFailure, WebhookConfigError
from vaulytica.transport.special_ranges import (
    Address,
    Network,
    embedded,
    loopback_of,
    special_range,
    unmapped,
)

PUBLIC = "public"


class EgressPolicy:
    """`allow`: networks, and the word `public`; None: everything. `deny` wins over it."""

    def __init__(self, allow: Iterable[str] | None = None, deny: Iterable[str] = ()) -> None:
        words = None if allow is None else list(allow)
        if words is not None and not words:
            raise WebhookConfigError("egress.allow is empty: nothing could be reached")
        self._allow = None if words is None else _networks(words, "allow")
        self._public = PUBLIC in (words or ())
        self._deny = _networks(deny, "deny")

    @property
    def is_any(self) -> bool:
        """Whether everything is allowed, so that there is nothing to check."""
        return self._allow is None and not self._deny

    def refusal(self, address: str, *, guard: bool = False) -> str | None:
        """The rule that refuses this address; None if it may be connected to.

        `guard`: it is that of the proxy named as the guard, which only `deny` concerns.
        """
        try:
            literal = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return f"{address} is no IP address"
        target = unmapped(literal)
        for each in _all_reached_by(literal, target):
            if (network := _holding(self._deny, each)) is not None:
                leads = "" if each == literal else f" leads to {each}, which"
                return f"{address}{leads} is in deny {network}"
        if guard or self._allow is None or _holding(self._allow, target) is not None:
            return None
        if not self._public:
            return f"{address} is in none of allow"
        special = special_range(target)
        return None if special is None else f"{address} is not public: {special}"


def _all_reached_by(literal: Address, target: Address) -> list[Address]:
    """The address as given and as connected to, and what either may lead to."""
    found = [literal, target, *embedded(target)]
    return [*found, *(here for each in found for here in loopback_of(each))]


def _networks(words: Iterable[str], name: str) -> list[Network]:
    networks: list[Network] = []
    for position, word in enumerate(words):
        if word == PUBLIC and name == "allow":
            continue
        try:
            network = ipaddress.ip_network(word)
        except ValueError as error:
            why = "has host bits set" if "host bits" in str(error) else "is no network"
            also = " nor public" if name == "allow" else ""
            raise WebhookConfigError(
                f"egress.{name}[{position}] {why}{also}; write one as 192.0.2.0/24 or 2001:db8::/32"
            ) from None
        networks.append(_unmapped_network(network))
    return networks


def _unmapped_network(network: Network) -> Network:
    """One of IPv4-mapped addresses is one of IPv4 addresses, as these are."""
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ipaddress.IPv4Network((mapped, network.prefixlen - 96))
    return network


def _holding(networks: list[Network], address: Address) -> Network | None:
    return next((network for network in networks if address in network), None)


class _Lent(socket.socket):
    """A socket of which pycurl takes a copy; this one is closed without a warning that it was not."""

    def __del__(self) -> None:
        self.close()


_LOOKS = 4  # a name whose answer has changed under way as often is not settled


class Gate:
    """Between a policy and one libcurl handle: `open` is its OPENSOCKETFUNCTION."""

    def __init__(self, policy: EgressPolicy, bad: Any, *, proxy_is_guard: bool) -> None:
        self._policy, self._bad, self._proxy_is_guard = policy, bad, proxy_is_guard
        self._allowed: set[str] = set()
        self._unseen: list[str] = []
        self._looks = 0

    def close(self) -> None:
        """Before a new transfer: nothing is allowed yet."""
        if self._looks:
            self._allowed.clear()
            self._looks = 0
        self._unseen.clear()

    def open(self, purpose: int, address: Any) -> Any:
        """A socket for an address that has been judged; else none, and the address is noted."""
        host = str(address.addr[0]) if address.family in _FAMILIES else f"family {address.family}"
        if host in self._allowed:
            return _Lent(address.family, address.socktype, address.protocol)
        self._unseen.append(host)
        return self._bad

    def judge(self, *, through_proxy: bool) -> bool:
        """After a transfer that failed: whether to run it again, now that more of the answer is known.

        Raises `TransportFailure` where an address is refused: one of several is enough.
        """
        seen, self._unseen = self._unseen, []
        for address in seen:
            rule = self._policy.refusal(address, guard=through_proxy and self._proxy_is_guard)
            if rule is not None:
                others = len(seen) - 1
                which = f"; its name has {others} more, and none of them is tried" if others else ""
                what = "the proxy's address " if through_proxy else ""
                text = f"egress refused: {what}{rule}{which}"
                raise TransportFailure(FailureKind.EGRESS, text, retryable=False)
        self._allowed.update(seen)
        self._looks += bool(seen)
        return bool(seen) and self._looks < _LOOKS


_FAMILIES = (socket.AF_INET, socket.AF_INET6)
