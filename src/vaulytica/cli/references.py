"""Secrets by reference: `env:NAME`, `file:PATH`, or `-` to be asked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from vaulytica.errors import WebhookConfigError
from vaulytica.urls import is_credential

_MAX_SECRET_BYTES = 64 * 1024
_NO_CREDENTIAL = ("idempotency-key",)


def secret(reference: object, what: str, *, base: Path | None = None, prompt: bool = True) -> str:
    """The secret behind a reference; `what` names the setting in errors, which never repeat a value.

    Relative `file:` paths are read from `base`, else from the working directory.
    """
    if prompt and reference == "-":
        return _asked(what)
    if not isinstance(reference, str) or not is_reference(reference):
        ways = "env:NAME, file:PATH or - to be asked" if prompt else "env:NAME or file:PATH"
        why = ": others can see it in the process list" if prompt else ""
        raise WebhookConfigError(f"{what} takes a reference ({ways}), not the secret itself{why}")
    return dereferenced(reference, what, base=base)


def header_value(
    name: str, value: object, what: str, *, base: Path | None = None, prompt: bool = True
) -> Any:
    """A header's value, or what it refers to; where the name is a credential's, only the latter."""
    if is_secret_header(name):
        return secret(value, what, base=base, prompt=prompt)
    return dereferenced(value, what, base=base) if isinstance(value, str) else value


def is_secret_header(name: str) -> bool:
    """Whether a header of that name is likely to carry a credential."""
    return is_credential(name) and name.lower() not in _NO_CREDENTIAL


def is_reference(text: str) -> bool:
    """Whether the text is `env:…` or `file:…`."""
    return text.startswith(("env:", "file:"))


def file_of(reference: str | None) -> list[Path]:
    """The file that a reference on the command line names, if it names one."""
    kind, _, name = (reference or "").partition(":")
    return [Path(name).expanduser()] if kind == "file" and name else []


def dereferenced(text: str, what: str, *, base: Path | None = None) -> str:
    """What a reference refers to; any other text as it is."""
    kind, _, name = text.partition(":")
    if not is_reference(text):
        return text
    value = _of_file(name, what, base) if kind == "file" else os.environ.get(name, "")
    if not value:
        raise WebhookConfigError(f"{what}: {text} is {'empty' if kind == 'file' else 'not set'}")
    return value


def _of_file(name: str, what: str, base: Path | None) -> str:
    path = (base or Path()) / Path(name).expanduser()
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_SECRET_BYTES + 1)
        text = content.decode("utf-8")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise WebhookConfigError(f"{what}: cannot read {path}: {why}") from None
    if len(content) > _MAX_SECRET_BYTES:
        raise WebhookConfigError(f"{what}: {path} is over {_MAX_SECRET_BYTES} bytes, so no secret")
    return text.removesuffix("\n").removesuffix("\r")


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
