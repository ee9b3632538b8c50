"""Custom payloads by a Jinja2 template: the guide's payload format 5.

The guide writes `"{{ event_data.file_name }}"`, inside quotes, and that has to be safe for any file
name. So an expression's value never meets the template's text as text: it leaves a placeholder, and
when all is rendered, each placeholder is replaced by where it stands – inside a JSON string by the
value's text, escaped; elsewhere by the value as JSON. A value can end no string and add no key.
"""

from __future__ import annotations

import json
import re
import secrets
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError, pass_context
from jinja2.runtime import Context, Undefined

from vaulytica.errors import WebhookConfigError, WebhookEventError
from vaulytica.events import Event
from vaulytica.formats.document import DocumentFormat, Layout, custom_context
from vaulytica.formats.templating.bounds import (
    Composed,
    Literal,
    TooMuch,
    charge,
    metered,
    no_composed,
    put_out,
    spend,
)
from vaulytica.formats.templating.sandbox import Sandbox
from vaulytica.jsonvalues import MAX_BYTES, Dumps, NotJSON, canonical_json, compact_json, plain


class TemplateFormat(DocumentFormat):
    """The document is what the template renders, which must be a JSON object."""

    name = "template"
    has_layouts = True

    def __init__(
        self,
        template: str,
        *,
        dumps: Dumps = compact_json,
        layout: Layout | str | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        super().__init__(dumps=dumps, layout=layout)
        self._max_bytes = max_bytes
        self._template = _compile(template, max_bytes)

    def document(self, event: Event) -> dict[str, Any]:
        """Render, put the values in, and read the result back as JSON: that is what is sent."""
        try:
            context = self._template.new_context(custom_context(event))
            with metered(self._max_bytes):
                text = context.slots.fill(put_out(self._template.root_render_func(context)))
            document = _read(text)
            if not isinstance(document, dict):
                raise NotJSON(f"is not an object but {type(document).__name__}")
            checked: dict[str, Any] = plain(document, name="document", max_bytes=self._max_bytes)
            return checked
        except json.JSONDecodeError as error:
            why = (
                f"rendered no valid JSON: {error.msg} at line {error.lineno}, column {error.colno}"
            )
        except NotJSON as error:
            why = f"rendered no JSON object: {error}"
        except RecursionError:
            why = "calls itself without end"
        except TemplateError as error:
            why = f"failed: {error.message}"
        except Exception as error:  # noqa: BLE001 - a template is a program: any error it makes is the template's
            why = f"failed: {type(error).__name__}: {error}"
        raise WebhookEventError(f"custom_template {why}", event_id=event.id)


class _Slots:
    """The values of one rendering. Placeholders hold a random mark, so that no data can forge one."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._values: list[Any] = []
        self._mark = secrets.token_hex(8)
        self._pattern = re.compile(f"\ue000{self._mark}-([0-9]+)\ue001")

    def keep(self, value: Any) -> str:
        if isinstance(value, Composed):
            return str(charge(value))  # its values are kept already
        self._values.append(value)
        return f"\ue000{self._mark}-{len(self._values) - 1}\ue001"

    def holds_place(self, text: str) -> bool:
        """Whether there is a place of one of these values in the text."""
        return self._mark in text

    def fill(self, text: str) -> str:
        """The rendered text with each value in its place."""
        filled: list[str] = []
        written: dict[tuple[int, bool], str] = {}  # a value that is put out twice is written once
        position, size, in_string = 0, len(text), False
        for slot in self._pattern.finditer(text):
            spend()
            static = text[position : slot.start()]
            in_string = _in_string_after(static, in_string)
            value = self._values[int(slot[1])]
            key = id(value), in_string
            if key not in written:
                written[key] = self._written(value, in_string)
            filled += (static, written[key])
            size += len(written[key]) - len(slot[0])
            if size > self._max_bytes:
                raise TooMuch(f"what it renders is over {self._max_bytes} bytes (max_event_bytes)")
            if isinstance(value, Literal) and not in_string:
                in_string = _in_string_after(value, in_string)  # it may be a quote that begins one
            position = slot.end()
        return "".join((*filled, text[position:]))

    def _written(self, value: Any, in_string: bool) -> str:
        """In a JSON string, text as it is and all else as JSON, escaped; elsewhere, as JSON."""
        if in_string:
            text = value if isinstance(value, str) else _json(value, self._max_bytes)
            return json.dumps(str.__str__(text), ensure_ascii=False)[1:-1]
        if isinstance(value, Literal):
            return str.__str__(value)
        value = value.value if isinstance(value, _ToJSON) else value
        checked = plain(value, name="a value", max_bytes=self._max_bytes)
        return json.dumps(checked, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _read(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_object)
    except RecursionError:
        raise NotJSON("is nested too deep") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object, if no key comes twice: else a key made of data could take another's place."""
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in made if keys.count(key) > 1)
        raise NotJSON(f"has the key {twice[:40]!r} twice")
    return made


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


def _no_constant(name: str) -> Any:
    raise NotJSON(f"holds {name}, which JSON does not have")


class _SlotContext(Context):
    """A rendering's context, which also keeps its slots."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.slots = _Slots(self.environment.max_bytes)  # type: ignore[attr-defined]


@pass_context  # with a context, Jinja2 does not call it for constants while compiling
def _keep_value(context: _SlotContext, value: Any) -> str:
    if isinstance(value, Undefined):
        return str(value)  # raises and names what is missing; "" for an `if` without its `else`
    return context.slots.keep(value)


class _Environment(Sandbox):
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
        return Composed(text) if context.slots.holds_place(text) else text


def _compile(template: str, max_bytes: int) -> Any:
    try:
        return _Environment(max_bytes).from_string(template)
    except TemplateSyntaxError as error:
        raise WebhookConfigError(
            f"custom_template does not parse: {error.message} at {_place(template, error.lineno)}"
        ) from None
    except RecursionError:
        raise WebhookConfigError("custom_template does not parse: it is nested too deep") from None
    except TemplateError as error:
        raise WebhookConfigError(f"custom_template does not compile: {error.message}") from None
    # Jinja2 leaves some errors to Python: too many blocks in one another, an argument twice…
    except Exception as error:  # noqa: BLE001
        why = error.msg if isinstance(error, SyntaxError) else str(error)
        raise WebhookConfigError(f"custom_template does not compile: {why}") from None


def _place(template: str, lineno: int) -> str:
    """Jinja2 tells the line only; the column is where the line's first tag begins."""
    lines = template.splitlines() or [""]
    line = lines[min(lineno, len(lines)) - 1]
    column = min((at for at in map(line.find, ("{{", "{%", "{#")) if at >= 0), default=0)
    return f"line {lineno}, column {column + 1}"
