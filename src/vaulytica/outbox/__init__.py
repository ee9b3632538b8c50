"""The outbox: the durable store of deliveries. To add a store: a file here, a line in `OUTBOXES`; its contract tests run by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vaulytica.errors import WebhookConfigError
from vaulytica.registry import Table

if TYPE_CHECKING:
    from vaulytica.outbox.sqlite import SqliteOutbox

OUTBOXES = Table(
    "outbox",
    "vaulytica.outboxes",
    {"sqlite": "vaulytica.outbox.sqlite:SqliteOutbox"},
)


def open_outbox(url: str, **settings: Any) -> SqliteOutbox:
    """The outbox at a URL such as `sqlite:///var/lib/vaulytica/outbox.db`; see the store for its settings."""
    scheme, separator, _ = url.partition("://")
    if not separator:
        raise WebhookConfigError(
            f"outbox: {url!r} is no URL; write it like sqlite:///var/lib/vaulytica/outbox.db"
        )
    try:
        store = OUTBOXES.load(scheme)
    except LookupError as error:
        raise WebhookConfigError(f"outbox: {error}") from None
    opened: SqliteOutbox = store.open(url, **settings)
    return opened
