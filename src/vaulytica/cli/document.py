"""Document: a config file (YAML, JSON or TOML), what it says, and where in it each setting stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaulytica.errors import WebhookConfigError
from vaulytica.lines import is_too_many_digits, too_many_digits

if TYPE_CHECKING:
    import yaml

_MAX_BYTES = 16 * 1024 * 1024

Key = str | int
Place = tuple[int, int]
"""A line and a column, from 1."""


class Document:
    """The file's text and what it says, which is a mapping; errors name the file, and the place."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = _read(path)
        self._node: yaml.Node | None = None
        try:
            parsed = self._parse(path.suffix.lower())
        except (ValueError, RecursionError) as error:  # of json and tomllib; both tell the line
            why = too_many_digits() if is_too_many_digits(error) else error
            raise self.error(f"does not parse: {why}") from None
        if not isinstance(parsed, Mapping):
            raise self.error("must hold a mapping with destinations")
        self.parsed: Mapping[str, Any] = parsed

    def error(self, message: str, keys: Sequence[Key] = ()) -> WebhookConfigError:
        """The error, at the place where the last of `keys` stands below the others, if it can be told."""
        if not keys:
            return WebhookConfigError(f"{self.path} {message}")
        place = self.place(keys)
        where = "" if place is None else f":{place[0]}:{place[1]}"
        return WebhookConfigError(f"{self.path}{where}: {message}")

    def place(self, keys: Sequence[Key]) -> Place | None:
        """Where that setting stands, or the last of what is around it that is there."""
        if self._node is None:
            return self._searched(keys)
        found: yaml.Mark = self._node.start_mark
        node = self._node
        for key in keys:
            inner = _child(node, key)
            if inner is None:
                break
            found, node = inner
        return found.line + 1, found.column + 1

    def _searched(self, keys: Sequence[Key]) -> Place | None:
        """By search, which does for TOML; a near miss is still of help."""
        position = 0
        for key in keys:
            if isinstance(key, int):
                continue
            found = re.compile(rf"(?<![\w-]){re.escape(key)}(?![\w-])").search(self.text, position)
            if found is None:
                break
            position = found.start()
        line = self.text.count("\n", 0, position)
        return line + 1, position - (self.text.rfind("\n", 0, position) + 1) + 1

    def _parse(self, suffix: str) -> Any:
        if suffix == ".toml":
            import tomllib

            return tomllib.loads(self.text)
        if suffix == ".json":
            import json

            parsed = json.loads(self.text, object_pairs_hook=_distinct)
            self._node = _compose(self.text)  # JSON is YAML, but for tabs
            return parsed
        return self._parse_yaml()

    def _parse_yaml(self) -> Any:
        import yaml

        try:
            loader = _loader()(self.text)
            try:
                self._node = loader.get_single_node()
                if self._node is None:
                    return None
                _refuse_twice(self._node)
                return loader.construct_document(self._node)
            finally:
                loader.dispose()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
            raise ValueError(f"{error.problem or error.context}{place}") from None
        except yaml.YAMLError as error:
            raise ValueError(str(error)) from None


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)  # a device or a pipe does not tell its size
        if len(content) > _MAX_BYTES:
            raise WebhookConfigError(f"{path} is over {_MAX_BYTES} bytes")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise WebhookConfigError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise WebhookConfigError(f"{path} is not UTF-8 text") from None


def _loader() -> Any:
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, where it is there


def _compose(text: str) -> yaml.Node | None:
    import yaml

    try:
        return yaml.compose(text, Loader=_loader())
    except yaml.YAMLError:
        return None


def _child(node: yaml.Node, key: Key) -> tuple[yaml.Mark, yaml.Node] | None:
    """Where a key or an item stands, and what is there."""
    import yaml

    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if getattr(name, "value", None) == str(key):
                return name.start_mark, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        value = node.value[key]
        return value.start_mark, value
    return None


def _refuse_twice(root: yaml.Node) -> None:
    """Raise if a mapping has a key twice: YAML takes the last in silence."""
    for node in _nodes(root):
        seen: set[str] = set()
        for name, _ in node.value:
            value = getattr(name, "value", None)
            if not isinstance(value, str) or value == "<<":
                continue
            if value in seen:
                mark = name.start_mark
                place = f"line {mark.line + 1}, column {mark.column + 1}"
                raise ValueError(f"{value} is given twice, at {place} again")
            seen.add(value)


def _nodes(root: yaml.Node) -> Iterator[yaml.MappingNode]:
    """All mappings, each once, however often it is referred to."""
    import yaml

    left, seen = [root], {id(root)}
    while left:
        node = left.pop()
        inner: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            yield node
            inner = [child for pair in node.value for child in pair]
        elif isinstance(node, yaml.SequenceNode):
            inner = node.value
        for child in inner:
            if id(child) not in seen:
                seen.add(id(child))
                left.append(child)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{key} is given twice")
        found[key] = value
    return found
