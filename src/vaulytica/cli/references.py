"""References on the command line and in config files: `env:NAME`, `file:PATH`…, or `-` to be asked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaulytica.errors import WebhookConfigError
from vaulytica.urls import is_credential

if TYPE_CHECKING:
    from pydantic import SecretStr

    from vaulytica.secrets import SecretRef

_NO_CREDENTIAL = ("idempotency-key",)


def secret(
    reference: object, what: str, *, base: Path | None = None, prompt: bool = True
) -> SecretStr:
    """The secret behind a reference; `what` names the setting in errors, which never repeat a value.

    Relative `file:` paths are read from `base`, else from the working directory.
    """
    if prompt and reference == "-":
        from pydantic import SecretStr

        return SecretStr(_asked(what))
    if not isinstance(reference, str) or not _is_reference(reference):
        ways = "env:NAME, file:PATH or - to be asked" if prompt else "env:NAME or file:PATH"
        why = ": others can see it in the process list" if prompt else ""
        raise WebhookConfigError(f"{what} takes a reference ({ways}), not the secret itself{why}")
    return _referred(reference, what, base)


def header_value(
    name: str, value: object, what: str, *, base: Path | None = None, prompt: bool = True
) -> Any:
    """A header's value, or a reference to it; where the name is a credential's, only the latter."""
    if is_secret_header(name):
        return secret(value, what, base=base, prompt=prompt)
    if isinstance(value, str) and _is_reference(value):
        return _referred(value, what, base)
    return value


def is_secret_header(name: str) -> bool:
    """Whether a header of that name is likely to carry a credential."""
    return is_credential(name) and name.lower() not in _NO_CREDENTIAL


def file_of(reference: str | None) -> list[Path]:
    """The file that a reference on the command line names, if it names one."""
    kind, _, name = (reference or "").partition(":")
    if kind != "file" or not name:
        return []
    from vaulytica.secrets.file import absolute

    return [absolute(name)]


def dereferenced(text: str, what: str, *, base: Path | None = None) -> str:
    """What a reference refers to now; any other text as it is."""
    return _referred(text, what, base).get_secret_value() if _is_reference(text) else text


def _is_reference(text: str) -> bool:
    from vaulytica.secrets import is_reference

    return is_reference(text)


def _referred(reference: str, what: str, base: Path | None) -> SecretRef:
    from vaulytica.secrets import SecretRef

    try:
        return SecretRef(reference, base=base)
    except WebhookConfigError as error:
        raise WebhookConfigError(f"{what}: {error}") from None


def _asked(what: str) -> str:
    import getpass

    # Without a terminal getpass would read stdin, which may be the events.
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        raise WebhookConfigError(f"{what}: there is no terminal to ask on") from None
    try:
        value = getpass.getpass(f"{what}: ")
    except EOFError:
        value = ""
    if not value:
        raise WebhookConfigError(f"{what}: nothing was entered")
    return value
