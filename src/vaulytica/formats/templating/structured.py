"""Custom payloads by a template that is a tree: objects and lists with expressions in their leaves.

The tree is the payload's shape, and no data can change it: an expression's value takes its leaf's
place and no more. A leaf that is one expression keeps the value's type; with text around, it is text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vaulytica.errors import WebhookConfigError, WebhookEventError
from vaulytica.events import Event
from vaulytica.formats.document import DocumentFormat, Layout, custom_context
from vaulytica.formats.templating.bounds import metered, spend
from vaulytica.formats.templating.rendering import Compiled, Environment, compiled, why_failed
from vaulytica.jsonvalues import MAX_BYTES, Dumps, NotJSON, compact_json, plain

MAX_LEAVES = (
    10_000  # with expressions; each is a program of its own, compiled in about a millisecond
)
_MARKUP = ("{{", "{%", "{#")


class StructuredFormat(DocumentFormat):
    """The document is the template's tree, each leaf rendered; keys are as they stand."""

    name = "structured"
    has_layouts = True

    def __init__(
        self,
        template: Mapping[str, Any],
        *,
        dumps: Dumps = compact_json,
        layout: Layout | str | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        super().__init__(dumps=dumps, layout=layout)
        self._max_bytes = max_bytes
        self._tree = _Planting(max_bytes).planted(_plain(template, max_bytes), ())

    def document(self, event: Event) -> dict[str, Any]:
        """Render every leaf, within one budget for them all."""
        rendering = _Rendering(custom_context(event), self._max_bytes)
        try:
            with metered(self._max_bytes):
                made = rendering.of(self._tree)
            rendering.where = ""
            document: dict[str, Any] = plain(made, name="document", max_bytes=self._max_bytes)
            return document
        except Exception as error:  # noqa: BLE001 - see `why_failed`
            why = why_failed(error)
        raise WebhookEventError(f"custom_template {rendering.where}{why}", event_id=event.id)


class _Leaf:
    """An expression, or text with expressions in it; `where` it stands, for errors."""

    __slots__ = ("program", "where")

    def __init__(self, program: Compiled, where: str) -> None:
        self.program = program
        self.where = where


class _Rendering:
    """One event's; `where` is the leaf at work, `_room` what all texts together may still take."""

    def __init__(self, values: Mapping[str, Any], room: int) -> None:
        self._values = values
        self._room = room
        self.where = ""

    def of(self, node: Any) -> Any:
        kind = type(node)
        if kind is dict:
            return {key: self.of(item) for key, item in node.items()}
        if kind is list:
            return [self.of(item) for item in node]
        if kind is not _Leaf:
            return node
        self.where = node.where
        spend(turns=1)
        text, slots = node.program.render(self._values)
        if node.program.alone:
            return slots.only()
        text = slots.fill_string(text, self._room)
        self._room -= len(text)
        return text


class _Planting:
    """Compiles the leaves of one tree."""

    def __init__(self, max_bytes: int) -> None:
        self._environment = Environment(max_bytes)
        self._count = 0

    def planted(self, node: Any, path: tuple[str, ...]) -> Any:
        if isinstance(node, dict):
            for key in node:
                _refuse_markup(key, path)
            return {key: self.planted(item, (*path, f".{key}")) for key, item in node.items()}
        if isinstance(node, list):
            return [self.planted(item, (*path, f"[{n}]")) for n, item in enumerate(node)]
        if not isinstance(node, str) or not _has_markup(node):
            return node
        self._count += 1
        if self._count > MAX_LEAVES:
            raise WebhookConfigError(f"custom_template has more than {MAX_LEAVES} expressions")
        where = f"at {_shown(path)} "
        return _Leaf(compiled(node, self._environment, where), where)


def _plain(template: Mapping[str, Any], max_bytes: int) -> dict[str, Any]:
    try:
        if not isinstance(template, Mapping):
            raise NotJSON("must be a mapping at its top, since the payload is a JSON object")
        tree: dict[str, Any] = plain(template, name="", max_bytes=max_bytes)
    except NotJSON as error:
        raise WebhookConfigError(f"custom_template{error.where} {error.why}") from None
    return tree


def _has_markup(text: str) -> bool:
    return any(mark in text for mark in _MARKUP)


def _refuse_markup(key: str, path: tuple[str, ...]) -> None:
    if _has_markup(key):
        where = f"at {_shown(path)} " if path else ""
        raise WebhookConfigError(
            f"custom_template {where}has an expression in the key {key[:40]!r}; keys are as they "
            "stand, so that no data can make one"
        )


def _shown(path: tuple[str, ...]) -> str:
    whole = "".join(path).removeprefix(".")
    return whole if len(whole) <= 100 else f"{whole[:99]}…"
