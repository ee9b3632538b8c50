"""Event data that has broken programs before, and strategies that look for more of it."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st


def nested(depth: int) -> Any:
    """An object in an object in an object…"""
    value: Any = {"end": True}
    for _ in range(depth):
        value = {"in": value}
    return value


TEXTS: dict[str, str] = {
    "empty": "",
    "quotes": 'a "quoted" \\ name\\',
    "lines": "two\nlines\r\nand\ttab",
    "control": "\x00\x01\x1b[31m\x7f\x85",
    "script": "</script><!-- ]]>",
    "injection": 'x","level":"info","z":"',
    "placeholder": "\ue000abcdef-0\ue001",
    "template": "{{ 7*7 }}{% raw %}{# #}${x}%s",
    "surrogates": "\ud800 alone \udfff, and reversed \udc00\ud83d",
    "astral": "\U0001f512 emoji \U0010ffff",
    "combining": "e\u0301 \u00e9 \ufb01 \u2126",
    "direction": "\u202egpj.exe\u2066",
    "separators": "\u2028\u2029\ufeff",
    "long": "x" * 100_000,
}
DATA: dict[str, dict[str, Any]] = {
    **{name: {"file_name": text, text: "as a key"} for name, text in TEXTS.items()},
    "no data": {},
    "envelope's keys": {
        "event_type": "forged",
        "severity": "info",
        "timestamp": "1970-01-01T00:00:00Z",
        "data.severity": 1,
        "time": 0,
        "@timestamp": "x",
        "source": "forged",
        "event": {"severity": 0},
        "data": {"data": {}},
        "vaulytica": None,
    },
    "python's names": {"__class__": 1, "__proto__": {}, "constructor": 2, "items": 3, "get": 4},
    "numbers": {
        "zero": -0.0,
        "small": 5e-324,
        "large": 1.7976931348623157e308,
        "int": 2**53 + 1,
        "beyond 64 bits": 2**64,
        "very long": -(2**1000),
        "true": True,
        "one": 1,
        "null": None,
    },
    "deep": nested(90),
    "wide": {f"key {n}": n for n in range(5000)},
    "mixed": {"list": [[], {}, [None, [True]], {"": [""]}]},
}

ANY_TEXT = st.text(st.characters())  # lone surrogates included
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(ANY_TEXT, inner, max_size=5),
    max_leaves=15,
)
EVENT_DATA = st.dictionaries(ANY_TEXT, VALUES, max_size=6)
