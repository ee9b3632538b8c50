"""Custom payloads by a Jinja2 template as text: the guide's payload format 5.

The guide writes `"{{ event_data.file_name }}"`, inside quotes, and that has to be safe for any file
name. So an expression's value never meets the template's text as text: it leaves a placeholder, and
when all is rendered, each placeholder is replaced by where it stands – inside a JSON string by the
value's text, escaped; elsewhere by the value as JSON. A value can end no string and add no key.
"""

from __future__ import annotations

import json
from typing import Any

from vaulytica.errors import WebhookEventError
from vaulytica.events import Event
from vaulytica.formats.document import DocumentFormat, Layout, custom_context
from vaulytica.formats.templating.bounds import metered
from vaulytica.formats.templating.rendering import Environment, compiled, why_failed
from vaulytica.jsonvalues import MAX_BYTES, Dumps, NotJSON, compact_json, plain


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
        self._template = compiled(template, Environment(max_bytes))

    def document(self, event: Event) -> dict[str, Any]:
        """Render, put the values in, and read the result back as JSON: that is what is sent."""
        try:
            with metered(self._max_bytes):
                text, slots = self._template.render(custom_context(event))
                text = slots.fill(text)
            document = _read(text)
            if not isinstance(document, dict):
                raise NotJSON(f"is not an object but {type(document).__name__}")
            checked: dict[str, Any] = plain(document, name="document", max_bytes=self._max_bytes)
            return checked
        except Exception as error:  # noqa: BLE001 - see `why_failed`
            why = why_failed(error)
        raise WebhookEventError(f"custom_template {why}", event_id=event.id)


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


def _no_constant(name: str) -> Any:
    raise NotJSON(f"holds {name}, which JSON does not have")
