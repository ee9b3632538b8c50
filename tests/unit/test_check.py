"""The walk of `check`: which step failed, and what to do, on canned answers."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from support.heart import (
    GUIDE_EPOCH,
    Answer,
    Canned,
    LinesFormat,
    batch_of,
    destination,
    guide_event,
    line_answer,
)
from vaulytica.auth.oauth2 import OAuth2Auth
from vaulytica.delivery.check import STEPS, CheckReport, Step, StepState, check
from vaulytica.delivery.lane import Lane
from vaulytica.delivery.request import Certificate, Probe, Response
from vaulytica.errors import FailureKind, TransportFailure

DAY = 86400
PROBE = Probe("192.0.2.1:443", Certificate("CN=siem.example.com", GUIDE_EPOCH + 90 * DAY))
DATED = {"Date": formatdate(GUIDE_EPOCH, usegmt=True)}


def report_of(*answers: Answer, took: float = 0.0, **parts: object) -> CheckReport:
    """The report on these answers: first to the connection, then to the requests."""
    to = destination(**parts)
    canned = Canned(*answers, took=took)
    report = canned.run(check(Lane(to), batch_of(to.format, guide_event()), canned.clock))
    assert canned.all_used
    assert tuple(step.name for step in report.steps) == STEPS
    assert bool(report) is report.ok is (report.failed is None)
    for step in report.steps:
        assert step.detail
        assert bool(step.advice) is (step.state in ("failed", "warning"))
    return report


def step(report: CheckReport, name: str) -> Step:
    return next(step for step in report.steps if step.name == name)


def states(report: CheckReport) -> dict[str, str]:
    return {step.name: str(step.state) for step in report.steps}


def test_all_is_well() -> None:
    report = report_of(PROBE, Response(202, DATED))
    assert report
    assert set(states(report).values()) == {"ok"}
    assert {s.name: s.detail for s in report.steps} == {
        "name": "siem.example.com",
        "address": "192.0.2.1:443",
        "connect": "https://siem.example.com",
        "tls": "the certificate ends in 90 days",
        "authentication": "none",
        "event": "taken as json",
        "answer": "HTTP 202",
        "clock": "+0 s to the destination's",
    }


@pytest.mark.parametrize(
    ("kind", "failed", "done"),
    [
        (FailureKind.RESOLVE, "name", []),
        (FailureKind.REQUEST, "name", []),
        (FailureKind.CONNECT, "connect", ["name"]),
        (FailureKind.TIMEOUT, "connect", ["name"]),
        (FailureKind.PROXY, "connect", ["name"]),
        (FailureKind.BROKEN, "connect", ["name"]),
        (FailureKind.TLS, "tls", ["name", "connect"]),
    ],
)
def test_no_connection(kind: FailureKind, failed: str, done: list[str]) -> None:
    report = report_of(TransportFailure(kind, "it broke"))
    assert not report
    assert report.failed is not None
    assert (report.failed.name, report.failed.detail) == (failed, "it broke")
    expected = dict.fromkeys(STEPS, "skipped") | dict.fromkeys(done, "ok") | {failed: "failed"}
    assert states(report) == expected


def test_secrets_do_not_show_in_a_failed_step() -> None:
    failure = TransportFailure(FailureKind.CONNECT, "no way to fake-canary-secret")
    report = report_of(failure, secrets=("fake-canary-secret",))
    assert "canary" not in repr(report)


@pytest.mark.parametrize(
    ("days", "state"), [(90, "ok"), (15, "ok"), (14, "warning"), (0, "warning"), (-1, "warning")]
)
def test_a_certificate_that_ends_soon_is_a_warning(days: float, state: str) -> None:
    certificate = Certificate("CN=siem.example.com", GUIDE_EPOCH + days * DAY + 60)
    report = report_of(Probe("192.0.2.1:443", certificate), Response(200))
    assert report
    assert step(report, "tls").state == state
    assert f"{days} days" in step(report, "tls").detail


def test_plain_http_is_a_warning() -> None:
    report = report_of(Probe("192.0.2.1:80"), Response(200), url="http://siem.example.com/x")
    assert report
    assert step(report, "tls").state == "warning"


def test_a_transport_that_cannot_look_skips_those_steps() -> None:
    report = report_of(None, Response(200))
    assert report
    skipped = [s.name for s in report.steps if s.state is StepState.SKIPPED]
    assert skipped == ["name", "address", "connect", "tls", "clock"]


@pytest.mark.parametrize("status", [401, 403, 407])
def test_refused_credentials(status: int) -> None:
    report = report_of(PROBE, Response(status, (), b"who are you?"))
    assert report.failed is not None
    assert report.failed.name == "authentication"
    by_proxy = ", from the proxy" if status == 407 else ""
    assert report.failed.detail == f"HTTP {status}{by_proxy}: who are you?"


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (302, "redirect"),
        (404, "path"),
        (410, "path"),
        (400, "format"),
        (413, "smaller"),
        (429, "busy"),
        (503, "busy"),
        (500, "own log"),
        (418, "own log"),
    ],
)
def test_an_answer_that_is_no_delivery(status: int, advice: str) -> None:
    report = report_of(PROBE, Response(status, DATED))
    assert report.failed is not None
    assert report.failed.name == "answer"
    assert report.failed.detail.startswith(f"HTTP {status}")
    assert advice in report.failed.advice
    assert states(report)["authentication"] == states(report)["event"] == "ok"


def test_a_connection_that_breaks_after_it_was_made() -> None:
    report = report_of(PROBE, TransportFailure(FailureKind.TIMEOUT, "no whole answer in time"))
    assert report.failed is not None
    assert (report.failed.name, report.failed.detail) == ("event", "no whole answer in time")
    assert states(report)["clock"] == states(report)["answer"] == "skipped"


def test_only_one_attempt_is_made() -> None:
    assert not report_of(PROBE, Response(503))


@pytest.mark.parametrize(
    ("ahead", "state", "detail"),
    [
        (0, "ok", "+0 s"),
        (1, "ok", "+0 s"),
        (60, "ok", "+60 s"),
        (-60, "ok", "-60 s"),
        (61, "warning", "+61 s"),
        (-3600, "warning", "-3600 s"),
    ],
)
def test_the_clocks_difference(ahead: int, state: str, detail: str) -> None:
    date = formatdate(GUIDE_EPOCH - ahead, usegmt=True)
    report = report_of(PROBE, Response(200, {"Date": date}))
    assert report
    assert (str(step(report, "clock").state), step(report, "clock").detail.split("'")[0]) == (
        state,
        f"{detail} to the destination",
    )


def test_a_slow_answer_is_no_clock_difference() -> None:
    # 20 s for each exchange: the answer is made in the middle of the second.
    date = formatdate(GUIDE_EPOCH + 30, usegmt=True)
    report = report_of(PROBE, Response(200, {"Date": date}), took=20.0)
    assert step(report, "clock").detail == "+0 s to the destination's"


@pytest.mark.parametrize("headers", [{}, {"Date": "yesterday"}])
def test_without_a_date_there_is_no_clock_to_compare(headers: dict[str, str]) -> None:
    assert states(report_of(PROBE, Response(200, headers)))["clock"] == "skipped"


def oauth2() -> OAuth2Auth:
    return OAuth2Auth("https://auth.example.com/token", "id", "fake-client-secret")


def test_a_token_that_is_not_to_be_had_is_an_authentication_failure() -> None:
    report = report_of(PROBE, Response(401), auth=oauth2())
    assert report.failed is not None
    assert report.failed.name == "authentication"
    assert "token endpoint answered HTTP 401" in report.failed.detail


def test_the_clock_is_the_destinations_and_not_the_token_endpoints() -> None:
    token = Response(
        200,
        {"Date": formatdate(0, usegmt=True)},
        b'{"access_token": "fake-token", "expires_in": 600}',
    )
    report = report_of(PROBE, token, Response(200, DATED), auth=oauth2())
    assert report
    assert step(report, "clock").detail == "+0 s to the destination's"
    assert "fake-token" not in repr(report)


# --- Steps that concern some destinations only.


class Squeeze:
    """A compression that can be told by its first byte."""

    encoding = "squeeze"

    def __call__(self, body: bytes) -> bytes:
        return b"~" + body[:1]


@pytest.mark.parametrize("status", [400, 415])
def test_a_destination_that_refuses_the_compression_is_told_by_name(status: int) -> None:
    canned = Canned(PROBE, Response(status, (), b"what is this?"), Response(200))
    to = destination(compress=Squeeze())
    report = canned.run(check(Lane(to), batch_of(to.format, guide_event()), canned.clock))
    first, second = canned.requests
    assert ("Content-Encoding", "squeeze") in first.headers
    assert first.body.startswith(b"~")
    assert second.body == batch_of(to.format, guide_event(id="x")).body(to.format)
    failed = report.failed
    assert (failed.name, failed.advice) == ("compression", "set compression to none, or to another")
    assert failed.detail == f"squeeze is refused: HTTP {status}: what is this?"
    assert step(report, "event").state == "ok"


@pytest.mark.parametrize(
    ("answers", "state"),
    [([Response(200)], "ok"), ([Response(400)] * 2, "skipped"), ([Response(401)], "skipped")],
)
def test_the_compression_is_not_blamed_for_what_else_is_wrong(
    answers: list[Response], state: str
) -> None:
    canned = Canned(PROBE, *answers)
    to = destination(compress=Squeeze())
    report = canned.run(check(Lane(to), batch_of(to.format, guide_event()), canned.clock))
    assert canned.all_used
    assert step(report, "compression").state == state


class Healthful(LinesFormat):
    """A format that knows of a page of health."""

    def health(self, url: str) -> str | None:
        return f"{url}/health"

    def healthy(self, response: Response) -> str | None:
        return None if response.status == 200 else f"HTTP {response.status}: its queue is full"


@pytest.mark.parametrize(
    ("answer", "state", "detail"),
    [
        (Response(200), "ok", "it says that it is well"),
        (Response(503), "warning", "HTTP 503: its queue is full"),
        (Response(404), "skipped", "it has no such page (HTTP 404)"),
        (TransportFailure(FailureKind.BROKEN, "broke"), "warning", "broke"),
    ],
    ids=repr,
)
def test_the_destinations_own_page_of_health(answer: Answer, state: str, detail: str) -> None:
    canned = Canned(PROBE, answer, line_answer(200))
    to = destination(format=Healthful())
    report = canned.run(check(Lane(to), batch_of(to.format, guide_event()), canned.clock))
    assert (canned.requests[0].method, canned.requests[0].url) == ("GET", f"{to.url}/health")
    assert (step(report, "health").state, step(report, "health").detail) == (state, detail)
    assert report.ok
