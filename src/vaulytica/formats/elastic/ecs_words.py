"""What an event's type says in ECS's own words: its category, type and outcome.

The lists are closed, and a category has only some of the types (ECS 8.17, `event.category`,
"expected_event_types"). ECS wants the category left out where none fits, rather than a wrong one.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+[a-z]*")
_LOGGED_IN = re.compile(r"\b(?:log|logged|sign|signed) (in|on|out|off)\b")
# Words that together mean something else than each by itself.
_TOGETHER = (
    (re.compile(r"\buser agents?\b"), "useragent"),
    (re.compile(r"\bdriver s? ?licen[cs]es?\b"), "licence"),
    (re.compile(r"\b(?:sql|command|code) injections?\b"), "injection"),
    (re.compile(r"\bassume role\b"), "assumerole"),
    (re.compile(r"\bprocess (?:create|created|creation)\b"), "process started"),
)
_LONGEST_KEPT = 256  # characters of a type


def _by_word(*rows: tuple[str, str]) -> dict[str, str]:
    return {word: meaning for meaning, words in rows for word in words.split()}


# The first row that one of the words is in decides: the more telling come first.
_CATEGORIES: tuple[tuple[str, frozenset[str], frozenset[str]], ...] = tuple(
    (category, frozenset(types.split()), frozenset(words.split()))
    for category, types, words in (
        (
            "authentication",
            "start end info",
            (
                "login logins logon logoff logout signin signout auth authentication authenticated "
                "authenticate mfa 2fa sso otp kerberos ntlm assumerole"
            ),
        ),
        ("session", "start end info", "session sessions"),
        ("malware", "info", "malware virus ransomware trojan spyware worm rootkit"),
        ("threat", "indicator", "ioc indicator indicators"),
        ("vulnerability", "info", "vulnerability vulnerabilities cve"),
        (
            "intrusion_detection",
            "allowed denied info",
            "intrusion exploit attack brute bruteforce ids ips exfiltration beacon injection",
        ),
        ("email", "info", "email emails mail mailbox phishing spam"),
        (
            "file",
            "access change creation deletion info",
            "file files document documents folder folders directory attachment",
        ),
        ("registry", "access change creation deletion", "registry"),
        ("driver", "change end info start", "driver drivers"),
        ("library", "start", "library dll"),
        ("package", "access change deletion info installation start", "package packages"),
        ("process", "access change end info start", "process processes command powershell"),
        ("web", "access error info", "web website http https url useragent"),
        (
            "network",
            "access allowed connection denied end info protocol start",
            "network connection connections firewall dns port ports traffic vpn packet tcp udp",
        ),
        ("database", "access change info error", "database databases db sql query table"),
        (
            "iam",
            "admin change creation deletion group info user",
            (
                "user users group groups role roles account accounts permission permissions privilege "
                "privileges password passwords iam member members membership admin"
            ),
        ),
        (
            "configuration",
            "access change creation deletion info",
            "config configuration setting settings policy policies rule rules",
        ),
        (
            "host",
            "access change end info start",
            "host hosts server servers instance instances machine vm device endpoint",
        ),
        (
            "api",
            "access admin allowed change creation deletion denied end info start user",
            "api",
        ),
    )
)
_TYPES = _by_word(
    ("creation", "create created creates creation add added new upload uploaded"),
    ("deletion", "delete deleted deletes deletion remove removed removal destroyed purged"),
    (
        "change",
        (
            "change changed changes modify modified modification update updated edit edited rename "
            "renamed move moved reset granted grant assigned revoked enabled disabled share shared "
            "unshared encrypted locked unlocked quarantined attached detached"
        ),
    ),
    ("access", "access accessed read opened view viewed download downloaded listed copied"),
    ("denied", "deny denied block blocked prevented dropped refused rejected"),
    ("allowed", "allow allowed permit permitted accepted"),
    (
        "start",
        (
            "start started launched executed login logins logon signin began loaded authentication "
            "authenticated authenticate"
        ),
    ),
    ("end", "end ended stop stopped terminated exited logout logoff signout closed expired"),
    ("installation", "install installed installation"),
    ("connection", "connect connected connection connections"),
    ("error", "error errors"),
    ("user", "user users account accounts password passwords member members"),
    ("group", "group groups role roles"),
    ("admin", "admin"),
    ("indicator", "ioc indicator indicators"),
)
_OUTCOMES = _by_word(
    ("failure", "fail failed fails failure failures unsuccessful"),
    ("success", "success succeeded succeeds successful successfully"),
)
_NO_INFO = {"library": "start", "registry": "access", "threat": "indicator"}


def categorised(type: str) -> dict[str, Any]:
    """`category`, `type` and `outcome` of `event` for our event's type; what is not known is left out."""
    return _read(type) if len(type) > _LONGEST_KEPT else dict(_kept(type))


def outcome_of(text: str) -> str | None:
    """ECS's word for a result, such as `Succeeded`; None if it is none."""
    return _OUTCOMES.get(text.lower())


def _read(type: str) -> dict[str, Any]:
    text = " ".join(_WORD.findall(type)).lower()
    text = _LOGGED_IN.sub(r"log\1", text)
    for together, word in _TOGETHER:
        text = together.sub(word, text)
    words = text.split()
    said: dict[str, Any] = {"type": ["info"]}
    for category, types, telling in _CATEGORIES:
        if not telling.isdisjoint(words):
            found = (_TYPES.get(word) for word in words)
            fit = dict.fromkeys(t for t in found if t in types)
            said = {
                "category": [category],
                "type": list(fit) or [_NO_INFO.get(category, "info")],
            }
            break
    outcome = next((_OUTCOMES[word] for word in words if word in _OUTCOMES), None)
    return said if outcome is None else said | {"outcome": outcome}


_kept = lru_cache(maxsize=4096)(_read)
