"""What is measured: each contestant posts n events to a URL and returns when all are answered."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import aiohttp
import httpx2
import pycurl
import requests
import tenacity
import uvloop

from vaulytica.integrations.webhook import AsyncWebhookSender, WebhookConfig, WebhookSender

IN_FLIGHT = 50
KEY = "not-a-real-key-0123456789"
DATA = {
    "file_id": "abc123",
    "file_name": "sensitive.pdf",
    "owner": "user@example.com",
    "shared_with": "external@partner.com",
}
PAYLOAD: dict[str, Any] = {
    "timestamp": "2025-10-29T12:00:00.123Z",
    "source": "vaulytica",
    "event_type": "file_shared_externally",
    "severity": "warning",
    "data": DATA,
}
BODY = json.dumps(PAYLOAD).encode()
EVENT_ID = "01a20956-3410-78b0-ae5e-9855111e7bc7"
# Everybody sends the same headers, as vaulytica does.
HEADERS = {
    "Content-Type": "application/json",
    "User-Agent": "vaulytica/0.1.0",
    "Webhook-Id": EVENT_ID,
    "Idempotency-Key": EVENT_ID,
    "X-API-Key": KEY,
}
API_KEY = {"auth_type": "api_key", "api_key": KEY}
NO_AUTH = {"auth_type": "none"}
WHSEC = "whsec_" + base64.b64encode(KEY.ljust(32, "-").encode()).decode()
WHSK = "whsk_" + base64.b64encode(KEY.ljust(32, "-").encode()).decode()
HMAC = {"auth_type": "hmac_sha256", "hmac_secret": KEY}

Contestant = Callable[[str, int], None]


def bare_handle(url: str) -> pycurl.Curl:
    """A libcurl handle with what the POST needs and nothing more."""
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, url)
    curl.setopt(pycurl.POST, 1)
    curl.setopt(pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in HEADERS.items()])
    return curl


def bare_pycurl(url: str, n: int) -> None:
    curl = bare_handle(url)
    for _ in range(n):
        answer = io.BytesIO()
        curl.setopt(pycurl.POSTFIELDS, BODY)
        curl.setopt(pycurl.WRITEDATA, answer)
        curl.perform()
        assert curl.getinfo(pycurl.RESPONSE_CODE) == 200


def requests_post(url: str, n: int) -> None:
    for _ in range(n):
        assert requests.post(url, json=PAYLOAD, headers=HEADERS, timeout=30).status_code == 200


def requests_session_tenacity(url: str, n: int) -> None:
    with requests.Session() as session:

        @tenacity.retry(
            stop=tenacity.stop_after_attempt(4),
            wait=tenacity.wait_exponential_jitter(initial=1, max=60),
        )
        def post() -> None:
            session.post(url, json=PAYLOAD, headers=HEADERS, timeout=30).raise_for_status()

        for _ in range(n):
            post()


def httpx2_client(url: str, n: int) -> None:
    with httpx2.Client() as client:
        for _ in range(n):
            assert client.post(url, json=PAYLOAD, headers=HEADERS).status_code == 200


def vaulytica_sync(auth: dict[str, Any], **settings: Any) -> Contestant:
    def contestant(url: str, n: int) -> None:
        with WebhookSender(WebhookConfig(url=url, auth=auth, **settings)) as sender:
            for _ in range(n):
                sender.send_event("file_shared_externally", DATA, "warning")

    return contestant


def vaulytica_send_batch(url: str, n: int) -> None:
    event = {"type": "file_shared_externally", "data": DATA, "severity": "warning"}
    with WebhookSender(WebhookConfig(url=url, auth=API_KEY)) as sender:
        assert sender.send_batch([event] * n) == n


# --- The same with 50 requests in flight.


async def _all_in_flight(worker: Callable[[], Awaitable[None]]) -> None:
    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))


async def bare_async_pycurl(url: str, n: int) -> None:
    left = iter(range(n))
    async with pycurl.AsyncCurlMulti() as multi:

        async def worker() -> None:
            curl = bare_handle(url)
            for _ in left:
                answer = io.BytesIO()
                curl.setopt(pycurl.POSTFIELDS, BODY)
                curl.setopt(pycurl.WRITEDATA, answer)
                await multi.perform(curl)
                assert curl.getinfo(pycurl.RESPONSE_CODE) == 200

        await _all_in_flight(worker)


async def aiohttp_client(url: str, n: int) -> None:
    left = iter(range(n))
    async with aiohttp.ClientSession() as session:

        async def worker() -> None:
            for _ in left:
                async with session.post(url, data=BODY, headers=HEADERS) as answer:
                    await answer.read()
                    assert answer.status == 200

        await _all_in_flight(worker)


async def httpx2_async(url: str, n: int) -> None:
    left = iter(range(n))
    async with httpx2.AsyncClient() as client:

        async def worker() -> None:
            for _ in left:
                answer = await client.post(url, content=BODY, headers=HEADERS)
                assert answer.status_code == 200

        await _all_in_flight(worker)


async def vaulytica_async(url: str, n: int, **settings: Any) -> None:
    left = iter(range(n))
    config = WebhookConfig(url=url, auth=API_KEY, **settings)
    async with AsyncWebhookSender(config) as sender:

        async def worker() -> None:
            for _ in left:
                await sender.send_event("file_shared_externally", DATA, "warning")

        await _all_in_flight(worker)


def on_asyncio(main: Callable[[str, int], Any]) -> Contestant:
    return lambda url, n: asyncio.run(main(url, n))


def on_uvloop(main: Callable[[str, int], Any]) -> Contestant:
    return lambda url, n: uvloop.run(main(url, n))


SYNC: dict[str, Contestant] = {
    "bare pycurl, one handle": bare_pycurl,
    "vaulytica `send_event`, API key": vaulytica_sync(API_KEY),
    "vaulytica `send_event`, HMAC-SHA256": vaulytica_sync(HMAC),
    "vaulytica `send_batch`, 8 in flight": vaulytica_send_batch,
    "httpx2.Client": httpx2_client,
    "requests.Session with tenacity": requests_session_tenacity,
    "requests.post": requests_post,
}


def standard_webhooks(*secrets: str) -> Contestant:
    return vaulytica_sync({"auth_type": "standard_webhooks", "hmac_secret": list(secrets)})


# One sender, and what signing adds to it: the first signs nothing.
SIGNED: dict[str, Contestant] = {
    "no auth": vaulytica_sync(NO_AUTH),
    "HMAC-SHA256, the guide's": vaulytica_sync(HMAC),
    "Standard Webhooks v1": standard_webhooks(WHSEC),
    "Standard Webhooks v1, two keys": standard_webhooks(WHSEC, WHSEC),
    "Standard Webhooks v1a": standard_webhooks(WHSK),
}
ASYNC: dict[str, Contestant] = {
    "bare AsyncCurlMulti": on_asyncio(bare_async_pycurl),
    "vaulytica `send_event`": on_asyncio(vaulytica_async),
    "aiohttp": on_asyncio(aiohttp_client),
    "httpx2.AsyncClient": on_asyncio(httpx2_async),
    "bare AsyncCurlMulti, uvloop": on_uvloop(bare_async_pycurl),
    "vaulytica `send_event`, uvloop": on_uvloop(vaulytica_async),
    "aiohttp, uvloop": on_uvloop(aiohttp_client),
    "httpx2.AsyncClient, uvloop": on_uvloop(httpx2_async),
}
# The receiver is on this machine, so what is allowed is its network; the check is that of public-only.
_POLICY = {"allow": ["public", "127.0.0.0/8"], "deny": ["10.0.0.0/8"]}
EGRESS: dict[str, Contestant] = {
    "any": vaulytica_sync(API_KEY),
    "with a policy": vaulytica_sync(API_KEY, egress=_POLICY),
}
EGRESS_ASYNC: dict[str, Contestant] = {
    "any, 50 in flight": on_asyncio(vaulytica_async),
    "with a policy, 50 in flight": on_asyncio(partial(vaulytica_async, egress=_POLICY)),
}
