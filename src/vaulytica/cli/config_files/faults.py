"""Faults: what is wrong with a config file, a line each: where in the file, of which setting, what."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from vaulytica.errors import WebhookConfigError

if TYPE_CHECKING:
    from vaulytica.cli.config_files.document import Document, Key

Complain = Callable[[tuple["Key", ...], str], None]
"""Told what is wrong, by the keys that lead to the setting; whoever reads on leaves it out."""

_INNER = re.compile(r"([.\[][\w.\[\]-]*)[: ]\s*(.*)")
_LONGEST = 64  # characters of a name that somebody has made up


class Faults:
    """All that is wrong with a document. Called with the keys that lead to a setting, and a sentence on it."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._found: list[tuple[tuple[Key, ...], str]] = []

    def __call__(self, keys: tuple[Key, ...], what: str) -> None:
        """One more."""
        self._found.append((keys, what))

    def __bool__(self) -> bool:
        return bool(self._found)

    def says_of(self, keys: tuple[Key, ...]) -> bool:
        """Whether something was said of that setting, of one in it, or of what it is in."""
        return any(_is_around(keys, said) or _is_around(said, keys) for said, _ in self._found)

    def says_in(self, keys: tuple[Key, ...]) -> list[Key]:
        """The settings in that one of which something was said."""
        inner = [said for said, _ in self._found if _is_around(keys, said)]
        return [said[len(keys)] for said in inner if len(said) > len(keys)]

    def lines(self) -> list[str]:
        """One line for each, from the top of the file to its end."""
        places = {keys: self._document.place(keys) for keys, _ in self._found}
        ordered = sorted(self._found, key=lambda fault: places[fault[0]])
        lines = (self._document.line(what, (), places[keys]) for keys, what in ordered)
        return list(dict.fromkeys(lines))


def refused(path: object, lines: Sequence[str]) -> WebhookConfigError:
    """The error of a file with these faults."""
    first, *others = lines
    more = f" (and {len(others)} more: vaulytica config check {path})" if others else ""
    error = WebhookConfigError(f"{first}{more}")
    error.lines = tuple(lines)
    return error


def named(keys: Sequence[Key]) -> str:
    """What the keys lead to: `intake.tail[0].path`, or `destination siem: auth.api_key`."""
    if len(keys) > 1 and keys[0] == "destinations":
        parts = [f"destination {_shown(str(keys[1]))}", _dotted(keys[2:])]
    else:
        parts = [_dotted(keys)]
    return ": ".join(filter(None, parts)) or "the config"


def of(keys: Sequence[Key], what: str) -> str:
    """What is wrong with the setting that the keys lead to, which may be named in it, with its whole name."""
    if keys and what.startswith(header := f"header {keys[-1]} "):
        return f"{named(keys)}: {what.removeprefix(header)}"
    for at in range(len(keys)):
        name = _dotted(keys[at:])
        rest = what.removeprefix(name)
        if rest != what and (inner := _INNER.match(rest)):
            return f"{named(keys)}{inner[1]}: {inner[2]}"
        if rest != what and rest[:1] in (":", " "):
            what = rest.lstrip(": ")
            break
    return f"{named(keys)}: {what}"


def no_such(keys: Sequence[Key], name: str, hint: str) -> str:
    """What to say of a setting of that name, which there is none of."""
    return f"{named(keys)} has no setting {_shown(name)}{hint}"


def _dotted(keys: Sequence[Key]) -> str:
    parts = (f"[{key}]" if isinstance(key, int) else f".{_shown(key)}" for key in keys)
    return "".join(parts).removeprefix(".")


def _shown(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…"


def _is_around(outer: tuple[Key, ...], inner: tuple[Key, ...]) -> bool:
    return inner[: len(outer)] == outer
