"""Who hears of results as they come: it may stop its stream, and may break."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.drivers import config_for
from support.faulty import OK, Faulty, replies
from vaulytica.integrations.webhook import Result, WebhookSender

Serve = Callable[..., Faulty]
BATCHES = {"batch": {"max_events": 10, "as": "array", "max_wait": 60}}


def entries(count: int) -> Iterator[dict[str, Any]]:
    return ({"type": "file_shared", "data": {"n": n}, "id": f"event-{n}"} for n in range(count))


@pytest.mark.parametrize("way", ["halt", "close", "left"])
@pytest.mark.parametrize("unfit", [False, True])
def test_who_hears_of_a_result_may_stop_its_stream(serve: Serve, way: str, unfit: bool) -> None:
    server = serve(replies(OK))
    with WebhookSender(config_for(server.url, **BATCHES)) as sender:
        heard: list[Result] = []

        def on_result(result: Result) -> None:
            heard.append(result)
            getattr(stream, way)()

        source = ({} if unfit and n == 15 else entry for n, entry in enumerate(entries(1000)))
        stream = sender.send_stream(source, on_result=on_result)
        total = stream.run()
    assert heard
    if way == "halt":
        assert total.events == total.counts.delivered + total.counts.rejected + len(total.deferred)
        assert total.counts.delivered < 1000
    if way == "left":
        assert total == 1000 - unfit


def test_a_result_that_breaks_its_hearer_is_counted_all_the_same(serve: Serve) -> None:
    server = serve(replies(OK))
    with WebhookSender(config_for(server.url, concurrency=1, **BATCHES)) as sender:
        stream = sender.send_stream(entries(10), on_result=lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            stream.run()
        assert (stream.report, stream.left().under_way) == (10, [])
