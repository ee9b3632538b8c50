"""What templates as text and as trees have in common: the environment they are compiled in, and slots.

An expression's value never meets the template's text as text: it leaves a placeholder, and when all
is rendered, each placeholder is replaced by where it stands – inside a JSON string by the value's
text, escaped; elsewhere by the value as JSON. A value can end no string and add no key.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import (
    TemplateError,
    TemplateRuntimeError,
    TemplateSyntaxError,
    nodes,
    pass_context,
)
from jinja2.runtime import Context, Undefined

from vaulytica.errors import WebhookConfigError
from vaulytica.formats.templating.bounds import (
    Composed,
    Literal,
    TooMuch,
    charge,
    no_composed,
    put_out,
    spend,
)
from vaulytica.formats.templating.sandbox import Sandbox
from vaulytica.jsonvalues import NotJSON, canonical_json, plain, what_is_wrong

_PLACE = re.compile("\ue000([0-9a-f]{16})-([0-9]+)\ue001")


class Slots:
    """The values of one rendering. Placeholders hold a random mark, so that no data can forge one."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._values: list[Any] = []
        self._mark = secrets.token_hex(8)

    def keep(self, value: Any) -> str:
        """Keep the value; its placeholder goes into the text."""
        if isinstance(value, Composed):
            return str(charge(value))  # its values are kept already
        self._values.append(value)
        return f"\ue000{self._mark}-{len(self._values) - 1}\ue001"

    def holds_place(self, text: str) -> bool:
        """Whether there is a place of one of these values in the text."""
        return self._mark in text

    def _places(self, text: str) -> Iterator[re.Match[str]]:
        return (slot for slot in _PLACE.finditer(text) if slot[1] == self._mark)

    def fill(self, text: str) -> str:
        """The rendered text with each value in its place."""
        filled: list[str] = []
        written: dict[tuple[int, bool], str] = {}  # a value that is put out twice is written once
        position, size, in_string = 0, len(text), False
        for slot in self._places(text):
            spend()
            static = text[position : slot.start()]
            in_string = _in_string_after(static, in_string)
            value = self._values[int(slot[2])]
            key = id(value), in_string
            if key not in written:
                written[key] = self._written(value, in_string)
            filled += (static, written[key])
            size += len(written[key]) - len(slot[0])
            if size > self._max_bytes:
                raise self._too_much()
            if isinstance(value, Literal) and not in_string:
                in_string = _in_string_after(value, in_string)  # it may be a quote that begins one
            position = slot.end()
        return "".join((*filled, text[position:]))

    def fill_string(self, text: str, room: int) -> str:
        """The text with each value in its place as text; it may take so many characters."""
        filled: list[str] = []
        written: dict[int, str] = {}
        position, size = 0, len(text)
        for slot in self._places(text):
            spend()
            value = self._values[int(slot[2])]
            if id(value) not in written:
                written[id(value)] = self._text(value)
            filled += (text[position : slot.start()], written[id(value)])
            size += len(filled[-1]) - len(slot[0])
            if size > room:
                raise self._too_much()
            position = slot.end()
        return "".join((*filled, text[position:]))

    def only(self) -> Any:
        """The value of a text that is one expression and nothing else."""
        if not self._values:
            raise TemplateRuntimeError("an `if` without an `else` has no value here")
        (value,) = self._values
        return value

    def _too_much(self) -> TooMuch:
        return TooMuch(f"what it renders is over {self._max_bytes} bytes (max_event_bytes)")

    def _text(self, value: Any) -> str:
        """Text as it is, and all else as JSON."""
        return str.__str__(value if isinstance(value, str) else _json(value, self._max_bytes))

    def _written(self, value: Any, in_string: bool) -> str:
        """In a JSON string, the value as text, escaped; elsewhere, as JSON."""
        if in_string:
            return json.dumps(self._text(value), ensure_ascii=False)[1:-1]
        if isinstance(value, Literal):
            return str.__str__(value)
        value = value.value if isinstance(value, _ToJSON) else value
        checked = plain(value, name="a value", max_bytes=self._max_bytes)
        return json.dumps(checked, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _in_string_after(static: str, in_string: bool) -> bool:
    unescaped = _ESCAPED.sub("", static)
    if unescaped.endswith("\\"):
        raise NotJSON("has a backslash right before an expression")
    return in_string ^ (unescaped.count('"') % 2 == 1)


_ESCAPED = re.compile(r"\\.", re.DOTALL)


class _ToJSON(str):
    """What `tojson` gives: text that, outside quotes, stands for the value itself."""

    __slots__ = ("value",)
    value: Any


def _json(value: Any, max_bytes: int) -> str:
    checked = plain(value, name="a value", max_bytes=max_bytes)
    return canonical_json(checked).decode("ascii")


class _SlotContext(Context):
    """A rendering's context, which also keeps its slots."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.slots = Slots(self.environment.max_bytes)  # type: ignore[attr-defined]


@pass_context  # with a context, Jinja2 does not call it for constants while compiling
def _keep_value(context: _SlotContext, value: Any) -> str:
    if isinstance(value, Undefined):
        return str(value)  # raises and names what is missing; "" for an `if` without its `else`
    return context.slots.keep(value)


class Environment(Sandbox):
    """The sandbox in which values leave placeholders; a value may be written in so many bytes."""

    context_class = _SlotContext

    def __init__(self, max_bytes: int) -> None:
        super().__init__(_keep_value)
        self.max_bytes = max_bytes
        self.filters["tojson"] = self._tojson

    def _tojson(self, value: Any) -> _ToJSON:
        no_composed(value)
        text = _ToJSON(_json(value, self.max_bytes))
        text.value = value
        spend(turns=1, size=len(text) // 3)  # its escapes may make it thrice the event's bytes
        return text

    def composed(self, context: Any, text: str) -> str:
        """Marks a text that holds places of values."""
        return Composed(text) if context.slots.holds_place(text) else text


class Compiled:
    """A template's program. `alone`: it is one expression and nothing else, not even a blank."""

    def __init__(self, source: str, environment: Environment) -> None:
        tree = environment.parse(source)
        self.alone = _is_expression(tree)
        code = environment.compile(tree)
        self._template = environment.template_class.from_code(
            environment, code, environment.make_globals(None)
        )

    def render(self, values: Mapping[str, Any]) -> tuple[str, Slots]:
        """The text with a placeholder for each value, and the values."""
        context = self._template.new_context(values)  # type: ignore[arg-type]
        text = put_out(self._template.root_render_func(context))
        return text, context.slots  # type: ignore[attr-defined]


def _is_expression(tree: nodes.Template) -> bool:
    match tree.body:
        case [nodes.Output(nodes=[only])]:
            return not isinstance(only, nodes.TemplateData)
    return False


def compiled(source: str, environment: Environment, where: str = "") -> Compiled:
    """The program; `where` it stands is told in the `WebhookConfigError` if it is wrong."""
    try:
        return Compiled(source, environment)
    except TemplateSyntaxError as error:
        why = f"does not parse: {error.message} at {_place(source, error.lineno)}"
    except RecursionError:
        why = "does not parse: it is nested too deep"
    except TemplateError as error:
        why = f"does not compile: {error.message}"
    # Jinja2 leaves some errors to Python: too many blocks in one another, an argument twice…
    except Exception as error:  # noqa: BLE001
        what = error.msg if isinstance(error, SyntaxError) else str(error)
        why = f"does not compile: {what}"
    raise WebhookConfigError(f"custom_template {where}{why}")


def why_failed(error: Exception) -> str:
    """What an error says of the template that made it: a template is a program, and any error is its own."""
    match error:
        case json.JSONDecodeError():
            what = what_is_wrong(error)
            return f"rendered no valid JSON: {what} at line {error.lineno}, column {error.colno}"
        case NotJSON():
            return f"rendered no JSON object: {error}"
        case RecursionError():
            return "calls itself without end"
        case TemplateError():
            return f"failed: {error.message}"
    return f"failed: {type(error).__name__}: {error}"


def _place(template: str, lineno: int) -> str:
    """Jinja2 tells the line only; the column is where the line's first tag begins."""
    lines = template.splitlines() or [""]
    line = lines[min(lineno, len(lines)) - 1]
    column = min((at for at in map(line.find, ("{{", "{%", "{#")) if at >= 0), default=0)
    return f"line {lineno}, column {column + 1}"
