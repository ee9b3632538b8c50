"""A destination that repeats all it was sent: in errors, reports, logs and checks no secret shows."""

from __future__ import annotations

import html
import json
import logging
import pickle
from collections.abc import Callable
from urllib.parse import quote

import pytest

from support.canaries import CANARY, PLACES, leaks, settings_with, texts_of
from support.drivers import Sending, config_for
from support.faulty import OK, Arrived, Faulty, http, replies
from support.proxy import Proxy
from vaulytica.integrations.webhook import WebhookAuth, WebhookConfig, WebhookError

Serve = Callable[..., Faulty]
SenderOf = Callable[..., Sending]
place = pytest.mark.parametrize("where", PLACES)


def wire(arrived: Arrived) -> str:
    lines = [arrived.line, *(f"{name}: {value}" for name, value in arrived.headers)]
    return "\r\n".join(lines) + "\r\n\r\n" + arrived.body.decode("utf-8", "replace")


def as_json(arrived: Arrived) -> str:
    return json.dumps({"url": arrived.target, "headers": dict(arrived.headers)}, indent=2)


ECHOES: dict[str, Callable[[Arrived], str]] = {
    "as it came": wire,
    "as JSON": as_json,
    "as HTML": lambda arrived: f"<pre>{html.escape(wire(arrived))}</pre>",
    "percent-encoded": lambda arrived: quote(wire(arrived)),
    "header by header": lambda arrived: " ".join(value for _, value in arrived.headers),
    "the target only": lambda arrived: arrived.target,
}
# So many characters before the echo: none, and so many that the cut at 2 KiB falls within it.
CUTS = [0, *range(1880, 2048, 41)]


def echoing(status: int, echo: Callable[[Arrived], str], padding: int = 0) -> Callable[..., bytes]:
    return lambda arrived: http(status, b"p" * padding + echo(arrived).encode())


def refusals(sender: Sending) -> str:
    """All that can be known of an event that was refused: by both ways of sending, and by check()."""
    with pytest.raises(WebhookError) as caught:
        sender.send_event("file_shared", {})
    report = sender.send_batch([{"type": "file_shared"}])
    assert report == 0
    pickled = pickle.dumps(report, 0).decode("latin-1")
    return " ".join([texts_of(caught.value), repr(report), repr(report.results), pickled])


@place
@pytest.mark.parametrize("echo", ECHOES)
def test_an_echo_shows_no_secret(where: str, echo: str, serve: Serve, sender_of: SenderOf) -> None:
    paddings = iter(CUTS * 4)

    def answer(arrived: Arrived) -> bytes:
        if CANARY in arrived.target and "/token" in arrived.target:
            return http(200, b'{"access_token": "obviously-other-token", "expires_in": 600}')
        return echoing(400, ECHOES[echo], next(paddings))(arrived)

    server = serve(replies(answer))
    sender = sender_of(WebhookConfig(**settings_with(where, server.origin)))
    for _ in range(len(CUTS)):
        text = refusals(sender)
        assert "HTTP 400" in text or "no token" in text
        assert leaks(text) == []


@place
def test_logs_at_debug_show_no_secret(
    where: str, serve: Serve, sender_of: SenderOf, caplog: pytest.LogCaptureFixture
) -> None:
    """Every attempt but the last is logged with the destination's words; test_connection logs its error."""
    caplog.set_level(logging.DEBUG)
    server = serve(replies(echoing(503, wire)))
    sender = sender_of(config_for(**settings_with(where, server.origin)))
    with pytest.raises(WebhookError):
        sender.send_event("file_shared", {})
    assert sender.test_connection() is False
    texts = [caplog.text]
    for record in caplog.records:
        texts += [record.getMessage(), repr(record.args), repr(vars(record))]
    assert "attempt 1 of 3" in caplog.text
    assert leaks(" ".join(texts)) == []


@place
@pytest.mark.parametrize("status", [200, 401, 404, 500])
def test_a_check_shows_no_secret(
    where: str, status: int, serve: Serve, sender_of: SenderOf
) -> None:
    server = serve(replies(echoing(status, wire)))
    report = sender_of(WebhookConfig(**settings_with(where, server.origin))).check()
    assert len(report.steps) == 8
    assert leaks(f"{report!r} {report}") == []


@place
def test_a_destination_that_is_not_there_shows_no_secret(where: str, sender_of: SenderOf) -> None:
    nowhere = f"https://{'x' * 70}.invalid"
    sender = sender_of(config_for(**settings_with(where, nowhere)))
    assert leaks(refusals(sender)) == []
    assert leaks(repr(sender.check())) == []


def test_a_proxy_that_echoes_shows_no_secret(serve: Serve, sender_of: SenderOf) -> None:
    server = serve(replies(OK))
    for url in (server.url, server.url.replace("http:", "https:")):
        for status in (400, 407, 502):
            with Proxy(server.port, refusal=http(status, CANARY.encode() * 9)) as proxy:
                with_canary = proxy.url.replace("//", f"//robot:{CANARY}@")
                assert leaks(refusals(sender_of(url, proxy=with_canary))) == []


AWKWARD = [
    'quote" and \\slash/',
    "<b>&amp;'",
    "J\u00f6rg\u2019s s\u00e9cret",
    "two  spaces  and\tone tab",
]


@pytest.mark.parametrize("secret", AWKWARD)
@pytest.mark.parametrize("echo", ECHOES)
def test_a_secret_is_known_however_it_is_escaped(
    echo: str, secret: str, serve: Serve, sender_of: SenderOf
) -> None:
    """As UTF-8, as \\uXXXX, as &quot; or %22; and with its blanks run together, as one line needs."""

    def answer(arrived: Arrived) -> bytes:
        utf8 = [(n, v.encode("latin-1").decode("utf-8")) for n, v in arrived.headers]
        return echoing(422, ECHOES[echo])(Arrived(arrived.line, utf8, 1, 1, arrived.body))

    server = serve(replies(answer))
    auth = WebhookAuth(auth_type="bearer_token", bearer_token=secret)
    text = refusals(sender_of(server.url, auth=auth))
    words = [word for word in secret.replace("\t", " ").split() if len(word) > 3]
    for word in words:
        for form in (word, json.dumps(word)[1:-1], html.escape(word), quote(word, safe="")):
            assert form not in text, text


def test_a_secret_cut_off_where_the_answer_was_cut_is_known_too(
    serve: Serve, sender_of: SenderOf
) -> None:
    """At most 64 KiB of an answer is read; redacted, what was before the cut may be short enough to show."""
    long = CANARY * 20
    server = serve(replies(lambda arrived: http(400, (long * 200).encode())))
    auth = WebhookAuth(auth_type="bearer_token", bearer_token=long)
    assert leaks(refusals(sender_of(server.url, auth=auth))) == []


def test_an_access_token_is_a_secret_and_so_is_the_one_before_it(
    serve: Serve, sender_of: SenderOf
) -> None:
    """The destination has seen both, and names both when it refuses."""
    old, new = f"old.{CANARY}", f"new.{CANARY[::-1]}"
    tokens = serve(
        replies(
            *(
                http(200, json.dumps({"access_token": t, "expires_in": 9}).encode())
                for t in (old, new)
            )
        )
    )
    server = serve(replies(http(401), http(403, f"refused: {old} and {new}".encode())))
    auth = WebhookAuth(
        auth_type="oauth2",
        oauth2_token_url=tokens.url,
        oauth2_client_id="robot",
        oauth2_client_secret="obviously-other",
    )
    with pytest.raises(WebhookError, match="HTTP 403: refused: ") as caught:
        sender_of(server.url, auth=auth).send_event("file_shared", {})
    assert len(tokens.arrived) == 2
    text = texts_of(caught.value)
    assert leaks(text) == []
    assert CANARY[::-1] not in text


def test_a_token_endpoint_that_echoes_shows_no_secret(serve: Serve, sender_of: SenderOf) -> None:
    server = serve(replies(OK))
    for status in (200, 400, 401, 500):
        for shape in (
            '{"error": "%s", "error_description": "%s"}',
            "%s %s",
            '{"error": ["%s", "%s"]}',
        ):
            tokens = serve(
                replies(lambda a, s=status, f=shape: http(s, (f % (CANARY, wire(a))).encode()))
            )
            auth = WebhookAuth(
                auth_type="oauth2",
                oauth2_token_url=f"{tokens.url}?key={CANARY}",
                oauth2_client_id="robot",
                oauth2_client_secret=CANARY,
            )
            assert leaks(refusals(sender_of(server.url, auth=auth))) == []
    assert server.connections == 0
