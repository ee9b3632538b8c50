"""What is asked of an outbox by its URL, without opening it."""

from __future__ import annotations

from pathlib import Path

from vaulytica.outbox.sqlite import place
from vaulytica.outbox.sqlite.connection import path_of
from vaulytica.outbox.sqlite.lock import is_held


class ByUrl:
    """All of it looks only: nothing is made."""

    @staticmethod
    def check_url(url: str) -> None:
        """Raise `WebhookConfigError` if it names no file."""
        path_of(url)

    @staticmethod
    def files_of(url: str) -> tuple[Path, ...]:
        """The file, and what SQLite and a relay have beside it."""
        return place.files_of(path_of(url))

    @staticmethod
    def why_unusable(url: str) -> str | None:
        """What keeps a relay from making, or using, that file; None if nothing does."""
        return place.why_unusable(path_of(url))

    @staticmethod
    def is_owned(url: str) -> bool:
        """Whether a relay has that file."""
        return is_held(path_of(url))
