"""Names of destinations: those that a relay's config may have, and URLs' origins, as senders without a name have."""

from __future__ import annotations

import re

NAME = re.compile(r"[\w.-]{1,100}", re.ASCII)
_ORIGIN = re.compile(r"https?://[^\s/?#@\x00-\x1f\x7f]{1,300}")


def why_no_name(name: str) -> str | None:
    """What is wrong with a destination's name in a config, if anything is."""
    if NAME.fullmatch(name):
        return None
    return "a destination's name is letters, digits, '-', '_' and '.', up to 100"


def why_not_put(name: object) -> str | None:
    """Why nothing is kept for a destination called so: neither a relay nor a sender's drain could be asked to deliver it."""
    if not isinstance(name, str):
        return f"a destination's name is a text, not {type(name).__name__}"
    if NAME.fullmatch(name) or _ORIGIN.fullmatch(name):
        return None
    return (
        f"{name[:100]!r} can be no destination of a relay; a name is letters, digits, '-', '_' and '.', "
        "up to 100, or a URL's origin, as that of a sender without a name"
    )
