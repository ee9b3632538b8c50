"""An event that was altered on the disk: it is not sent, and the dead letter says what is wrong, and what to do."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from vaulytica.integrations.webhook import WebhookConfig, WebhookSender
from vaulytica.outbox import open_outbox
from vaulytica.outbox.delivery import Filter


def test_a_body_that_was_altered_becomes_a_dead_letter_that_says_so(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    config = WebhookConfig(url="http://127.0.0.1:9/")
    with (
        open_outbox(f"sqlite://{path}") as outbox,
        WebhookSender(config, outbox=outbox, name="siem") as sender,
    ):
        for n in range(20):
            sender.send_event("t", {"n": n})
        connection = sqlite3.connect(path)
        with connection:
            connection.execute(
                "UPDATE outbox_batch SET body = CAST(replace(CAST(body AS TEXT), 't', 'T') AS BLOB)"
            )
        connection.close()
        drained = sender.drain()
        assert (drained.dead, drained.deferred, drained.delivered) == (20, 0, 0)
        for letter in outbox.browse(Filter(destinations=("siem",))):
            why = letter.tried[-1].text
            assert "was altered on the disk: its checksum does not fit" in why
            assert "`vaulytica outbox audit` says more" in why
            assert "`vaulytica outbox recover`" in why
