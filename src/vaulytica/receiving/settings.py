"""Settings that are numbers, checked when a receiver is made, and not at its first request."""

from __future__ import annotations

import math
import sys
from typing import Any

from vaulytica.errors import WebhookConfigError


def seconds(name: str, value: Any) -> float:
    """`value` as it is, if it is a finite number above 0; else `WebhookConfigError` names the setting."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 < value < math.inf or value > sys.float_info.max:
        raise WebhookConfigError(f"{name} must be a number of seconds above 0")
    return float(value)


def size(name: str, value: Any) -> int:
    """`value` as it is, if it is a whole number, 0 or more; else `WebhookConfigError` names the setting."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise WebhookConfigError(f"{name} must be a whole number of bytes, 0 or more")
    return value
