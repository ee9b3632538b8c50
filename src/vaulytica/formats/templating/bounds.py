"""What a template's values may come to: the meter of one rendering, and the guards that charge to it.

The guards are called by the code that `sandbox` rewrites templates to, and by its filters.
What is not bounded: one filter over one value runs to its end; as every value is bounded, so is that.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import Any, NoReturn

from jinja2 import StrictUndefined, TemplateRuntimeError
from jinja2.exceptions import SecurityError
from jinja2.filters import do_round
from jinja2.utils import Namespace

MAX_SECONDS = 1.0
MAX_SIZE = 1024 * 1024  # characters and items in one value, and of the output
MAX_WORK = 16 * MAX_SIZE  # the same, over all values made in one rendering
MAX_TURNS = 200_000
MAX_INT_BITS = 4096
_MOST_DIGITS = 300


class TooMuch(TemplateRuntimeError):
    """The template went over a bound."""


class Literal(str):
    """Text that the template's author wrote as a constant in an expression."""

    __slots__ = ()


class Composed(str):
    """Text that a macro or a set block has made. It holds the places of values, not yet the values.

    So it can be put out, passed on and joined with `~`; cut or compared, it would be the places that are.
    """

    __slots__ = ()

    def refuse(self, *_: object) -> NoReturn:
        """It can be put out and joined."""
        raise SecurityError(
            "text that a macro or a set block has made can only be put out or joined with ~; "
            "do the rest to the values themselves"
        )

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __hash__ = refuse
    __len__ = __iter__ = __getitem__ = __contains__ = refuse
    __add__ = __radd__ = __mul__ = __rmul__ = __mod__ = __rmod__ = refuse


def no_composed(*values: object) -> None:
    """Refuse if one of these is such a text."""
    for value in values:
        if isinstance(value, Composed):
            value.refuse()


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
            size += str.__len__(piece)
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
        if not meter.turns % 64:
            look_at_clock()
    return ""


def look_at_clock() -> None:
    """Stop the rendering if it has taken too long."""
    meter = _meter.get()
    if meter is not None and time.monotonic() > meter.deadline:
        raise TooMuch(f"the template took longer than {MAX_SECONDS:g} s")


def charge(value: Any) -> Any:
    """The value, if it and all it holds is within bounds; its size goes to the budget."""
    turn()
    if isinstance(value, Composed):
        return value  # what was put into it is charged already
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
    if size > MAX_SIZE // 64:
        look_at_clock()
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
    texts = [text_of(value) for value in values]
    if sum(map(len, texts)) > MAX_SIZE:
        raise TooMuch(f"a text in the template is over {MAX_SIZE} characters")
    whole = str(charge("".join(texts)))
    return Composed(whole) if any(isinstance(value, Composed) for value in values) else whole


def text_of(value: Any) -> str:
    """The value as text, measured before it is written out."""
    if value is None or isinstance(value, (str, int, float, list, tuple, dict)):
        return str(charge(value))
    if isinstance(value, StrictUndefined):
        return str(value)  # raises, and names what is missing
    raise SecurityError(f"a {type(value).__name__} cannot be made text; use |list first")


# --- Filters that take the place of Jinja2's.


def join(value: Any, separator: str = "") -> str:
    """Join, if the result is within bounds."""
    texts = [text_of(item) for item in value]
    if sum(map(len, texts)) + len(str(separator)) * len(texts) > MAX_SIZE:
        raise TooMuch(f"join would make more than {MAX_SIZE} characters")
    return str(separator).join(texts)


def replace(text: Any, old: str, new: str, count: int = -1) -> str:
    """Replace, if the result is within bounds."""
    whole, old, new = text_of(text), str(old), str(new)
    found = whole.count(old)
    if len(whole) + (found if count < 0 else min(found, count)) * len(new) > MAX_SIZE:
        raise TooMuch(f"replace would make more than {MAX_SIZE} characters")
    return whole.replace(old, new, count)


def sum_up(values: Any, attribute: str | int | None = None) -> Any:
    """Add up numbers, which cannot grow much."""
    if attribute is not None:
        values = [value[attribute] for value in values]
    return sum(values)  # no start: numbers only, so it cannot add up lists


def round_off(value: Any, precision: int = 0, method: str = "common") -> Any:
    """Round; Jinja2's own raises 10 to the power of any precision."""
    if not -_MOST_DIGITS <= precision <= _MOST_DIGITS:
        raise TooMuch(f"round takes a precision of {_MOST_DIGITS} digits at most")
    return do_round(value, precision, method)  # type: ignore[arg-type]
