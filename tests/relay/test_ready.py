"""`/readyz` tells the truth: also of a disk that is full, where nobody sends anything any more, and when there is room."""

from __future__ import annotations

import json
from pathlib import Path

from support.disks import disk, fill
from support.relay import DOWN, RelayProcess, post, wait_until


def ready(one: RelayProcess) -> bool:
    """Whether it says that it is; else it has to say why."""
    status, body = one.get("/readyz")
    if status == 200:
        assert json.loads(body) == {"ok": True}
        return True
    assert status == 503
    assert f"outbox {one.outbox_path}: the disk is nearly full" in json.loads(body)["why"]
    return False


def begun(relay, folder: Path) -> RelayProcess:
    """A relay whose outbox is in that folder."""
    one = relay({"a": DOWN}, start=False, outbox=f"sqlite://{folder}/outbox.db")
    one.outbox_path = folder / "outbox.db"
    return one.start()


def test_not_ready_while_the_disk_is_full_and_ready_by_itself_when_it_is_not(relay, tmp_path):
    with disk(tmp_path / "disk", 96) as folder:
        one = begun(relay, folder)
        assert ready(one)
        filler = fill(folder / "filler", leave=20 * 2**20)
        wait_until(lambda: not ready(one), "nobody has sent anything, and it says so", 60)
        assert one.metric("vaulytica_refused_events_total", reason="disk") == 0
        status, body, again = post(one, ["e-1", "e-2"])
        assert (status, again) == (503, "5")
        assert body["error"] == "the relay cannot keep events now; its log says why"
        assert not ready(one)
        assert one.metric("vaulytica_refused_events_total", reason="disk") == 2
        assert one.metric("vaulytica_refused_events_total", reason="full") == 0
        filler.unlink()
        one.wait_for("events can be kept again")
        assert ready(one)
        assert post(one, ["e-3"])[0] == 202
        (line,) = one.said("events cannot be kept")
        assert f"outbox {one.outbox_path}: the disk is nearly full" in line["why"]
        assert len(one.said("events can be kept again")) == 1
        one.stop()


def test_a_put_tells_at_once(relay, tmp_path):
    with disk(tmp_path / "disk", 96) as folder:
        one = begun(relay, folder)
        fill(folder / "filler", leave=20 * 2**20)
        assert post(one, ["e-1"])[0] == 503
        assert not ready(one)
        one.stop()


def test_not_ready_from_the_start_on_a_disk_that_is_too_small(relay, tmp_path):
    with disk(tmp_path / "disk", 6) as folder:
        one = begun(relay, folder)
        assert not ready(one)
        one.wait_for("events cannot be kept")
        one.stop()


def test_a_client_that_uses_a_key_for_two_bodies_says_nothing_of_the_disk(relay):
    one = relay({"a": DOWN})
    key = {"Idempotency-Key": "k-1"}
    assert post(one, ["e-1"], **key)[0] == 202
    status, body, again = post(one, ["e-2"], **key)
    assert (status, again) == (422, None)
    assert "used for another body" in body["error"]
    assert post(one, ["e-1"], **key)[0] == 202
    assert ready(one)
    assert one.metric("vaulytica_refused_events_total", reason="disk") == 0
    assert one.said("events cannot be kept") == []
    assert one.metric("vaulytica_accepted_events_total", "a") == 1
    one.stop()
