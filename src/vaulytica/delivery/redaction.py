"""Redaction: no secret in a text or a pickle, however the destination that echoes it has written it."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from typing import NoReturn
from urllib.parse import quote, quote_plus

from vaulytica.errors import one_line

REDACTED = "***"
_SHORTEST = 4  # a shorter text is part of too many words to be cut out of them


class HoldsSecrets:
    """Something that cannot be pickled, since the pickle would show its secrets."""

    __slots__ = ()

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} holds secrets; build it anew in each process")


def redact(text: str, secrets: Iterable[str]) -> str:
    """Replace each secret, the longest first; also what is left of one where the text was cut off."""
    forms = {form for secret in secrets for form in _forms(secret) if len(form) >= _SHORTEST}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, REDACTED)
    cut = max((_overlap(text, form) for form in forms), default=0)
    return text[: len(text) - cut] + REDACTED if cut else text


def _forms(secret: str) -> set[str]:
    """The secret as it is, on one line, and escaped for JSON, HTML and URLs."""
    in_json = json.dumps(secret)[1:-1]
    in_html = html.escape(secret)
    forms = {
        secret,
        in_json,
        json.dumps(secret, ensure_ascii=False)[1:-1],
        in_json.replace("/", "\\/"),
        in_html,
        html.escape(secret, quote=False),
        in_html.replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
        quote(secret, errors="replace"),
        quote(secret, safe="", errors="replace"),
        quote_plus(secret, errors="replace"),
    }
    return forms | {one_line(form) for form in forms}


def _overlap(text: str, form: str) -> int:
    """How many characters at the text's end are the form's beginning; 0 if they are too few to tell."""
    longest = min(len(form) - 1, len(text))
    return next((n for n in range(longest, _SHORTEST - 1, -1) if text.endswith(form[:n])), 0)
