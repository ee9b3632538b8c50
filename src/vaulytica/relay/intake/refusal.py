"""Refusal: why a request is not taken, and how it is answered."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from vaulytica.errors import one_line

_encode = msgspec.json.Encoder().encode

Headers = Iterable[tuple[bytes, bytes]]


class Refusal(Exception):
    """Nothing of the request is accepted. `line`, `event`: the first that is at fault, from 1."""

    def __init__(
        self,
        status: int,
        why: str,
        *,
        line: int | None = None,
        event: int | None = None,
        headers: Headers = (),
    ) -> None:
        super().__init__(one_line(why))
        self.status = status
        self.line, self.event = line, event
        self.headers = tuple(headers)

    def body(self) -> bytes:
        """The answer: one line of JSON."""
        where = {"line": self.line} if self.line else {"event": self.event} if self.event else {}
        at = "".join(f"{name} {number}: " for name, number in where.items())
        text = f"{at}{self}".encode("utf-8", "backslashreplace").decode()
        return _encode({"error": text, **where}) + b"\n"
