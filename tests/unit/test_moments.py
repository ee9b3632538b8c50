"""Moments: as people write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from vaulytica.cli.outbox.moments import moment_of
from vaulytica.errors import WebhookConfigError


@pytest.mark.parametrize(
    ("text", "before"),
    [
        ("30m", 1800),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1h 30min", 5400),
        ("2 hours ago", 7200),
        ("90 seconds", 90),
        ("1 day ago", 86400),
        ("2 weeks", 1209600),
        ("7d", 604800),
        ("now", 0),
        ("today", 45000),
        ("Yesterday", 131400),
        ("12:00", 1800),
        ("9:30", 10800),
        ("09:30:30", 10770),
        ("2025-10-29", 45000),
        ("2025-10-29 12:00", 1800),
        ("2025-10-29T12:00:00", 1800),
        ("2025-10-29T12:00:00Z", 1800),
        ("2025-10-29T13:00:00+01:00", 1800),
    ],
)
def test_moments_are_read_as_people_write_them(text: str, before: int) -> None:
    now = datetime(2025, 10, 29, 12, 30, tzinfo=UTC).timestamp()
    assert moment_of(text, "--since", now) == now - before


@pytest.mark.parametrize(
    "text", ["", "ago", "2", "2x", "2hh", "-3h", "25:00", "tomorrow", "9" * 400 + "d"]
)
def test_what_is_no_moment_is_said(text: str) -> None:
    with pytest.raises(WebhookConfigError, match="is no moment; give a span ago"):
        moment_of(text, "--since", 1761739200.0)
