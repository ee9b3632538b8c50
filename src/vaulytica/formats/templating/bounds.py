"""What a template may take: the meter of one rendering, and the guards that charge to it.

The guards are called by the code that `sandbox` rewrites templates to, and by its filters.
Python's own work cannot be interrupted, so the clock is looked at between steps: each turn, call,
filter, test and lookup. docs/adr/0004 says how long one such step was measured to take.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn

from jinja2 import StrictUndefined, TemplateRuntimeError
from jinja2.exceptions import SecurityError
from jinja2.filters import do_round
from jinja2.utils import Namespace

MAX_SECONDS = 1.0
MAX_SIZE = (
    1024 * 1024
)  # characters and items in one value, and in the text before values are put in
MAX_WORK = 16 * MAX_SIZE  # the same, over all values made in one rendering
MAX_TURNS = 200_000
MAX_INT_BITS = 4096
MAX_CHARS = 100  # in what is searched for by work that grows with both texts
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
    __slots__ = ("began", "deadline", "most_work", "turns", "work")

    def __init__(self, most_work: int) -> None:
        self.turns = self.work = 0
        self.most_work = most_work
        self.began = (
            time.thread_time()
        )  # of this thread alone: no template fails where others are busy
        self.deadline = time.monotonic() + MAX_SECONDS

    def is_late(self) -> bool:
        """No work is done before its time has passed, and that clock is the cheaper one."""
        return time.monotonic() > self.deadline and time.thread_time() > self.began + MAX_SECONDS


_meter: ContextVar[_Meter | None] = ContextVar("vaulytica_template_meter", default=None)


@contextmanager
def metered(max_bytes: int) -> Iterator[None]:
    """Within this, the bounds hold. The event as JSON may come on top of `MAX_WORK`."""
    token = _meter.set(_Meter(MAX_WORK + max_bytes))
    try:
        yield
    finally:
        _meter.reset(token)


def spend(*, turns: int = 0, size: int = 0) -> None:
    """Take from the rendering's budget, and look at the clock."""
    meter = _meter.get()
    if meter is None:  # while Jinja2 compiles, when it folds constants
        return
    meter.turns += turns
    meter.work += size
    if meter.turns > MAX_TURNS:
        raise TooMuch(f"the template took more than {MAX_TURNS} turns of loops and calls")
    if meter.work > meter.most_work:
        raise TooMuch(f"the template made values of more than {meter.most_work} in all")
    if meter.is_late():
        raise TooMuch(f"the template took longer than {MAX_SECONDS:g} s")


def put_out(pieces: Iterable[str]) -> str:
    """What a template, a macro or a set block puts out, if it is within bounds."""
    kept, size = [], 0
    for piece in pieces:
        size += str.__len__(piece)
        if size > MAX_SIZE:
            raise TooMuch(f"the template's output is over {MAX_SIZE} characters")
        kept.append(piece)
    spend(size=size)
    return "".join(kept)


def sized(value: Any) -> Any:
    """The value, if what it has at its top level is within bounds: enough for work that reads it."""
    if isinstance(value, (str, list, tuple, dict)) and len(value) > MAX_SIZE:
        raise TooMuch(f"a value in the template is over {MAX_SIZE} in size")
    return value


def paced(values: Iterable[Any]) -> Iterator[Any]:
    """The values, with a look at the clock before each: numbers can be chosen to make a dict slow."""
    for value in values:
        spend()
        yield value


def short(*arguments: object) -> None:
    """Refuse long texts where the work is the product of two texts' lengths."""
    if any(isinstance(argument, str) and len(argument) > MAX_CHARS for argument in arguments):
        raise TooMuch(
            f"strip, trim and searches from the right take {MAX_CHARS} characters at most"
        )


# --- What the rewritten template calls.


def turn() -> bool:
    """Count one turn of a loop or one call."""
    spend(turns=1)
    return True


def charge(value: Any) -> Any:
    """The value, if it and all it holds is within bounds; its size goes to the budget."""
    if isinstance(value, Composed):
        spend(size=str.__len__(value))
        return value
    size, stack = 0, [value]
    while stack:
        item = stack.pop()
        size += 1 + (len(item) if isinstance(item, str) else 0)
        stack += _parts(item)
        if size + len(stack) > MAX_SIZE:
            raise TooMuch(f"a value in the template is over {MAX_SIZE} in size")
    spend(size=size)
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
    texts, separator = [text_of(item) for item in value], text_of(separator)
    if sum(map(len, texts)) + len(separator) * len(texts) > MAX_SIZE:
        raise TooMuch(f"join would make more than {MAX_SIZE} characters")
    return separator.join(texts)


def trim(text: Any, chars: str | None = None) -> str:
    """Take these characters, or white space, from both ends."""
    short(chars)
    return text_of(text).strip(chars)


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
