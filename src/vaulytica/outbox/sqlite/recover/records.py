"""Records out of pages: each row that is whole, whatever is around it. Damaged ones are left out."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import msgspec

from vaulytica.outbox.sqlite.recover.pages import Pages

Value = int | float | str | bytes | None
TABLE_INNER, TABLE_LEAF, INDEX_INNER, INDEX_LEAF = 5, 13, 2, 10
_ENCODINGS = {2: "utf-16-le", 3: "utf-16-be"}
_INTS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}  # bytes by serial type
_CONSTANTS: dict[int, Value] = {0: None, 8: 0, 9: 1}
_BROKEN = (struct.error, IndexError, ValueError)


class Record(msgspec.Struct, frozen=True):
    """A row: `id` is its number, None in an index (or a table without numbers)."""

    id: int | None
    values: list[Value]


class Read(msgspec.Struct):
    """What is in a page of rows; `broken` cells could not be read."""

    records: list[Record]
    broken: int


def read(pages: Pages, number: int) -> Read | None:
    """The rows in a page; None if it is no page of rows."""
    page, at = pages.page(number), _begin(number)
    if page is None or page[at] not in (TABLE_LEAF, INDEX_LEAF, INDEX_INNER):
        return None
    found = Read([], 0)
    for place in _places(page, at):
        try:
            found.records.append(_record(pages, number, page, place, page[at]))
        except _BROKEN:
            found.broken += 1
    return found


def below(pages: Pages, number: int) -> list[int]:
    """The pages that an inner page of a tree leads to; none of any other page."""
    page, at = pages.page(number), _begin(number)
    if page is None or page[at] not in (TABLE_INNER, INDEX_INNER):
        return []
    children = [*(_u32(page, place) for place in _places(page, at)), _u32(page, at + 8)]
    return [child for child in children if 1 < child <= pages.count]


def _begin(number: int) -> int:
    return 100 if number == 1 else 0  # the file's header is in the first


def _places(page: bytes, at: int) -> Iterator[int]:
    """Where the cells are; those of a damaged page may be anywhere."""
    first = at + (12 if page[at] in (TABLE_INNER, INDEX_INNER) else 8)
    count = min(struct.unpack_from(">H", page, at + 3)[0], (len(page) - first) // 2)
    for place in struct.unpack_from(f">{count}H", page, first):
        if first + 2 * count <= place <= len(page) - 4:
            yield place


def _record(pages: Pages, number: int, page: bytes, at: int, kind: int) -> Record:
    if kind == INDEX_INNER:
        at += 4
    size, at = _varint(page, at)
    id = None
    if kind == TABLE_LEAF:
        id, at = _varint(page, at)
    if size > pages.usable * pages.told:
        raise ValueError("it is longer than the file")
    local = _local(pages.usable, size, kind)
    payload = _whole(page[at : at + local], local)
    if local < size:
        payload += _overflow(pages, number, _u32(page, at + local), size - local)
    return Record(id, _values(payload, pages.header[59]))


def _local(usable: int, size: int, kind: int) -> int:
    """How much of a record is in the page itself."""
    most = usable - 35 if kind == TABLE_LEAF else (usable - 12) * 64 // 255 - 23
    if size <= most:
        return size
    least = (usable - 12) * 32 // 255 - 23
    local = least + (size - least) % (usable - 4)
    return local if local <= most else least


def _overflow(pages: Pages, number: int, told: int, left: int) -> bytes:
    """The rest of it, with zeros where a page of it is not there or cannot be found."""
    usable, parts = pages.usable, []
    before, seen = number, set[int]()
    while left:
        following = pages.after(before, told, first=before == number)
        if following is None or following in seen:
            parts.append(bytes(left))
            break
        seen.add(following)
        content = pages.page(following) or bytes(pages.size)
        parts.append(content[4 : min(4 + left, usable)])
        left -= len(parts[-1])
        told, before = _u32(content, 0), following
    return b"".join(parts)


def _whole(content: bytes, size: int) -> bytes:
    if len(content) < size:
        raise ValueError("it ends outside of its page")
    return content


def _values(payload: bytes, encoding: int) -> list[Value]:
    head, at = _varint(payload, 0)
    if head > len(payload):
        raise ValueError("its head is longer than it")
    kinds: list[int] = []
    while at < head:
        kind, at = _varint(payload, at)
        kinds.append(kind)
    values: list[Value] = []
    for kind in kinds:
        size = _INTS.get(kind, 8 if kind == 7 else 0) if kind < 12 else (kind - 12) // 2
        content = _whole(payload[at : at + size], size)
        at += size
        values.append(_value(kind, content, encoding))
    if at != len(payload):
        raise ValueError("it is longer than what is in it")
    return values


def _value(kind: int, content: bytes, encoding: int) -> Value:
    if kind in _CONSTANTS:
        return _CONSTANTS[kind]
    if kind in _INTS:
        return int.from_bytes(content, "big", signed=True)
    if kind == 7:
        (real,) = struct.unpack(">d", content)
        return float(real)
    if kind < 12:
        raise ValueError("no such type")
    return content.decode(_ENCODINGS.get(encoding, "utf-8"), "replace") if kind % 2 else content


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = 0
    for n in range(8):
        byte = content[at + n]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + n + 1
    value = value << 8 | content[at + 8]
    return value - (value >> 63 << 64), at + 9  # two's complement


def _u32(content: bytes, at: int) -> int:
    return int(struct.unpack_from(">I", content, at)[0])
