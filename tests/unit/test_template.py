"""Custom templates: what Jinja2 can say, and what is told when it says something wrong."""

from __future__ import annotations

import json

import pytest

from support.heart import GUIDE_DATA, GUIDE_TIME, batch_of, cut, guide_event
from support.templates import failure, render
from vaulytica.delivery.outcome import Result
from vaulytica.errors import WebhookConfigError, WebhookEventError
from vaulytica.formats.templating.template import TemplateFormat
from vaulytica.jsonvalues import canonical_json

# --- Values.


def test_the_six_names_a_template_knows() -> None:
    names = ("event_type", "severity", "timestamp", "event_data", "event_id", "source")
    event = guide_event()
    made = render("{" + ",".join(f'"{n}": {{{{ {n} }}}}' for n in names) + "}", event)
    assert made == {
        "event_type": "file_shared_externally",
        "severity": "warning",
        "timestamp": GUIDE_TIME,
        "event_data": GUIDE_DATA,
        "event_id": event.id,
        "source": "vaulytica",
    }
    assert list(made) == list(names)


@pytest.mark.parametrize(
    "value", ["text", 'a "q"', 5, -0.5, True, False, None, [], {}, [1, "a", {"b": None}], {"a": {}}]
)
@pytest.mark.parametrize("expression", ["event_data.value", "event_data['value'] | tojson"])
def test_outside_quotes_a_value_is_json(value: object, expression: str) -> None:
    assert render(f'{{"v": {{{{ {expression} }}}}}}', value=value) == {"v": value}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("text", "text"),
        (5, "5"),
        (2.5, "2.5"),
        (True, "true"),
        (None, "null"),
        ([1, "a"], '[1, "a"]'),
        ({"b": 1, "a": 2}, '{"a": 2, "b": 1}'),
    ],
)
def test_inside_quotes_a_value_is_text(value: object, text: str) -> None:
    assert render('{"v": "<{{ event_data.value }}>"}', value=value) == {"v": f"<{text}>"}


def test_the_whole_data_at_once() -> None:
    assert render('{"d": {{ event_data | tojson }}}') == {"d": GUIDE_DATA}
    assert json.loads(render('{"d": "{{ event_data | tojson }}"}')["d"]) == GUIDE_DATA
    assert render("{{ event_data }}") == GUIDE_DATA
    assert render("{{ event_data | tojson }}") == GUIDE_DATA


def test_several_values_in_one_string_and_as_a_key() -> None:
    template = '{"{{ event_type }}": "{{ severity }}/{{ event_data.a }}{{ event_data.b }}"}'
    assert render(template, a='"', b="\\") == {"file_shared_externally": 'warning/"\\'}


def test_text_of_the_templates_own() -> None:
    made = render(
        '{"a": "\\" \\\\ \\u00e9 {{ severity }} \\"", "b": {{ "true" }}, "c": "{{ "x\\"y" }}"}'
    )
    assert made == {"a": '" \\ é warning "', "b": True, "c": 'x"y'}


# --- Statements.


def test_a_loop_with_commas() -> None:
    template = (
        '{"users": [{% for user in event_data.users %}"{{ user }}"'
        '{{ "," if not loop.last }}{% endfor %}]}'
    )
    assert render(template, users=["a", 'b"', "c\\"]) == {"users": ["a", 'b"', "c\\"]}
    assert render(template, users=[]) == {"users": []}


def test_a_loop_over_the_fields() -> None:
    template = (
        "{ {% for key, value in event_data | dictsort %}{{ key }}: {{ value }}"
        "{% if not loop.last %},{% endif %}{% endfor %} }"
    )
    assert render(template, b=1, a='"') == {"a": '"', "b": 1}
    assert render(template.replace(" | dictsort", ".items()"), b=1, a=2) == {"a": 2, "b": 1}


def test_conditions() -> None:
    template = '{"n": {% if severity == "critical" %}1{% elif severity == "warning" %}2{% else %}3{% endif %}}'
    assert render(template) == {"n": 2}
    assert render('{"n": {{ 1 if severity in ["warning", "error"] else 0 }}}') == {"n": 1}
    template = '{"n": "{{ "high" if event_data.a > 3 else "low" }}"}'
    assert [render(template, a=a) for a in (5, 1)] == [{"n": "high"}, {"n": "low"}]


def test_a_macro() -> None:
    template = (
        '{% macro pair(name, value) %}"{{ name }}": {{ value }}{% endmacro %}'
        '{ {{ pair("type", event_type) }}, {{ pair("who", event_data.owner) }} }'
    )
    assert render(template, owner='o"') == {"type": "file_shared_externally", "who": 'o"'}


def test_a_macro_with_a_caller() -> None:
    template = (
        '{% macro item() %}{"v": {{ caller() }}}{% endmacro %}'
        '{"list": [{% call item() %}"{{ event_data.a }}"{% endcall %}]}'
    )
    assert render(template, a='"]') == {"list": [{"v": '"]'}]}


def test_set_and_set_blocks() -> None:
    template = (
        "{% set who = event_data.owner %}"
        "{% set line %}{{ who }} at {{ timestamp }}{% endset %}"
        '{"who": {{ who }}, "line": "{{ line }}"}'
    )
    assert render(template, owner='o"') == {"who": 'o"', "line": f'o" at {GUIDE_TIME}'}


def test_what_blocks_and_macros_make_can_be_joined_and_passed_on() -> None:
    template = (
        "{% macro twice(x) %}{{ x }}{{ x }}{% endmacro %}"
        "{% set a %}<{{ event_data.a }}>{% endset %}"
        '{"v": "{{ twice(a) ~ "!" ~ a }}"}'
    )
    assert render(template, a='"') == {"v": '<"><">!<">'}


def test_a_namespace_keeps_what_a_loop_finds() -> None:
    template = (
        "{% set n = namespace(count=0) %}"
        "{% for x in event_data.list if x > 1 %}{% set n.count = n.count + x %}{% endfor %}"
        '{"n": {{ n.count }}}'
    )
    assert render(template, list=[1, 2, 3]) == {"n": 5}


def test_comments_raw_text_and_whitespace_control() -> None:
    template = (
        '{# no }} #}{"a": "{% raw %}{{ x }}{% endraw %}", {%- if true -%} "b": 1 {%- endif %}}'
    )
    assert render(template) == {"a": "{{ x }}", "b": 1}


FILTERS = [
    ("event_data.s | upper", "A-B C"),
    ("event_data.s | replace('-', '+')", "a+b c"),
    ("event_data.s | truncate(3, true, '', 0)", "a-b"),
    ("event_data.missing | default('none')", "none"),
    ("event_data.list | join(', ')", "3, 1, 2"),
    ("event_data.list | sort | first", 1),
    ("event_data.list | length", 3),
    ("event_data.list | map('string') | list", ["3", "1", "2"]),
    ("event_data.list | select('odd') | list", [3, 1]),
    ("event_data.list | sum", 6),
    ("event_data.list | max", 3),
    ("event_data.objects | map(attribute='k') | list", ["a", "b"]),
    ("event_data.objects | selectattr('k', 'equalto', 'b') | list", [{"k": "b"}]),
    ("event_data.f | round(1)", 2.7),
    ("event_data.f | round(1, 'floor')", 2.6),
    ("event_data.f | int", 2),
    ("'5' | int + 1", 6),
    ("event_data.s.split(' ')", ["a-b", "c"]),
    ("event_data.s.startswith('a')", True),
    ("event_data.s ~ '/' ~ severity", "a-b c/warning"),
    ("'%s' ~ 5", "%s5"),
    ("event_data.list is iterable", True),
    ("event_data.missing is defined", False),
    ("event_data.get('missing', 1)", 1),
    ("[1, 2] + [3]", [1, 2, 3]),
    ("7 // 2 * 2 ** 3 % 5", 4),
]


@pytest.mark.parametrize(("expression", "value"), FILTERS)
def test_expressions(expression: str, value: object) -> None:
    data = {"s": "a-b c", "list": [3, 1, 2], "objects": [{"k": "a"}, {"k": "b"}], "f": 2.66}
    assert render(f'{{"v": {{{{ {expression} }}}}}}', **data) == {"v": value}


# --- When it is made: errors with line and column.


@pytest.mark.parametrize(
    ("template", "place"),
    [
        ("{{ }", "line 1, column 1"),
        ('{"a": {{ b c }}}', "line 1, column 7"),
        ('{\n  "a": 1,\n  "b": {% if x %}\n}', "line 3, column 8"),
        ('{\n  "a": {% endif %}\n}', "line 2, column 8"),
        ('{"a":\n\n   "{{ severity | nosuch }}"}', "line 3, column 5"),
        ("{% nosuch %}", "line 1, column 1"),
        ("{{ 'open }}", "line 1, column 1"),
        ("{% for x in %}{% endfor %}", "line 1, column 1"),
        ("{% filter upper %}x{% endfilter %}", "line 1, column 1"),
        ("{% set x | upper %}x{% endset %}", "line 1, column 1"),
    ],
)
def test_a_template_that_does_not_parse_says_where(template: str, place: str) -> None:
    with pytest.raises(WebhookConfigError) as caught:
        TemplateFormat(template)
    assert str(caught.value).startswith("custom_template does not parse: ")
    assert str(caught.value).endswith(f" at {place}")


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in b %}" * 25 + "{% endfor %}" * 25,
        "{% if a %}" * 120 + "{% endif %}" * 120,
        '{"a": {{ ' + "9" * 5000 + " }} }",
        "{{ " + "(" * 300 + "1" + ")" * 300 + " }}",
        "{{ " + "[" * 5000 + "]" * 5000 + " }}",
        "{{ " + "-" * 5000 + "1 }}",
        "{{ " + "a." * 5000 + "b }}",
        "{{ " + "1 + " * 5000 + "1 }}",
        "{% macro a(" + ",".join(f"x{n}" for n in range(300)) + ") %}{% endmacro %}{{ a() }}",
        "{% macro a(x, x) %}{% endmacro %}",
        "{% block a %}{% endblock %}{% block a %}{% endblock %}",
        "{% set loop = 1 %}{% for loop in [1] %}{% endfor %}",
        "{{ f(**a, **b) }}",
        "{{ f(a=1, a=2) }}",
    ],
    ids=lambda template: template[:20],
)
def test_a_template_that_python_chokes_on_is_an_error_of_the_template(template: str) -> None:
    failure(template)


# --- For an event: errors that name it.


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("", "no valid JSON"),
        ("hello", "no valid JSON"),
        ('{"a": }', "no valid JSON: Expecting value at line 1, column 7"),
        ('{"a": "{{ severity }}"', "no valid JSON"),
        ('{"a": {{ severity }}x}', "no valid JSON"),
        ('{"a": 1}\n{"b": 2}', "no valid JSON: Extra data at line 2"),
        ('{"a": NaN}', "holds NaN"),
        ('{"a": -Infinity}', "holds -Infinity"),
        ('{"a": 1e999}', "inf"),
        ('{"a": 1' + "0" * 5000 + "}", ""),
        ("[" * 5000 + "]" * 5000, ""),
        ("[1, 2]", "not an object but list"),
        ('"text"', "not an object but str"),
        ("5", "not an object but int"),
        ('{"a": 1, "a": 2}', "has the key 'a' twice"),
        ('{"a": [{"b": {"c": 1, "d": 2, "c": 1}}]}', "has the key 'c' twice"),
        ("null", "not an object but NoneType"),
        ("{{ severity }}", "not an object but str"),
        ('{"a": {{ missing }}}', "'missing' is undefined"),
        ('{"a": "{{ event_data.missing }}"}', "has no attribute 'missing'"),
        ('{"a": {{ event_data.missing.more }}}', "has no attribute 'missing'"),
        ('{"a": {{ 1 // 0 }}}', "ZeroDivisionError"),
        ('{"a": {{ 2.0 ** 5000 }}}', "OverflowError"),
        ('{"a": {{ "a" + 1 }}}', "TypeError"),
        ('{"a": {{ event_data.owner() }}}', "not callable"),
        ('{"a": {{ event_data.get }}}', "no form in JSON"),
        ('{"a": "\\{{ severity }}"}', "backslash right before an expression"),
        ("{% include 'x' %}", "no loader"),
        ("{% import 'x' as x %}", "no loader"),
        ("{% extends 'x' %}", "no loader"),
        ("{% for x in 5 %}{% endfor %}{}", "not iterable"),
    ],
)
def test_a_template_that_fails_says_why(template: str, why: str) -> None:
    assert why in failure(template)


def test_an_error_names_its_event() -> None:
    event = guide_event()
    with pytest.raises(WebhookEventError) as caught:
        TemplateFormat("[]").encode(event)
    assert caught.value.event_id == event.id


def test_an_event_that_fails_leaves_its_neighbours() -> None:
    entries = [{"type": "t", "data": {"a": n} if n != 1 else {}} for n in range(3)]
    pieces = list(cut(TemplateFormat('{"a": {{ event_data.a }}}'), entries, 10_000))
    assert [isinstance(piece, Result) for piece in pieces] == [False, True, False]


def test_the_document_is_written_by_the_given_writer() -> None:
    format = TemplateFormat('{"b": 1, "a": "é"}', dumps=canonical_json)
    assert batch_of(format, guide_event()).body(format) == b'{"a": "\\u00e9", "b": 1}'
