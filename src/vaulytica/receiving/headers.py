"""Headers as servers and frameworks hand them over, looked up in any case; one given twice is refused."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from vaulytica.errors import SignatureError, SignatureProblem

MOST_CHARACTERS = 4096  # of a header that is looked at

GivenHeaders = Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]


class Headers:
    """Those of `names` that were given; `headers[name]` raises `SignatureError` if one was not.

    `others`: which of these (by their names in lower case) were there besides; nobody looks at their values.
    """

    def __init__(
        self, given: GivenHeaders, names: Collection[str], others: Mapping[str, str] = {}
    ) -> None:
        wanted = {name.lower(): name for name in names}
        self._values: dict[str, str] = {}
        self.others: list[str] = []
        for name, value in given.items() if isinstance(given, Mapping) else given:
            lower = _text(name).lower()
            if lower in wanted:
                self._take(wanted[lower], _text(value).strip(" \t"))
            elif lower in others and others[lower] not in self.others:
                self.others.append(others[lower])

    def _take(self, name: str, value: str) -> None:
        if name in self._values:
            raise SignatureError(SignatureProblem.MALFORMED, f"the header {name} is given twice")
        if len(value) > MOST_CHARACTERS:
            raise SignatureError(
                SignatureProblem.MALFORMED,
                f"the header {name} is longer than {MOST_CHARACTERS} characters",
            )
        self._values[name] = value

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __getitem__(self, name: str) -> str:
        try:
            return self._values[name]
        except KeyError:
            raise SignatureError(SignatureProblem.MISSING, f"no header {name}") from None


def _text(part: str | bytes) -> str:
    if isinstance(part, bytes):
        return part.decode("latin-1")
    if isinstance(part, str):
        return part
    raise TypeError(f"headers are names and values as str or bytes, not {type(part).__name__}")
