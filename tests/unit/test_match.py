"""Which events a destination wants."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaulytica.events import Event, Severity
from vaulytica.expressions import checked_expression, compiled
from vaulytica.lines import decode
from vaulytica.relay.door.match import Match, document_of


def event(type: str = "login_failed", severity: str = "info", **data: object) -> Event:
    return Event.create(type, data, severity, id="e-1", timestamp=1761739200)


@pytest.mark.parametrize(
    ("types", "wanted"),
    [
        ((), True),
        (("*",), True),
        (("login_*",), True),
        (("file_*", "login_failed"), True),
        (("login",), False),
        (("LOGIN_*",), False),
        (("login_?",), False),
        (("login_[fg]ailed",), True),
        (("login_failed\n*",), False),
    ],
)
def test_types_are_globs_over_the_whole_type(types, wanted):
    assert Match(types).may_want("login_failed", "info") is wanted


@given(st.sampled_from(Severity), st.sampled_from(Severity))
def test_the_least_severity(least, severity):
    assert Match(min_severity=least).may_want("t", severity) is (severity.level >= least.level)


@pytest.mark.parametrize(
    ("where", "fits"),
    [
        ("data.user == 'root'", True),
        ("data.user == 'alice'", False),
        ("data.count > `3`", True),
        ("data.zero", True),  # JMESPath: 0 is true
        ("data.no", False),
        ("data.empty", False),
        ("data.absent", False),
        ("type == 'login_failed' && severity == 'info'", True),
        ("contains(data.user, 'oo')", True),
        ("length(data.count) > `1`", False),  # a number has no length
        ("source", True),
        ("timestamp == '2025-10-29T12:00:00Z'", True),
    ],
)
def test_where(where, fits):
    given = event(user="root", count=4, zero=0, no=False, empty=[])
    assert Match(where=where).fits(document_of(given)) is fits


def test_a_line_is_the_same_document_as_its_event():
    block = b'{"type":"t","data":{"user":"root","n":[1,2.5]},"id":"a","timestamp":"2025-10-29T12:00:00Z"}\n'
    (line,), _ = decode(block, 0)
    assert document_of(line) == document_of(line.event())


@pytest.mark.parametrize("expression", ["data.", "a b", "", "foo(", "nosuch(@)"])
def test_what_is_no_expression(expression):
    if expression == "nosuch(@)":  # known only when it is evaluated
        assert compiled(expression)({}) is None
        return
    with pytest.raises(ValueError, match="is not a JMESPath expression: "):
        checked_expression(expression)


@pytest.mark.parametrize(
    "where",
    [
        "contains('GET POST', data.none)",
        "contains(data.text, data.number)",
        "floor(to_number(data.nan)) == `1`",
        "ceil(to_number(data.huge)) == `1`",
        "data.list[::0]",
    ],
)
def test_a_condition_that_python_cannot_evaluate_does_not_hold(where):
    one = event(text="a", number=1, nan="nan", huge="1e999", list=[1])
    assert not Match(where=where).fits(document_of(one))
