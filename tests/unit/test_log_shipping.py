"""Shipping of log lines straight into an outbox: a retry is no second batch, and a batch is never lost behind its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.outbox import everything, ids_in
from vaulytica.integrations.log_shipping import OutboxShipper, Refused
from vaulytica.outbox import open_outbox

ONE = b'{"type": "log", "id": "1", "timestamp": "2025-10-29T12:00:00Z"}'


def test_a_key_is_for_one_batch(tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/outbox.db"
    shipper = OutboxShipper(url, ["siem"])
    for _ in range(2):
        shipper.send([ONE], "k")
    with pytest.raises(
        Refused, match="was used before"
    ):  # so it is said to be lost, not tried for ever
        shipper.send([ONE, ONE.replace(b'"1"', b'"2"')], "k")
    shipper.close()
    with open_outbox(url) as outbox:
        assert ids_in(*everything(outbox)) == ["1"]
