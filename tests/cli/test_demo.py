from __future__ import annotations

import json
import threading
import time
from dataclasses import replace

import pytest

from support.signing import whsec
from vaulytica.cli import app
from vaulytica.cli.demo import formats
from vaulytica.cli.demo.decode import READERS
from vaulytica.cli.demo.kinds import KINDS
from vaulytica.cli.demo.receiver import DemoReceiver, Route
from vaulytica.cli.demo.stand_ins import Webhook
from vaulytica.cli.demo.targets import Target
from vaulytica.config import WebhookConfig
from vaulytica.events import Event
from vaulytica.outbox.delivery import Counts
from vaulytica.receiving.receiver import Received

# Every event in a request of its own; Splunk's documents too where they are signed.
ALONE = {"json", "datadog", "elastic", "custom template"}
RETRIES = {"json": 3, "splunk_hec": 1, "elastic bulk": 3}


def requests_needed(format, auth):
    alone = format in ALONE or (format, auth) == ("splunk_hec", "hmac_sha256")
    return (60 if alone else 3) + (RETRIES.get(format, 0) if auth == "none" else 0)


def test_the_demo_of_the_relay(vaulytica):
    done = vaulytica("demo", "--json")
    report = json.loads(done.out)
    assert (done.code, done.err, report["ok"]) == (0, "", True)
    assert report["seconds"] < 60
    rows = report["destinations"]
    assert [row["name"] for row in rows] == ["splunk", "elastic", "webhook"]
    for row in rows:
        assert row["accepted"] == row["delivered"] == row["intact"] == 10_000
        assert row["dead"] == row["pending"] == row["balance"] == 0
        assert row["problems"] == []


def test_the_demo_fails_if_anything_is_missing_or_was_made_up():
    target = Target("webhook", "json ndjson", "is well")
    try:
        made = [Event.create("t", {"n": n}, id=f"e-{n}") for n in range(4)]
        encode = WebhookConfig(url="https://a.example").destination().format.encode
        for number in (0, 1, 1, 3):
            target._stand_in._take(json.loads(encode(made[number])))
        row = target.row(Counts(accepted=3, delivered=3), made[:3])
    finally:
        target.close()
    assert (row.intact, row.doubled, row.ok) == (2, 1, False)
    assert any("e-2 has not arrived" in problem for problem in row.problems)
    assert any("never sent" in problem for problem in row.problems)


def test_demo(vaulytica):
    done = vaulytica("demo", "--formats")
    assert (done.code, done.err) == (0, "")
    rows = [line for line in done.out.splitlines() if line.rstrip().endswith("ms")]
    assert len(rows) == 77
    assert "4620 of 4620 events to 77 destinations" in done.out
    assert "every one arrived, unharmed" in done.out
    assert max(map(len, map(str.rstrip, done.out.splitlines()))) <= 100
    assert max(map(len, map(str.rstrip, rows))) <= 80


def test_demo_for_machines(vaulytica):
    done = vaulytica("demo", "--formats", "--json")
    report = json.loads(done.out)
    assert (done.code, report["ok"]) == (0, True)
    rows = report["destinations"]
    assert len({(row["format"], row["auth"]) for row in rows}) == len(rows) == 77
    for row in rows:
        assert row["events"] == row["delivered"] == row["intact"] == 60
        needed = requests_needed(row["format"], row["auth"])
        assert row["requests"] == row["verified"] == needed, row


@pytest.fixture
def shown(monkeypatch, capsys):
    """Runs the demo in this process, to some destinations only; gives the code and the rows."""

    def run(*kinds, schemes=("none",)):
        monkeypatch.setattr(app, "_prepare_process", lambda: None)
        monkeypatch.setattr(formats, "SCHEMES", schemes)
        monkeypatch.setattr(formats, "BUSY_WITH", "nobody")
        for kind in set(KINDS) - set(kinds):
            monkeypatch.delitem(KINDS, kind)
        code = app.run(["demo", "--formats", "--json"])
        said = capsys.readouterr()
        report = json.loads(said.out)
        assert report["ok"] is (code == 0)
        assert bool(said.err) is (code != 0)
        return code, report["destinations"]

    return run


def only_once(monkeypatch, harm):
    """Has `harm` answer the first request, in place of the receiver: given that one, and what it would do."""
    right = DemoReceiver._respond
    first = threading.Lock()

    def respond(self, received):
        if first.acquire(blocking=False):
            return harm(self, received, right)
        return right(self, received)

    monkeypatch.setattr(DemoReceiver, "_respond", respond)


@pytest.mark.parametrize("kind", KINDS)
def test_it_notices_a_lost_event(monkeypatch, shown, kind):
    def lose(self, received, right):
        answer = right(self, received)
        (route,) = self.routes.values()
        del route.destination.events[0]
        return answer

    only_once(monkeypatch, lose)
    code, (row,) = shown(kind)
    assert (code, row["delivered"], row["intact"], row["ok"]) == (1, 60, 59, False)
    assert "has not arrived as it was sent" in row["problems"][0]


@pytest.mark.parametrize("kind", KINDS)
def test_it_notices_an_event_that_is_there_twice(monkeypatch, shown, kind):
    def double(self, received, right):
        answer = right(self, received)
        (route,) = self.routes.values()
        route.destination.events.append(route.destination.events[0])
        return answer

    only_once(monkeypatch, double)
    code, (row,) = shown(kind)
    assert (code, row["delivered"], row["intact"], row["ok"]) == (1, 60, 60, False)
    assert row["problems"][0].endswith("arrived once too often")


# What is replaced by what, wherever a format writes it one way or another.
DAMAGE = {
    "another type": {"file_shared_externally": "file_shared_internally"},
    "other data": {"example.com": "example.net"},
    "other keys": {"owner": "owned"},
    "another time": {
        "2025-10-29T12": "2025-10-29T13",
        '"date_happened":1761': '"date_happened":17',
    },
    "another severity": {"critical": "error", '"severity":4': '"severity":3'},
    "another source": {":vaulytica": ":x", ':"vaulytica"': ':"x"'},
}
NOT_SENT = {("another source", "custom template")}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("kind", KINDS)
def test_it_notices_what_was_changed_on_the_way(monkeypatch, shown, kind, damage):
    if (damage, kind) in NOT_SENT:
        return

    def respond(self, received):
        body = received.body.decode()
        for old, new in DAMAGE[damage].items():
            body = body.replace(old, new)
        return right(self, replace(received, body=body.encode()))

    right = DemoReceiver._respond
    monkeypatch.setattr(DemoReceiver, "_respond", respond)
    code, (row,) = shown(kind)
    assert (code, row["delivered"], row["ok"]) == (1, 60, False)
    assert row["intact"] < 60
    assert "what arrived is no event that was sent" in row["problems"]


def test_it_notices_a_receiver_that_takes_nothing(monkeypatch, shown):
    right = DemoReceiver._respond
    monkeypatch.setattr(
        DemoReceiver, "_respond", lambda s, r: right(s, replace(r, body=b"not JSON"))
    )
    code, rows = shown(*KINDS)
    assert code == 1
    assert [(row["delivered"], row["intact"]) for row in rows] == [(0, 0)] * len(KINDS)


@pytest.mark.parametrize("scheme", ["hmac_sha256", "standard_webhooks"])
def test_it_notices_a_signed_body_that_was_changed(monkeypatch, shown, scheme):
    def change(self, received, right):
        return right(self, replace(received, body=received.body + b" "))

    only_once(monkeypatch, change)
    code, (row,) = shown("json array", schemes=(scheme,))
    assert (code, row["requests"] - row["verified"]) == (1, 1)
    assert row["intact"] < 60


WRONG = {
    "api_key": "api_key",
    "bearer_token": "bearer_token",
    "basic_auth": "password",
    "hmac_sha256": "hmac_secret",
    "standard_webhooks": "hmac_secret",
    "oauth2": "oauth2_client_secret",
}


@pytest.mark.parametrize("scheme", WRONG)
def test_it_notices_wrong_credentials(monkeypatch, shown, scheme):
    right = DemoReceiver.settings

    def settings(self, route):
        given = right(self, route)
        wrong = whsec("wrong") if scheme == "standard_webhooks" else "not-a-real-secret"
        return given | {"auth": given["auth"] | {WRONG[scheme]: wrong}}

    monkeypatch.setattr(DemoReceiver, "settings", settings)
    code, rows = shown("json", "splunk_hec", "datadog_logs", "elastic bulk", schemes=(scheme,))
    assert code == 1
    assert [(row["verified"], row["delivered"], row["ok"]) for row in rows] == [(0, 0, False)] * 4


class SlowToCount(Route):
    """Gives other threads every chance between reading a count and writing it."""

    def __getattribute__(self, name):
        value = super().__getattribute__(name)
        if name in ("requests", "verified"):
            time.sleep(0.0002)
        return value


def test_it_counts_right_from_many_threads():
    with DemoReceiver() as receiver:
        made = receiver.route("json", "none", busy=True)
        route = receiver.routes[made.path] = SlowToCount("json", "none", made.destination)
        received = Received("POST", made.path, (), b"{}", 0.0, None, 200)

        def ask():
            for _ in range(20):
                receiver.respond(received)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (route.requests, route.verified, len(route.destination.events)) == (160, 160, 157)


@pytest.mark.parametrize(
    ("layout", "body"),
    [
        ("single", b'[{"a":1}]'),
        ("single", b'{"a":1}{"a":2}'),
        ("single", b'{"a":1,"a":2}'),
        ("array", b'{"a":1}'),
        ("array", b"[]"),
        ("array", b"[1]"),
        ("ndjson", b'{"a":1}'),
        ("ndjson", b'{"a":1}\n\n'),
        ("ndjson", b'[{"a":1}]\n'),
        ("ndjson", b'"\xff"\n'),
    ],
)
def test_a_webhook_refuses_another_layout(layout, body):
    webhook = Webhook(layout=layout)
    request = Received("POST", "/", (), body, 0.0, None, 200)
    assert webhook.answer(request).status == 400
    assert not webhook.events


def test_every_reader_is_used():
    assert {id(kind.reader) for kind in KINDS.values()} == set(map(id, READERS.values()))
