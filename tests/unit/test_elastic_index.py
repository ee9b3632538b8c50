"""Index patterns: what an event fills in, and that no event names what it must not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.heart import guide_event, refusal
from vaulytica.errors import WebhookConfigError, WebhookEventError
from vaulytica.formats.elastic.index import IndexPattern, wrong_name


def name(pattern: str, **changes: Any) -> str:
    event = guide_event(**changes)
    return IndexPattern(pattern).name(event, event.rfc3339)


@pytest.mark.parametrize(
    ("pattern", "filled"),
    [
        ("logs", "logs"),
        (".hidden", ".hidden"),
        ("logs-vaulytica-{date:%Y.%m.%d}", "logs-vaulytica-2025.10.29"),
        ("{date:%Y}-{date:%H}", "2025-12"),
        ("w{date:%G.%V}", "w2025.44"),
        ("{type}", "file_shared_externally"),
        ("a-{severity}-{source}", "a-warning-vaulytica"),
        ("logs-{data.tenant}-default", "logs-acme_corp-default"),
        ("logs-{data.at.depth}", "logs-7"),
        ("logs-{data.dotted.name}", "logs-dot"),
        ("logs-{data.flag}", "logs-true"),
        ("{data.hidden}", "kibana"),
        ("x{data.hidden}", "x-_.kibana"),
        ("{data.letters}", "école_日本"),
        ("{data.evil}", "a________b"),
    ],
)
def test_what_a_pattern_gives(pattern: str, filled: str) -> None:
    data = {
        "tenant": "ACME corp",
        "at": {"depth": 7},
        "dotted.name": "dot",
        "flag": True,
        "hidden": "-_.kibana",
        "letters": "École\ud800日本",
        "evil": 'a/\\*?"<>|b',
    }
    assert name(pattern, data=data) == filled


def test_the_date_is_the_events_own_in_utc() -> None:
    assert name("{date:%Y.%m.%d}", timestamp="2025-12-31T23:30:00-02:00") == "2026.01.01"
    assert name("{date:%d}", timestamp="2025-10-29T23:59:59.999Z") == "29"
    assert name("{date:%Y.%m.%d}-{date:%G}", timestamp="0001-01-01T00:00:00Z") == "0001.01.01-0001"


def test_what_is_wrong_with_a_pattern_is_said_once() -> None:
    why = refusal(WebhookConfigError, lambda: IndexPattern("logs-{date:%Q}"))
    assert why == (
        "format_options: index 'logs-{date:%Q}' needs a date such as {date:%Y.%m.%d}; of %YymdHjGVu"
    )


@pytest.mark.parametrize(
    "data",
    [{}, {"tenant": None}, {"tenant": ""}, {"tenant": []}, {"tenant": {"a": 1}}, {"tenant": 1.5}],
)
def test_a_missing_field_is_an_error_of_that_event(data: dict[str, Any]) -> None:
    why = refusal(WebhookEventError, lambda: name("logs-{data.tenant}", data=data))
    assert why is not None
    assert "{data.tenant}" in why


@pytest.mark.parametrize("tenant", ["x" * 256, "é" * 128, "---"])
def test_a_name_that_cannot_be_is_an_error_of_that_event(tenant: str) -> None:
    why = refusal(WebhookEventError, lambda: name("{data.tenant}", data={"tenant": tenant}))
    assert why is not None
    assert len(why) < 200


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("", "empty"),
        ("..", "dots"),
        ("Logs", "lower case"),
        ("logs-{type}-X", "lower case"),
        ("-logs", "begins"),
        ("_logs{type}", "begins"),
        ("a b", "holds"),
        ("a,b", "holds"),
        ("a*", "holds"),
        ("a:b", "holds"),
        ("x" * 256, "longer"),
        ("{", "no pattern"),
        ("}", "no pattern"),
        ("{type", "no pattern"),
        ("{}", "not known"),
        ("{id}", "not known"),
        ("{data}", "not known"),
        ("{data.}", "not known"),
        ("{data.a..b}", "not known"),
        ("{metadata.index}", "not known"),
        ("{type!r}", "more than a name"),
        ("{type:>9}", "more than a name"),
        ("{date}", "{date:%Y.%m.%d}"),
        ("{date:today}", "{date:%Y.%m.%d}"),
        ("{date:%c}", "{date:%Y.%m.%d}"),
        ("{date:%M}", "{date:%Y.%m.%d}"),
        ("{date:%}", "{date:%Y.%m.%d}"),
    ],
)
def test_a_pattern_that_gives_no_name_is_refused_at_once(pattern: str, why: str) -> None:
    message = refusal(WebhookConfigError, lambda: IndexPattern(pattern))
    assert message is not None
    assert why in message
    assert "index" in message


@given(value=st.text(), type=st.text(min_size=1).filter(str.strip))
@pytest.mark.parametrize("pattern", ["{data.a}", "{type}", "x-{data.a}-{type}", "{type}{data.a}"])
def test_any_value_gives_a_valid_name_or_an_error(pattern: str, value: str, type: str) -> None:
    event = guide_event(data={"a": value}, type=type)
    made = IndexPattern(pattern)
    if refusal(WebhookEventError, lambda: made.name(event, event.rfc3339)) is None:
        found = made.name(event, event.rfc3339)
        assert wrong_name(found) is None
        assert not found.startswith(("-", "_", "+", "."))
        assert not set(found) & set('\\/*?"<>| ,#:')
        assert len(found.encode()) <= 255
