"""Events: ids, times, severities, and what an entry must be to become one."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.heart import GUIDE_EPOCH, GUIDE_TIME, guide_event, refusal
from vaulytica.errors import WebhookEventError
from vaulytica.events import Event, Severity, parse_timestamp, uuid7


def kind_of(value: object) -> str:
    """An id for pytest, which cannot print a number of 5000 digits."""
    return type(value).__name__


# --- Ids.


def ids(count: int) -> list[UUID]:
    return [UUID(Event.create("test", {}).id) for _ in range(count)]


def test_ids_are_uuid_version_7_of_this_moment() -> None:
    before = time.time_ns() // 1_000_000
    made = ids(500)
    after = time.time_ns() // 1_000_000
    for id in made:
        assert id.version == 7
        assert id.variant == RFC_4122
        assert before <= id.int >> 80 <= after
    assert [id.int >> 80 for id in made] == sorted(id.int >> 80 for id in made)


def test_ids_have_the_canonical_text() -> None:
    pattern = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    assert re.fullmatch(pattern, Event.create("test", {}).id)
    assert uuid7(0x0123456789AB).startswith("01234567-89ab-7")


def test_all_74_random_bits_are_random() -> None:
    ones, zeros = (1 << 128) - 1, (1 << 128) - 1
    made = ids(300)
    for id in made:
        ones, zeros = ones & id.int, zeros & ~id.int
    random_bits = ((1 << 12) - 1) << 64 | ((1 << 62) - 1)
    assert not (ones | zeros) & random_bits
    assert len(set(made)) == 300


@pytest.mark.parametrize("id", ["a", "invoice:42", "x" * 256, "~!@#"])
def test_a_callers_id_is_kept(id: str) -> None:
    assert guide_event(id=id).id == id


@pytest.mark.parametrize(
    "id", ["", " ", "a b", "a\r\nX-Evil: 1", "a\x00", "é", "x" * 257, "a\n", 5, b"a", "\x7f"]
)
def test_an_id_that_could_not_stand_in_a_header_is_refused(id: object) -> None:
    with pytest.raises(WebhookEventError, match="visible ASCII"):
        guide_event(id=id)


# --- Severity.


@pytest.mark.parametrize("name", ["debug", "info", "warning", "error", "critical"])
@pytest.mark.parametrize("change", [str.lower, str.upper, str.title])
def test_severities_in_any_case(name: str, change: object) -> None:
    assert guide_event(severity=change(name)).severity == name  # type: ignore[operator]
    assert guide_event(severity=Severity(name)).severity is Severity(name)


def test_levels_go_from_0_to_4() -> None:
    assert [severity.level for severity in Severity] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "severity",
    ["WARN", "fatal", "high", "", " info", "info\n", "ınfo", 3, None, True, b"info", ["info"], {}],
)
def test_severities_are_not_guessed(severity: object) -> None:
    with pytest.raises(WebhookEventError, match="use one of debug, info, warning, error, critical"):
        guide_event(severity=severity)


# --- Time.

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "text", "epoch"),
    [
        (GUIDE_TIME, GUIDE_TIME, GUIDE_EPOCH),
        ("2025-10-29T14:00:00+02:00", GUIDE_TIME, GUIDE_EPOCH),
        ("2025-10-29 12:00:00.000000Z", GUIDE_TIME, GUIDE_EPOCH),
        (GUIDE_EPOCH, GUIDE_TIME, GUIDE_EPOCH),
        (float(GUIDE_EPOCH), GUIDE_TIME, GUIDE_EPOCH),
        (GUIDE_EPOCH + 0.25, "2025-10-29T12:00:00.250Z", GUIDE_EPOCH + 0.25),
        ("2025-10-29T12:00:00.1239Z", "2025-10-29T12:00:00.123Z", GUIDE_EPOCH + 0.123),
        ("2025-10-29T12:00:00.0009Z", GUIDE_TIME, GUIDE_EPOCH),
        ("2025-10-29T11:59:59.999999Z", "2025-10-29T11:59:59.999Z", GUIDE_EPOCH - 0.001),
        (0, "1970-01-01T00:00:00Z", 0),
        (-0.5, "1969-12-31T23:59:59.500Z", -0.5),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", -62135596800),
        ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z", 253402300799.999),
    ],
)
def test_the_same_instant_as_text_and_as_seconds(given: object, text: str, epoch: float) -> None:
    event = guide_event(timestamp=given)
    assert event.rfc3339 == text
    assert event.epoch_seconds == epoch
    assert isinstance(event.epoch_seconds, int) is ("." not in text)


@given(
    st.timedeltas(timedelta(-700_000), timedelta(2_900_000)).map(EPOCH.__add__),
    st.integers(-1439, 1439),
)
def test_any_aware_datetime_is_cut_to_the_millisecond(moment: datetime, minutes: int) -> None:
    moment = moment.astimezone(timezone(timedelta(minutes=minutes)))
    event = guide_event(timestamp=moment)
    back = datetime.fromisoformat(event.rfc3339)
    assert timedelta(0) <= moment - back < timedelta(milliseconds=1)
    assert guide_event(timestamp=event.rfc3339).timestamp == event.timestamp
    assert parse_timestamp(event.epoch_seconds) == event.timestamp
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", event.rfc3339)
    assert not event.rfc3339.endswith(".000Z")


@pytest.mark.parametrize(
    "leap", ["2016-12-31T23:59:60Z", "2017-01-01T05:29:60+05:30", "2016-12-31 23:59:60.000Z"]
)
def test_a_leap_second_is_the_next_second(leap: str) -> None:
    """As seconds since 1970 count it."""
    assert guide_event(timestamp=leap).rfc3339 == "2017-01-01T00:00:00Z"
    assert guide_event(timestamp="2015-06-30T23:59:60.25Z").rfc3339 == "2015-07-01T00:00:00.250Z"


@pytest.mark.parametrize(
    ("timestamp", "why"),
    [
        ("yesterday", "RFC 3339"),
        ("", "RFC 3339"),
        ("2025-10-29T12:00:00", "no time zone"),
        ("2025-10-29", "no time zone"),
        (datetime(2025, 10, 29, 12), "no time zone"),  # noqa: DTZ001
        ("2025-13-29T12:00:00Z", "RFC 3339"),
        ("10000-01-01T00:00:00Z", "RFC 3339"),
        (
            "2016-12-31T12:59:60Z",
            "RFC 3339",
        ),  # no leap second is in the middle of a day, nor a month
        ("2016-12-30T23:59:60Z", "RFC 3339"),
        ("2016-12-31T23:59:61Z", "RFC 3339"),
        ("2016-12-31T23:59:60", "no time zone"),
        ("9999-12-31T23:59:60Z", "'9999-12-31T23:59:60Z' is not within the years 1 to 9999 in UTC"),
        ("0001-01-01T00:00:00+14:00", r"'0001-01-01T00:00:00\+14:00' is not within the years"),
        (
            datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
            r"0001-01-01T00:00:00\+01:00 is not",
        ),
        (float("nan"), "RFC 3339"),
        (float("inf"), "years 1 to 9999"),
        (1e300, "years 1 to 9999"),
        (10**400, "years 1 to 9999"),
        (10**5000, "years 1 to 9999"),
        (True, "neither"),
        (b"2025-10-29T12:00:00Z", "neither"),
        ([], "neither"),
    ],
    ids=kind_of,
)
def test_what_is_no_instant_is_refused(timestamp: object, why: str) -> None:
    with pytest.raises(WebhookEventError, match=why):
        guide_event(timestamp=timestamp)


@given(st.text() | st.integers() | st.floats())
def test_no_timestamp_makes_another_error(timestamp: object) -> None:
    refusal(WebhookEventError, lambda: parse_timestamp(timestamp))


def test_without_a_time_it_is_now() -> None:
    before = time.time()
    event = Event.create("test", {})
    assert before - 0.001 <= event.epoch_seconds <= time.time()
    assert event.timestamp.tzinfo is UTC
    assert event.timestamp.microsecond % 1000 == 0


# --- Entries.


def test_the_least_entry_is_a_type() -> None:
    event = Event.from_mapping({"type": "test"})
    assert (event.type, event.data, event.severity, event.source) == (
        "test",
        {},
        "info",
        "vaulytica",
    )


def test_any_mapping_is_an_entry() -> None:
    event = Event.from_mapping(MappingProxyType({"type": "t", "data": MappingProxyType({"a": 1})}))
    assert event.data == {"a": 1}


def test_an_event_is_an_entry_already() -> None:
    event = guide_event()
    assert Event.from_mapping(event) is event


def test_an_event_cannot_be_changed_through_the_callers_data() -> None:
    data = {"list": [1, {"a": 2}]}
    event = guide_event(data=data)
    data["list"][1]["a"] = 3  # type: ignore[index]
    assert event.data == {"list": [1, {"a": 2}]}


@pytest.mark.parametrize(
    "entry", [None, "text", 5, [], ["type"], {1}, object(), b"{}", 10**5000], ids=kind_of
)
def test_what_is_no_mapping_is_refused(entry: object) -> None:
    with pytest.raises(WebhookEventError, match="must be an object"):
        Event.from_mapping(entry)


@pytest.mark.parametrize("entry", [{}, {"data": {}}, {"type": None}, {"Type": "t"}])
def test_an_entry_without_a_type_is_refused(entry: object) -> None:
    with pytest.raises(WebhookEventError, match='no "type"'):
        Event.from_mapping(entry)


@pytest.mark.parametrize("key", ["event_type", "Severity", "", 5, None, 10**5000], ids=kind_of)
def test_an_unknown_key_is_refused_and_the_known_ones_listed(key: object) -> None:
    with pytest.raises(WebhookEventError, match="known are type, data, severity, timestamp, id"):
        Event.from_mapping({"type": "t", key: 1})


@pytest.mark.parametrize(
    "changes",
    [
        {"type": ""},
        {"type": " \n"},
        {"type": 5},
        {"type": 10**5000},
        {"data": None},
        {"data": []},
        {"data": "text"},
        {"source": ""},
        {"source": None},
        {"source": 5},
    ],
    ids=kind_of,
)
def test_a_bad_field_is_refused_in_one_line(changes: dict[str, object]) -> None:
    with pytest.raises(WebhookEventError) as caught:
        guide_event(**changes)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


# --- Subclasses of str, such as markupsafe's Markup.


class Marked(str):
    __slots__ = ()


def test_a_str_subclass_becomes_a_str() -> None:
    event = Event.create(Marked("login"), {}, Marked("info"), id=Marked("id-1"), source=Marked("s"))
    assert [type(text) for text in (event.type, event.id, event.source)] == [str, str, str]


def test_a_surrogate_pair_in_the_type_is_the_character_it_stands_for() -> None:
    assert Event.create("\ud83d\ude00", {}).type == "😀"
