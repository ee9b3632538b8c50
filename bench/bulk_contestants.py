"""Clients of Elasticsearch's bulk: each sends events or actions to a URL, and returns how many were taken.

As a program, `python -m bench.bulk_contestants NAME FILE URL`, a peer sends the events of a file.
"""

from __future__ import annotations

import asyncio
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import orjson
import pycurl
from elasticsearch import Elasticsearch, OrjsonSerializer, helpers

from bench.events import events
from vaulytica.integrations.webhook import AsyncWebhookSender, WebhookConfig, WebhookSender

BATCH = 1000
INDEX = "logs"
# The least that the helpers can do with; they ask for all of the answer unless told.
FILTER = "errors,items.*.status,items.*.error"

Dict = dict[str, Any]
Peer = Callable[[str, Iterable[Dict]], int]


def config(url: str) -> WebhookConfig:
    return WebhookConfig(url=f"{url}/{INDEX}/_bulk", format="elastic", batch={"max_events": BATCH})


def send_stream(url: str, sent: Iterable[Dict]) -> int:
    with WebhookSender(config(url)) as sender:
        return int(sender.send_stream(sent).run())


def async_send_stream(url: str, sent: Iterable[Dict]) -> int:
    async def main() -> int:
        async with AsyncWebhookSender(config(url)) as sender:
            return int(await sender.send_stream(sent).run())

    return asyncio.run(main())


def helpers_bulk(url: str, actions: Iterable[Dict]) -> int:
    with Elasticsearch(url) as client:
        return helpers.bulk(client, actions, chunk_size=BATCH, stats_only=True)[0]


def helpers_bulk_orjson(url: str, actions: Iterable[Dict]) -> int:
    with _quick_client(url) as client:
        options = {"chunk_size": BATCH, "filter_path": FILTER}
        return helpers.bulk(client, actions, stats_only=True, **options)[0]


def parallel_bulk_orjson(url: str, actions: Iterable[Dict]) -> int:
    with _quick_client(url) as client:
        options = {"chunk_size": BATCH, "filter_path": FILTER, "thread_count": 4}
        return sum(ok for ok, _ in helpers.parallel_bulk(client, actions, **options))


def _quick_client(url: str) -> Elasticsearch:
    return Elasticsearch(url, serializer=OrjsonSerializer())


PEERS: dict[str, Peer] = {
    "helpers.bulk": helpers_bulk,
    "helpers.bulk, orjson, filter_path": helpers_bulk_orjson,
    "helpers.parallel_bulk, orjson, filter_path": parallel_bulk_orjson,
}
OURS: dict[str, Peer] = {
    "vaulytica `WebhookSender.send_stream`": send_stream,
    "vaulytica `AsyncWebhookSender.send_stream`": async_send_stream,
}

# --- What they send: the same thousand over and over, as making new ones costs time.

EVENTS = list(islice(events(), BATCH))
ACTIONS: list[Dict] = [
    {
        "_op_type": "create",
        "_index": INDEX,
        "_id": f"01a20956-3410-78b0-ae5e-{n:012}",
        "_source": {
            "@timestamp": event["timestamp"],
            "event": {
                "kind": "alert",
                "category": ["security"],
                "type": [event["type"]],
                "severity": 2,
            },
            "message": f"Vaulytica event: {event['type']}",
            "vaulytica": event["data"],
        },
    }
    for n, event in enumerate(EVENTS)
]
LINES = b"".join(
    b'{"create":{"_index":"%b","_id":"%b"}}\n%b\n'
    % (INDEX.encode(), action["_id"].encode(), json.dumps(action["_source"]).encode())
    for action in ACTIONS
)


def again(things: list[Dict], n: int) -> Iterator[Dict]:
    return islice(cycle(things), n)


def prepared_bodies(url: str, n: int) -> int:
    """What the receiver can take: libcurl, and bodies that are there already."""
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, f"{url}/_bulk?filter_path={FILTER},items.*._id")
    curl.setopt(pycurl.HTTPHEADER, ["Content-Type: application/x-ndjson", "Expect:"])
    curl.setopt(pycurl.POSTFIELDS, LINES)
    taken = 0
    for _ in range(n // BATCH):
        answer = io.BytesIO()
        curl.setopt(pycurl.WRITEDATA, answer)
        curl.perform()
        taken += answer.getvalue().count(b'"status":201')
    return taken


def actions_of(file: Path, loads: Callable[[bytes], Dict]) -> Iterator[Dict]:
    """The file's lines as they are; numbers for ids, as nothing is cheaper."""
    with file.open("rb") as lines:
        for n, line in enumerate(lines):
            yield {"_op_type": "create", "_index": INDEX, "_id": str(n), "_source": loads(line)}


def main(name: str, file: str, url: str) -> None:
    loads = orjson.loads if "orjson" in name else json.loads
    print(json.dumps({"delivered": PEERS[name](url, actions_of(Path(file), loads))}))


if __name__ == "__main__":
    main(*sys.argv[1:])
