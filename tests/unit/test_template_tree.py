"""Structured templates: a tree with expressions in its leaves, whose shape no data can change."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from support.heart import GUIDE_DATA, GUIDE_TIME, guide_event
from support.templates import failure, render
from vaulytica.errors import WebhookConfigError, WebhookEventError
from vaulytica.formats.templating import bounds, structured
from vaulytica.formats.templating.structured import StructuredFormat
from vaulytica.integrations.webhook import WebhookConfig

# --- Leaves.


def test_the_six_names_a_leaf_knows() -> None:
    names = ("event_type", "severity", "timestamp", "event_data", "event_id", "source")
    event = guide_event()
    assert render({name: f"{{{{ {name} }}}}" for name in names}, event) == {
        "event_type": "file_shared_externally",
        "severity": "warning",
        "timestamp": GUIDE_TIME,
        "event_data": GUIDE_DATA,
        "event_id": event.id,
        "source": "vaulytica",
    }


@pytest.mark.parametrize(
    "value", ["text", "5", 5, 2.5, True, False, None, [], {}, [1, "a", {"b": None}], {"a": {}}]
)
@pytest.mark.parametrize(
    "leaf", ["{{ event_data.v }}", "{{event_data['v']}}", "{# why #}{{ event_data.v }}\n"]
)
def test_an_expression_alone_keeps_its_type(leaf: str, value: object) -> None:
    made = render({"v": leaf}, v=value)
    assert made == {"v": value}
    assert type(made["v"]) is type(value)


@pytest.mark.parametrize(
    ("leaf", "text"),
    [
        ("{{ event_data.v }} ", "5 "),
        (" {{ event_data.v }}", " 5"),
        ("{{ event_data.v }}{{ event_data.v }}", "55"),
        ("{% if true %}{{ event_data.v }}{% endif %}", "5"),
        ("{% set x = event_data.v %}{{ x }}", "5"),
        ("{{ event_data.l }}!", '[1, "a"]!'),
        ("{{ event_data.n }}/{{ event_data.t }}", "null/true"),
        ("{% for x in event_data.l %}<{{ x }}>{% endfor %}", "<1><a>"),
        ("{% macro m(x) %}[{{ x }}]{% endmacro %}{{ m(event_data.v) }}", "[5]"),
        ("{% raw %}{{ event_data.v }}{% endraw %}", "{{ event_data.v }}"),
        ("{{ event_data.l | tojson }}", '[1, "a"]'),
        ("x{{ 1 if false }}", "x"),
        ("", ""),
        ("a } { %} }}", "a } { %} }}"),
        ("no end of line goes\n", "no end of line goes\n"),
    ],
)
def test_all_else_is_text(leaf: str, text: str) -> None:
    assert render({"v": leaf}, v=5, l=[1, "a"], n=None, t=True) == {"v": text}


def test_other_values_of_the_tree_stay_as_they_are() -> None:
    tree = {"a": [1, 2.5, None, True, {"b": []}], "text": "x", "é{}": "%s {0} $x"}
    assert render(tree) == tree


def test_expressions_work_as_in_text() -> None:
    made = render(
        {
            "upper": "{{ event_data.name | upper }}",
            "count": "{{ event_data.users | length }}",
            "names": "{{ event_data.users | map(attribute='n') | list }}",
            "level": "{{ {'warning': 2}[severity] }}",
            "or": "{{ event_data.missing | default(none) }}",
            "pair": "{{ [severity, 1] + [event_data.name] }}",
        },
        name='a"',
        users=[{"n": "x"}, {"n": "y"}],
    )
    assert made == {
        "upper": 'A"', "count": 2, "names": ["x", "y"], "level": 2, "or": None,
        "pair": ["warning", 1, 'a"'],
    }  # fmt: skip


def test_leaves_share_nothing() -> None:
    failure({"a": "{% set x = 1 %}{{ x }}", "b": "{{ x }}"})
    failure({"a": "{% macro m() %}1{% endmacro %}", "b": "{{ m() }}"})


def test_the_template_is_copied() -> None:
    inner = {"b": "{{ severity }}"}
    format = StructuredFormat({"a": inner, "l": [1]})
    inner["b"] = "changed"
    made = format.document(guide_event())
    made["l"].append(2)
    assert format.document(guide_event()) == {"a": {"b": "warning"}, "l": [1]}


def test_the_event_is_not_changed_by_what_is_done_to_the_document() -> None:
    event = guide_event(data={"l": [1], "d": {}})
    before = copy.deepcopy(event.data)
    made = StructuredFormat({"d": "{{ event_data }}"}).document(event)
    made["d"]["l"].append(2)
    made["d"]["d"]["x"] = 1
    assert event.data == before


# --- Keys stand as they are.


@pytest.mark.parametrize("key", ["{{ event_data.k }}", "a{{ 1 }}", "{% if x %}", "{# c #}"])
@pytest.mark.parametrize("tree", [lambda k: {k: 1}, lambda k: {"a": [{"b": {k: "x"}}]}])
def test_an_expression_in_a_key_is_refused(tree: Any, key: str) -> None:
    assert "an expression in the key" in failure(tree(key))


def test_keys_come_in_their_order_and_as_they_are() -> None:
    tree = {"z": 1, "a}}": "{{ severity }}", "": None, "%}": 2}
    assert list(render(tree)) == list(tree)


# --- Errors say where.


@pytest.mark.parametrize(
    ("leaf", "why"),
    [
        ("{{ missing }}", "failed: 'missing' is undefined"),
        ("{{ event_data.missing }}", "failed: 'dict object' has no attribute 'missing'"),
        ("x{{ event_data.missing }}", "failed: 'dict object' has no attribute 'missing'"),
        ("{{ 1 if false }}", "failed: an `if` without an `else` has no value here"),
        ("{{ 1 // 0 }}", "failed: ZeroDivisionError"),
        ("{% include 'x' %}", "failed: TypeError: no loader"),
    ],
)
def test_an_event_that_cannot_be_written_says_where(leaf: str, why: str) -> None:
    assert failure({"a": {"b": [1, leaf]}}).startswith(f"custom_template at a.b[1] {why}")


@pytest.mark.parametrize(
    ("tree", "why"),
    [
        ({"a": {"b c": "{{ }"}}, "custom_template at a.b c does not parse: "),
        ({"a": "x\n {% nosuch %}"}, "at a does not parse: Encountered unknown tag 'nosuch'"),
        ({"a": "x\n {% nosuch %}"}, "line 2, column 2"),
        ({"a": ["{{ f(a=1, a=2) }}"]}, "at a[0] does not compile: "),
        ({"a": "{{ " + "(" * 300 + "1" + ")" * 300 + " }}"}, "at a does not"),
        ({"a": {5: "x"}}, "custom_template.a has a key of type int"),
        ({"a": object()}, "custom_template.a is of type object"),
        ({"a": float("nan")}, "custom_template.a is nan"),
    ],
)
def test_a_tree_that_is_wrong_says_where_when_it_is_made(tree: dict[str, Any], why: str) -> None:
    with pytest.raises(WebhookConfigError) as caught:
        StructuredFormat(tree)
    assert why in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_tree_in_itself_or_too_deep_is_refused() -> None:
    tree: dict[str, Any] = {}
    tree["in"] = tree
    deep: Any = "{{ severity }}"
    for _ in range(5_000):
        deep = [deep]
    for wrong in (tree, {"a": deep}):
        with pytest.raises(WebhookConfigError, match="nested deeper than 100"):
            StructuredFormat(wrong)
        with pytest.raises(WebhookConfigError, match="nested deeper than 100"):
            WebhookConfig(url="https://a.example/", format="custom", custom_template=wrong)


@pytest.mark.parametrize("leaf", ["{{ range(3) }}", "{{ event_data.get }}", "{{ 2 ** 2000 }}"])
def test_a_value_that_json_lacks_is_an_error(leaf: str) -> None:
    assert "document.v is " in failure({"v": leaf})


# --- Bounds: those of texts, over all leaves together.


def test_all_leaves_share_one_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    big = "{{ 'a' * 1000000 }}"
    assert len(render({"a": big, "b": big})["b"]) == 1_000_000
    assert "made values of more than" in failure({str(n): big for n in range(40)})
    slow = "{% for n in range(90000) %}{% endfor %}"
    assert render({"a": slow, "b": slow}) == {"a": "", "b": ""}
    assert "turns" in failure({str(n): slow for n in range(3)})
    monkeypatch.setattr(bounds, "MAX_SECONDS", -1.0)
    assert "took longer" in failure({"a": "{{ severity }}"})


def test_texts_with_values_in_them_share_the_events_size() -> None:
    leaf = "<{{ event_data.x }}>"
    event = guide_event(data={"x": "x" * 600_000})
    format = StructuredFormat({"a": leaf, "b": leaf}, max_bytes=1_000_000)
    with pytest.raises(WebhookEventError, match="at b failed: what it renders is over 1000000"):
        format.encode(event)
    assert len(StructuredFormat({"a": leaf}, max_bytes=1_000_000).encode(event)) > 600_000


def test_values_put_out_as_they_are_share_it_too() -> None:
    event = guide_event(data={"x": "x" * 600_000})
    format = StructuredFormat({"a": "{{ event_data.x }}", "b": "{{ event_data }}"}, max_bytes=10**6)
    with pytest.raises(WebhookEventError, match="limit of 1000000 bytes"):
        format.encode(event)


def test_a_tree_has_a_bound_on_its_expressions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structured, "MAX_LEAVES", 10)
    fit = {str(n): "{{ severity }}" for n in range(10)} | {str(n): "x" for n in range(10, 99)}
    assert render(fit)["9"] == "warning"
    assert "more than 10 expressions" in failure({"l": [*fit.values(), "{{ 1 }}"]})
