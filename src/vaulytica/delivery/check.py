"""Check: walk through what can go wrong on the way to a destination, one step after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from urllib.parse import urlsplit

from vaulytica.delivery.attempt import Leave, attempt
from vaulytica.delivery.batching import Batch
from vaulytica.delivery.destination import Destination
from vaulytica.delivery.lane import Lane
from vaulytica.delivery.outcome import Delivered, Outcome, Reason, ReasonKind
from vaulytica.delivery.ports import Clock, Flow, Healthy, connect
from vaulytica.delivery.request import Probe, Request, Response
from vaulytica.errors import (
    AuthFailure,
    FailureKind,
    TransportFailure,
    WebhookEventError,
    one_line,
)
from vaulytica.events import Event, Severity

CLOCK_TOLERANCE = 60.0  # seconds; signatures with timestamps usually allow 300
CERTIFICATE_WARNING = 14  # days


class StepState(StrEnum):
    """How a step went."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what was seen, and what to do if it is not well."""

    name: str
    state: StepState
    detail: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """All steps in order; true if none failed."""

    steps: tuple[Step, ...]

    @property
    def ok(self) -> bool:
        """Whether events can be delivered."""
        return all(step.state is not StepState.FAILED for step in self.steps)

    @property
    def failed(self) -> Step | None:
        """The step that failed, if one did."""
        return next((step for step in self.steps if step.state is StepState.FAILED), None)

    def __bool__(self) -> bool:
        return self.ok


STEPS = ("name", "address", "connect", "tls", "authentication", "event", "answer", "clock")
# Where they concern the destination: its own page of health, and whether it reads compressed bodies.
MORE_STEPS = ("health", "compression")
_ORDER = (*STEPS[:4], MORE_STEPS[0], *STEPS[4:6], MORE_STEPS[1], *STEPS[6:])


_AT_ONCE = Leave(patient=False, held=False)


@dataclass(slots=True)
class _Notes:
    steps: list[Step] = field(default_factory=list)

    def add(self, name: str, state: StepState, detail: str, advice: str = "") -> None:
        self.steps.append(Step(name, state, detail, advice))

    def report(self) -> CheckReport:
        done = {step.name for step in self.steps}
        rest = [Step(n, StepState.SKIPPED, "not reached") for n in STEPS if n not in done]
        return CheckReport(tuple(sorted(self.steps + rest, key=lambda s: _ORDER.index(s.name))))


def check(lane: Lane, batch: Batch | WebhookEventError, clock: Clock) -> Flow[CheckReport]:
    """Connect, then make one attempt with a test event; say of each step how it went."""
    destination = lane.destination
    notes = _Notes()
    host = urlsplit(destination.url).hostname or ""
    try:
        probe = yield from connect(destination.url, destination.timeout)
    except TransportFailure as failure:
        _note_failure(notes, failure, destination, host)
        return notes.report()
    _note_connection(notes, probe, destination, host, clock.time())
    if isinstance(batch, WebhookEventError):
        advice = "the format cannot write the test event; try send_event with one of your own"
        notes.add("event", StepState.FAILED, destination.redact(str(batch)), advice)
        return notes.report()
    yield from _look_at_health(notes, destination, clock)
    sent_at = clock.time()
    made = yield from attempt(lane, batch, clock, _AT_ONCE)
    answered_at = clock.time()
    outcome = made.outcomes[0]
    if destination.compress is not None:
        outcome = yield from _try_compression(notes, destination, batch, outcome, clock)
    _note_outcome(notes, outcome, destination)
    if made.response is not None:
        _note_clock(notes, made.response, (sent_at + answered_at) / 2)
    return notes.report()


def _look_at_health(notes: _Notes, destination: Destination, clock: Clock) -> Flow[None]:
    """What the destination's own page says, where its format knows of one."""
    format = destination.format
    url = format.health(destination.url) if isinstance(format, Healthy) else None
    if url is None:
        return
    assert isinstance(format, Healthy)
    request = Request(url, destination.headers, b"", destination.timeout, "GET")
    try:
        response = yield from destination.auth.flow(request, clock.time())
    except (TransportFailure, AuthFailure) as failure:
        wrong: str | None = one_line(str(failure))
    else:
        if response.status in (400, 404, 405):
            notes.add("health", StepState.SKIPPED, f"it has no such page (HTTP {response.status})")
            return
        wrong = format.healthy(response)
    if wrong is None:
        notes.add("health", StepState.OK, "it says that it is well")
    else:
        advice = "see what the destination's own log says of it"
        notes.add("health", StepState.WARNING, destination.redact(wrong), advice)


def _try_compression(
    notes: _Notes, destination: Destination, batch: Batch, outcome: Outcome, clock: Clock
) -> Flow[Outcome]:
    """Whether a refusal is for the compression: then the same event goes without it."""
    assert destination.compress is not None
    encoding = destination.compress.encoding
    if isinstance(outcome, Delivered):
        notes.add("compression", StepState.OK, f"{encoding} is read")
        return outcome
    if outcome.reason.status not in (400, 415):
        notes.add("compression", StepState.SKIPPED, "cannot be told from this answer")
        return outcome
    made = yield from attempt(Lane(replace(destination, compress=None)), batch, clock, _AT_ONCE)
    without = made.outcomes[0]
    if not isinstance(without, Delivered):
        notes.add("compression", StepState.SKIPPED, "without it the answer is no better")
        return outcome
    detail = f"{encoding} is refused: {outcome.reason.text}"
    notes.add("compression", StepState.FAILED, detail, "set compression to none, or to another")
    return without


_FAILED_STEP = {
    FailureKind.RESOLVE: ("name", "check the host's spelling, and this machine's DNS"),
    FailureKind.CONNECT: ("connect", "check the port, the firewall, and that the service is up"),
    FailureKind.TLS: (
        "tls",
        "check the certificate's name, end and issuer, and the pins; do not switch it off",
    ),
    FailureKind.TIMEOUT: ("connect", "check the firewall (dropped packets look like this)"),
    FailureKind.PROXY: ("connect", "check the proxy's address and credentials"),
    FailureKind.BROKEN: ("connect", "check that the port speaks the protocol of the URL's scheme"),
    FailureKind.REQUEST: ("name", "check the URL"),
    FailureKind.EGRESS: (
        "address",
        "check where the name leads; if you trust that, allow it by egress",
    ),
}


def _note_failure(
    notes: _Notes, failure: TransportFailure, destination: Destination, host: str
) -> None:
    name, advice = _FAILED_STEP[failure.kind]
    if name != "name":
        notes.add("name", StepState.OK, host)
    if name == "tls":
        notes.add("connect", StepState.OK, destination.name)
    notes.add(name, StepState.FAILED, destination.redact(one_line(str(failure))), advice)


def _note_connection(
    notes: _Notes, probe: Probe | None, destination: Destination, host: str, now: float
) -> None:
    if probe is None:
        for name in ("name", "address", "connect", "tls"):
            notes.add(name, StepState.SKIPPED, "this transport cannot look")
        return
    notes.add("name", StepState.OK, host)
    notes.add("address", StepState.OK, probe.address)
    notes.add("connect", StepState.OK, destination.name)
    if not destination.url.startswith("https:"):
        notes.add("tls", StepState.WARNING, "plain http: anyone on the way can read", "use https")
    elif probe.certificate is None:
        notes.add("tls", StepState.OK, "trusted")
    else:
        days = int((probe.certificate.expires - now) // 86400)
        state = StepState.OK if days > CERTIFICATE_WARNING else StepState.WARNING
        advice = "" if state is StepState.OK else "renew the certificate"
        notes.add("tls", state, f"the certificate ends in {days} days", advice)


def _note_outcome(notes: _Notes, outcome: Outcome, destination: Destination) -> None:
    if isinstance(outcome, Delivered):
        notes.add("authentication", StepState.OK, destination.auth.name)
        notes.add("event", StepState.OK, f"taken as {destination.format.name}")
        if outcome.note is None:
            notes.add("answer", StepState.OK, f"HTTP {outcome.status}")
        else:
            notes.add("answer", StepState.WARNING, f"HTTP {outcome.status}: {outcome.note}")
        return
    reason = outcome.reason
    if reason.kind is ReasonKind.AUTH:
        advice = "check the credentials, their scheme and header, and what they are allowed to do"
        notes.add("authentication", StepState.FAILED, reason.text, advice)
        return
    notes.add("authentication", StepState.OK, f"{destination.auth.name}, not refused")
    if reason.status is None:
        notes.add("event", StepState.FAILED, reason.text, "see whether the service is overloaded")
    else:
        notes.add("event", StepState.OK, f"sent as {destination.format.name}")
        notes.add("answer", StepState.FAILED, reason.text, _advice_on(reason))


_ADVICE: Sequence[tuple[tuple[int, ...], str]] = (
    ((301, 302, 303, 307, 308), "give the URL the redirect leads to, if you trust it"),
    ((404, 405, 410), "check the URL's path"),
    ((400, 415, 422), "check that the format is the one this destination reads"),
    ((413,), "the destination takes smaller requests only"),
    ((429, 503), "the destination is busy; try again later"),
)


def _advice_on(reason: Reason) -> str:
    for statuses, advice in _ADVICE:
        if reason.status in statuses:
            return advice
    return "look into the destination's own log"


def _note_clock(notes: _Notes, answer: Response, now: float) -> None:
    theirs = answer.date()
    if theirs is None:
        notes.add("clock", StepState.SKIPPED, "the answer has no Date")
        return
    difference = now - theirs
    state = StepState.OK if abs(difference) <= CLOCK_TOLERANCE else StepState.WARNING
    advice = "" if state is StepState.OK else "set the clock (NTP), or signatures will be refused"
    # Date has whole seconds: less than that is no difference.
    shown = 0 if abs(difference) < 1.5 else round(difference)
    notes.add("clock", state, f"{shown:+d} s to the destination's", advice)


def test_event() -> Event:
    """The event that a test of a connection sends."""
    # With the fields that the guide's own templates name.
    data = {
        "message": "Vaulytica connection test",
        "file_id": "test",
        "file_name": "vaulytica-test.txt",
        "owner": "test@example.com",
        "shared_with": "test@example.com",
    }
    return Event.create("vaulytica.test", data, Severity.INFO)
