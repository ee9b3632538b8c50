"""Custom templates: no way out of the sandbox, and a bound on time, memory and output."""

from __future__ import annotations

import copy
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support.heart import GUIDE_DATA, guide_event
from support.templates import failure, render
from vaulytica.formats.templating import bounds
from vaulytica.formats.templating.template import TemplateFormat

MIB = 1024 * 1024

# --- Ways out.

ESCAPES = [
    "''.__class__", "''['__class__']", "''|attr('__class__')", "().__class__.__base__",
    "[].__class__.__mro__[1].__subclasses__()", "event_data.__class__", "event_data['__class__'].x",
    "event_data.get.__self__", "event_data.get.__globals__", "range.__init__", "range.__call__",
    "dict.__subclasses__()", "dict.mro()", "dict.fromkeys('ab')", "namespace.__init__.__globals__",
    "self.__init__.__globals__", "self._TemplateReference__context", "self.__dict__",
    "lipsum.__globals__", "cycler.__init__", "joiner", "config", "request", "__import__('os')",
    "open('/etc/passwd')", "eval('1')", "environment", "context",
    "'{0.__class__}'.format(1)", "'{0}'.format(1)", "'{x}'.format_map({'x': 1})",
    "'{0.__class__.__init__.__globals__}'.format(event_data)", "'%s'|format(1)", "'%s' % 1",
    "''.join(['a'])", "'a'.encode()", "'a'.translate({})", "'a'.replace('a', 'b')",
    "[1]|map('attr', '__class__')|list", "[event_data]|map(attribute='__class__')|list",
    "['']|groupby('__class__')|list", "['']|selectattr('__class__')|list",
    "['', '']|sort(attribute='__class__')", "['']|sum(attribute='__class__')", "1.0.__class__",
    "(1).bit_length()", "(1.5).hex()", "true.__class__", "none.__class__", "missing.__class__",
    "event_data|xmlattr", "event_data|pprint", "''|safe", "''|e", "''|forceescape",
]  # fmt: skip


@pytest.mark.parametrize("expression", ESCAPES)
def test_there_is_no_way_out(expression: str) -> None:
    message = failure(f'{{"v": {{{{ {expression} }}}}}}', b="c")
    # An expression that gave something would have been put out, and refused only as no JSON.
    assert "rendered" not in message or "StrictUndefined" in message


@pytest.mark.parametrize(
    "statement",
    [
        "{% for x in [1] %}{{ loop.__class__ }}{% endfor %}",
        "{% for x in [1] %}{{ loop._iterable }}{% endfor %}",
        "{% macro m() %}{% endmacro %}{{ m.__call__.__globals__ }}",
        "{% macro m() %}{% endmacro %}{{ m._func }}",
        "{% macro m() %}{{ caller.__class__ }}{% endmacro %}{% call m() %}{% endcall %}",
        "{% set n = namespace() %}{{ n.__class__ }}",
        "{% block b %}{{ self.b.__globals__ }}{% endblock %}",
        "{% set x = event_data.get %}{{ x.__self__ }}",
        "{% import 'os' as os %}",
        "{% from 'os' import system %}",
        "{% include '/etc/passwd' %}",
        "{% extends '/etc/passwd' %}",
        "{% do event_data.clear() %}",
        "{% autoescape true %}{{ ''.__class__ }}{% endautoescape %}",
        "{% set turn = 1 %}{{ turn.__class__ }}",
        "{% set charge = dict %}{{ charge.mro() }}",
    ],
)
def test_no_statement_leads_out(statement: str) -> None:
    failure(statement + '{"v": 1}')


@pytest.mark.parametrize(
    "change",
    [
        "event_data.update({'x': 1})", "event_data.clear()", "event_data.pop('list')",
        "event_data.popitem()", "event_data.setdefault('x', 1)", "event_data.list.append(9)",
        "event_data.list.clear()", "event_data.list.sort()", "event_data.list.reverse()",
        "event_data.list.insert(0, 1)", "event_data.list.extend([1])", "event_data.list.pop()",
        "event_data.inner.update(a=1)", "dict.update(event_data, {'x': 1})",
        "dict.clear(event_data)", "dict.pop(event_data, 'list')",
        "[event_data.inner]|map('attr', 'clear')|list", "(event_data.values()|list)[0].append(1)",
    ],
)  # fmt: skip
def test_the_event_cannot_be_changed(change: str) -> None:
    event = guide_event(data={"list": [3, 1], "inner": {"k": "v"}})
    before = copy.deepcopy(event.data)
    failure(f'{{"v": {{{{ {change} }}}}}}', event)
    failure(f'{{% if {change} %}}{{% endif %}}{{"v": {{{{ event_data }}}}}}', event)
    assert event.data == before


def test_what_a_template_makes_itself_is_no_way_to_the_next_event() -> None:
    format = TemplateFormat('{"v": {{ event_data.a }}{% set event_data = 5 %}}')
    assert format.encode(guide_event(data={"a": 1})) == format.encode(guide_event(data={"a": 1}))


# --- Bounds.

HUNGRY: dict[str, str] = {
    "text times": "{{ 'a' * 10**9 }}",
    "times text": "{{ 10**9 * 'a' }}",
    "list times": "{{ [1] * 10**9 }}",
    "tuple times": "{{ (1, 2) * 10**9 }}",
    "power": "{{ 10**(10**8) }}",
    "power of a power": "{{ (2**4000)**4000 }}",
    "doubled text": "{% set n = namespace(x='aa') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
    "added text": "{% set n = namespace(x='aa') %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}",
    "doubled list": "{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}",
    "nested list": "{% set n = namespace(x=[]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}",
    "nested dict": "{% set n = namespace(x={}) %}{% for i in range(60) %}{% set n.x = {'a': n.x, 'b': n.x} %}{% endfor %}",
    "many large texts": "{% for i in range(40) %}{% set x = 'a' * 1000000 %}{% endfor %}",
    "squared": "{% set n = namespace(x=3) %}{% for i in range(60) %}{% set n.x = n.x * n.x %}{% endfor %}",
    "much text": "{% for a in range(90000) %}" + "x" * 100 + "{% endfor %}",
    "range": "{{ range(10**9) | list }}",
    "loop in a loop": "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}",
    "loop that filters": "{% for a in range(90000) %}{% for b in range(90000) if false %}{% endfor %}{% endfor %}",
    "loop that prints": "{% for a in range(90000) %}{% for b in range(90000) %}xxxxxxxxxxxx{% endfor %}{% endfor %}",
    "macros": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "macros twice": "{% macro m(n) %}{% if n %}{{ m(n-1) }}{{ m(n-1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    "block in itself": "{% block b %}{{ self.b() }}{% endblock %}",
    "recursive loop": "{% for x in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}",
    "format width": "{{ '%1000000000d' | format(1) }}",
    "percent width": "{{ '%1000000000d' % 1 }}",
    "format method": "{{ '{0:>1000000000}'.format(1) }}",
    "format method, nested": "{{ '{0:>{1}}'.format(1, 10**9) }}",
    "format_map": "{{ '{x:>1000000000}'.format_map({'x': 1}) }}",
    "center": "{{ 'a' | center(10**9) }}",
    "center method": "{{ 'a'.center(10**9) }}",
    "ljust": "{{ 'a'.ljust(10**9) }}",
    "zfill": "{{ 'a'.zfill(10**9) }}",
    "expandtabs": "{{ '\t'.expandtabs(10**9) }}",
    "indent": "{{ 'a\nb' | indent(10**9) }}",
    "indent by text": "{{ ('\n' * 1000) | indent('x' * 1000000) }}",
    "replace": "{{ ('a' * 100000) | replace('a', 'a' * 100000) }}",
    "replace nothing": "{{ ('a' * 100000) | replace('', 'a' * 100000) }}",
    "join": "{{ range(90000) | join('a' * 100000) }}",
    "join of long texts": "{{ (['a' * 100000] * 10) | join }}{{ ('a' * 100000, ) * 100 | int }}",
    "round": "{{ 1 | round(10**9, 'ceil') }}",
    "round a float": "{{ 1.5 | round(10**9, 'floor') }}",
    "round of data": "{{ event_data.n | round(event_data.n, 'ceil') }}",
    "wordwrap": "{{ 'a b' | wordwrap(1, true, 'x' * 10**6) }}",
    "batch": "{{ [1] | batch(10**9, 'x') | list }}",
    "slice": "{{ [1] | slice(10**9) | list }}",
    "many filters": "{% for i in range(90000) %}{% set y = event_data.rows | groupby('k') %}{% endfor %}",
    "many sorts": "{% for i in range(90000) %}{% set y = event_data.rows | map(attribute='k') | sort %}{% endfor %}",
    "many tests": "{% for i in range(90000) %}{% if 'x' in event_data.texts %}{% endif %}{% endfor %}",
    "many comparisons": "{% for i in range(90000) %}{% if event_data.rows == event_data.rows_too %}{% endif %}{% endfor %}",
    "markup": "{{ event_data.markup | striptags }}{% for i in range(90000) %}{% set y = event_data.markup | striptags %}{% endfor %}",
    "fromkeys": "{{ dict.fromkeys(range(90000), 'a' * 100000) }}",
    "lipsum": "{{ lipsum(n=10**6) }}",
}
ROWS = [{"k": n % 7} for n in range(40_000)]
HUNGRY_EVENT = guide_event(
    data={
        "n": 10**9,
        "rows": ROWS,
        "rows_too": ROWS,
        "texts": [f"text {n}" for n in range(20_000)],
        "markup": "<>" * 200_000,
    }
)


@pytest.fixture
def _in_a_fifth(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fifth of the time that templates have, for tests that use all of it."""
    monkeypatch.setattr(bounds, "MAX_SECONDS", bounds.MAX_SECONDS / 5)


@pytest.mark.usefixtures("_in_a_fifth")
@pytest.mark.parametrize("template", HUNGRY.values(), ids=HUNGRY)
def test_a_hungry_template_is_stopped(template: str) -> None:
    started = time.process_time()
    message = failure(template + '{"v": 1}', HUNGRY_EVENT)
    assert "rendered" not in message  # it was stopped before it had
    assert time.process_time() - started < 2


def test_a_template_has_a_second() -> None:
    started, worked = time.monotonic(), time.process_time()
    assert failure(HUNGRY["many tests"] + "{}", HUNGRY_EVENT).endswith("longer than 1 s")
    assert time.monotonic() - started >= 1
    assert time.process_time() - worked < 5


LARGE = ["text times", "doubled text", "format method", "round", "join", "replace", "range",
         "nested list", "loop that prints", "center method", "squared"]  # fmt: skip


@pytest.mark.usefixtures("_in_a_fifth")
@pytest.mark.parametrize("name", LARGE)
def test_it_takes_little_memory_too(name: str) -> None:
    tracemalloc.start()
    try:
        failure(HUNGRY[name] + '{"v": 1}', HUNGRY_EVENT)
        assert tracemalloc.get_traced_memory()[1] < 64 * MIB
    finally:
        tracemalloc.stop()


def test_an_honest_template_is_far_from_every_bound() -> None:
    rows = [{"name": f"file {n}", "size": n} for n in range(2_000)]
    template = (
        '{"rows": [{% for row in event_data.rows %}'
        '{"name": "{{ row.name | upper }}", "size": {{ row.size * 2 }}, "l": {{ [row.name, "x"] }}}'
        '{{ "," if not loop.last }}{% endfor %}], "total": {{ event_data.rows | map(attribute="size") | sum }}}'
    )
    made = render(template, rows=rows)
    assert made["rows"][-1] == {"name": "FILE 1999", "size": 3998, "l": ["file 1999", "x"]}
    assert made["total"] == sum(range(2_000))


def test_large_data_can_be_put_out() -> None:
    body = "x" * (5 * MIB)
    assert render('{"b": "{{ event_data.body }}"}', body=body) == {"b": body}


def test_after_one_that_is_stopped_the_next_has_its_whole_time() -> None:
    format = TemplateFormat(
        "{% for a in range(event_data.n) %}{% for b in range(event_data.n) %}{% endfor %}{% endfor %}{}"
    )
    for _ in range(2):
        with pytest.raises(ValueError, match="the template took"):
            format.encode(guide_event(data={"n": 90_000}))
        assert format.encode(guide_event(data={"n": 3})) == b"{}"


def test_many_threads_can_use_one_template() -> None:
    format = TemplateFormat(
        '{"l": [{% for n in range(50) %}"{{ event_data.n }}"{{ "," if not loop.last }}{% endfor %}]}'
    )

    def work(number: int) -> Any:
        return render_with(format, number)

    with ThreadPoolExecutor(8) as pool:
        for number, made in enumerate(pool.map(work, range(200))):
            assert made == {"l": [str(number)] * 50}


def render_with(format: TemplateFormat, number: int) -> Any:
    import json

    return json.loads(format.encode(guide_event(data={"n": number})))


def test_the_guides_data_is_what_a_template_sees() -> None:
    assert render('{"d": {{ event_data }}}') == {"d": GUIDE_DATA}
