"""Jinja2 bounded: a sandbox in which a template can take neither long, nor much memory, nor step outside.

Jinja2's own sandbox keeps templates from Python's internals, but not from `'a' * 10**9` or a loop in
a loop. So the template's syntax tree is rewritten before it is compiled: each turn of a loop and each
call of a macro is counted, and whatever can make a value grow goes through a guard that measures the
value, all that it holds included, and charges it to the rendering's budget: see `bounds`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from vaulytica.formats.templating import bounds
from vaulytica.formats.templating.bounds import (
    MAX_INT_BITS,
    MAX_SIZE,
    Literal,
    TooMuch,
    charge,
    concat,
    join,
    no_composed,
    paced,
    put_out,
    replace,
    round_off,
    short,
    sized,
    spend,
    sum_up,
    text_of,
    trim,
    turn,
)

# Filters whose work is little more than their input's size, times its logarithm where they sort.
_FILTERS = (
    "abs", "count", "d", "default", "dictsort", "first", "float", "groupby", "int", "items", "last",
    "length", "list", "map", "max", "min", "random", "reject", "rejectattr", "reverse",
    "select", "selectattr", "sort",
)  # fmt: skip
_TEXT_FILTERS = (
    "capitalize", "lower", "string", "title", "truncate", "upper", "urlencode", "wordcount",
)  # fmt: skip
_OWN_FILTERS: dict[str, Callable[..., Any]] = {
    "join": join, "replace": replace, "round": round_off, "sum": sum_up, "trim": trim,
}  # fmt: skip
_SET_BLOCK = "set block"  # a filter's name that no template can write
# The str methods a template may call; others (ljust, zfill, format_map, expandtabs…) can grow at will.
_STR_METHODS = frozenset({
    "capitalize", "casefold", "count", "endswith", "find", "index", "isalnum", "isalpha",
    "isascii", "isdecimal", "isdigit", "islower", "isnumeric", "isspace", "istitle", "isupper",
    "lower", "lstrip", "partition", "removeprefix", "removesuffix", "rfind", "rindex",
    "rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip", "swapcase",
    "title", "upper",
})  # fmt: skip
# Those whose work is the product of both texts' lengths: Python searches fast from the left only.
_SLOW_STR_METHODS = frozenset({
    "lstrip", "rfind", "rindex", "rpartition", "rsplit", "rstrip", "strip",
})  # fmt: skip


def _guarded(
    filter_function: Callable[..., Any], first: Callable[[Any], Any] = sized
) -> Callable[..., Any]:
    """The filter, counted and charged; `first` makes of its value what it works on."""
    passes = getattr(filter_function, "jinja_pass_arg", None)  # Jinja2's mark: context first
    at = 0 if passes is None else 1

    def guarded(*args: Any, **kwargs: Any) -> Any:
        spend(turns=1)
        no_composed(*args, *kwargs.values())
        args = (*args[:at], first(args[at]), *args[at + 1 :])
        return charge(filter_function(*args, **kwargs))

    if passes is not None:
        guarded.jinja_pass_arg = passes  # type: ignore[attr-defined]
    return guarded


def _guarded_test(name: str, test: Callable[..., Any]) -> Callable[..., Any]:
    passes = getattr(test, "jinja_pass_arg", None)

    def guarded(*args: Any, **kwargs: Any) -> Any:
        spend(turns=1)
        if name not in ("defined", "undefined"):
            no_composed(*args, *kwargs.values())
        return test(*args, **kwargs)

    if passes is not None:
        guarded.jinja_pass_arg = passes  # type: ignore[attr-defined]
    return guarded


@pass_context  # the filter that ends a set block
def _composed(context: Context, text: str) -> str:
    sandbox = context.environment
    return sandbox.composed(context, text) if isinstance(sandbox, Sandbox) else text


class Sandbox(ImmutableSandboxedEnvironment):
    """An environment whose templates are bounded; undefined names are errors, not empty text."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})
    concat = staticmethod(put_out)

    def __init__(self, finalize: Callable[..., Any]) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=False, finalize=finalize)
        known: dict[str, Any] = dict(self.filters)
        known_tests: dict[str, Any] = dict(self.tests)
        self.filters = {name: _guarded(known[name]) for name in _FILTERS}
        self.filters |= {name: _guarded(known[name], text_of) for name in _TEXT_FILTERS}
        self.filters |= {name: _guarded(own) for name, own in _OWN_FILTERS.items()}
        self.filters["unique"] = _guarded(known["unique"], paced)
        self.filters[_SET_BLOCK] = _composed
        self.tests = {name: _guarded_test(name, test) for name, test in known_tests.items()}
        self.globals = {name: self.globals[name] for name in ("range", "dict", "namespace")}

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        return _instrument(super()._parse(source, name, filename))

    def composed(self, context: Any, text: str) -> str:
        """Marks the text that a macro or a set block has made, if it holds places of values."""
        return text

    def wrap_str_format(self, value: Any) -> None:
        """No `str.format`: it pads to any width. (Jinja2 would let it through before asking below.)"""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Only methods that cannot grow a text without bound; nothing with an underscore."""
        no_composed(obj)
        if isinstance(obj, str) and attr not in _STR_METHODS:
            return False
        if isinstance(obj, (bytes, int, float, type)):  # dict.update(event_data, …) would change it
            return False
        return super().is_safe_attribute(obj, attr, value)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Look an item up; `map(attribute="a.b")` and its like do so for each part and each item."""
        spend()
        return super().getitem(obj, argument)

    def call(self, context: Any, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call what the template calls, and charge for what it gives."""
        if any(obj is guard for guard in _GUARDS.values()):
            return obj(*args)
        spend(turns=1)
        if getattr(obj, "__name__", None) in _SLOW_STR_METHODS:
            short(*args, *kwargs.values())
        if obj is dict or obj is Namespace:
            args = tuple(arg if isinstance(arg, dict) else paced(arg) for arg in args)
        result = super().call(context, obj, *args, **kwargs)
        if type(result) is str:
            result = self.composed(context, result)
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

_GUARDS = {guard.__name__: guard for guard in (Literal, charge, concat, turn)}


def _instrument(template: nodes.Template) -> nodes.Template:
    for block in template.find_all((nodes.FilterBlock, nodes.AssignBlock)):
        if getattr(block, "filter", None) is not None:
            raise TemplateSyntaxError(
                "a filter over a block is not supported; put it into the expression", block.lineno
            )
        if isinstance(block, nodes.AssignBlock):
            block.filter = nodes.Filter(None, _SET_BLOCK, [], [], None, None, lineno=block.lineno)
    for output in template.find_all(nodes.Output):
        output.nodes = [_mark_literals(node) for node in output.nodes]
    _guard_values(template)
    for loop in template.find_all((nodes.For, nodes.Macro, nodes.CallBlock)):
        body: list[nodes.Node] = loop.body  # type: ignore[attr-defined]
        count = _guard("turn", [], loop.lineno)
        if (
            isinstance(loop, nodes.For) and loop.test is not None
        ):  # it counts what it leaves out, too
            loop.test = nodes.And(count, loop.test, lineno=loop.lineno)
        else:
            body.insert(0, nodes.ExprStmt(count, lineno=loop.lineno))
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
    function = nodes.ImportedName(f"{bounds.__name__}.{name}", lineno=lineno)
    return nodes.Call(function, args, [], None, None, lineno=lineno)
