from __future__ import annotations

import gzip
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaulytica.cli.input.reading import chunks
from vaulytica.errors import WebhookEventError
from vaulytica.lines import Line, Lines

HUGE, DIGITS = "7" * 5000, "an integer has more than 4300 digits"


def same(value):
    return value


def buffered(text: str | bytes) -> io.BufferedReader:
    return io.BufferedReader(io.BytesIO(text.encode() if isinstance(text, str) else text))


def placed(read):
    """Each entry with its line."""
    for chunk in read:
        lines = chunk.lines or range(chunk.first_line, chunk.first_line + len(chunk.entries))
        yield from zip(lines, chunk.entries, strict=True)


def entries(text: str | bytes, limit: int = 1000, mapping=same):
    return list(placed(chunks([("f", buffered(text))], mapping, limit)))


def brief(text: str | bytes, limit: int = 1000, mapping=same):
    """Per entry its line, and its value or the beginning of what is wrong."""
    return [
        (line, str(entry).split(":")[0] if isinstance(entry, WebhookEventError) else entry)
        for line, entry in entries(text, limit, mapping)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\r\n", []),
        ("[]", []),
        ("1\n\nnull", [(1, 1), (3, None)]),
        ('{"a":\n{"b":1}\n{"c":1}', [(1, "not valid JSON"), (2, {"b": 1}), (3, {"c": 1})]),
        ('{"a":[\n{"b":1}\n]}', [(1, {"a": [{"b": 1}]})]),
        ('{\n"a":1}\n\n{\n"b":2\n}', [(1, {"a": 1}), (4, {"b": 2})]),
        ('{"a":1, \n"b":2}\n{"c":3}', [(1, {"a": 1, "b": 2}), (3, {"c": 3})]),
        ('{"a":1,\n"b":2}\n', [(1, {"a": 1, "b": 2})]),
        ('{"a":\n1}\n', [(1, {"a": 1})]),
        ('{"a":1\n}\n', [(1, {"a": 1})]),
        ('{\n"a":1,\n"b"\n}', [(4, "not valid JSON")]),
        ('{"a":1} x\n2', [(1, "not valid JSON"), (2, 2)]),
        ('[{"a":1},\n{"b":\n2}\n]', [(1, {"a": 1}), (2, {"b": 2})]),
        ('[{"a":1},\n{b},{}]', [(1, {"a": 1}), (2, "not valid JSON")]),
        ('[{"a":1},\n\n{"x":\n1,\nb},\n\n{}]', [(1, {"a": 1}), (5, "not valid JSON"), (7, {})]),
        (
            '[\n  {"a":1},\n  {"b"},\n    {"c":1},\n  {"d":1}\n]',
            [
                (2, {"a": 1}),
                (3, "not valid JSON"),
                (5, {"d": 1}),
            ],
        ),
        (
            '[{"a":1},\n{b},\n{}',
            [
                (1, {"a": 1}),
                (2, "not valid JSON"),
                (3, {}),
                (3, "the array does not end"),
            ],
        ),
        (
            '{\n"a":1}\n{\n"b":x\n}\nwords\n{\n"c":1}',
            [
                (1, {"a": 1}),
                (4, "not valid JSON"),
                (7, {"c": 1}),
            ],
        ),
        ('[INFO] began\n{"a":1}\n{"b":1}', [(1, "not valid JSON"), (2, {"a": 1}), (3, {"b": 1})]),
        (
            '[2024-01-01] began\n{"a":1}\n[1] x\n{}',
            [
                (1, "not valid JSON"),
                (2, {"a": 1}),
                (3, "not valid JSON"),
                (4, {}),
            ],
        ),
        (
            '{"a":1,\nwords\n{"b":1}',
            [
                (1, "not valid JSON"),
                (2, "not valid JSON"),
                (3, {"b": 1}),
            ],
        ),
        ('{"a":{"b":1}\noops\n{}', [(1, "not valid JSON"), (2, "not valid JSON"), (3, {})]),
        ('[]\n{"a":1}\n{"b":1}', [(2, {"a": 1}), (3, {"b": 1})]),
        (
            '[{}]\n{"a":1}\nwords\n{"b":1}',
            [
                (1, {}),
                (2, {"a": 1}),
                (3, "not valid JSON"),
                (4, {"b": 1}),
            ],
        ),
        ('[{"a":1}', [(1, {"a": 1}), (1, "the array does not end")]),
        ("[1]\n2", [(1, 1), (2, 2)]),
        ("[" * 99999, [(1, "nested too deep; what follows cannot be read")]),
        ('{"a":' * 99999, [(1, "the line is longer than 1000 bytes")]),
        (b"[1,\n\xff]", [(1, 1), (2, "not UTF-8; what follows cannot be read")]),
        (b'[{"a":"\xff"},\n{}]', [(1, "not UTF-8"), (2, {})]),
        (b'{\n"a":\n"\xc3\x28"}\n{"b":"\xc3\xa4"}', [(1, "not UTF-8"), (4, {"b": "ä"})]),
        ("[1\n2, 3]", [(1, 1), (2, "no comma before this value"), (2, 3)]),
        ("[{}{},{}]", [(1, {}), (1, "no comma before this value"), (1, {})]),
        (" " * 2000 + "{}\n1", [(1, "the line is longer than 1000 bytes"), (2, 1)]),
    ],
)
@pytest.mark.parametrize("mapping", [same, None])
def test_entries(text, expected, mapping):
    assert brief(text, mapping=mapping) == expected


def test_utf_16_is_said_once():
    read = brief('{"a":1}\n{"a":2}\n'.encode("utf-16"))
    assert read == [(1, "UTF-16; f must be UTF-8 (iconv -f UTF-16 -t UTF-8)")]


def test_what_was_skipped_is_said():
    (_, fault), (line, _) = entries('[\n{"a":1 "b":2},\n3,\n{"c":1}]')
    assert str(fault) == "not valid JSON: Expecting ',' delimiter; read on from line 4"
    assert line == 4


def test_a_value_too_long_to_be_read_does_not_hide_the_next():
    long = json.dumps({"a": "x" * 300_000}, indent=1)
    read = brief(f'[\n{long},\n{{"b":1}}\n]', 1000)
    assert read == [(2, "a value is longer than 1000 bytes; read on from line 5"), (5, {"b": 1})]


def test_limits():
    long = json.dumps({"a": "x" * 93})  # 101 bytes
    assert brief(f'{long[:-3]}"}}\r\n{long}\n7', 100)[1:] == [
        (2, "the line is longer than 100 bytes"), (3, 7)
    ]  # fmt: skip
    assert brief(f"[{long},7]", 100) == [(1, "a value is longer than 100 bytes"), (1, 7)]
    assert brief("[" + '{"a":' * 99 + '"' + "x" * 999, 100)[0][1].startswith("a value is longer")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{HUGE}\n1", [(1, DIGITS), (2, 1)]),
        (f"[{HUGE},\n{{}}]", [(1, DIGITS), (2, {})]),
        (f'[{{"a":[{HUGE},\n1]}},{{}}]', [(1, DIGITS), (2, {})]),
        (f'{{\n"a":{HUGE}}}\n{{}}', [(1, DIGITS), (3, {})]),
        (f"[{HUGE}", [(1, DIGITS), (1, "the array does not end")]),
        (f'[{{"a":{HUGE}', [(1, "not valid JSON")]),
    ],
)
def test_integers_that_python_does_not_read(text, expected):
    assert brief(text, 10_000) == expected


class Pieces(io.RawIOBase):
    """An input of which one piece arrives at a time."""

    def __init__(self, *pieces: bytes):
        self.pieces = list(pieces)

    def readable(self):
        return True

    def readinto(self, buffer):
        piece = self.pieces.pop(0) if self.pieces else b""
        buffer[: len(piece)] = piece
        return len(piece)


def test_a_number_where_a_block_ends_is_one_number():
    pieces = Pieces(b"[12", b"34,tr", b"ue,5", b".5]")
    read = chunks([("f", io.BufferedReader(pieces))])
    assert [entry for _, entry in placed(read)] == [1234, True, 5.5]


@pytest.mark.parametrize(
    ("pieces", "left"),
    [
        ([b'{"type":"a"}\n', b"more"], 1),
        ([b'{"ty', b'pe":"a"}\n{"ty', b"more"], 1),
        ([b"\n", b"\xef\xbb\xbf \n"[3:], b'{"type":"a"}\n{', b"more"], 1),
        ([b"[", b'{"type":"a"},', b"more"], 1),
        ([b'{\n"type":', b'"a"\n}\n', b"more"], 1),
    ],
)
def test_what_has_arrived_does_not_wait_for_more(pieces, left):
    stream = Pieces(*pieces)
    first = next(chunks([("f", io.BufferedReader(stream))]))
    (entry,) = first.entries
    assert (entry["type"] if isinstance(entry, dict) else entry.type) == "a"
    assert len(stream.pieces) == left


@given(
    st.lists(
        st.sampled_from([b'{"type":"a"}', b"", b" ", b"7", b'{"type":"b"}\r', b"{", b"x" * 40])
    ),
    st.lists(st.integers(1, 50)),
    st.booleans(),
)
def test_where_an_input_is_cut_makes_no_difference(lines, cuts, fast):
    whole = b'{"type":"first"}\n' + b"\n".join(lines)
    pieces, at = [], 0
    for cut in cuts:
        pieces.append(whole[at : at + cut])
        at += cut
    pieces = [piece for piece in [*pieces, whole[at:]] if piece]
    mapping = None if fast else same
    cut = placed(chunks([("f", io.BufferedReader(Pieces(*pieces)))], mapping, 30))
    assert [seen(entry) for entry in cut] == [seen(entry) for entry in entries(whole, 30, mapping)]
    texts = [b'{"type":"first"}', *lines]
    not_blank = [number for number, text in enumerate(texts, 1) if text.strip()]
    assert [line for line, _ in entries(whole, 30, mapping)] == not_blank


def seen(entry):
    line, value = entry
    return line, value.type if isinstance(value, Line) else repr(value)


def test_lines_come_in_chunks_and_say_where_they_stand():
    text = b"".join(b'{"type":"t%d"}\n' % n for n in range(50_000))
    first, second, *more = chunks([("f", buffered(text))])
    assert all(type(entry) is Line for entry in first.entries)
    assert (first.file, first.first_line, first.lines) == ("f", 1, None)
    assert second.first_line == 1 + len(first.entries)
    assert sum(len(chunk.entries) for chunk in (first, second, *more)) == 50_000
    assert sum(chunk.size for chunk in (first, second, *more)) == len(text)


def test_a_bad_line_leaves_its_neighbours_lines():
    text = (
        '{"type":"a"}\n{bad\n\n' + "x" * 200 + '\n{"type":"b","severity":"WARNING"}\n{"type":"c"}'
    )
    assert [(line, type(entry).__name__) for line, entry in entries(text, 100, None)] == [
        (1, "Line"), (2, "WebhookEventError"), (4, "WebhookEventError"), (5, "dict"), (6, "Line")
    ]  # fmt: skip


def test_what_is_in_gzip_is_unpacked():
    packed = gzip.compress(b'{"type":"a"}\n') + gzip.compress(b'{"type":"b"}\n')
    assert [entry.type for _, entry in entries(packed, mapping=None)] == ["a", "b"]
    *_, (line, error) = entries(packed[:-9], mapping=None)
    assert line == 0
    assert str(error).startswith("cannot be read on: ")


def test_an_input_that_breaks_off():
    class Broken(Pieces):
        def readinto(self, buffer):
            if not self.pieces:
                raise OSError(5, "Input/output error")
            return super().readinto(buffer)

    broken = io.BufferedReader(Broken(b'{"type":"a"}\n'))
    read = list(chunks([("f", broken), ("g", buffered('{"type":"b"}'))]))
    assert [chunk.file for chunk in read] == ["f", "f", "g"]
    assert str(read[1].entries[0]) == "cannot be read on: Input/output error"


def test_a_line_that_never_ends():
    class Endless(io.RawIOBase):
        given = 0

        def readable(self):
            return True

        def readinto(self, buffer):
            buffer[:] = b"x" * len(buffer)
            self.given += len(buffer)
            assert self.given < 2**28, "it is read for ever"
            return len(buffer)

    (chunk,) = chunks([("f", io.BufferedReader(Endless()))], None, 1000)
    (bad,) = chunk.entries
    assert chunk.first_line == 1
    assert str(bad) == "the line does not end; the rest of f is not read"


@given(
    st.lists(st.dictionaries(st.text(), st.integers() | st.text() | st.none())), st.integers(0, 4)
)
def test_every_way_of_writing_reads_the_same(values, indent):
    lines = "\n".join(map(json.dumps, values))
    array = json.dumps(values, indent=indent or None, ensure_ascii=False)
    for text in (lines, array):
        assert [entry for _, entry in entries(text, limit=2**20)] == values


@given(st.binary())
def test_garbage_never_raises(data):
    for mapping in (same, None):
        for text in (data, b"[" + data, b"{\n" + data, b'{"type":"a"}\n' + data):
            assert all(line >= 0 for line, _ in entries(text, mapping=mapping))


@pytest.mark.parametrize("mapping", [None, same])
def test_a_block_that_takes_long_comes_in_pieces_with_the_places_of_its_lines(mapping) -> None:
    """What reads it lets others have their turn after each."""
    bad = [f"no event {n}" if n % 7 else "" for n in range(20_000)]
    read = list(chunks([("f", buffered("\n".join(bad) + "\n"))], mapping))
    assert len(read) > 3
    assert max(len(chunk.entries) for chunk in read) < 6_000
    places = [line for line, _ in placed(read)]
    assert places == [number for number, line in enumerate(bad, 1) if line]


def test_a_block_of_lines_that_are_well_comes_as_it_was_read() -> None:
    read = list(chunks([("f", buffered('{"type":"t"}\n' * 20_000))]))
    assert all(isinstance(chunk.entries, Lines) for chunk in read)
    assert max(len(chunk.entries) for chunk in read) > 15_000
