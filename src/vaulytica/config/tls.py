"""WebhookTLS: whom to trust, who we are, and what else a connection by TLS must fulfil."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import SecretStr, field_validator, model_validator

from vaulytica.config.settings import Settings
from vaulytica.delivery.redaction import HoldsSecrets
from vaulytica.errors import WebhookConfigError
from vaulytica.secrets import SecretRef
from vaulytica.secrets.file import absolute, read_regular

if TYPE_CHECKING:
    from vaulytica.transport.tls import Tls

_PEM = "-----BEGIN "
_LIKE_A_PATH = re.compile(r"\A[~.]|\.[A-Za-z]{1,4}\Z")  # no Base64 is, nor what has a long end
_MOST_BYTES = 4 * 1024 * 1024  # all public authorities are 0.3 MiB
_HOST = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_-]+)*")


class WebhookTLS(HoldsSecrets, Settings):
    """Certificates and keys are PEM: the text itself, or the path of a file, which is read again on change.

    `ca` takes the place of the public authorities. `pins` are `sha256//…` of the public keys that the
    destination may have, `server_name` is what to ask for in place of the URL's host.
    """

    min_version: Literal["1.2", "1.3"] = "1.2"
    ca: str | SecretStr | None = None
    client_cert: str | SecretStr | None = None
    client_key: SecretStr | None = None
    client_key_password: SecretStr | None = None
    pins: tuple[str, ...] = ()
    server_name: str | None = None

    @field_validator("min_version", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, float) else value  # as YAML has it

    @field_validator("ca", "client_cert", "client_key", mode="before")
    @classmethod
    def _as_path(cls, value: Any) -> Any:
        if isinstance(value, str) and not value.strip():
            raise ValueError("is empty; leave it out, or give a path or the PEM")
        return str(value) if isinstance(value, Path) else value

    @field_validator("client_cert")
    @classmethod
    def _hide_key(cls, value: str | SecretStr | None) -> str | SecretStr | None:
        """The text may hold the key as well."""
        return SecretStr(value) if isinstance(value, str) and not _is_path(value) else value

    @field_validator("server_name")
    @classmethod
    def _is_host(cls, value: str | None) -> str | None:
        if value is not None and not _HOST.fullmatch(value):
            raise ValueError("is not the name of a host")
        return value

    @model_validator(mode="after")
    def _valid(self) -> WebhookTLS:
        if self.client_key_password is not None and self.client_cert is None:
            raise WebhookConfigError("client_key_password is given, but client_cert is missing")
        self.settings("")
        return self

    def settings(self, origin: str) -> Tls:
        """Plain settings; `origin` is the destination's, for which pins and server_name are."""
        from vaulytica.transport.tls import Material, Tls

        ca, certificate, key = (
            _source(getattr(self, name), f"tls.{name}")
            for name in ("ca", "client_cert", "client_key")
        )

        def read() -> Material:
            password = self.client_key_password
            return Material(
                ca and ca(),
                certificate and certificate(),
                key and key(),
                None if password is None else password.get_secret_value(),
            )

        values = (self.ca, self.client_cert, self.client_key, self.client_key_password)
        return Tls(
            read,
            reloads=any(isinstance(v, SecretRef) or _is_path(v) for v in values[:3])
            or isinstance(self.client_key_password, SecretRef),
            min_version=self.min_version,
            pins=self.pins,
            server_name=self.server_name,
            origin=origin,
        )


def _text(value: str | SecretStr) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _is_path(value: str | SecretStr | None) -> bool:
    return value is not None and _PEM not in _text(value)


def _source(value: str | SecretStr | None, what: str) -> Callable[[], bytes] | None:
    """Where to get the PEM: from the setting, from what it refers to, or from a file."""
    if value is None:
        return None
    if isinstance(value, SecretRef) or not _is_path(value):
        return lambda: _text(value).encode("utf-8", "replace")
    path = absolute(_text(value))
    shown = shown_path(_text(value), path)
    return lambda: _read(path, what, shown)


def shown_path(given: str, path: Path) -> str:
    """The path, where it is surely one: a key that has lost its first line is none, and is not repeated."""
    is_path = Path(given).is_absolute() or _LIKE_A_PATH.search(given) or os.path.exists(path)  # noqa: PTH110 - raises for no name
    if "\n" not in given and is_path:
        return str(path)
    return f"a file of that name (PEM itself would begin with {_PEM.rstrip()})"


def _read(path: Path, what: str, shown: str) -> bytes:
    try:
        content = read_regular(path, _MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a path"
        raise WebhookConfigError(f"{what}: cannot read {shown}: {why}") from None
    if len(content) > _MOST_BYTES:
        raise WebhookConfigError(f"{what}: {shown} is over {_MOST_BYTES} bytes")
    return content
