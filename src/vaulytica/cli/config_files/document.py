"""Document: a config file (YAML, JSON or TOML), what it says, and where in it each setting stands."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaulytica.errors import WebhookConfigError, one_line
from vaulytica.jsonvalues import what_is_wrong
from vaulytica.lines import is_too_many_digits, too_many_digits

if TYPE_CHECKING:
    import yaml

_MAX_BYTES = 16 * 1024 * 1024
_TOML_PLACE = re.compile(r" \(at line (\d+), column (\d+)\)| \(at end of document\)")
# tomllib takes the square of a dotted key's length to read it.
_TOML_DEEP = re.compile(r"(?<![\w\"'-])(?:[\w\"'-]+[ \t]*\.[ \t]*){64}")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")

Key = str | int
Place = tuple[int, int]
"""A line and a column, from 1."""


class Document:
    """The file's text and what it says, which is a mapping; errors name the file, and the place."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = self._read()
        self._node: yaml.Node | None = None
        self._is_composed = False
        parse = {".toml": self._toml, ".json": self._json}.get(path.suffix.lower(), self._yaml)
        parsed = parse()
        if parsed is None:
            raise self.error("is empty; a config has an outbox and destinations", (), (1, 1))
        if not isinstance(parsed, Mapping):
            raise self.error("must hold a mapping with destinations, and nothing else on top")
        self.parsed: Mapping[str, Any] = parsed

    def error(
        self, message: str, keys: Sequence[Key] = (), place: Place | None = None
    ) -> WebhookConfigError:
        """The error, at that place, or where the last of `keys` stands below the others."""
        return WebhookConfigError(self.line(message, keys, place))

    def line(self, message: str, keys: Sequence[Key] = (), place: Place | None = None) -> str:
        """`FILE:LINE:COLUMN: message`."""
        line, column = place or self.place(keys)
        return one_line(f"{self.path}:{line}:{column}: {message}")

    def place(self, keys: Sequence[Key]) -> Place:
        """Where that setting stands, or the last of what is around it that is there."""
        node = self._tree()
        if node is None:
            return self._searched(keys)
        from vaulytica.cli.config_files.yaml_tree import child, place_of

        found = node.start_mark
        for key in keys:
            inner = child(node, key)
            if inner is None:
                break
            found, node = inner
        return place_of(found)

    def _searched(self, keys: Sequence[Key]) -> Place:
        """By search, which does for TOML; a near miss is still of help."""
        position = 0
        for key in keys:
            if isinstance(key, int):
                continue
            found = re.compile(rf"(?<![\w-]){re.escape(key)}(?![\w-])").search(self.text, position)
            if found is None:
                break
            position = found.start()
        return self._at(position)

    def _at(self, position: int) -> Place:
        line = self.text.count("\n", 0, position)
        return line + 1, position - (self.text.rfind("\n", 0, position) + 1) + 1

    def _tree(self) -> yaml.Node | None:
        """Of JSON only when it is asked for: JSON is YAML, but for tabs."""
        if self.path.suffix.lower() == ".json" and not self._is_composed:
            from vaulytica.cli.config_files.yaml_tree import Unreadable, composed

            self._is_composed = True
            try:
                self._node = composed(self.text)
            except Unreadable:
                self._node = None
        return self._node

    def _toml(self) -> Any:
        import tomllib

        if (deep := _TOML_DEEP.search(self.text)) is not None:
            raise self._unreadable("a key of over 64 parts", self._at(deep.start()))
        try:
            parsed = tomllib.loads(self.text)
            if (keys := _to_date(parsed)) is not None:
                raise self._unreadable("a date; put it in quotes", self._searched(keys))
            return parsed
        except WebhookConfigError:
            raise
        except RecursionError:
            raise self._unreadable("lists and mappings are nested too deep", (1, 1)) from None
        except ValueError as error:
            if is_too_many_digits(error):
                raise self._unreadable(too_many_digits(), (1, 1)) from None
            found = _TOML_PLACE.search(str(error))
            place = self._at(len(self.text))
            if found is not None and found[1] is not None:
                place = int(found[1]), int(found[2])
            what = _TOML_PLACE.sub("", str(error))
            if what == "Cannot overwrite a value":
                what = "this key is given twice"
            raise self._unreadable(what, place) from None

    def _json(self) -> Any:
        import json

        def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            found = dict(pairs)
            if len(found) < len(pairs):
                counts = Counter(key for key, _ in pairs)
                doubles.extend(key for key in counts if counts[key] > 1)
            return found

        doubles: list[str] = []
        try:
            parsed = json.loads(self.text, object_pairs_hook=distinct)
        except RecursionError:
            raise self._unreadable("lists and mappings are nested too deep", (1, 1)) from None
        except json.JSONDecodeError as error:
            raise self._unreadable(what_is_wrong(error), (error.lineno, error.colno)) from None
        except ValueError as error:
            what = too_many_digits() if is_too_many_digits(error) else str(error)
            raise self._unreadable(what, (1, 1)) from None
        if doubles:
            if (node := self._tree()) is not None:
                self._refuse_twice(node)
            place = self._at(max(self.text.rfind(json.dumps(doubles[0])), 0))
            raise self._unreadable(f"{doubles[0]} is given twice", place)
        return parsed

    def _yaml(self) -> Any:
        from vaulytica.cli.config_files.yaml_tree import Unreadable, composed, said_by

        try:
            self._node = composed(self.text)
            if self._node is None:
                return None
            self._refuse_twice(self._node)
            return said_by(self._node)
        except Unreadable as error:
            raise self._unreadable(str(error), error.place) from None

    def _refuse_twice(self, node: yaml.Node) -> None:
        from vaulytica.cli.config_files.faults import refused
        from vaulytica.cli.config_files.yaml_tree import twice

        lines = [
            self.line(
                f"{name} is given twice: here, and at line {line}, column {column}", (), again
            )
            for name, (line, column), again in twice(node)
        ]
        if lines:
            raise refused(self.path, lines)

    def _unreadable(self, why: str, place: Place) -> WebhookConfigError:
        return self.error(f"does not parse: {why}", (), place)

    def _read(self) -> str:
        try:
            with self.path.open("rb") as file:
                content = file.read(_MAX_BYTES + 1)  # a device or a pipe does not tell its size
            if len(content) > _MAX_BYTES:
                raise WebhookConfigError(f"{self.path} is over {_MAX_BYTES} bytes")
            return content.decode("utf-8-sig")
        except OSError as error:
            raise WebhookConfigError(f"cannot read {self.path}: {error.strerror}") from None
        except UnicodeDecodeError as error:
            kind = ", but looks like UTF-16" if content.startswith(_UTF_16) else ""
            before = content[: error.start]
            place = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
            what = f"is not UTF-8 text{kind}; save it as UTF-8"
            raise self.error(what, (), place) from None


def _to_date(value: Any) -> tuple[Key, ...] | None:
    """The keys that lead to the first date or time, which no setting is."""
    if isinstance(value, (date, time)):
        return ()
    inner = value.items() if isinstance(value, dict) else ()
    for key, one in enumerate(value) if isinstance(value, list) else inner:
        if (keys := _to_date(one)) is not None:
            return (key, *keys)
    return None
