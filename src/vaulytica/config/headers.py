"""Headers of the user's own, whose values may be secrets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import PlainValidator, SecretStr, WithJsonSchema

from vaulytica.auth.renewed import RenewedAuth
from vaulytica.config.settings import without_quotes
from vaulytica.delivery.ports import Auth
from vaulytica.delivery.request import Header, checked_header
from vaulytica.secrets import SecretRef


def _text(value: Any) -> str | SecretStr:
    if not isinstance(value, (str, SecretStr)):
        hint = without_quotes(value) if isinstance(value, (bool, int, float)) else ""
        raise ValueError(f"Input should be a valid string{hint}")  # noqa: TRY004 - as pydantic says it
    return value


HeaderValue = Annotated[str | SecretStr, PlainValidator(_text), WithJsonSchema({"type": "string"})]


def revealed(headers: Mapping[str, str | SecretStr]) -> dict[str, str]:
    """The headers as they are sent now."""
    return {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value
        for name, value in headers.items()
    }


def renewed(
    make: Callable[[], Auth], references: Sequence[SecretRef], given: Mapping[str, str | SecretStr]
) -> RenewedAuth:
    """The scheme that `make` gives, with the headers given by reference, made anew when a secret changes."""
    by_reference = {name: value for name, value in given.items() if isinstance(value, SecretRef)}

    def made() -> tuple[Auth, tuple[Header, ...]]:
        headers = revealed(by_reference).items()
        return make(), tuple(checked_header(name, value) for name, value in headers)

    return RenewedAuth(made, lambda: tuple(reference.revision() for reference in references))
