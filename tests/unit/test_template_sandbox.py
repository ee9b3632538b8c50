"""Custom templates: no way out of the sandbox, and no way to the event or the next rendering."""

from __future__ import annotations

import copy

import pytest

from support.heart import GUIDE_DATA, guide_event
from support.templates import failure, render
from vaulytica.formats.templating.template import TemplateFormat

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
    for leaf in (f"{{{{ {expression} }}}}", f"x{{{{ {expression} }}}}"):
        message = failure({"v": leaf}, b="c")
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
    failure({"v": statement})


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


def test_the_guides_data_is_what_a_template_sees() -> None:
    assert render('{"d": {{ event_data }}}') == {"d": GUIDE_DATA}
