"""Where in the input the n-th entry stands, whatever stretches it was read in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vaulytica.cli.input.places import Places

LINES = st.lists(st.integers(1, 10**12), max_size=8)
STRETCH = st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 9), st.integers(0, 5) | LINES)


@given(st.lists(STRETCH, max_size=12))
def test_every_entry_is_found_again(stretches: list[tuple[str, int, int | list[int]]]) -> None:
    places, expected = Places(), []
    for file, first, what in stretches:
        if isinstance(what, int):
            places.add(file, first, what, None)
            expected += [(file, first + n) for n in range(what)]
        else:
            places.add(file, first, len(what), what)
            expected += [(file, line) for line in what]
    assert [places.of(n) for n in range(len(expected))] == expected
    assert places.last == (expected[-1] if expected else None)


def test_a_long_file_of_one_entry_a_line_is_one_stretch() -> None:
    places = Places()
    for n in range(0, 1_000_000, 1000):
        places.add("big", n + 1, 1000, None)
    assert len(places._stretches) == 1
    assert places.of(999_999) == ("big", 1_000_000)


def test_values_that_span_lines_cost_a_number_each() -> None:
    places = Places()
    for n in range(100_000):
        places.add("pretty", 5 * n + 2, 1, None)
    assert len(places._stretches) == 1
    assert places.of(99_999) == ("pretty", 499_997)
