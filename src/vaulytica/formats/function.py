"""Custom payloads by a Python function: the guide's payload format 6."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from vaulytica.errors import WebhookEventError
from vaulytica.events import Event
from vaulytica.formats.document import DocumentFormat, Layout, custom_context
from vaulytica.jsonvalues import MAX_BYTES, Dumps, NotJSON, compact_json, plain

_MOST_TOLD = 500  # characters
TemplateFunction = Callable[[dict[str, Any]], Mapping[str, Any]]


class FunctionFormat(DocumentFormat):
    """The document is what the user's function makes of the context; see `custom_context`."""

    name = "function"
    has_layouts = True

    def __init__(
        self,
        function: TemplateFunction,
        *,
        dumps: Dumps = compact_json,
        layout: Layout | str | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        super().__init__(dumps=dumps, layout=layout)
        self._max_bytes = max_bytes
        self._function = function

    def document(self, event: Event) -> dict[str, Any]:
        """What the function returns, made plain; it gets a copy, so it cannot alter the event."""
        context = custom_context(event)
        context["event_data"] = deepcopy(event.data)
        try:
            made = self._function(context)
        except Exception as error:
            raise WebhookEventError(
                f"custom_template_func raised {_told(error)}", event_id=event.id
            ) from error
        if not isinstance(made, Mapping):
            raise WebhookEventError(
                f"custom_template_func must return a dict, not {type(made).__name__}",
                event_id=event.id,
            )
        try:
            document: dict[str, Any] = plain(
                made, name="what custom_template_func returned", max_bytes=self._max_bytes
            )
        except NotJSON as error:
            raise WebhookEventError(str(error), event_id=event.id) from None
        return document


def _told(error: Exception) -> str:
    """The error as text, not too long; an error may even fail to tell of itself."""
    try:
        return f"{type(error).__name__}: {error}"[:_MOST_TOLD]
    except Exception:  # noqa: BLE001
        return type(error).__name__
