"""The disk fails under a running relay: it says so, accepts nothing, and goes on when it can."""

from __future__ import annotations

import http.client
import resource
import sys
import time

import pytest

from support.relay import RelayProcess, wait_until
from vaulytica.receiving.receiver import Answer

BATCH = {"format": "json", "batch": {"as": "ndjson", "max_events": 20}, "concurrency": 2}


def post(one: RelayProcess, *ids: str) -> int:
    lines = "".join(f'{{"type":"t","id":"{id}","data":{{"id":"{id}"}}}}\n' for id in ids)
    connection = http.client.HTTPConnection(one.url.removeprefix("http://"), timeout=20)
    connection.request("POST", "/v1/events", lines, {"Content-Type": "application/x-ndjson"})
    status = connection.getresponse().status
    connection.close()
    return status


def limit(one: RelayProcess, bytes: int) -> None:
    """The most that a file of that process may grow to, as if the disk were full there."""
    assert one.process is not None
    hard = resource.prlimit(one.process.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(one.process.pid, resource.RLIMIT_FSIZE, (bytes, hard))


@pytest.mark.skipif(sys.platform != "linux", reason="needs prlimit")
def test_a_full_disk_loses_nothing_and_passes(relay, sink):
    a = sink()
    is_busy = True

    def behave(*_):
        time.sleep(0.01)
        return Answer(500) if is_busy else None

    a.behave = behave
    one = relay({"a": {"url": a.url, **BATCH}, "b": {"url": a.url, **BATCH}})
    assert post(one, *[f"e-{n}" for n in range(200)]) == 202
    wait_until(lambda: a.requests, "the first try")
    limit(one, 1024)
    assert post(one, "refused") == 503
    line = one.wait_for("outbox cannot be written")
    assert str(one.outbox_path) in line["why"]
    is_busy = False
    time.sleep(1.5)
    assert len(one.said("outbox cannot be written")) == 1
    assert one.get("/healthz")[0] == 200
    limit(one, resource.RLIM_INFINITY)
    one.wait_for("outbox can be written again")
    assert post(one, "after") == 202
    counts = one.wait_delivered()
    assert counts["a"].accepted == counts["b"].accepted == 201
    assert set(a.taken) == {*[f"e-{n}" for n in range(200)], "after"}
    assert one.said("lane failed") == []
    one.check_the_law()
