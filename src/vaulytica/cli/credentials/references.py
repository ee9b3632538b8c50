"""References on the command line and in config files: `env:NAME`, `file:PATH`…, or `-` to be asked."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaulytica.errors import WebhookConfigError, did_you_mean
from vaulytica.outbox.urls import written_right
from vaulytica.urls import is_credential

if TYPE_CHECKING:
    from pydantic import SecretStr

    from vaulytica.secrets import SecretRef

_NO_CREDENTIAL = ("idempotency-key",)
_NO_VARIABLE = re.compile(r"[\s:=${}]")
_SHELL = re.compile(r"\$\w+|\$\{.*\}", re.DOTALL)


class AbsentError(WebhookConfigError):
    """What is referred to cannot be had on this machine; the reference itself is one."""


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
        why += _meant(reference)
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


def outbox_url(text: str, base: Path) -> str:
    """An outbox's, or what a reference to it refers to; a file of SQLite's is often written like one."""
    try:
        return dereferenced(text, "outbox", base=base)
    except WebhookConfigError as error:
        if not text.startswith("file:"):
            raise
        hint = f"file: is where the URL is read from; an outbox's own is like {written_right(text)}"
        raise type(error)(f"{error}; {hint}") from None


def referred_or_none(text: str, what: str, base: Path | None) -> SecretRef | None:
    """The secret that a reference refers to; None of a text that is no reference."""
    return _referred(text, what, base) if _is_reference(text) else None


def _is_reference(text: str) -> bool:
    from vaulytica.secrets import is_reference

    return is_reference(text)


def _meant(given: object) -> str:
    """A hint at the reference that somebody may have meant. It shows nothing of what was given."""
    if isinstance(given, Mapping):
        return "; after env: or file: there is no space, or YAML reads a mapping"
    if not isinstance(given, str):
        return ""
    if _SHELL.fullmatch(given):
        return "; a variable is written env:NAME"
    from vaulytica.secrets import PROVIDERS

    kind, colon, _ = given.partition(":")
    near = did_you_mean(kind, PROVIDERS.names()) if colon else ""
    return near.replace("?", ":…?")


def _referred(reference: str, what: str, base: Path | None) -> SecretRef:
    from vaulytica.secrets import SecretRef

    kind, _, name = reference.partition(":")
    if kind == "env" and (not name or _NO_VARIABLE.search(name)):
        raise WebhookConfigError(
            f"{what}: env: takes the name of a variable, and nothing else; it has no defaults"
        )
    if kind == "file" and not name.strip():
        raise WebhookConfigError(f"{what}: file: takes the path of a file")
    try:
        return SecretRef(reference, base=base)
    except WebhookConfigError as error:
        near = did_you_mean(name, os.environ) if kind == "env" and name not in os.environ else ""
        raise AbsentError(f"{what}: {error}{near}") from None


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
