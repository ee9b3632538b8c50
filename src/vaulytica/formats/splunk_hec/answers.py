"""What HEC's answers mean for each event: by their code, and by the HTTP status where there is none."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from vaulytica.delivery.outcome import (
    Deferred,
    Delivered,
    Outcome,
    Reason,
    ReasonKind,
    Rejected,
    outcome_of_status,
    words,
)
from vaulytica.delivery.request import Response
from vaulytica.errors import one_line
from vaulytica.formats.success import says_success

_LATER = frozenset({ReasonKind.THROTTLED, ReasonKind.SERVER})


class Verdict(msgspec.Struct, frozen=True):
    """What a code means for events: whose fault, what to do, and whether it is one event's fault."""

    kind: ReasonKind
    advice: str = ""
    of_one: bool = False


_NO_TOKEN = "send the HEC token as API key, in the header Authorization"  # noqa: S105 - advice
_ONE_EVENT = Verdict(ReasonKind.REJECTED, of_one=True)
_BUSY = Verdict(ReasonKind.THROTTLED)
_FAULT = Verdict(ReasonKind.SERVER)

TAKEN = frozenset({0, 24, 25})
NEARLY_FULL = frozenset({24, 25})  # the queue, the channel's acknowledgements
HEALTHY = 17
# By others' measurements of Splunk 10.4 this code, and no other, counts events from 1. The first one's
# number, which is the usual one, as all of a batch share their index, means all of them.
WRONG_INDEX = 7

# Splunk's manual, "Troubleshoot HTTP Event Collector", possible error codes.
CODES: dict[int, Verdict] = {
    1: Verdict(ReasonKind.AUTH, "the token is disabled; enable it in Splunk"),
    2: Verdict(ReasonKind.AUTH, _NO_TOKEN),
    3: Verdict(ReasonKind.AUTH, _NO_TOKEN),
    4: Verdict(ReasonKind.AUTH, "check the token"),
    5: _ONE_EVENT,
    6: _ONE_EVENT,
    WRONG_INDEX: Verdict(
        ReasonKind.REJECTED, "let the token write to this index, or name another; or create it"
    ),
    8: _FAULT,
    9: _BUSY,
    10: Verdict(ReasonKind.REJECTED, "the token wants acknowledgement; set ack: true"),
    11: Verdict(ReasonKind.REJECTED, "set channel to a GUID, or leave it out"),
    12: _ONE_EVENT,
    13: _ONE_EVENT,
    14: Verdict(ReasonKind.REJECTED, "enable acknowledgement for the token, or set ack: false"),
    15: _ONE_EVENT,
    16: Verdict(ReasonKind.AUTH, _NO_TOKEN),
    HEALTHY: Verdict(ReasonKind.REJECTED, "this is the health page; use /services/collector/event"),
    18: _BUSY,
    19: _FAULT,
    20: _BUSY,
    21: Verdict(ReasonKind.AUTH, "check the token"),
    22: Verdict(ReasonKind.AUTH, "the token is disabled; enable it in Splunk"),
    23: _FAULT,
    26: _BUSY,
    27: _BUSY,
}


def answer_of(response: Response) -> dict[str, Any]:
    """The answer's JSON object; empty where it is anything else: HTML, half a JSON, nothing."""
    try:
        answer = json.loads(response.body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def code_of(answer: dict[str, Any]) -> int | None:
    """Its code; None where there is none that is a number."""
    code = answer.get("code")
    return code if type(code) is int else None


def ack_id_of(response: Response) -> int | None:
    """The id by which to ask for the acknowledgement; None where there is none."""
    id = answer_of(response).get("ackId")
    return id if type(id) is int and id >= 0 else None


def settle(response: Response, count: int, *, ack: bool) -> list[Outcome]:
    """An outcome for each of `count` events; with `ack`, one taken without an `ackId` has a note."""
    answer = answer_of(response)
    code = code_of(answer)
    ok = 200 <= response.status < 300
    if ok and (code in TAKEN or _says_ok(response, answer)):
        return [_of_taken(response, code, ack)] * count
    verdict = None if code is None else CODES.get(code)
    if verdict is None or 300 <= response.status < 400:
        return [_of_unknown(response) if ok else outcome_of_status(response)] * count
    text = _text(response, answer, verdict.advice)
    number = answer.get("invalid-event-number")
    if verdict.of_one and response.status == 400 and type(number) is int and 0 <= number < count:
        return _of_partial(response.status, text, number, count)
    if (
        code == WRONG_INDEX
        and response.status == 400
        and type(number) is int
        and 1 < number <= count
    ):
        return _of_partial(response.status, text, number - 1, count)
    of_all = verdict.kind is ReasonKind.AUTH
    reason = Reason(verdict.kind, text, response.status, shared=verdict.of_one, of_all=of_all)
    # With a busy server's code 9 there may be a number too. Whether the events before it were taken
    # is not documented; sent again they may be there twice, else they might be lost.
    return [Deferred(reason) if verdict.kind in _LATER else Rejected(reason)] * count


def is_busy(response: Response) -> bool:
    """Whether it says nothing but that it is busy."""
    (outcome,) = settle(response, 1, ack=False)
    return isinstance(outcome, Deferred) and outcome.reason.kind is ReasonKind.THROTTLED


def _says_ok(response: Response, answer: dict[str, Any]) -> bool:
    """Whether a 2xx that has no code is a success all the same: receivers of HEC that are not Splunk.

    By their sources VictoriaLogs and the OpenTelemetry Collector answer with code 0; older Collectors
    with `"OK"` to events and nothing to raw, and many a webhook with an object of its own.
    """
    if answer:
        return "code" not in answer and says_success(answer)
    return response.body.strip().lower() in (b"", b"{}", b"ok", b'"ok"')


def _of_taken(response: Response, code: int | None, ack: bool) -> Outcome:
    note = None
    if ack and ack_id_of(response) is None:
        # It was taken: to send it again would only double it. But what was asked for cannot be had.
        note = (
            "taken, but not acknowledged: without the ackId by which to ask whether it is indexed; "
        )
        note += CODES[14].advice
    return Delivered(response.status, note, busy=code in NEARLY_FULL)


def _of_unknown(response: Response) -> Outcome:
    what = f"HTTP {response.status}, but not an answer of HEC that is known{words(response)}"
    return Deferred(Reason(ReasonKind.SERVER, what, response.status))


def _of_partial(status: int, text: str, number: int, count: int) -> list[Outcome]:
    """Events before the one at fault were taken, those after it not read."""
    rejected = Rejected(Reason(ReasonKind.REJECTED, text, status))
    what = f"not read: HTTP {status} for event {number} of the batch, counted from 0"
    unread = Deferred(Reason(ReasonKind.UNREAD, what, status), 0.0)
    return [*[Delivered(status)] * number, rejected, *[unread] * (count - number - 1)]


def _text(response: Response, answer: dict[str, Any], advice: str) -> str:
    said = answer.get("text")
    whole = said.encode("utf-8", "replace").decode() if isinstance(said, str) else ""
    text = f"HTTP {response.status}: {one_line(whole) or 'no text'} (code {answer['code']})"
    return f"{text}; {advice}" if advice else text


def unhealthy(response: Response) -> str | None:
    """What the health page says is wrong; None if nothing, or if there is no such page.

    VictoriaLogs has an empty page, the OpenTelemetry Collector answers 400 to a GET of other paths.
    """
    answer = answer_of(response)
    code = code_of(answer)
    if code in CODES and code != HEALTHY:
        return _text(response, answer, CODES[code].advice)
    if response.status >= 500:
        return f"HTTP {response.status}{words(response)}"
    if response.status >= 300 or code == HEALTHY or _says_ok(response, answer):
        return None
    return f"HTTP {response.status}, but no page of HEC's health{words(response)}"
