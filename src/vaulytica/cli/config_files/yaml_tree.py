"""YAML read with bounds: what a text says, and where in it; or why it cannot be read, and where.

libyaml's parser is fast, but what it is used by goes down as deep as the text does, on C's stack, and what
an alias stands for may hold aliases again. So a text is looked at before anything is made of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import yaml

from vaulytica.lines import is_too_many_digits, too_many_digits

Place = tuple[int, int]
"""A line and a column, from 1."""

_DEEPEST = 100  # levels of lists and mappings
_MOST_VALUES = 500_000  # with all aliases put in; 10 000 destinations have 200 000
_LONGEST_NUMBER = 4300  # characters, as Python has it for integers
_OF = "tag:yaml.org,2002:"
_NUMBERS = (f"{_OF}int", f"{_OF}float")
_USELESS = tuple(f"{_OF}{kind}" for kind in ("binary", "set", "omap", "pairs"))
_HINTS = {
    "found character '\\t' that cannot start any token": "a tab; indent with spaces",
    "found character that cannot start any token": (
        "a character with which no text begins, such as @, ` or a tab; put it in quotes"
    ),
    "found a tab character that violates indentation": "a tab; indent with spaces",
    "but found another document": "a second document begins (---); a config is one",
    "mapping values are not allowed in this context": (
        "a colon where none may be: the indentation is wrong, or a text that holds ': ' has no quotes"
    ),
}


class Unreadable(ValueError):
    """Why a text cannot be read, in one line; and where, if that can be told."""

    def __init__(self, what: str, place: Place = (1, 1)) -> None:
        super().__init__(what)
        self.place = place


def said_by(node: yaml.Node) -> Any:
    """What a tree says; raises `Unreadable`. What is merged into a mapping is then in the tree, before its own."""
    loader = _loader()("")
    try:
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        raise _unreadable(error) from None
    except RecursionError:
        raise Unreadable("lists and mappings are nested too deep") from None
    finally:
        loader.dispose()


def composed(text: str) -> yaml.Node | None:
    """The tree of a text, None of an empty one, whose aliases stand for no more than they may."""
    try:
        _look_at_parts(text)
        node: yaml.Node | None = yaml.compose(text, Loader=_loader())
    except yaml.MarkedYAMLError as error:
        raise _unreadable(error) from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        if not isinstance(error.character, str):  # libyaml counts bytes
            before = text.encode()[: error.position].decode("utf-8", "replace")
        place = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise Unreadable("a character that YAML does not allow", place) from None
    if node is not None:
        _count(node, {}, set())
    return node


def twice(root: yaml.Node) -> list[tuple[str, Place, Place]]:
    """Keys that a mapping has twice, which YAML takes the last of: where they are first, and again."""
    found = []
    for node in _mappings(root):
        seen: dict[str, Place] = {}
        for name, _ in node.value:
            value = getattr(name, "value", None)
            if not isinstance(value, str) or value == "<<":
                continue
            if value in seen:
                found.append((value, seen[value], place_of(name.start_mark)))
            seen.setdefault(value, place_of(name.start_mark))
    return found


def child(node: yaml.Node, key: str | int) -> tuple[yaml.Mark, yaml.Node] | None:
    """Where a key or an item stands, and what is there."""
    if isinstance(node, yaml.MappingNode):
        for name, value in reversed(node.value):  # a mapping's own win over what is merged into it
            if getattr(name, "value", None) == str(key) or _is(name, key):
                return name.start_mark, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        value = node.value[key]
        return value.start_mark, value
    return None


def _is(name: yaml.Node, key: str | int) -> bool:
    """Whether a name that is no text is read as that."""
    if isinstance(key, str) or not isinstance(name, yaml.ScalarNode):
        return False
    read = yaml.safe_load(name.value)
    return type(read) is type(key) and bool(read == key)


def place_of(mark: yaml.Mark) -> Place:
    """A mark as people count."""
    return mark.line + 1, mark.column + 1


def _unreadable(error: yaml.MarkedYAMLError) -> Unreadable:
    what = error.problem or error.context or "it is no YAML"
    place = (1, 1) if error.problem_mark is None else place_of(error.problem_mark)
    return Unreadable(_HINTS.get(what, what), place)


def _look_at_parts(text: str) -> None:
    """Raise if it is too deep, or holds too much."""
    depth = count = 0
    for event in yaml.parse(text, Loader=_loader()):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        count += isinstance(event, yaml.NodeEvent)
        if depth > _DEEPEST:
            raise _at(event, f"lists and mappings are nested over {_DEEPEST} levels deep")
        if count > _MOST_VALUES:
            raise _at(event, f"it holds over {_MOST_VALUES} values")


def _count(node: yaml.Node, counts: dict[int, int], inside: set[int]) -> int:
    """How many values it holds with all aliases put in; raises if these are too many, or without end."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) in inside:
        raise Unreadable("an alias stands for what it is in", place_of(node.start_mark))
    if id(node) not in counts:
        inside.add(id(node))
        counts[id(node)] = 1 + sum(_count(inner, counts, inside) for inner in _inner(node))
        inside.discard(id(node))
    if counts[id(node)] > _MOST_VALUES:
        what = f"aliases make over {_MOST_VALUES} values of it"
        raise Unreadable(what, place_of(node.start_mark))
    return counts[id(node)]


def _inner(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _mappings(root: yaml.Node) -> Iterator[yaml.MappingNode]:
    """All mappings, each once, however often it is referred to."""
    left, seen = [root], {id(root)}
    while left:
        node = left.pop()
        if isinstance(node, yaml.MappingNode):
            yield node
        for inner in reversed(_inner(node)):
            if id(inner) not in seen:
                seen.add(id(inner))
                left.append(inner)


@cache
def _loader() -> Any:
    """Libyaml's loader, where it is there; what cannot be made of a value is said with its place."""
    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc,valid-type] # which of the two is known only here
        def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
            if node.tag in _USELESS:
                raise _at(node, f"{node.tag.removeprefix(_OF)} is a kind that no config has")
            if node.tag in _NUMBERS and len(node.value) > _LONGEST_NUMBER:
                raise _at(node, too_many_digits())
            try:
                return super().construct_object(node, deep=deep)
            except (yaml.YAMLError, RecursionError):
                raise
            except Exception as error:  # noqa: BLE001 - what a tag says that the value is not
                if is_too_many_digits(error):
                    raise _at(node, too_many_digits()) from None
                kind = node.tag.removeprefix(_OF)
                what = f"a value that is no {kind}; put it in quotes if it is a text"
                raise _at(node, what) from None

    # No setting is a date: what looks like one is a text.
    Loader.add_constructor(f"{_OF}timestamp", Loader.construct_yaml_str)
    return Loader


def _at(node: yaml.Node | yaml.Event, what: str) -> yaml.constructor.ConstructorError:
    mark: Any = node.start_mark  # of libyaml's own kind, or of Python's
    return yaml.constructor.ConstructorError(None, None, what, mark)
