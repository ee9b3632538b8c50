"""Readers: which ECS fields a value of an event's data is fit for; none, if it is of a wrong kind.

A document with one text in a field for addresses or numbers is refused whole: what is in doubt is left
where it was, under `vaulytica`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from vaulytica.formats.elastic.ecs_words import outcome_of

Pairs = list[tuple[str, Any]]  # paths of fields, and their values
Reader = Callable[[str, Any], Pairs]  # of the path in the table, and the value

_NONE = ("", "-")  # Windows writes a dash for what is not there
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_HEX = re.compile(r"[0-9a-fA-F]+")
_DIGESTS = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}  # by the number of hex digits
_TRANSPORTS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "ipv6-icmp", "132": "sctp"}
_AWS_ACCOUNT = re.compile(r"\d{12}")
_CVE = re.compile(r"CVE-\d{4}-\d{4,}", re.IGNORECASE)


def text(path: str, value: Any) -> Pairs:
    """Any text."""
    return [(path, value)] if isinstance(value, str) and value not in _NONE else []


def texts(path: str, value: Any) -> Pairs:
    """A list of texts."""
    fits = isinstance(value, list) and value and all(isinstance(item, str) for item in value)
    return [(path, value)] if fits else []


def identifier(path: str, value: Any) -> Pairs:
    """A text, or a number as text."""
    return text(path, str(value) if _is_int(value) else value)


def code(path: str, value: Any) -> Pairs:
    """A number, as text: Windows' `EventID` is one, CloudTrail's `eventID` is not."""
    number = _number(value)
    return [] if number is None else [(path, str(number))]


def long(path: str, value: Any) -> Pairs:
    """A whole number from 0 that fits 64 bits; also as text, decimal or 0x…."""
    number = _number(value)
    return [] if number is None or number >= 2**63 else [(path, number)]


def port(path: str, value: Any) -> Pairs:
    """A number of 16 bits."""
    number = _number(value)
    return [] if number is None or number >= 2**16 else [(path, number)]


def ips(path: str, value: Any) -> Pairs:
    """One address, or a list of them."""
    given = value if isinstance(value, list) else [value]
    return [(path, given)] if given and all(map(_is_ip, given)) else []


def address(path: str, value: Any) -> Pairs:
    """What is said to be an address; ECS keeps it as `address`, and as `ip` where it is one."""
    raw = text(f"{path}.address", value)
    return [*raw, (f"{path}.ip", value)] if _is_ip(value) else raw


def account(path: str, value: Any) -> Pairs:
    r"""A user's name, which may be an e-mail address or `DOMAIN\name`."""
    if not text(path, value):
        return []
    domain, _, name = value.rpartition("\\")
    if domain and name:
        return [(f"{path}.name", name), (f"{path}.domain", domain)]
    return [(f"{path}.name", value), *email(f"{path}.email", value)]


def email(path: str, value: Any) -> Pairs:
    """An e-mail address."""
    return [(path, value)] if isinstance(value, str) and _EMAIL.fullmatch(value) else []


def file(path: str, value: Any) -> Pairs:
    """A file's name, or its whole path."""
    if not text(path, value):
        return []
    name = value[max(value.rfind("/"), value.rfind("\\")) + 1 :]
    pairs = [(f"{path}.path", value)] if name != value else []
    if name:
        pairs.append((f"{path}.name", name))
        stem, _, extension = name.rpartition(".")
        if stem and extension:
            pairs.append((f"{path}.extension", extension))
    return pairs


def program(path: str, value: Any) -> Pairs:
    """A program's name, or the path of its file."""
    named = [(p, v) for p, v in file(path, value) if not p.endswith("extension")]
    return [(p.replace(f"{path}.path", f"{path}.executable"), v) for p, v in named]


def digest(path: str, value: Any) -> Pairs:
    """A digest in hex; which one, its length says."""
    if not isinstance(value, str) or not _HEX.fullmatch(value) or len(value) not in _DIGESTS:
        return []
    return [(f"{path}.{_DIGESTS[len(value)]}", value.lower())]


def digests(path: str, value: Any) -> Pairs:
    """Sysmon's `SHA1=…,MD5=…`; or one alone."""
    given = value.split(",") if isinstance(value, str) else ()
    return [pair for one in given for pair in digest(path, one.rpartition("=")[2])]


def url(path: str, value: Any) -> Pairs:
    """A URL; its parts only if it is an absolute one."""
    pairs = text(f"{path}.original", value)
    try:
        parts = urlsplit(value) if pairs else None
    except ValueError:
        return pairs
    if parts is None or not parts.scheme or not parts.hostname:
        return pairs
    full, domain = (f"{path}.full", value), (f"{path}.domain", parts.hostname)
    return [*pairs, full, (f"{path}.scheme", parts.scheme), domain]


def transport(path: str, value: Any) -> Pairs:
    """A protocol over IP, by name or by IANA's number."""
    word = str(value).lower() if isinstance(value, str) or _is_int(value) else ""
    word = _TRANSPORTS.get(word, word)
    return [(path, word)] if word in _TRANSPORTS.values() else []


def outcome(path: str, value: Any) -> Pairs:
    """`success` or `failure`, in some word for it."""
    word = outcome_of(value) if isinstance(value, str) else None
    return [] if word is None else [(path, word)]


def error_code(path: str, value: Any) -> Pairs:
    """An error's code (CloudTrail has one only where a call failed)."""
    pairs = text(path, value)
    return [*pairs, ("event.outcome", "failure")] if pairs else []


def aws_account(path: str, value: Any) -> Pairs:
    """A number of AWS's kind: other accounts may well be users."""
    fits = isinstance(value, str) and _AWS_ACCOUNT.fullmatch(value)
    return [(path, value)] if fits else []


def aws_region(path: str, value: Any) -> Pairs:
    """A region that is called AWS's."""
    pairs = text(path, value)
    return [*pairs, ("cloud.provider", "aws")] if pairs else []


def lower(path: str, value: Any) -> Pairs:
    """A text that ECS has in lower case."""
    return [(path, text.lower()) for path, text in text(path, value)]


def registry(path: str, value: Any) -> Pairs:
    """A path in Windows' registry."""
    return text(path, value) if isinstance(value, str) and value.startswith("HK") else []


def vulnerability(path: str, value: Any) -> Pairs:
    """A CVE's number."""
    fits = isinstance(value, str) and _CVE.fullmatch(value)
    return [(path, value.upper())] if fits else []


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> int | None:
    if _is_int(value):
        return int(value) if value >= 0 else None
    if not isinstance(value, str) or not value.isascii() or len(value) > 20:
        return None
    if value.startswith("0x") and _HEX.fullmatch(value[2:]):
        return int(value, 16)
    return int(value) if value.isdigit() else None


def _is_ip(value: Any) -> bool:
    """Whether Elasticsearch reads it as an address: one without zone (`%eth0`) or port."""
    if not isinstance(value, str) or "%" in value:
        return False
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True
