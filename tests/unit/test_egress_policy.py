"""The egress policy: which addresses are public, what allow and deny mean, and how a refusal is worded."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaulytica.config import WebhookConfig, WebhookEgress
from vaulytica.errors import WebhookConfigError
from vaulytica.transport.egress import EgressPolicy

URL = "https://hooks.example.com/in"
PUBLIC_ONLY = EgressPolicy(["public"])

# Address, and what the refusal says of it.
SPECIAL = [
    ("0.0.0.0", "unspecified"),
    ("0.1.2.3", "this network"),
    ("10.0.0.1", "private, 10.0.0.0/8 (RFC 1918)"),
    ("100.64.0.1", "RFC 6598"),
    ("100.100.100.200", "RFC 6598"),  # Alibaba Cloud's metadata
    ("100.127.255.255", "RFC 6598"),
    ("127.0.0.1", "loopback"),
    ("127.255.255.254", "loopback"),
    ("168.63.129.16", "Azure"),
    ("169.254.169.254", "link-local, cloud metadata"),
    ("169.254.170.2", "link-local"),
    ("172.16.0.1", "private"),
    ("172.31.255.255", "private"),
    ("192.0.0.1", "IETF protocols"),
    ("192.0.0.9", "IETF protocols"),  # which is_global calls global
    ("192.0.0.192", "IETF protocols"),  # Oracle Cloud's metadata
    ("192.0.2.1", "documentation"),
    ("192.88.99.1", "6to4 relays"),  # is_global: global
    ("192.168.1.1", "private"),
    ("198.18.0.1", "benchmarks"),
    ("198.51.100.1", "documentation"),
    ("203.0.113.1", "documentation"),
    ("224.0.0.1", "multicast"),  # is_global: global, as are more of these
    ("239.255.255.250", "multicast"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.255", "broadcast"),
    ("::", "unspecified"),
    ("::1", "loopback"),
    ("::127.0.0.1", "IPv4-compatible"),
    ("::8.8.8.8", "IPv4-compatible"),
    ("::ffff:127.0.0.1", "loopback, 127.0.0.0/8"),
    ("::ffff:169.254.169.254", "link-local"),
    ("::ffff:0:127.0.0.1", "IPv4-translated"),
    ("64:ff9b::7f00:1", "it leads to 127.0.0.1, loopback"),
    ("64:ff9b::a9fe:a9fe", "it leads to 169.254.169.254"),
    ("64:ff9b:1::7f00:1", "a local network's NAT64"),
    ("64:ff9b:1::808:808", "a local network's NAT64"),
    ("100::1", "discarded"),
    ("100:0:0:1::1", "a dummy"),
    ("1::1", "not allocated for unicast"),
    ("2001:0:7f00:1::", "it leads to 127.0.0.1"),  # Teredo's server
    ("2001:0:808:808::80ff:fffe", "it leads to 127.0.0.1"),  # Teredo's client, inverted
    ("2001:2::1", "IETF protocols"),
    ("2001:20::1", "IETF protocols"),
    ("2001:db8::1", "documentation"),
    ("2002:7f00:1::", "it leads to 127.0.0.1"),
    ("2002:a9fe:a9fe::1", "it leads to 169.254.169.254"),
    ("2002:a00:1::1", "it leads to 10.0.0.1, private"),
    ("2600::5efe:10.0.0.1", "it leads to 10.0.0.1"),  # ISATAP
    ("2600::200:5efe:192.168.0.1", "it leads to 192.168.0.1"),
    ("2620:4f:8000::1", "AS112"),
    ("3fff::1", "documentation"),
    ("4000::1", "not allocated for unicast"),
    ("5f00::1", "segment routing"),
    ("fc00::1", "unique local"),
    ("fd00:ec2::254", "unique local"),  # AWS's metadata
    ("fe80::1", "link-local"),
    ("fe80::1%eth0", "link-local"),
    ("fec0::1", "site-local"),
    ("ff02::1", "multicast"),
    ("ff0e::1", "multicast"),
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "11.0.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "168.63.129.15",
    "172.15.255.255",
    "172.32.0.1",
    "192.0.1.1",
    "223.255.255.255",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
    "2001:0:808:808::f7f7:f7f7",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2600::5efe:8.8.8.8",
    "2a00:1450:4001::1",
]


@pytest.mark.parametrize(("address", "why"), SPECIAL)
def test_public_only_refuses_what_is_no_public_unicast(address: str, why: str) -> None:
    refusal = PUBLIC_ONLY.refusal(address)
    assert refusal is not None
    assert refusal.startswith(f"{address} is not public: ")
    assert why in refusal


@pytest.mark.parametrize("address", PUBLIC)
def test_public_only_lets_public_unicast_pass(address: str) -> None:
    assert PUBLIC_ONLY.refusal(address) is None


@pytest.mark.parametrize("text", ["", "localhost", "family 1", "127.1", "1.2.3.4.5", "::g"])
def test_what_is_no_address_is_refused(text: str) -> None:
    assert PUBLIC_ONLY.refusal(text) == f"{text} is no IP address"


@given(st.ip_addresses())
def test_public_only_is_never_laxer_than_pythons_own_table(address: object) -> None:
    """But where Python calls a way to a public IPv4 address not global as a whole."""
    assert isinstance(address, ipaddress.IPv4Address | ipaddress.IPv6Address)
    translated = ("2002::/16", "64:ff9b::/96", "2001::/32")
    if any(address in ipaddress.ip_network(n) for n in translated if address.version == 6):
        return
    mapped = getattr(address, "ipv4_mapped", None)
    if not (mapped or address).is_global:
        assert PUBLIC_ONLY.refusal(str(address)) is not None


@given(st.ip_addresses(v=4))
def test_every_way_to_an_ipv4_address_is_judged_as_that_address(inner: object) -> None:
    assert isinstance(inner, ipaddress.IPv4Address)
    number = int(inner)
    ways = [
        f"::ffff:{inner}",
        str(ipaddress.IPv6Address((0x64FF9B << 96) | number)),
        str(ipaddress.IPv6Address((0x2002 << 112) | (number << 80))),
        str(
            ipaddress.IPv6Address((0x20010000 << 96) | (0x08080808 << 64) | (~number & 0xFFFFFFFF))
        ),
        str(ipaddress.IPv6Address((0x2600 << 112) | (0x5EFE << 32) | number)),
    ]
    plain = PUBLIC_ONLY.refusal(str(inner)) is None
    assert [PUBLIC_ONLY.refusal(way) is None for way in ways] == [plain] * len(ways)


# --- Lists.


def test_any_refuses_nothing() -> None:
    assert EgressPolicy().is_any
    assert EgressPolicy().refusal("127.0.0.1") is None


def test_deny_alone_refuses_these_and_nothing_else() -> None:
    policy = EgressPolicy(deny=["10.0.0.0/8", "169.254.169.254"])
    assert policy.refusal("10.1.2.3") == "10.1.2.3 is in deny 10.0.0.0/8"
    assert policy.refusal("169.254.169.254") == "169.254.169.254 is in deny 169.254.169.254/32"
    assert policy.refusal("127.0.0.1") is None
    assert policy.refusal("8.8.8.8") is None


def test_allow_alone_lets_these_pass_and_nothing_else_whatever_they_are() -> None:
    policy = EgressPolicy(["10.1.0.0/16", "fd00::/8"])
    assert policy.refusal("10.1.2.3") is None
    assert policy.refusal("fd00::1") is None
    assert policy.refusal("10.2.0.1") == "10.2.0.1 is in none of allow"
    assert policy.refusal("8.8.8.8") == "8.8.8.8 is in none of allow"


def test_allow_may_name_networks_beside_the_public() -> None:
    policy = EgressPolicy(["public", "10.1.0.0/16"])
    assert [policy.refusal(a) for a in ("8.8.8.8", "10.1.2.3")] == [None, None]
    assert policy.refusal("10.2.0.1") is not None


def test_deny_wins_over_allow() -> None:
    policy = EgressPolicy(["public", "10.0.0.0/8"], ["10.0.0.0/24", "8.8.8.0/24"])
    assert policy.refusal("10.0.1.1") is None
    assert policy.refusal("10.0.0.1") == "10.0.0.1 is in deny 10.0.0.0/24"
    assert policy.refusal("8.8.8.8") == "8.8.8.8 is in deny 8.8.8.0/24"


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("0.0.0.0", "127.0.0.1"),
        ("::ffff:0.0.0.0", "127.0.0.1"),
        ("::", "::1"),
        ("::", "127.0.0.1"),  # as an IPv4-compatible address
        ("64:ff9b::", "127.0.0.1"),
        ("2002::", "127.0.0.1"),
    ],
)
def test_an_unspecified_address_leads_to_this_machine(address: str, here: str) -> None:
    rule = EgressPolicy(deny=[here]).refusal(address)
    assert rule is not None
    assert f"leads to {here}, which is in deny {here}" in rule
    assert EgressPolicy(deny=["10.0.0.0/8"]).refusal(address) is None
    assert EgressPolicy(deny=[here]).refusal("0.1.2.3") is None


@pytest.mark.parametrize(
    "address",
    [
        "::ffff:10.0.0.1",
        "::10.0.0.1",
        "::ffff:0:10.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::a00:1",  # a prefix of 96 bits
        "64:ff9b:1:a00:0:100::",  # 48
        "64:ff9b:1:a:0:1::",  # 56
        "64:ff9b:1:0:a:0:100:0",  # 64
        "2002:a00:1::1",
        "2001:0:a00:1::",
        "2001:0:808:808::f5ff:fffe",
        "2600::5efe:a00:1",
    ],
)
def test_deny_also_holds_for_ways_to_the_address(address: str) -> None:
    refusal = EgressPolicy(deny=["10.0.0.0/8"]).refusal(address)
    assert refusal == f"{address} leads to 10.0.0.1, which is in deny 10.0.0.0/8"


def test_networks_of_mapped_addresses_are_networks_of_ipv4() -> None:
    assert EgressPolicy(deny=["::ffff:10.0.0.0/104"]).refusal("10.1.1.1") is not None
    assert EgressPolicy(["::ffff:10.0.0.0/104"]).refusal("10.1.1.1") is None
    assert EgressPolicy(["0.0.0.0/0"]).refusal("::ffff:10.0.0.1") is None
    assert EgressPolicy(["::/0"]).refusal("10.0.0.1") is not None
    assert EgressPolicy(deny=["::/0"]).refusal("::ffff:10.0.0.1") is not None


def test_a_guard_may_be_anywhere_but_where_deny_says() -> None:
    policy = EgressPolicy(["public"], ["10.0.0.0/8"])
    assert policy.refusal("127.0.0.1", guard=True) is None
    assert policy.refusal("10.0.0.1", guard=True) == "10.0.0.1 is in deny 10.0.0.0/8"


# --- Settings.


@pytest.mark.parametrize(
    ("egress", "says"),
    [
        ("private", "egress: is any, public-only, or"),
        (3, "egress"),
        ({"allow": []}, "egress.allow is empty"),
        ({"allow": ["10.0.0.1/8"]}, r"egress.allow\[0\] has host bits set"),
        ({"deny": ["10.0.0.0/8", "hooks.example.com"]}, r"egress.deny\[1\] is no network"),
        ({"deny": ["public"]}, r"egress.deny\[0\] is no network"),
        ({"allow": "10.0.0.1/8"}, r"egress.allow\[0\] has host bits set"),
        ({"allow": 10}, "egress: allow"),
        ({}, "egress: is empty, so limits nothing; write any"),
        ({"denied": ["10.0.0.0/8"]}, "denied"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(egress: object, says: str) -> None:
    with pytest.raises(WebhookConfigError, match=says):
        WebhookConfig(url=URL, egress=egress)


def test_the_words_are_short_for_lists() -> None:
    assert WebhookConfig(url=URL).egress == WebhookEgress()
    assert WebhookConfig(url=URL, egress="any").egress == WebhookEgress()
    config = WebhookConfig(url=URL, egress="public-only")
    assert config.egress == WebhookEgress(allow=("public",))
    assert "allow=('public',)" in repr(config)
    again = WebhookConfig(url=URL, egress=config.model_dump()["egress"])
    assert again == config


def test_a_single_text_is_a_list_of_one() -> None:
    config = WebhookConfig(url=URL, egress={"allow": "public", "deny": "8.8.8.0/24"})
    assert config.egress == WebhookEgress(allow=("public",), deny=("8.8.8.0/24",))


def test_editors_are_told_of_words_and_lists() -> None:
    schema = WebhookConfig.model_json_schema()["properties"]["egress"]
    assert {"enum": ["any", "public-only"], "type": "string"} in schema["anyOf"]


RESTRICTING = ["public-only", {"allow": ["8.8.8.0/24"]}, {"deny": ["10.0.0.0/8"]}]


@pytest.mark.parametrize("egress", RESTRICTING)
@pytest.mark.parametrize(
    "through", [{"proxy": "http://proxy.example.com:3128"}, {"trust_env": True}]
)
def test_a_policy_fails_closed_with_a_proxy_that_is_not_named_as_the_guard(
    egress: object, through: dict[str, object]
) -> None:
    with pytest.raises(WebhookConfigError, match=r"egress: with .* say proxy_is_guard=True"):
        WebhookConfig(url=URL, egress=egress, **through)
    assert WebhookConfig(url=URL, egress=egress, proxy_is_guard=True, **through)
    assert WebhookConfig(url=URL, egress="any", **through)
