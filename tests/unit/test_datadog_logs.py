"""Datadog Logs v2: its entries, its limits, its sites, and what its answers mean."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.awkward import EVENT_DATA
from support.heart import (
    GUIDE_DATA,
    GUIDE_TIME,
    batch_of,
    cut,
    guide_event,
    parts_of,
    reason_of,
    refusal,
)
from vaulytica.delivery.batching import Batch, Bounds
from vaulytica.delivery.cutting import Cutter
from vaulytica.delivery.outcome import Deferred, Delivered, ReasonKind, Rejected
from vaulytica.delivery.request import Response
from vaulytica.errors import WebhookConfigError, WebhookEventError
from vaulytica.events import Event, Severity
from vaulytica.formats.datadog import CUT_MARK, DatadogFormat, DatadogOptions
from vaulytica.formats.datadog_logs import MAX_ENTRY, DatadogLogsFormat, DatadogLogsOptions
from vaulytica.jsonvalues import Dumps, canonical_json, compact_json
from vaulytica.lines import Line

WRITERS: list[Dumps] = [compact_json, canonical_json]


def made(**options: Any) -> DatadogLogsFormat:
    return DatadogLogsFormat(options=msgspec.convert(options, DatadogLogsOptions))


def entry(format: DatadogLogsFormat | None = None, **changes: Any) -> Any:
    return json.loads((format or made()).encode(guide_event(**changes)))


def line_of(event: Event, **changes: Any) -> Line:
    return Line(
        type=event.type,
        data=msgspec.Raw(msgspec.json.encode(event.data)),
        severity=event.severity.value,
        timestamp=event.rfc3339,
        id=event.id,
        source=event.source,
        **changes,
    )


# --- Entries.


def test_an_entry() -> None:
    format = made(service="soc", hostname="h-1", tags=["env:prod", "audit"], ddsource="vault")
    assert entry(format, id="id-1", source="scanner") == {
        "ddsource": "vault",
        "ddtags": "env:prod,audit",
        "hostname": "h-1",
        "service": "soc",
        "status": "warning",
        "timestamp": GUIDE_TIME,
        "message": "file_shared_externally",
        "evt": {"name": "file_shared_externally", "id": "id-1", "source": "scanner"},
        "vaulytica": GUIDE_DATA,
    }


def test_without_settings_the_service_is_the_events_source_and_nothing_is_empty() -> None:
    made_of = entry(source="scanner")
    assert made_of["service"] == "scanner"
    assert made_of["ddsource"] == "vaulytica"
    assert "hostname" not in made_of
    assert "ddtags" not in made_of


@pytest.mark.parametrize("severity", Severity)
def test_the_status_is_the_severity(severity: Severity) -> None:
    assert entry(severity=severity)["status"] == severity.value


def test_data_can_forge_no_reserved_attribute() -> None:
    data = {"status": "info", "service": "x", "timestamp": 0, "host": "h", "evt": {"cut_bytes": 5}}
    made_of = entry(data=data)
    assert made_of["vaulytica"] == data
    assert made_of["status"] == "warning"
    assert made_of["timestamp"] == GUIDE_TIME
    assert "cut_bytes" not in made_of["evt"]


def test_tags_as_a_mapping() -> None:
    format = made(tags={"env": "prod", "team": "a:b"})
    assert entry(format)["ddtags"] == "env:prod,team:a:b"


def test_an_events_metadata_sets_its_own_and_adds_tags() -> None:
    format = made(service="soc", hostname="h-1", tags=["env:prod"])
    metadata = {"service": "s", "hostname": "h-2", "ddsource": "nginx", "tags": {"a": "b"}}
    own = entry(format, metadata=metadata | {"index": "for Splunk"})
    assert own["service"] == "s"
    assert own["hostname"] == "h-2"
    assert own["ddsource"] == "nginx"
    assert own["ddtags"] == "env:prod,a:b"
    other = entry(format, metadata={"index": "for Splunk"})
    assert (other["service"], other["hostname"]) == ("soc", "h-1")
    assert other["ddtags"] == entry(format)["ddtags"] == "env:prod"


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ({"service": 5}, "Expected `str | null`, got `int` - at `$.service`"),
        ({"hostname": ""}, "length >= 1 - at `$.hostname`"),
        ({"tags": "env:prod"}, "Expected `object | array`, got `str` - at `$.tags`"),
        ({"tags": ["a,severity:info"]}, "a tag holds a comma"),
        ({"tags": {"a": "b,c"}}, "a tag holds a comma"),
    ],
)
def test_wrong_metadata_is_that_events_failure(metadata: dict[str, Any], why: str) -> None:
    event = guide_event(metadata=metadata)
    with pytest.raises(WebhookEventError, match="event metadata: ") as caught:
        made().encode(event)
    assert why in str(caught.value)
    assert caught.value.event_id == event.id


def test_a_tag_of_the_settings_with_a_comma_is_refused() -> None:
    message = refusal(WebhookConfigError, lambda: made(tags=["a,b"]))
    assert message is not None
    assert "comma" in message


# --- Lines.


@given(data=EVENT_DATA, severity=st.sampled_from(Severity), tags=st.sampled_from([[], ["a:b"]]))
def test_a_line_is_written_as_its_event_would_be(
    data: dict[str, Any], severity: Severity, tags: list[str]
) -> None:
    data = json.loads(json.dumps(data).replace("\\ud", "d"))  # a line has no lone surrogates
    format = made(tags=tags)
    raw = json.dumps(data, ensure_ascii=False).encode()
    line = line_of(guide_event(severity=severity, source="scanner"))
    line.data = msgspec.Raw(raw)
    part = parts_of(format, [line])[0]
    assert part is not None
    assert raw in part  # byte for byte
    assert json.loads(part) == json.loads(format.encode(line.event()))


def test_lines_that_must_be_made_events_first() -> None:
    event = guide_event()
    assert parts_of(made(), [line_of(event)])[0] is not None
    assert parts_of(made(), [line_of(event, metadata={"service": "s"})])[0] is None
    assert parts_of(DatadogLogsFormat(dumps=canonical_json), [line_of(event)])[0] is None
    assert parts_of(made(), [line_of(guide_event(data={"a": "x" * MAX_ENTRY}))])[0] is None


# --- Limits.


def test_the_limits_of_a_request() -> None:
    for dumps in WRITERS:
        limits = DatadogLogsFormat(dumps=dumps).limits
        assert (limits.max_events, limits.max_bytes, limits.fixed) == (1000, 5_000_000, 2)


@pytest.mark.parametrize("dumps", WRITERS)
@pytest.mark.parametrize("filler", ["x", 'é"\\\n', "\U0001f512", "\ud800"], ids=repr)
@pytest.mark.parametrize("type", ["t", "\ud800"], ids=repr)
def test_an_over_long_entry_is_cut_with_a_mark_and_says_by_how_much(
    dumps: Dumps, filler: str, type: str
) -> None:
    format = DatadogLogsFormat(dumps=dumps)
    event = guide_event(type=type, data={"a": filler * (1_200_000 // len(filler))}, id="id-1")
    part = format.encode(event)
    assert MAX_ENTRY - 20 <= len(part) <= MAX_ENTRY
    cut_entry = json.loads(part)
    assert "vaulytica" not in cut_entry
    assert cut_entry["timestamp"] == GUIDE_TIME
    kept = cut_entry["message"].removeprefix(f"{type} ").removesuffix(CUT_MARK)
    assert len(kept) == len(cut_entry["message"]) - len(type) - 1 - len(CUT_MARK)
    text = compact_json(event.data).decode()
    assert text.startswith(kept)
    assert cut_entry["evt"]["cut_bytes"] == len(text.encode()) - len(kept.encode()) > 0


def test_only_what_is_over_the_limit_is_cut() -> None:
    format = made()
    base = len(format.encode(guide_event(data={"a": ""})))
    whole = format.encode(guide_event(data={"a": "x" * (MAX_ENTRY - base)}))
    assert len(whole) == MAX_ENTRY
    assert "vaulytica" in json.loads(whole)
    more = json.loads(format.encode(guide_event(data={"a": "x" * (MAX_ENTRY - base + 1)})))
    assert more["evt"]["cut_bytes"] > 0


def test_what_was_cut_is_delivered_with_a_note() -> None:
    format = made()
    forged = {"evt": {"cut_bytes": 5}, "cut_bytes": 5}
    base = len(format.encode(guide_event(data={**forged, "a": ""})))
    batch = batch_of(
        format,
        guide_event(data={"a": 1}),
        guide_event(data={"a": "x" * 1_200_000}),
        guide_event(data={**forged, "a": "x" * (MAX_ENTRY - base)}),
    )
    whole, cut, full = format.settle(Response(202, (), b"{}"), batch)
    assert (whole, full) == (Delivered(202), Delivered(202))
    assert isinstance(cut, Delivered)
    assert str(cut.note).startswith("cut to Datadog's limit of 1000000 bytes: 2")


def test_what_is_over_long_even_without_its_data_is_refused() -> None:
    event = guide_event(type="t" * MAX_ENTRY)
    with pytest.raises(WebhookEventError, match="limit of 1000000 bytes even without its data"):
        made().encode(event)


def test_an_over_long_line_is_cut_and_its_neighbours_are_whole() -> None:
    format = made()
    lines = [line_of(guide_event(data={"a": "x" * size})) for size in (5, 2 * MAX_ENTRY, 6)]
    ready: list[Batch] = []
    cutter = Cutter(
        format,
        Bounds(format.limits),
        10**7,
        max_part_bytes=10**6,
        ready=ready.append,
        unfit=pytest.fail,
    )
    for line in lines:
        cutter.add(line, 0.0)
    cutter.flush()
    (batch,) = ready
    entries = json.loads(batch.body(format))
    assert [each["evt"]["id"] for each in entries] == [line.id for line in lines]
    assert ["cut_bytes" in each["evt"] for each in entries] == [False, True, False]


def test_many_large_entries_are_cut_into_batches_within_the_limit() -> None:
    format = made()
    events = [guide_event(data={"a": "x" * 300_000}, id=f"id-{n}") for n in range(40)]
    batches = [piece for piece in cut(format, events, 10**7) if isinstance(piece, Batch)]
    ids = []
    for batch in batches:
        body = batch.body(format)
        assert 4_600_000 < len(body) <= 5_000_000 or batch is batches[-1]
        ids += [each["evt"]["id"] for each in json.loads(body)]
    assert ids == [event.id for event in events]


# --- Answers.


def outcomes_of(response: Response) -> list[Any]:
    batch = batch_of(made(), guide_event(), guide_event())
    outcomes = made().settle(response, batch)
    assert len(outcomes) == 2
    assert outcomes[0] == outcomes[1]
    return outcomes


@pytest.mark.parametrize("status", [200, 202, 204])
@pytest.mark.parametrize("body", [b"{}", b"", b" \n", b'{"status": "ok"}', b'{"errors": []}'])
def test_a_2xx_of_datadogs_is_delivered(status: int, body: bytes) -> None:
    assert outcomes_of(Response(status, {}, body))[0] == Delivered(status)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Welcome to this hotel's network</html>",
        b"{",
        b"[]",
        b"null",
        b'"ok"',
        b"\xff",
        b'{"errors": [{"status": "400"}]}',
        b"[" * 60_000,
    ],
    ids=lambda body: body[:12].decode("latin-1"),
)
def test_a_2xx_of_someone_else_is_not(body: bytes) -> None:
    outcome = outcomes_of(Response(200, {}, body))[0]
    assert isinstance(outcome, Deferred)
    assert outcome.reason.status == 200
    assert "no answer of Datadog's" in outcome.reason.text
    assert "\n" not in outcome.reason.text


@pytest.mark.parametrize(
    ("status", "kind", "outcome", "shared"),
    [
        (400, ReasonKind.REJECTED, Rejected, True),
        (401, ReasonKind.AUTH, Rejected, False),
        (403, ReasonKind.AUTH, Rejected, False),
        (408, ReasonKind.SERVER, Deferred, False),
        (413, ReasonKind.TOO_LARGE, Rejected, True),
        (429, ReasonKind.THROTTLED, Deferred, False),
        (500, ReasonKind.SERVER, Deferred, False),
        (503, ReasonKind.THROTTLED, Deferred, False),
    ],
)
def test_what_datadog_says_otherwise(
    status: int, kind: ReasonKind, outcome: type, shared: bool
) -> None:
    answer = Response(status, {}, b'{"errors":[{"detail":"Malformed payload","status":"400"}]}')
    got = outcomes_of(answer)[0]
    assert isinstance(got, outcome)
    reason = reason_of(got)
    assert (reason.kind, reason.shared) == (kind, shared)
    assert "Malformed payload" in reason.text
    assert reason.of_all is (status == 403)


@pytest.mark.parametrize("body", [b"<html>Forbidden</html>", b"", b'["no"]'])
def test_a_403_in_other_words_may_be_a_firewalls_of_one_entry(body: bytes) -> None:
    reason = reason_of(outcomes_of(Response(403, {}, body))[0])
    assert (reason.kind, reason.shared, reason.of_all) == (ReasonKind.AUTH, True, False)


# --- Sites.

DOMAINS = {
    "us1": "datadoghq.com",
    "us3": "us3.datadoghq.com",
    "us5": "us5.datadoghq.com",
    "eu1": "datadoghq.eu",
    "eu": "datadoghq.eu",
    "ap1": "ap1.datadoghq.com",
    "ap2": "ap2.datadoghq.com",
    "uk1": "uk1.datadoghq.com",
    "us1-fed": "ddog-gov.com",
    "gov": "ddog-gov.com",
    "us2-fed": "us2.ddog-gov.com",
}


@pytest.mark.parametrize("name", DOMAINS)
def test_a_site_by_its_name_or_its_domain(name: str) -> None:
    domain = DOMAINS[name]
    for site in (name, name.upper(), domain, f" {domain} "):
        logs = DatadogLogsFormat.default_url(DatadogLogsOptions(site=site))
        assert logs == f"https://http-intake.logs.{domain}/api/v2/logs"
        events = DatadogFormat.default_url(DatadogOptions(site=site))
        assert events == f"https://api.{domain}/api/v1/events"


def test_without_a_site_there_is_no_url_of_its_own() -> None:
    assert DatadogLogsFormat.default_url(DatadogLogsOptions()) is None
    assert DatadogFormat.default_url(DatadogOptions()) is None


@pytest.mark.parametrize("site", ["", "us9", "evil.example.com", "us5.datadoghq.com/x", "https://"])
def test_a_wrong_site_is_refused_and_the_right_ones_are_listed(site: str) -> None:
    for call in (
        lambda: DatadogLogsFormat(options=DatadogLogsOptions(site=site)),
        lambda: DatadogFormat(options=DatadogOptions(site=site)),
    ):
        message = refusal(WebhookConfigError, call)
        assert message is not None
        assert all(f"{name} ({DOMAINS[name]})" in message for name in ("us1", "eu1", "us1-fed"))
