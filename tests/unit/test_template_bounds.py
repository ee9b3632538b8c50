"""Custom templates: a bound on time, memory and output, whatever the template and the data."""

from __future__ import annotations

import itertools
import json
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support.heart import guide_event
from support.templates import failure, format_of, render
from vaulytica.errors import WebhookEventError
from vaulytica.events import Event
from vaulytica.formats.templating import bounds
from vaulytica.formats.templating.template import TemplateFormat

MIB = 1024 * 1024

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
    "block doubled": "{% set n = namespace(x='a') %}{% for i in range(60) %}{% set n.x %}{{ n.x }}{{ n.x }}{% endset %}{% endfor %}",
    "macro doubled": "{% macro d(t) %}{{ t }}{{ t }}{% endmacro %}{% set n = namespace(x='a') %}{% for i in range(60) %}{% set n.x = d(n.x) %}{% endfor %}",
    "much text in a block": "{% set y %}{% for i in range(90000) %}"
    + "x" * 50_000
    + "{% endfor %}{% endset %}",
    "loop that filters by data": "{% for x in event_data.rows if x in event_data.texts %}{% endfor %}",
    "fromkeys": "{{ dict.fromkeys(range(90000), 'a' * 100000) }}",
    "lipsum": "{{ lipsum(n=10**6) }}",
}


@pytest.fixture(scope="module")
def hungry_event() -> Event:
    """An event with much in it."""
    rows = [{"k": n % 7} for n in range(40_000)]
    texts = [f"text {n}" for n in range(20_000)]
    return guide_event(data={"n": 10**9, "rows": rows, "rows_too": rows, "texts": texts})


@pytest.fixture
def _in_a_fifth(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fifth of the time that templates have, for tests that use all of it."""
    monkeypatch.setattr(bounds, "MAX_SECONDS", bounds.MAX_SECONDS / 5)


# How a program is part of a template: of a text; of a tree, as a leaf or in the text of one.
WAYS: dict[str, Any] = {
    "text": lambda program: program + '{"v": 1}',
    "leaf": lambda program: {"v": program},
    "part of a leaf": lambda program: {"v": ["x" + program]},
}
way = pytest.mark.parametrize("whole", WAYS.values(), ids=WAYS)


@way
@pytest.mark.usefixtures("_in_a_fifth")
@pytest.mark.parametrize("template", HUNGRY.values(), ids=HUNGRY)
def test_a_hungry_template_is_stopped(whole: Any, template: str, hungry_event: Event) -> None:
    started = time.process_time()
    message = failure(whole(template), hungry_event)
    assert "rendered" not in message  # it was stopped before it had
    assert time.process_time() - started < 2


def test_a_template_has_a_second(hungry_event: Event) -> None:
    worked = time.thread_time()
    assert failure(HUNGRY["many tests"] + "{}", hungry_event).endswith("longer than 1 s")
    assert 1 <= time.thread_time() - worked < 5


def test_the_second_is_not_used_up_by_others(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(0.0, 10.0)
    monkeypatch.setattr(bounds.time, "monotonic", lambda: next(clock))
    assert render('{"v": [{% for n in range(50) %}{{ n }},{% endfor %}50]}')["v"] == list(range(51))


# Templates that are honest for honest data, made when they are needed. Each was stopped late, or not at all.
HOSTILE_DATA: dict[str, tuple[str, Callable[[], dict[str, Any]]]] = {
    "values put in": (
        "[{% for i in event_data.f %}{{ event_data.x }},{% endfor %}1]",
        lambda: {"x": "x" * 900_000, "f": [1] * 1500},
    ),
    "values put into quotes": (
        '"{% for i in event_data.f %}{{ event_data.x }}{% endfor %}"',
        lambda: {"x": '"' * 900_000, "f": [1] * 1500},
    ),
    "values put in by a block": (
        '{% set b %}{{ event_data.x }}{% endset %}"{% for i in event_data.f %}{{ b }}{% endfor %}"',
        lambda: {"x": "x" * 900_000, "f": [1] * 1500},
    ),
    "tojson": (
        "[{% for i in event_data.f %}{{ event_data.x | tojson }},{% endfor %}1]",
        lambda: {"x": "x" * 900_000, "f": [1] * 1500},
    ),
    "reject in a list": (
        "{{ event_data.x | reject('in', event_data.y) | list | length }}",
        lambda: {"x": list(range(40_000)), "y": list(range(50_000, 90_000))},
    ),
    "select in a text": (
        "{{ event_data.x | select('in', event_data.y) | list | length }}",
        lambda: {"x": ["a" * 20 + "b"] * 30_000, "y": "a" * 400_000},
    ),
    "loop over what is in a list": (
        "[{% for i in event_data.x if i in event_data.y %}{{ i }}{% endfor %}]",
        lambda: {"x": list(range(40_000)), "y": list(range(50_000, 90_000))},
    ),
    "trim": (
        "{{ event_data.x | trim(event_data.y) }}",
        lambda: {"x": "a" * 900_000, "y": "b\u4e00" * 200_000 + "a"},
    ),
    **{
        method: (
            f"{{{{ event_data.x.{method}(event_data.y) }}}}",
            lambda: {"x": "a" * 900_000, "y": "a" * 225_000 + "b" + "a" * 225_000},
        )
        for method in ("rfind", "rindex", "rpartition", "rsplit")
    },
    **{
        method: (
            f"{{{{ event_data.x.{method}(event_data.y) }}}}",
            lambda: {"x": "a" * 900_000, "y": "b\u4e00" * 200_000 + "a"},
        )
        for method in ("strip", "lstrip", "rstrip")
    },
    "unique": (  # these integers all have the hash 0
        "{{ event_data.x | unique | list | length }}",
        lambda: {"x": [n * (2**61 - 1) for n in range(1, 35_000)]},
    ),
    "dict": (
        "{{ dict(event_data.x) | length }}",
        lambda: {"x": [[n * (2**61 - 1), 1] for n in range(1, 35_000)]},
    ),
    "namespace": (
        "{% set n = namespace(event_data.x) %}1",
        lambda: {"x": [[n * (2**61 - 1), 1] for n in range(1, 35_000)]},
    ),
    "path of an attribute": (
        "{{ event_data.x | map(attribute=event_data.y) | list | length }}",
        lambda: {"x": ["a"] * 100_000, "y": "0." * 100_000 + "0"},
    ),
    "sort of very many": (
        "{{ event_data.x | sort | first }}",
        lambda: {"x": [n * 7919 % 1_000_003 for n in range(2_000_000)]},
    ),
}


@pytest.mark.parametrize("as_tree", [False, True], ids=["text", "tree"])
@pytest.mark.usefixtures("_in_a_fifth")
@pytest.mark.parametrize(("template", "data"), HOSTILE_DATA.values(), ids=HOSTILE_DATA)
def test_hostile_data_is_stopped(as_tree: bool, template: str, data: Callable[[], Any]) -> None:
    event = guide_event(data=data())
    format = format_of({"v": template} if as_tree else f'{{"v": {template}}}')
    tracemalloc.start()
    try:
        started = time.process_time()
        with pytest.raises(WebhookEventError) as caught:
            format.encode(event)
        assert time.process_time() - started < 2
        assert tracemalloc.get_traced_memory()[1] < 96 * MIB
    finally:
        tracemalloc.stop()
    assert "rendered no" not in str(caught.value)


def test_short_texts_can_be_stripped_and_searched_for() -> None:
    expressions = (
        "p.strip('/')", "p | trim('/')", "p.rsplit('/', 1)[1]", "p.rpartition('/')[2]",
        "p.rfind('/')", "p.startswith(p)", "[3, 1, 3] | unique | list", "dict([['a', 1]], b=2)",
    )  # fmt: skip
    set_p = "{% set p = event_data.p %}"
    made = render(f'{set_p}{{"v": [{",".join(f"{{{{ {e} }}}}" for e in expressions)}]}}', p="/a/b")
    assert made["v"] == ["a/b", "a/b", "b", "b", 2, True, [3, 1], {"a": 1, "b": 2}]


def test_a_loop_that_leaves_items_out() -> None:
    template = (
        '{"v": [{% for x in event_data.l if x > 1 %}{{ x }}{{ "," if not loop.last }}{% endfor %}]}'
    )
    assert render(template, l=[1, 2, 3]) == {"v": [2, 3]}


LARGE = ["text times", "block doubled", "macro doubled", "much text in a block", "doubled text",
         "format method", "round", "join", "replace", "range",
         "nested list", "loop that prints", "center method", "squared"]  # fmt: skip


@way
@pytest.mark.usefixtures("_in_a_fifth")
@pytest.mark.parametrize("name", LARGE)
def test_it_takes_little_memory_too(whole: Any, name: str, hungry_event: Event) -> None:
    tracemalloc.start()
    try:
        failure(whole(HUNGRY[name]), hungry_event)
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


WHOLE = ['{"b": "{{ event_data.body }}"}', "{{ event_data }}", "{{ event_data | tojson }}"]


@pytest.mark.parametrize("template", [*WHOLE, '{"b": {{ event_data.body }}}'])
@pytest.mark.parametrize("body", ["x" * (10 * MIB - 20), "é" * (5 * MIB - 20)], ids=["x", "é"])
def test_data_as_large_as_an_event_may_be_can_be_put_out(template: str, body: str) -> None:
    assert render(template, body=body) == {"b" if "b" in template[:5] else "body": body}


@pytest.mark.parametrize("template", WHOLE)
def test_what_an_event_may_be_is_what_the_config_says(template: str) -> None:
    event = Event.create("t", {"body": "x" * (11 * MIB)}, "info", max_bytes=12 * MIB)
    made = TemplateFormat(template, max_bytes=12 * MIB).encode(event)
    assert len(made) > 11 * MIB
    with pytest.raises(WebhookEventError, match=r"over 10485760 bytes|limit of 10485760 bytes"):
        TemplateFormat(template).encode(event)


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
    return json.loads(format.encode(guide_event(data={"n": number})))
