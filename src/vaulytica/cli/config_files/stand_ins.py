"""Stand-ins for what a config refers to and cannot be had here, so that all else in it can be looked at."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import Any

_TEXT = "stand-in"
# Each is what its setting takes, in every format and scheme.
_OF_SETTING = {
    "outbox": "sqlite:///stand-in/outbox.db",
    "url": "https://stand-in.invalid/",
    "proxy": "https://stand-in.invalid:3128",
    "oauth2_token_url": "https://stand-in.invalid/token",
    "custom_template": "{}",
    "hmac_secret": f"whsec_{base64.b64encode(_TEXT.encode() * 4).decode()}",
}

_OPEN = ("outbox", "url", "proxy", "oauth2_token_url", "custom_template")  # no secrets


def stand_in(setting: str, given: Any) -> Any:
    """What to put in the place of that setting; of a list, as many."""
    from pydantic import SecretStr

    if isinstance(given, list):
        return [stand_in(setting, one) for one in given]
    if isinstance(given, dict):
        return {str(name): stand_in(setting, one) for name, one in given.items()}
    text = _OF_SETTING.get(setting, _TEXT)
    return text if setting in _OPEN else SecretStr(text)


def is_about(what: str, settings: Iterable[str]) -> bool:
    """Whether a sentence is about one of these, as it may be because of the stand-in."""
    return any(re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", what) for name in settings)
