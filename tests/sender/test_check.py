"""check() over real servers: the step that failed is named, those before it are well, those after skipped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from email.utils import formatdate

import pytest
import trustme

from support.behaviours import closed_port, resets, silent
from support.drivers import Sending
from support.faulty import OK, Arrived, Faulty, Line, http, replies
from support.tls import server_tls
from vaulytica.integrations.webhook import WebhookAuth

Serve = Callable[..., Faulty]
SenderOf = Callable[..., Sending]
STEPS = ("name", "address", "connect", "tls", "authentication", "event", "answer", "clock")


def checked(sender: Sending) -> dict[str, tuple[str, str, str]]:
    """State, detail and advice by step; asserts what holds of every report."""
    report = sender.check()
    assert tuple(step.name for step in report.steps) == STEPS
    failed = [step for step in report.steps if step.state == "failed"]
    assert len(failed) <= 1
    assert report.failed == (failed[0] if failed else None)
    assert bool(report) is report.ok is (not failed)
    for step in report.steps:
        assert step.detail.isprintable()
        assert bool(step.advice) == (step.state in ("failed", "warning"))
    return {step.name: (str(step.state), step.detail, step.advice) for step in report.steps}


def states(steps: dict[str, tuple[str, str, str]]) -> dict[str, str]:
    return {name: state for name, (state, _, _) in steps.items()}


def test_all_is_well_over_tls(
    serve: Serve, ca: trustme.CA, trusted: None, sender_of: SenderOf
) -> None:
    now = [("Date", formatdate(usegmt=True))]
    server = serve(replies(http(200, headers=now)), tls=server_tls(ca, days=60))
    sender = sender_of(server.url, auth=WebhookAuth(auth_type="bearer_token", bearer_token="fake"))
    steps = checked(sender)
    assert states(steps) == dict.fromkeys(STEPS, "ok")
    assert steps["name"][1] == "127.0.0.1"
    assert steps["address"][1] == f"127.0.0.1:{server.port}"
    assert steps["tls"][1] == "the certificate ends in 60 days"
    assert steps["authentication"][1] == "bearer_token"
    assert steps["answer"][1] == "HTTP 200"
    assert steps["clock"][1] == "+0 s to the destination's"
    assert len(server.arrived) == 1, "one test event"
    assert b"vaulytica.test" in server.bodies[0]


def test_a_certificate_about_to_end_is_a_warning(
    serve: Serve, ca: trustme.CA, trusted: None, sender_of: SenderOf
) -> None:
    server = serve(replies(OK), tls=server_tls(ca, days=5))
    steps = checked(sender_of(server.url))
    assert steps["tls"] == ("warning", "the certificate ends in 5 days", "renew the certificate")


def test_plain_http_is_a_warning(serve: Serve, sender_of: SenderOf) -> None:
    steps = checked(sender_of(serve(replies(OK)).url))
    assert steps["tls"][0] == "warning"
    assert steps["answer"][0] == "ok"
    assert steps["clock"][:2] == ("skipped", "the answer has no Date")


def test_a_name_without_an_address(sender_of: SenderOf) -> None:
    steps = checked(sender_of(f"https://{'x' * 70}.invalid/"))
    assert states(steps) == {"name": "failed", **dict.fromkeys(STEPS[1:], "skipped")}
    assert "DNS" in steps["name"][2]


def test_a_closed_port(sender_of: SenderOf) -> None:
    with closed_port() as port:
        steps = checked(sender_of(f"https://127.0.0.1:{port}/"))
    assert steps["name"][0] == "ok"
    assert steps["connect"][0] == "failed"
    assert {steps[name][0] for name in STEPS[3:]} == {"skipped"}
    assert "firewall" in steps["connect"][2]


@pytest.mark.parametrize("wrong", ["name", "end", "issuer"])
def test_wrong_tls(
    wrong: str, serve: Serve, ca: trustme.CA, trusted: None, sender_of: SenderOf
) -> None:
    contexts = {
        "name": server_tls(ca, "elsewhere.example"),
        "end": server_tls(ca, days=-3),
        "issuer": server_tls(trustme.CA()),
    }
    server = serve(replies(OK), tls=contexts[wrong])
    steps = checked(sender_of(server.url))
    assert states(steps)["connect"] == "ok"
    assert steps["tls"][0] == "failed"
    assert "certificate" in steps["tls"][2]
    assert {steps[name][0] for name in STEPS[4:]} == {"skipped"}
    assert server.arrived == []


def test_https_to_a_port_that_speaks_plain_http(serve: Serve, sender_of: SenderOf) -> None:
    def plain(line: Line) -> None:
        line.sock.recv(65536)
        line.send(http(400))
        line.end()

    steps = checked(sender_of(serve(plain).url.replace("http:", "https:")))
    assert steps["tls"][0] == "failed"


@pytest.mark.parametrize("status", [401, 403])
def test_credentials_refused(status: int, serve: Serve, sender_of: SenderOf) -> None:
    server = serve(replies(http(status, b"who are you?")))
    steps = checked(sender_of(server.url))
    assert steps["connect"][0] == "ok"
    assert steps["authentication"][:2] == ("failed", f"HTTP {status}: who are you?")
    assert "credentials" in steps["authentication"][2]
    assert (steps["event"][0], steps["answer"][0]) == ("skipped", "skipped")


def test_no_token_to_be_had(serve: Serve, sender_of: SenderOf) -> None:
    server = serve(replies(OK))
    tokens = serve(replies(http(400, b'{"error": "invalid_client"}')))
    auth = WebhookAuth(
        auth_type="oauth2",
        oauth2_token_url=tokens.url,
        oauth2_client_id="robot",
        oauth2_client_secret="obviously-fake",
    )
    steps = checked(sender_of(server.url, auth=auth))
    assert steps["authentication"][0] == "failed"
    assert "invalid_client" in steps["authentication"][1]
    assert server.arrived == []


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (500, "log"),
        (404, "path"),
        (400, "format"),
        (413, "smaller"),
        (429, "later"),
        (302, "redirect"),
    ],
)
def test_an_answer_that_is_no_yes(
    status: int, advice: str, serve: Serve, sender_of: SenderOf
) -> None:
    server = serve(replies(http(status, b"their words")))
    sender = sender_of(server.url, retries=5)
    steps = checked(sender)
    assert steps["event"][0] == "ok"
    assert steps["answer"][0] == "failed"
    assert str(status) in steps["answer"][1]
    assert advice in steps["answer"][2]
    assert (len(server.arrived), sender.waits) == (1, []), "one attempt only"


@pytest.mark.parametrize("script", [silent, resets], ids=["never answers", "resets"])
def test_an_event_that_gets_no_answer(
    script: Callable[[Line], None], serve: Serve, sender_of: SenderOf
) -> None:
    steps = checked(sender_of(serve(script).url, timeout=1.0))
    assert steps["connect"][0] == "ok"
    assert steps["event"][0] == "failed"


@pytest.mark.parametrize("skew", [-3600, 3600])
def test_a_clock_that_is_wrong_is_a_warning(skew: int, serve: Serve, sender_of: SenderOf) -> None:
    def answer(_: Arrived) -> bytes:
        import time

        return http(200, headers=[("Date", formatdate(time.time() + skew, usegmt=True))])

    steps = checked(sender_of(serve(replies(answer)).url))
    assert steps["clock"][0] == "warning"
    seconds = int(steps["clock"][1].split(" ")[0])
    assert abs(seconds + skew) <= 60
    assert "NTP" in steps["clock"][2]


def test_a_template_that_cannot_render_the_test_event_is_a_failed_step(
    serve: Serve, sender_of: SenderOf
) -> None:
    server = serve(replies(OK))
    sender = sender_of(
        server.url, format="custom", custom_template='{"x": "{{ event_data.no_such_field }}"}'
    )
    steps = checked(sender)
    assert steps["event"][0] == "failed"
    assert "no_such_field" in steps["event"][1]
    assert server.arrived == []


def test_the_guides_own_template_can_be_tested(serve: Serve, sender_of: SenderOf) -> None:
    """It names fields of a file's event; the test event has them."""
    names = ("file_name", "owner", "shared_with")
    fields = ", ".join(f'"{name}": "{{{{ event_data.{name} }}}}"' for name in names)
    sender = sender_of(
        serve(replies(OK)).url, format="custom", custom_template=f'{{"details": {{{fields}}}}}'
    )
    assert sender.test_connection()
    assert sender.check().ok


def test_the_connection_made_for_looking_is_closed_again(serve: Serve, sender_of: SenderOf) -> None:
    gone = threading.Event()

    def script(line: Line) -> None:
        replies(OK)(line)
        if line.number == 1:
            gone.set()

    server = serve(script)
    sender = sender_of(server.url)
    assert sender.check().ok
    assert gone.wait(60)
    assert sender.send_event("file_shared", {})
    assert server.connections == 2
