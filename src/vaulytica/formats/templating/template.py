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
from vaulytica.formats.document import DocumentFormat, custom_context
from vaulytica.formats.templating.bounds import Composed, Literal, metered, no_composed
from vaulytica.formats.templating.sandbox import Sandbox
from vaulytica.jsonvalues import Dumps, NotJSON, canonical_json, compact_json, plain


class TemplateFormat(DocumentFormat):
    """The document is what the template renders, which must be a JSON object."""

    name = "template"

    def __init__(self, template: str, *, dumps: Dumps = compact_json) -> None:
        super().__init__(dumps=dumps)
        self._template = _compile(template)

    def document(self, event: Event) -> dict[str, Any]:
        """Render, put the values in, and read the result back as JSON: that is what is sent."""
        try:
            context = self._template.new_context(custom_context(event))
            text = metered(lambda: self._template.root_render_func(context))
            document = _read(context.slots.fill(text))
            if not isinstance(document, dict):
                raise NotJSON(f"is not an object but {type(document).__name__}")
            checked: dict[str, Any] = plain(document, name="document")
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

    def __init__(self) -> None:
        self._values: list[Any] = []
        self._mark = secrets.token_hex(8)
        self._pattern = re.compile(f"\ue000{self._mark}-([0-9]+)\ue001")

    def keep(self, value: Any) -> str:
        if isinstance(value, Composed):
            return str(value)  # its values are kept already
        self._values.append(value)
        return f"\ue000{self._mark}-{len(self._values) - 1}\ue001"

    def holds_place(self, text: str) -> bool:
        """Whether there is a place of one of these values in the text."""
        return self._mark in text

    def fill(self, text: str) -> str:
        """The rendered text with each value in its place."""
        filled: list[str] = []
        position, in_string = 0, False
        for slot in self._pattern.finditer(text):
            static = text[position : slot.start()]
            in_string = _in_string_after(static, in_string)
            value = self._values[int(slot[1])]
            filled += (static, _inside(value) if in_string else _outside(value))
            if isinstance(value, Literal) and not in_string:
                in_string = _in_string_after(value, in_string)  # it may be a quote that begins one
            position = slot.end()
        return "".join((*filled, text[position:]))


def _read(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise NotJSON("is nested too deep") from None


def _in_string_after(static: str, in_string: bool) -> bool:
    escaped = False
    for character in static:
        if escaped:
            escaped = False
        elif in_string and character == "\\":
            escaped = True
        elif character == '"':
            in_string = not in_string
    if escaped:
        raise NotJSON("has a backslash right before an expression")
    return in_string


class _ToJSON(str):
    """What `tojson` gives: outside quotes it stands as it is."""

    __slots__ = ()


def _tojson(value: Any) -> _ToJSON:
    no_composed(value)
    return _ToJSON(_json(value))


def _inside(value: Any) -> str:
    """The value as part of a JSON string: strings as they are, all else as JSON, escaped."""
    text = value if isinstance(value, str) else _json(value)
    return json.dumps(str.__str__(text))[1:-1]


def _outside(value: Any) -> str:
    return str.__str__(value) if isinstance(value, (_ToJSON, Literal)) else _json(value)


def _json(value: Any) -> str:
    return canonical_json(plain(value, name="a value")).decode("ascii")


def _no_constant(name: str) -> Any:
    raise NotJSON(f"holds {name}, which JSON does not have")


class _SlotContext(Context):
    """A rendering's context, which also keeps its slots."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.slots = _Slots()


@pass_context  # with a context, Jinja2 does not call it for constants while compiling
def _keep_value(context: _SlotContext, value: Any) -> str:
    if isinstance(value, Undefined):
        return str(value)  # raises and names what is missing; "" for an `if` without its `else`
    return context.slots.keep(value)


class _Environment(Sandbox):
    context_class = _SlotContext

    def __init__(self) -> None:
        super().__init__(_keep_value)
        self.filters["tojson"] = _tojson

    def composed(self, context: Any, text: str) -> str:
        return Composed(text) if context.slots.holds_place(text) else text


def _compile(template: str) -> Any:
    try:
        return _Environment().from_string(template)
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
