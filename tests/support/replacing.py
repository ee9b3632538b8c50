"""Files of certificates that are replaced, and connections that are refused for them."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from support.drivers import Sending
from support.faulty import Faulty
from vaulytica.integrations.webhook import WebhookTLSError


@pytest.fixture
def looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replaced file is seen with the next request."""
    monkeypatch.setattr("vaulytica.transport.tls.LOOK_EVERY", 0.0)


@pytest.fixture
def clients() -> trustme.CA:
    """The authority of client certificates."""
    return trustme.CA()


def refused(server: Faulty, sender: Sending) -> str:
    """What an event is told that TLS keeps from going out, at the first attempt."""
    with pytest.raises(WebhookTLSError) as caught:
        sender.send_event("file_shared", {})
    assert caught.value.attempts == 1
    assert sender.waits == []
    assert server.arrived == []
    return str(caught.value)


def as_file(folder: Path, name: str, text: str) -> str:
    """The file, replaced in one step."""
    new = folder / f"{name}.new"
    new.write_text(text)
    new.replace(folder / name)
    return str(folder / name)
