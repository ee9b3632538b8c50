"""Destinations out of a config file, their secrets by reference; and all that is wrong with them, by its place."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaulytica.cli.auth_mappings import NAMES, resolved
from vaulytica.cli.document import Document, Key
from vaulytica.cli.references import dereferenced, header_value, secret
from vaulytica.errors import WebhookConfigError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from vaulytica.config import WebhookConfig

Complain = Callable[[tuple[Key, ...], str], None]
"""Told what is wrong with a setting, by the keys that lead to it; whoever reads on leaves it out."""

# A destination in a relay's config has these, too; they say nothing to one who only sends there.
_OF_THE_RELAY = ("match", "order_by")


def read_destination(path: Path, name: str | None) -> tuple[str, dict[str, Any]]:
    """A destination's name, and its settings in the config's own names, every reference resolved."""
    from vaulytica.config import WebhookConfig

    document = Document(path)

    def complain(keys: tuple[Key, ...], what: str) -> None:
        raise document.error(what, keys)

    destinations = document.parsed.get("destinations")
    if not isinstance(destinations, Mapping) or not destinations:
        raise document.error("has no destinations (destinations: {name: {url: …}})")
    refuse_other_than_text(destinations, "destinations", ("destinations",), complain)
    known = ", ".join(destinations)
    if name is None:
        if len(destinations) > 1:
            raise WebhookConfigError(f"--to NAME is missing; {path} has {known}")
        name = next(iter(destinations))
    if name not in destinations:
        raise document.error(
            f"has no destination {name!r}{nearest(name, destinations)}; known are {known}"
        )
    reader = DestinationReader(document, name, WebhookConfig, complain)
    settings = reader.settings(destinations[name])
    return name, {key: settings[key] for key in settings if key not in _OF_THE_RELAY}


class DestinationReader:
    """Turns one destination's settings into arguments of the config's classes."""

    def __init__(
        self, document: Document, name: str, model: type[WebhookConfig], complain: Complain
    ) -> None:
        self._name, self._model = name, model
        self._keys = ("destinations", name)
        self._complain = complain
        self._base = document.path.parent

    def settings(self, given: object) -> dict[str, Any]:
        """Known keys only, references resolved."""
        from vaulytica.config import WebhookAuth

        known = [key for key in self._model.model_fields if key != "custom_template_func"]
        settings = self._mapping(given, [*known, *_OF_THE_RELAY])
        options = settings.get("format_options")
        if (
            isinstance(given, Mapping)
            and "url" not in settings
            and not (isinstance(options, Mapping) and "site" in options)
        ):
            self._complain(self._keys, f"destination {self._name} has no url")
        auth = self._mapping(settings.get("auth") or {}, WebhookAuth.model_fields, "auth")
        settings["auth"] = self._auth(auth)
        for part, names in self._parts().items():
            settings[part] = self._mapping(settings.get(part) or {}, names, part)
        tls = settings["tls"]
        settings["tls"] = self._each(
            tls, lambda name, what: self._tls(name, tls[name], what), "tls"
        )
        headers = self._mapping(settings.get("headers") or {}, None, "headers")
        settings["headers"] = self._each(
            headers,
            lambda name, what: header_value(
                name, headers[name], what, base=self._base, prompt=False
            ),
            "headers",
        )
        texts = [key for key in ("url", "proxy", "custom_template") if key in settings]
        return settings | self._each(texts, lambda name, what: self._resolved(settings[name], what))

    def _auth(self, auth: dict[str, Any]) -> dict[str, Any]:
        from vaulytica.config import WebhookAuth
        from vaulytica.config.settings import secret_fields

        def read(name: str, what: str) -> Any:
            if name in NAMES:
                return resolved(auth, self._base, (name,)).get(name, auth[name])
            if name in secret_fields(WebhookAuth):
                return self._secret(auth[name], what)
            return self._resolved(auth[name], what) if name == "oauth2_token_url" else auth[name]

        return self._each(auth, read, "auth")

    def _parts(self) -> dict[str, list[str] | None]:
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

    def _mapping(
        self, given: object, known: Iterable[str] | None, part: str | None = None
    ) -> dict[str, Any]:
        """A copy of the mapping; a key that is not known is an error with the nearest right name."""
        keys = (*self._keys, *([part] if part else []))
        what = part or f"destination {self._name}"
        return known_settings(given, known, what, keys, self._complain)

    def _each(
        self, names: Iterable[str], read: Callable[[str, str], Any], part: str | None = None
    ) -> dict[str, Any]:
        """What is read of each name; those that cannot be read are complained of."""
        found: dict[str, Any] = {}
        for name in names:
            what = f"{part}.{name}" if part else name
            try:
                found[name] = read(name, what)
            except WebhookConfigError as error:
                self._complain((*self._keys, *([part] if part else []), name), str(error))
        return found

    def _secret(self, value: Any, what: str) -> Any:
        if isinstance(value, list):
            return [self._secret(item, f"{what}[{n}]") for n, item in enumerate(value)]
        return secret(value, what, base=self._base, prompt=False)

    def _tls(self, name: str, value: Any, what: str) -> Any:
        """Certificates are paths, references or PEM; a key is none of itself, a password a reference."""
        if name == "client_key_password":
            return self._secret(value, what)
        if name not in ("ca", "client_cert", "client_key") or not isinstance(value, str):
            return value
        from vaulytica.config.tls import shown_path
        from vaulytica.secrets import SecretRef, is_reference
        from vaulytica.secrets.file import absolute

        if is_reference(value):
            return SecretRef(value, base=self._base)
        if "-----BEGIN " not in value:
            path = absolute(value, self._base)
            shown = shown_path(value, path)
            if shown != str(path):  # which, once absolute, would be told from no path any more
                raise WebhookConfigError(f"{what}: cannot read {shown}: No such file or directory")
            return str(path)
        if name == "client_key":
            raise WebhookConfigError(f"{what} takes a path or a reference, not the key itself")
        return value

    def _resolved(self, value: Any, what: str) -> Any:
        if not isinstance(value, str):
            return value  # the config says what is wrong with it
        return dereferenced(value, what, base=self._base)


def known_settings(
    given: object,
    known: Iterable[str] | None,
    what: str,
    keys: tuple[Key, ...],
    complain: Complain,
) -> dict[str, Any]:
    """A copy of the mapping with the keys that are known; None: any that is text."""
    if not isinstance(given, Mapping):
        complain(keys, f"{what} must be a mapping")
        return {}
    refuse_other_than_text(given, what, keys, complain)
    settings = {key: value for key, value in given.items() if isinstance(key, str)}
    if known is None:
        return settings
    for key in [key for key in settings if key not in known]:
        del settings[key]
        complain((*keys, key), f"{what} has no setting {key}{nearest(key, known)}")
    return settings


def refuse_other_than_text(
    names: Iterable[object], what: str, keys: tuple[Key, ...], complain: Complain
) -> None:
    """Complain of a name that is none: YAML reads 1, no and 2025-01-01 as a number, a bool and a date."""
    for name in names:
        if not isinstance(name, str):
            complain(keys, f"{what} has a name that is not text; put it in quotes: {name}")


def nearest(name: str, known: Iterable[Any]) -> str:
    """A hint at the known name that is most like it."""
    near = difflib.get_close_matches(name, [str(key) for key in known], n=1)
    return f"; did you mean {near[0]}?" if near else ""
