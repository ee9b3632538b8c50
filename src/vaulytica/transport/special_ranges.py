"""Addresses that no public host has: ranges, what each is for, and where that is written.

Everything in IANA's special-purpose registries (https://www.iana.org/assignments/iana-ipv4-special-registry
and …/iana-ipv6-special-registry, as of 2025-10-09), also what these call globally reachable: anycast
services, where no webhook is. Then multicast (…/multicast-addresses), and what clouds keep for their own.
"""

from __future__ import annotations

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_IPV4 = (
    ("0.0.0.0/8", "this network, unspecified", "RFC 791, 3.2"),
    ("10.0.0.0/8", "private", "RFC 1918"),
    ("100.64.0.0/10", "shared by a carrier's customers", "RFC 6598"),
    ("127.0.0.0/8", "loopback", "RFC 1122, 3.2.1.3"),
    ("168.63.129.16/32", "Azure's own platform", "Azure: what is IP address 168.63.129.16"),
    ("169.254.0.0/16", "link-local, cloud metadata", "RFC 3927"),
    ("172.16.0.0/12", "private", "RFC 1918"),
    ("192.0.0.0/24", "IETF protocols", "RFC 6890, 2.1"),
    ("192.0.2.0/24", "documentation", "RFC 5737"),
    ("192.31.196.0/24", "AS112, answers to nothing", "RFC 7535"),
    ("192.52.193.0/24", "multicast tunnels (AMT)", "RFC 7450"),
    ("192.88.99.0/24", "6to4 relays", "RFC 7526"),
    ("192.168.0.0/16", "private", "RFC 1918"),
    ("192.175.48.0/24", "AS112, answers to nothing", "RFC 7534"),
    ("198.18.0.0/15", "benchmarks", "RFC 2544"),
    ("198.51.100.0/24", "documentation", "RFC 5737"),
    ("203.0.113.0/24", "documentation", "RFC 5737"),
    ("224.0.0.0/4", "multicast", "RFC 5771"),
    ("255.255.255.255/32", "broadcast", "RFC 8190"),
    ("240.0.0.0/4", "reserved", "RFC 1112, 4"),
)
# The first that fits counts; what is in none of these is special as well, but for 2000::/3.
_IPV6 = (
    ("::/128", "unspecified", "RFC 4291, 2.5.2"),
    ("::1/128", "loopback", "RFC 4291, 2.5.3"),
    ("::/96", "IPv4-compatible", "RFC 4291, 2.5.5.1"),
    ("::ffff:0:0:0/96", "IPv4-translated", "RFC 2765, 2.1"),
    ("64:ff9b:1::/48", "a local network's NAT64", "RFC 8215"),
    ("100::/64", "discarded", "RFC 6666"),
    ("100:0:0:1::/64", "a dummy", "RFC 9780"),
    ("2001::/23", "IETF protocols", "RFC 2928"),
    ("2001:db8::/32", "documentation", "RFC 3849"),
    ("2620:4f:8000::/48", "AS112, answers to nothing", "RFC 7534"),
    ("3ffe::/16", "the former 6bone", "RFC 3701"),
    ("3fff::/20", "documentation", "RFC 9637"),
    ("5f00::/16", "segment routing", "RFC 9602"),
    ("fc00::/7", "unique local, private", "RFC 4193"),
    ("fe80::/10", "link-local", "RFC 4291, 2.5.6"),
    ("fec0::/10", "site-local, private", "RFC 3879"),
    ("ff00::/8", "multicast", "RFC 4291, 2.7"),
)
_UNICAST = ipaddress.IPv6Network("2000::/3")
_NOT_UNICAST = "not allocated for unicast, only 2000::/3 is (RFC 4291, 2.4)"

_TABLES: dict[int, list[tuple[Network, str]]] = {
    version: [
        (ipaddress.ip_network(network), f"{what}, {network} ({source})")
        for network, what, source in table
    ]
    for version, table in ((4, _IPV4), (6, _IPV6))
}

# What reaches an IPv4 address by way of an IPv6 one: judged by that address, in place of the table.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052, 2.1
_6TO4 = ipaddress.IPv6Network("2002::/16")  # RFC 3056, 2
_TEREDO = ipaddress.IPv6Network("2001::/32")  # RFC 4380, 4
_BY_WAY_OF = (_NAT64, _6TO4, _TEREDO)
# These may, too: for deny-lists. Where the local NAT64's address is depends on its prefix (RFC 6052, 2.2).
_LAST_32_BITS = tuple(map(ipaddress.IPv6Network, ("::/96", "::ffff:0:0:0/96", "64:ff9b::/96")))
_LOCAL_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")
_THIS_MACHINE: dict[int, Address] = {
    4: ipaddress.IPv4Address("127.0.0.1"),
    6: ipaddress.IPv6Address("::1"),
}
_ISATAP = (0x00005EFE, 0x02005EFE)  # the interface identifier's first half, RFC 5214, 6.1


def unmapped(address: Address) -> Address:
    """The address as it is connected to: an IPv4-mapped one is IPv4 on the wire."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address if mapped is None else mapped


def loopback_of(address: Address) -> list[Address]:
    """Where an unspecified address leads: to connect to 0.0.0.0 or :: is to connect to this machine."""
    return [_THIS_MACHINE[address.version]] if address.is_unspecified else []


def embedded(address: Address) -> list[ipaddress.IPv4Address]:
    """The IPv4 addresses that an IPv6 one may lead to."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    bits = int(address)
    found = []
    if any(address in network for network in _LAST_32_BITS):
        found.append(bits)
    if address in _LOCAL_NAT64:
        # For prefixes of 48, 56, 64 and 96 bits; bits 64 to 71 are left out.
        found += [(bits >> 64 & 0xFFFF) << 16 | bits >> 40 & 0xFFFF]
        found += [(bits >> 64 & 0xFF) << 24 | bits >> 32 & 0xFFFFFF, bits >> 24, bits]
    if address in _6TO4:
        found.append(bits >> 80)
    if address in _TEREDO:
        found += [bits >> 64, ~bits]  # its server, and its client, which is written inverted
    if bits >> 32 & 0xFFFFFFFF in _ISATAP:
        found.append(bits)
    return [ipaddress.IPv4Address(each & 0xFFFFFFFF) for each in found]


def special_range(address: Address) -> str | None:
    """Why this is no public host's address: the range it is in, for whom, and the source; else None."""
    by_way_of = any(address in network for network in _BY_WAY_OF)
    if not by_way_of:
        for network, what in _TABLES[address.version]:
            if address in network:
                return what
        if address.version == 6 and address not in _UNICAST:
            return _NOT_UNICAST
    for inner in embedded(address):
        if (why := special_range(inner)) is not None:
            return f"it leads to {inner}, {why}"
    return None
