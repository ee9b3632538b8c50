"""Jinja2 bounded: a sandbox in which a template can take neither long, nor much memory, nor step outside.

Jinja2's own sandbox keeps templates from Python's internals, but not from `'a' * 10**9` or a loop in
a loop. So the template's syntax tree is rewritten before it is compiled: each turn of a loop and each
call of a macro is counted, and whatever can make a value grow goes through a guard that measures the
value, all that it holds included, and charges it to the rendering's budget.
What is not bounded: one filter over one value runs to its end; as every value is bounded, so is that.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import Any

from jinja2 import StrictUndefined, TemplateRuntimeError, TemplateSyntaxError, nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

MAX_SECONDS = 1.0
MAX_SIZE = 1024 * 1024  # characters and items in one value, and of the output
MAX_WORK = 16 * MAX_SIZE  # the same, over all values made in one rendering
MAX_TURNS = 200_000
MAX_INT_BITS = 4096

# Filters whose work is no more than a small multiple of their input's size.
_FILTERS = (
    "abs", "count", "d", "default", "dictsort", "first", "float", "groupby", "int", "items", "last",
    "length", "list", "map", "max", "min", "random", "reject", "rejectattr", "reverse", "round",
    "select", "selectattr", "sort", "unique",
)  # fmt: skip
_TEXT_FILTERS = (
    "capitalize", "lower", "string", "striptags", "title", "trim", "truncate", "upper", "urlencode",
    "wordcount",
)  # fmt: skip
# The str methods a template may call; others (ljust, zfill, format_map, expandtabs…) can grow at will.
_STR_METHODS = frozenset({
    "capitalize", "casefold", "count", "endswith", "find", "index", "isalnum", "isalpha",
    "isascii", "isdecimal", "isdigit", "islower", "isnumeric", "isspace", "istitle", "isupper",
    "lower", "lstrip", "partition", "removeprefix", "removesuffix", "rfind", "rindex",
    "rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip", "swapcase",
    "title", "upper",
})  # fmt: skip


class TooMuch(TemplateRuntimeError):
    """The template went over a bound."""


class Literal(str):
    """Text that the template's author wrote as a constant in an expression."""

    __slots__ = ()


class _Meter:
    __slots__ = ("deadline", "turns", "work")

    def __init__(self) -> None:
        self.turns = self.work = 0
        self.deadline = time.monotonic() + MAX_SECONDS


_meter: ContextVar[_Meter | None] = ContextVar("vaulytica_template_meter", default=None)


def metered(chunks: Callable[[], Iterator[str]]) -> str:
    """Run a compiled template's root function to its end, within the bounds, and join its output."""
    token = _meter.set(_Meter())
    try:
        pieces: list[str] = []
        size = 0
        for piece in chunks():
            turn()
            size += len(piece)
            if size > MAX_SIZE:
                raise TooMuch(f"the template's output is over {MAX_SIZE} characters")
            pieces.append(piece)
        return "".join(pieces)
    finally:
        _meter.reset(token)


# --- What the rewritten template calls.


def turn() -> str:
    """Count one turn of a loop or one call, and look at the clock now and then."""
    meter = _meter.get()
    if meter is not None:  # None while Jinja2 compiles, when it folds constants
        meter.turns += 1
        if meter.turns > MAX_TURNS:
            raise TooMuch(f"the template took more than {MAX_TURNS} turns of loops and calls")
        if not meter.turns % 64 and time.monotonic() > meter.deadline:
            raise TooMuch(f"the template took longer than {MAX_SECONDS:g} s")
    return ""


def charge(value: Any) -> Any:
    """The value, if it and all it holds is within bounds; its size goes to the budget."""
    turn()
    size, stack = 0, [value]
    while stack:
        item = stack.pop()
        size += 1 + (len(item) if isinstance(item, str) else 0)
        stack += _parts(item)
        if size + len(stack) > MAX_SIZE:
            raise TooMuch(f"a value in the template is over {MAX_SIZE} in size")
    meter = _meter.get()
    if meter is not None:
        meter.work += size
        if meter.work > MAX_WORK:
            raise TooMuch(f"the template made values of more than {MAX_WORK} in all")
    return value


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return itertools.chain(value.keys(), value.values())
    if isinstance(value, (list, tuple)):
        return value
    if isinstance(value, int) and value.bit_length() > MAX_INT_BITS:
        raise TooMuch(f"an integer in the template is over {MAX_INT_BITS} bits")
    if isinstance(value, Namespace):
        raise TooMuch("a namespace cannot be kept in another value")
    return ()


def concat(*values: Any) -> str:
    """`a ~ b ~ c`, if the result is within bounds."""
    texts = [_text(value) for value in values]
    if sum(map(len, texts)) > MAX_SIZE:
        raise TooMuch(f"a text in the template is over {MAX_SIZE} characters")
    return str(charge("".join(texts)))


def _text(value: Any) -> str:
    """The value as text, measured before it is written out."""
    if value is None or isinstance(value, (str, int, float, list, tuple, dict)):
        return str(charge(value))
    if isinstance(value, StrictUndefined):
        return str(value)  # raises, and names what is missing
    raise SecurityError(f"a {type(value).__name__} cannot be made text; use |list first")


def _join(value: Any, separator: str = "") -> str:
    texts = [_text(item) for item in value]
    if sum(map(len, texts)) + len(str(separator)) * len(texts) > MAX_SIZE:
        raise TooMuch(f"join would make more than {MAX_SIZE} characters")
    return str(separator).join(texts)


def _replace(text: Any, old: str, new: str, count: int = -1) -> str:
    whole, old, new = _text(text), str(old), str(new)
    found = whole.count(old)
    if len(whole) + (found if count < 0 else min(found, count)) * len(new) > MAX_SIZE:
        raise TooMuch(f"replace would make more than {MAX_SIZE} characters")
    return whole.replace(old, new, count)


def _sum(values: Any) -> Any:
    return sum(values)  # no start: numbers only, so it cannot add up lists


def _guarded(filter_function: Callable[..., Any], *, of_text: bool = False) -> Callable[..., Any]:
    passes = getattr(filter_function, "jinja_pass_arg", None)  # Jinja2's mark: context first

    def guarded(*args: Any, **kwargs: Any) -> Any:
        turn()
        if of_text:
            at = 0 if passes is None else 1
            args = (*args[:at], _text(args[at]), *args[at + 1 :])
        return charge(filter_function(*args, **kwargs))

    if passes is not None:
        guarded.jinja_pass_arg = passes  # type: ignore[attr-defined]
    return guarded


class Sandbox(ImmutableSandboxedEnvironment):
    """An environment whose templates are bounded; undefined names are errors, not empty text."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, finalize: Callable[..., Any]) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=False, finalize=finalize)
        known = self.filters
        self.filters = {name: _guarded(known[name]) for name in _FILTERS}
        self.filters |= {name: _guarded(known[name], of_text=True) for name in _TEXT_FILTERS}
        self.filters |= {"join": _guarded(_join), "replace": _guarded(_replace), "sum": _sum}
        self.globals = {name: self.globals[name] for name in ("range", "dict", "namespace")}

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        return _instrument(super()._parse(source, name, filename))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Only methods that cannot grow a text without bound; nothing with an underscore."""
        if isinstance(obj, str) and attr not in _STR_METHODS:
            return False
        if isinstance(obj, (bytes, int, float)):
            return False
        return super().is_safe_attribute(obj, attr, value)

    def call(self, context: Any, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call what the template calls, and charge for what it gives."""
        result = super().call(context, obj, *args, **kwargs)
        return result if isinstance(result, Namespace) else charge(result)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Refuse an operation whose result would be too large, before it is made."""
        texts = isinstance(left, (str, list, tuple)), isinstance(right, (str, list, tuple))
        if operator == "%" and texts[0]:
            raise SecurityError("% on a text is not allowed in templates; use ~ to join texts")
        if operator == "*" and any(texts):
            size, times = (len(left), right) if texts[0] else (len(right), left)
            if isinstance(times, int) and size * max(times, 0) > MAX_SIZE:
                raise TooMuch(f"a value in the template is over {MAX_SIZE} in size")
        elif operator == "+" and all(texts) and len(left) + len(right) > MAX_SIZE:
            raise TooMuch(f"a value in the template is over {MAX_SIZE} in size")
        integers = isinstance(left, int) and isinstance(right, int)
        if operator == "**" and integers and left.bit_length() * max(right, 0) > MAX_INT_BITS:
            raise TooMuch(f"an integer in the template is over {MAX_INT_BITS} bits")
        return charge(super().call_binop(context, operator, left, right))


# --- The rewriting. Guards are imported names, so that no template can put its own in their place.


def _instrument(template: nodes.Template) -> nodes.Template:
    for block in template.find_all((nodes.FilterBlock, nodes.AssignBlock)):
        if getattr(block, "filter", None) is not None:
            raise TemplateSyntaxError(
                "a filter over a block is not supported; put it into the expression", block.lineno
            )
    for output in template.find_all(nodes.Output):
        output.nodes = [_mark_literals(node) for node in output.nodes]
    _guard_values(template)
    for loop in template.find_all((nodes.For, nodes.Macro, nodes.CallBlock)):
        body: list[nodes.Node] = loop.body  # type: ignore[attr-defined]
        body.insert(0, nodes.ExprStmt(_guard("turn", [], loop.lineno), lineno=loop.lineno))
    return template


def _mark_literals(node: nodes.Expr) -> nodes.Expr:
    if isinstance(node, nodes.Const) and isinstance(node.value, str):
        return _guard("Literal", [node], node.lineno)
    if isinstance(node, nodes.CondExpr):
        node.expr1 = _mark_literals(node.expr1)
        node.expr2 = node.expr2 and _mark_literals(node.expr2)
    return node


def _guard_values(node: nodes.Node) -> None:
    for child in node.iter_child_nodes():
        _guard_values(child)
    for name, field in node.iter_fields():
        if isinstance(field, list):
            field[:] = [_guarded_value(item) for item in field]
        elif name != "target":  # the left side of an assignment is a tuple too, but makes no value
            setattr(node, name, _guarded_value(field))


def _guarded_value(node: Any) -> Any:
    if isinstance(node, nodes.Concat):
        return _guard("concat", node.nodes, node.lineno)
    if isinstance(node, (nodes.List, nodes.Dict)) or (
        isinstance(node, nodes.Tuple) and node.ctx == "load"
    ):
        return _guard("charge", [node], node.lineno)
    return node


def _guard(name: str, args: list[nodes.Expr], lineno: int) -> nodes.Call:
    function = nodes.ImportedName(f"{__name__}.{name}", lineno=lineno)
    return nodes.Call(function, args, [], None, None, lineno=lineno)
