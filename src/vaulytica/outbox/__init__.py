"""The outbox: the durable store of deliveries. To add a store: a file here, a line in `OUTBOXES`; its contract tests run by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaulytica.errors import WebhookConfigError
from vaulytica.outbox.urls import written_right
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
    opened: SqliteOutbox = _store(url).open(url, **settings)
    return opened


def check_url(url: str) -> None:
    """Raise `WebhookConfigError` if no outbox can be at that URL, on whatever machine."""
    if (check := getattr(_store(url), "check_url", None)) is not None:
        check(url)


def why_unusable(url: str) -> str | None:
    """Why a relay cannot have its outbox at that URL on this machine; None if it can. Nothing is made there."""
    why = getattr(_store(url), "why_unusable", None)
    return None if why is None else why(url)


def is_owned(url: str) -> bool:
    """Whether a relay runs on that outbox now, be it this process."""
    owned = getattr(_store(url), "is_owned", None)
    return owned is not None and owned(url)


def files_of(url: str) -> Sequence[Path]:
    """All that may be on disk of the outbox at that URL: nobody else may open them, not even to read."""
    of = getattr(_store(url), "files_of", None)
    return () if of is None else of(url)


def _store(url: str) -> Any:
    scheme, separator, _ = url.partition("://")
    if not separator or (scheme == "file" and scheme not in OUTBOXES):
        raise WebhookConfigError(
            f"outbox: {url!r} is no URL of an outbox; write it like {written_right(url)}"
        )
    try:
        return OUTBOXES.load(scheme)
    except LookupError as error:
        raise WebhookConfigError(f"outbox: {error}") from None
