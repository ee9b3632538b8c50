"""Custom templates: whatever the data, it lands as that exact value and changes nothing around it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from support.awkward import ANY_TEXT, EVENT_DATA, TEXTS, VALUES
from support.heart import guide_event
from support.templates import failure, render
from vaulytica.errors import WebhookConfigError, WebhookEventError
from vaulytica.formats.templating.template import TemplateFormat
from vaulytica.jsonvalues import canonical_json

GUIDE_TEMPLATE = """
{
  "alert": {
    "type": "{{ event_type }}",
    "level": "{{ severity }}",
    "time": "{{ timestamp }}",
    "details": {
      "file": "{{ event_data.file_name }}",
      "owner": "{{ event_data.owner }}",
      "recipient": "{{ event_data.shared_with }}"
    }
  }
}
"""


def as_text(value: Any) -> str:
    """A value as part of a string: texts as they are, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_awkward_names_land_as_they_are_in_the_guides_template(text: str) -> None:
    made = render(GUIDE_TEMPLATE, file_name=text, owner="o", shared_with="s")
    assert made["alert"]["details"] == {"file": text, "owner": "o", "recipient": "s"}
    assert made["alert"]["level"] == "warning"


@given(name=VALUES, owner=VALUES, to=VALUES)
@example(name='x","level":"info","z":"', owner="", to="")
@example(name="\\", owner='"', to="\\")
@example(name="\ue000", owner="\ue001", to="\ue0000-0\ue001")
def test_any_values_land_as_they_are_in_the_guides_template(name: Any, owner: Any, to: Any) -> None:
    made = render(GUIDE_TEMPLATE, file_name=name, owner=owner, shared_with=to)
    assert made == {
        "alert": {
            "type": "file_shared_externally",
            "level": "warning",
            "time": "2025-10-29T12:00:00Z",
            "details": {"file": as_text(name), "owner": as_text(owner), "recipient": as_text(to)},
        }
    }


@given(a=VALUES, b=VALUES)
def test_any_values_land_as_they_are_outside_quotes(a: Any, b: Any) -> None:
    made = render('{"a": {{ event_data.a }}, "b": [{{ event_data.b | tojson }}, 1]}', a=a, b=b)
    assert canonical_json(made) == canonical_json({"a": a, "b": [b, 1]})


@given(EVENT_DATA)
def test_any_data_lands_whole(data: dict[str, Any]) -> None:
    event = guide_event(data=data)
    made = render('{"d": {{ event_data }}, "j": "{{ event_data | tojson }}"}', event)
    assert canonical_json(made["d"]) == canonical_json(data)
    assert canonical_json(json.loads(made["j"])) == canonical_json(data)
    assert list(made) == ["d", "j"]


@given(st.lists(ANY_TEXT))
def test_any_list_in_a_loop(names: list[str]) -> None:
    template = '{"l": [{% for n in event_data.l %}"{{ n }}"{{ "," if not loop.last }}{% endfor %}]}'
    assert render(template, l=names) == {"l": names}


@given(st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=5))
def test_any_keys_in_a_loop(fields: dict[str, str]) -> None:
    template = (
        '{ {% for key, value in event_data.f.items() %}"k-{{ key }}": "{{ value }}"'
        '{{ "," if not loop.last }}{% endfor %} }'
    )
    assert render(template, f=fields) == {f"k-{key}": value for key, value in fields.items()}


@given(a=ANY_TEXT, b=ANY_TEXT)
def test_any_text_through_macros_set_blocks_and_joins(a: str, b: str) -> None:
    template = (
        "{% macro in_brackets(x) %}[{{ x }}]{% endmacro %}"
        "{% set both %}{{ event_data.a }}+{{ event_data.b }}{% endset %}"
        '{"m": "{{ in_brackets(event_data.a) }}", "s": "{{ both }}", '
        '"j": {{ event_data.a ~ event_data.b }}, "n": "{{ in_brackets(in_brackets(both)) }}"}'
    )
    assert render(template, a=a, b=b) == {
        "m": f"[{a}]", "s": f"{a}+{b}", "j": a + b, "n": f"[[{a}+{b}]]"
    }  # fmt: skip


@given(text=ANY_TEXT)
def test_filters_work_on_the_value_itself(text: str) -> None:
    template = (
        '{"u": "{{ event_data.t | upper }}", "r": "{{ event_data.t | reverse }}", '
        '"n": {{ event_data.t | length }}, "t": "{{ event_data.t[:3] }}", '
        '"q": {{ event_data.t | replace("\\"", "\'") }}, "e": {{ event_data.t == "" }}}'
    )
    assert render(template, t=text) == {
        "u": text.upper(), "r": text[::-1], "n": len(text), "t": text[:3],
        "q": text.replace('"', "'"), "e": text == "",
    }  # fmt: skip


@given(value=VALUES)
@example(value=[",", ":"])
@example(value=[",", "a", ":"])
@example(value={"a": 1})
@example(value='x","level":"info","z":"')
def test_quotes_written_as_expressions_protect_no_less(value: Any) -> None:
    """Where the template's author writes a quote as `{{ '"' }}`, a value still ends no string."""
    template = """{"v": {{ '"' }}{{ event_data.v }}", "level": "low"}"""
    made = render(template, v=value)
    assert made == {"v": as_text(value), "level": "low"}


@given(text=ANY_TEXT, type=st.text(min_size=1).filter(str.strip))
def test_an_event_type_is_data_too(text: str, type: str) -> None:
    event = guide_event(type=type, data={"t": text})
    assert render('{"t": "{{ event_type }}{{ event_data.t }}"}', event) == {"t": type + text}


def test_what_another_rendering_left_means_nothing() -> None:
    """A placeholder that somehow got out is mere text in the next event."""
    format = TemplateFormat('{"a": {{ event_data.a }}, "b": "{{ event_data.b }}"}')
    for text in ("\ue000", "\ue000\ue001", *(f"\ue000{n:016x}-0\ue001" for n in range(50))):
        event = guide_event(data={"a": text, "b": text})
        assert json.loads(format.encode(event)) == {"a": text, "b": text}


@pytest.mark.parametrize(
    "template",
    [
        '{"level": "{{ severity }}", "{{ event_data.k }}": "{{ event_data.v }}"}',
        '{"{{ event_data.k }}": "{{ event_data.v }}", "level": "{{ severity }}"}',
        '{"level": "{{ severity }}", {{ event_data.k }}: "{{ event_data.v }}"}',
        '{"in": [{"level": "{{ severity }}", "{{ event_data.k }}": "{{ event_data.v }}"}]}',
    ],
)
def test_a_key_made_of_data_takes_no_other_keys_place(template: str) -> None:
    assert "has the key 'level' twice" in failure(template, k="level", v="low")
    assert '"warning"' in json.dumps(render(template, k="other", v="low"))


def test_a_key_that_comes_twice_is_told_shortly_and_in_one_line() -> None:
    template = '{"{{ event_data.k }}": 1, "{{ event_data.k }}": 2}'
    assert "twice" in failure(template, k="\n\x1b[31m" + "x" * 100_000)


def test_many_values_take_linear_time() -> None:
    names = [f'name "{n}"' for n in range(5_000)]
    template = '{"l": [{% for n in event_data.l %}"{{ n }}"{{ "," if not loop.last }}{% endfor %}]}'
    assert render(template, l=names) == {"l": names}


# --- In a tree, it takes its leaf's place and changes nothing around it.

TREE = {
    "alert": {
        "level": "{{ severity }}",
        "file": "{{ event_data.a }}",
        "line": "<{{ event_data.a }}|{{ event_data.b }}>",
        "list": ["{{ event_data.b }}", "fixed"],
    }
}


@given(a=VALUES, b=VALUES)
@example(a='x","level":"info","z":"', b="")
@example(a="\ue000", b="\ue0000123456789abcdef-0\ue001")
@example(a="{{ severity }}", b="{% raw %}")
def test_any_values_land_as_they_are_in_a_tree(a: Any, b: Any) -> None:
    assert canonical_json(render(TREE, a=a, b=b)) == canonical_json(
        {
            "alert": {
                "level": "warning",
                "file": a,
                "line": f"<{as_text(a)}|{as_text(b)}>",
                "list": [b, "fixed"],
            }
        }
    )


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_awkward_texts_land_as_they_are_in_a_tree(text: str) -> None:
    made = render(TREE, a=text, b=text)["alert"]
    assert made["level"] == "warning"
    assert made["file"] == text
    assert made["line"] == f"<{text}|{text}>"


@given(EVENT_DATA)
def test_any_data_lands_whole_in_a_tree(data: dict[str, Any]) -> None:
    made = render(
        {"d": "{{ event_data }}", "j": "{{ event_data | tojson }}"}, guide_event(data=data)
    )
    assert canonical_json(made["d"]) == canonical_json(data)
    assert canonical_json(json.loads(made["j"])) == canonical_json(data)
    assert list(made) == ["d", "j"]


@given(a=ANY_TEXT, b=ANY_TEXT)
def test_any_text_through_macros_set_blocks_and_joins_in_a_tree(a: str, b: str) -> None:
    leaf = (
        "{% macro in_brackets(x) %}[{{ x }}]{% endmacro %}"
        "{% set both %}{{ event_data.a }}+{{ event_data.b }}{% endset %}"
        "{{ in_brackets(both ~ event_data.a) }}"
    )
    assert render({"v": leaf}, a=a, b=b) == {"v": f"[{a}+{b}{a}]"}


@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda s: st.lists(s) | st.dictionaries(st.text(), s)
    )
)
def test_any_tree_is_refused_or_gives_its_own_shape(tree: Any) -> None:
    def shape(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: shape(item) for key, item in node.items()}
        return [shape(item) for item in node] if isinstance(node, list) else None

    try:
        made = render({"t": tree})
    except (WebhookConfigError, WebhookEventError):
        assert failure({"t": tree})
    else:
        assert shape(made["t"]) == shape(tree)


# --- Text that a macro or a set block has made holds values that are not in their place yet.

TEXT = (
    '{% set x %}{{ event_data.a }}{% endset %}{% macro m() %}{{ event_data.a }}{% endmacro %}{"v": '
)


@pytest.mark.parametrize(
    "use",
    [
        "{{ %s | upper }}", "{{ %s | lower }}", "{{ %s | reverse }}", "{{ %s | length }}",
        "{{ %s | urlencode }}", "{{ %s | first }}", "{{ %s | list }}", "{{ %s | trim }}",
        "{{ %s | replace('a', 'b') }}", "{{ %s | truncate(3) }}", "{{ %s | title }}",
        "{{ %s | int }}", "{{ %s | tojson }}", "{{ [%s] | join('') }}", "{{ [%s, 'b'] | sort }}",
        "{{ [%s, 'b'] | unique | list }}", "{{ %s[:3] }}", "{{ %s[0] }}", "{{ %s.upper() }}",
        "{{ %s.strip() }}", "{{ %s == 'abc' }}", "{{ 'abc' == %s }}", "{{ %s != 'abc' }}",
        "{{ %s < 'b' }}", "{{ 'a' in %s }}", "{{ %s in ['abc'] }}", "{{ %s in event_data }}",
        "{{ event_data[%s] }}", "{{ {'k': %s} }}", "{{ [%s] }}", "{{ {%s: 1} }}",
        "{{ 1 if %s else 0 }}", "{{ not %s }}", "{{ %s is upper }}", "{{ %s + 'a' }}",
        "{{ %s * 2 }}", "{% if %s == 'abc' %}1{% else %}2{% endif %}",
        "{% for c in %s %}1{% endfor %}", "{{ (%s ~ 'x') | upper }}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("made", ["x", "m()"])
def test_using_it_for_more_than_putting_it_out_is_an_error(use: str, made: str) -> None:
    """Silently it would be the placeholder that is cut, compared or turned round."""
    message = failure(f"{TEXT}{use.replace('%s', made)}}}", a="abc", abc=1)
    assert "macro or a set block" in message
