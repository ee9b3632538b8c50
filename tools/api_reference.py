"""Writes docs/API_REFERENCE.md from signatures and docstrings: `python tools/api_reference.py`.

Annotations are taken as the source writes them and defaults are rendered here, so that every version
of Python gives the same text. A test runs this again and compares.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import inspect
import sys
import types
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from api_parts import ALIASES, HEAD, PARTS, Item
from vaulytica.integrations import webhook

TARGET = Path(__file__).parents[1] / "docs/API_REFERENCE.md"


def render() -> str:
    """The whole page."""
    blocks = [HEAD, "\n".join(_contents())]
    for title, (words, items) in PARTS.items():
        blocks += [f"## {title}", words, *(block for item in items for block in _entry(item))]
    blocks += ["## Names of types", _aliases()]
    return "\n\n".join(block.strip() for block in blocks if block.strip()) + "\n"


def _aliases() -> str:
    """What each alias stands for, as the source says it."""
    lines = ["| name | stands for | in |", "| ---- | ---------- | -- |"]
    for name, module in ALIASES.items():
        for node in ast.parse(inspect.getsource(module)).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
                meaning = ast.unparse(node.value).replace("|", "\\|")
                lines.append(f"| `{name}` | `{meaning}` | `{module.__name__}` |")
    if len(lines) != len(ALIASES) + 2:
        raise SystemExit("an alias is not where it was")
    return "\n".join(lines)


def _contents() -> Iterator[str]:
    seen: Counter[str] = Counter()
    for title, (_, items) in PARTS.items():
        links = []
        for item in items:
            slug = item.__name__.lower()
            links.append(f"[{item.__name__}](#{slug}{f'-{seen[slug]}' if seen[slug] else ''})")
            seen[slug] += 1
        yield f"- {title}: {', '.join(links)}"
    yield "- [Names of types](#names-of-types)"


def _entry(item: Item) -> Iterator[str]:
    yield f"### `{item.__name__}`"
    if item.__name__ not in webhook.__all__:
        yield f"From `{item.__module__}`."
    if not isinstance(item, type):
        yield f"`{_signature(item.__name__, item)}`"
        yield _doc(item)
        return
    bases = [base.__name__ for base in item.__bases__ if _is_worth_naming(base)]
    if bases:
        yield f"A kind of {' and '.join(f'`{base}`' for base in bases)}."
    yield _doc(item)
    if issubclass(item, enum.Enum):
        members = ", ".join(f"`{name}` = `{value.value}`" for name, value in _members(item))
        yield f"Members: {members}."
        yield "\n".join(_methods(item))
        return
    fields = list(_fields(item))
    if not fields and "__init__" in vars(item) and not _is_protocol(item):
        yield f"`{_signature(item.__name__, item.__init__)}`"
    yield _table(fields)
    yield "\n".join(_methods(item))


def _members(item: type[enum.Enum]) -> list[tuple[str, enum.Enum]]:
    return list(item.__members__.items())


def _is_worth_naming(base: type) -> bool:
    """What readers know, or can find on the page."""
    known = base is int or (base.__module__ == "builtins" and issubclass(base, Exception))
    return known or any(base in items for _, items in PARTS.values())


def _is_ours(thing: Any) -> bool:
    module: str = getattr(thing, "__module__", "") or ""
    return module.partition(".")[0] == "vaulytica"


def _is_protocol(item: type) -> bool:
    return bool(getattr(item, "_is_protocol", False))


def _doc(item: Any) -> str:
    doc = inspect.getdoc(item) if item.__doc__ else None
    if not doc:
        raise SystemExit(f"{item.__module__}.{item.__qualname__} has no docstring")
    return doc


# --- Fields: name, type, default.

Row: TypeAlias = tuple[str, str, str]


def _fields(item: type) -> Iterator[Row]:
    annotations = inspect.get_annotations(item)
    if issubclass(item, BaseModel):
        for base in item.__mro__[1:]:
            annotations = inspect.get_annotations(base) | annotations
        for name, field in item.model_fields.items():
            default = field.default_factory or field.default
            bounds = "".join(_bound(mark) for mark in field.metadata)
            yield name, _plain(annotations[name]) + bounds, _default(default)
    elif issubclass(item, msgspec.Struct):
        for spec in msgspec.structs.fields(item):
            yield spec.name, annotations[spec.name], _default(spec.default)
    elif dataclasses.is_dataclass(item):
        for data in dataclasses.fields(item):
            yield data.name, str(data.type), _default(data.default)
    else:
        for name, annotation in annotations.items():
            if not name.startswith("_"):
                yield name, annotation, _default(vars(item).get(name, dataclasses.MISSING))


def _plain(annotation: str) -> str:
    """A setting's type without what is meant for pydantic alone."""
    if annotation.startswith("SkipJsonSchema["):
        annotation = annotation.removeprefix("SkipJsonSchema[").removesuffix("]")
    return annotation.replace("Seconds", "float")


def _bound(mark: object) -> str:
    for kind, sign in ((Ge, "≥"), (Gt, ">"), (Le, "≤"), (Lt, "<")):
        if isinstance(mark, kind):
            limit = getattr(mark, kind.__name__.lower())
            return f", {sign} {int(limit) if limit == int(limit) else limit}"
    return ""


_MISSING = (
    PydanticUndefined,
    dataclasses.MISSING,
    msgspec.NODEFAULT,
    inspect.Parameter.empty,
)


def _default(value: object) -> str:
    """A default as one would write it; nothing where there is none."""
    if any(value is missing for missing in _MISSING):
        return ""
    if isinstance(value, tuple):
        inner = ", ".join(map(_default, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, webhook.Response):
        return f"Response({value.status})"
    is_dataclass = dataclasses.is_dataclass(value) and not isinstance(value, type)
    if is_dataclass or isinstance(value, msgspec.Struct):
        return f"{type(value).__name__}()"
    return _named(value) or repr(value)


def _named(value: object) -> str:
    """A default that is a module, a function, or what makes the default."""
    if isinstance(value, types.ModuleType):
        return value.__name__
    if isinstance(value, type):
        return "{}" if value is dict else f"{value.__name__}()"
    if isinstance(value, (types.FunctionType, types.BuiltinFunctionType)):
        return f"{value.__module__}.{value.__name__}"
    if isinstance(value, msgspec.Raw):  # whose own repr names a place in memory
        return f"msgspec.Raw({bytes(value)!r})"
    return ""


def _table(rows: list[Row]) -> str:
    if not rows:
        return ""
    lines = ["| name | type | default |", "| ---- | ---- | ------- |"]
    for name, kind, default in rows:
        shown = f"`{default}`" if default else ""
        annotation, comma, bounds = kind.partition(", ") if "[" not in kind else (kind, "", "")
        escaped = annotation.replace("|", "\\|")
        lines.append(f"| `{name}` | `{escaped}`{comma}{bounds} | {shown} |")
    return "\n".join(lines)


# --- Methods and functions.


def _methods(item: type) -> Iterator[str]:
    seen: set[str] = set()
    for owner in item.__mro__:
        if not _is_ours(owner):
            continue
        for name, member in vars(owner).items():
            if name.startswith("_") or name in seen:
                continue
            seen.add(name)
            yield from _method(name, member)


def _method(name: str, member: Any) -> Iterator[str]:
    function = getattr(member, "__func__", member)  # of a classmethod
    if isinstance(member, property):
        returned = inspect.get_annotations(member.fget or _method).get("return", "")
        yield f"- `{name}: {returned}` – {_flat(_doc(member))}"
    elif inspect.isfunction(function) and _is_ours(function):
        kind = "async " if inspect.iscoroutinefunction(function) else ""
        kind = "classmethod " if isinstance(member, classmethod) else kind
        yield f"- `{kind}{_signature(name, function)}` – {_flat(_doc(function))}"


def _flat(doc: str) -> str:
    """A list item's text: paragraphs run together."""
    return " ".join(doc.split())


def _signature(name: str, function: Callable[..., Any]) -> str:
    signature = inspect.signature(function)
    shown: list[str] = []
    starred = False
    for parameter in signature.parameters.values():
        if parameter.name in ("self", "cls"):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            shown.append("*")
            starred = True
        shown.append(_parameter(parameter))
    returns = signature.return_annotation
    arrow = "" if returns is signature.empty or name[0].isupper() else f" -> {returns}"
    return f"{name}({', '.join(shown)}){arrow}"


def _parameter(parameter: inspect.Parameter) -> str:
    default = _default(parameter.default)
    equals = f" = {default}" if default else ""
    star = "*" if parameter.kind is parameter.VAR_POSITIONAL else ""
    return f"{star}{parameter.name}: {parameter.annotation}{equals}"


def main() -> int:
    """Write the page; with `--check`, only say whether it is as it should be."""
    page = render()
    if "--check" in sys.argv[1:]:
        same = TARGET.exists() and TARGET.read_text(encoding="utf-8") == page
        print("docs/API_REFERENCE.md is", "right" if same else "old: python tools/api_reference.py")
        return 0 if same else 1
    TARGET.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
