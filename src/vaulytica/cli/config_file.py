"""One destination out of a config file (YAML, JSON or TOML), its secrets by reference."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaulytica.cli.auth_mappings import NAMES, resolved
from vaulytica.cli.references import dereferenced, header_value, secret
from vaulytica.errors import WebhookConfigError
from vaulytica.lines import is_too_many_digits, too_many_digits

if TYPE_CHECKING:
    from pydantic import BaseModel

_MAX_BYTES = 16 * 1024 * 1024


def read_destination(path: Path, name: str | None) -> tuple[str, dict[str, Any]]:
    """A destination's name, and its settings in the config's own names, every reference resolved."""
    file = _File(path)
    destinations = file.parsed.get("destinations")
    if not isinstance(destinations, Mapping) or not destinations:
        raise file.error("has no destinations (destinations: {name: {url: …}})")
    file.refuse_other_than_text(destinations, "destinations")
    known = ", ".join(destinations)
    if name is None:
        if len(destinations) > 1:
            raise WebhookConfigError(f"--to NAME is missing; {path} has {known}")
        name = next(iter(destinations))
    if name not in destinations:
        raise file.error(
            f"has no destination {name!r}{_nearest(name, destinations)}; known are {known}"
        )
    try:
        return name, _Destination(file, name).settings(destinations[name])
    except WebhookConfigError as error:
        raise error if str(error).startswith(str(path)) else file.error(str(error), name) from None


class _File:
    """The file's text and what it says; errors name it, and the line where that can be told."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                content = file.read(_MAX_BYTES + 1)  # a device or a pipe does not tell its size
            if len(content) > _MAX_BYTES:
                raise self.error(f"is over {_MAX_BYTES} bytes")
            self.text = content.decode("utf-8-sig")
        except OSError as error:
            raise WebhookConfigError(f"cannot read {path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise self.error("is not UTF-8 text") from None
        self.parsed = self._parsed()

    def _parsed(self) -> Mapping[str, Any]:
        try:
            parsed = _parse(self.text, self.path.suffix.lower())
        except (ValueError, RecursionError) as error:  # of json and tomllib; both tell the line
            why = too_many_digits() if is_too_many_digits(error) else error
            raise self.error(f"does not parse: {why}") from None
        if not isinstance(parsed, Mapping):
            raise self.error("must hold a mapping with destinations")
        return parsed

    def refuse_other_than_text(self, keys: Iterable[object], what: str, *path: str) -> None:
        """Raise if a name is none: YAML reads 1, no and 2025-01-01 as a number, a bool and a date."""
        for key in keys:
            if not isinstance(key, str):
                why = f"{what} has a name that is not text; put it in quotes: {key}"
                raise self.error(why, *path) if path else WebhookConfigError(f"{self.path}: {why}")

    def error(self, message: str, *keys: str) -> WebhookConfigError:
        """The error, at the line where the last of `keys` stands below the others."""
        line = self._line(keys) if keys else None
        where = f"{self.path}:{line}" if line else str(self.path)
        return WebhookConfigError(f"{where} {message}" if not keys else f"{where}: {message}")

    def _line(self, keys: Iterable[str]) -> int | None:
        """By search, which is the same for all three syntaxes; a near miss is still of help."""
        position = 0
        for key in keys:
            found = re.compile(rf"(?<![\w-]){re.escape(key)}(?![\w-])").search(self.text, position)
            if found is None:
                return None
            position = found.start()
        return self.text.count("\n", 0, position) + 1


def _parse(text: str, suffix: str) -> Any:
    if suffix == ".json":
        import json

        return json.loads(text)
    if suffix == ".toml":
        import tomllib

        return tomllib.loads(text)
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ValueError(f"{error.problem or error.context}{place}") from None
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def _parts() -> dict[str, list[str] | None]:
    """The parts of a destination that are mappings, and the names in them; None: any."""
    from vaulytica.config import (
        WebhookBatchConfig,
        WebhookRateLimit,
        WebhookRetryConfig,
        WebhookTLS,
    )

    models: dict[str, type[BaseModel]] = {
        "retry_config": WebhookRetryConfig,
        "batch": WebhookBatchConfig,
        "rate_limit": WebhookRateLimit,
        "tls": WebhookTLS,
    }
    names: dict[str, list[str] | None] = {
        part: [field.alias or name for name, field in model.model_fields.items()]
        for part, model in models.items()
    }
    return names | {"format_options": None}


class _Destination:
    """Turns one destination's settings into arguments of the config's classes."""

    def __init__(self, file: _File, name: str) -> None:
        self.file = file
        self.name = name

    def settings(self, given: object) -> dict[str, Any]:
        """Known keys only, references resolved."""
        from vaulytica.config import WebhookAuth, WebhookConfig
        from vaulytica.config.settings import secret_fields

        known = [key for key in WebhookConfig.model_fields if key != "custom_template_func"]
        settings = self._mapping(given, known)
        if "url" not in settings and "site" not in (settings.get("format_options") or {}):
            raise self.file.error("has no url", "destinations", self.name)
        auth = self._mapping(settings.get("auth") or {}, WebhookAuth.model_fields, "auth")
        for key in auth.keys() & set(secret_fields(WebhookAuth)) - set(NAMES):
            auth[key] = self._secret(auth[key], f"auth.{key}")
        if "oauth2_token_url" in auth:
            auth["oauth2_token_url"] = self._resolved(
                auth["oauth2_token_url"], "auth.oauth2_token_url"
            )
        settings["auth"] = auth | resolved(auth, self.file.path.parent)
        for part, names in _parts().items():
            settings[part] = self._mapping(settings.get(part) or {}, names, part)
        settings["tls"] = {name: self._tls(name, v) for name, v in settings["tls"].items()}
        headers = self._mapping(settings.get("headers") or {}, None, "headers")
        base = self.file.path.parent
        settings["headers"] = {
            name: header_value(name, value, f"headers.{name}", base=base, prompt=False)
            for name, value in headers.items()
        }
        for key in settings.keys() & {"url", "proxy", "custom_template"}:
            settings[key] = self._resolved(settings[key], key)
        return settings

    def _mapping(
        self, given: object, known: Iterable[str] | None, part: str | None = None
    ) -> dict[str, Any]:
        """A copy of the mapping; a key that is not known is an error with the nearest right name."""
        path = ("destinations", self.name, *([part] if part else []))
        what = part or f"destination {self.name}"
        if not isinstance(given, Mapping):
            raise self.file.error(f"{what} must be a mapping", *path)
        self.file.refuse_other_than_text(given, what, *path)
        settings = dict(given)
        if known is None:
            return settings
        for key in settings:
            if key not in known:
                raise self.file.error(
                    f"{what} has no setting {key}{_nearest(key, known)}", *path, key
                )
        return settings

    def _secret(self, value: Any, what: str) -> Any:
        if isinstance(value, list):
            return [self._secret(item, f"{what}[{n}]") for n, item in enumerate(value)]
        return secret(value, what, base=self.file.path.parent, prompt=False)

    def _tls(self, name: str, value: Any) -> Any:
        """Certificates are paths, references or PEM; a key is none of itself, a password a reference."""
        if name == "client_key_password":
            return self._secret(value, f"tls.{name}")
        if name not in ("ca", "client_cert", "client_key") or not isinstance(value, str):
            return value
        from vaulytica.secrets import SecretRef, is_reference

        base = self.file.path.parent
        if is_reference(value):
            return SecretRef(value, base=base)
        if "-----BEGIN " not in value:
            return str(base / Path(value).expanduser())
        if name == "client_key":
            raise self.file.error("tls.client_key takes a path or a reference, not the key itself")
        return value

    def _resolved(self, value: Any, what: str) -> Any:
        if not isinstance(value, str):
            return value  # the config says what is wrong with it
        return dereferenced(value, what, base=self.file.path.parent)


def _nearest(name: str, known: Iterable[Any]) -> str:
    near = difflib.get_close_matches(name, [str(key) for key in known], n=1)
    return f"; did you mean {near[0]}?" if near else ""
