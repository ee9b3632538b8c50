"""What an answer says that is plainly a success, where its shape is not the destination's own."""

from __future__ import annotations

from typing import Any

_GOOD = frozenset({"ok", "success", "successful", "accepted", "received", "created"})
_SAYING = ("status", "state", "result", "text", "message", "ok", "success", "successful")


def says_success(answer: Any) -> bool:
    """Whether a 2xx's JSON is an object that says nothing, or of the outcome only that it is good.

    A proxy, or a receiver that is not the vendor's, may say `{"success": false}` with a 200.
    """
    if not isinstance(answer, dict) or answer.get("error") or answer.get("errors"):
        return False
    said = [answer[name] for name in _SAYING if name in answer]
    return all(map(_is_good, said)) if said else not answer.keys() - {"error", "errors"}


def _is_good(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.strip().lower() in _GOOD)
