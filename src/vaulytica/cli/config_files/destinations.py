"""Destinations out of a config file, their secrets by reference; and all that is wrong with them, by its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaulytica.cli.config_files.document import Document, Key
from vaulytica.cli.config_files.faults import Complain, named, no_such, of
from vaulytica.cli.config_files.stand_ins import stand_in
from vaulytica.cli.credentials.mappings import NAMES, resolved
from vaulytica.cli.credentials.references import (
    AbsentError,
    dereferenced,
    header_value,
    referred_or_none,
    secret,
)
from vaulytica.errors import WebhookConfigError, did_you_mean

if TYPE_CHECKING:
    from pydantic import BaseModel

    from vaulytica.config import WebhookConfig

# A destination in a relay's config has these, too; they say nothing to one who only sends there.
_OF_THE_RELAY = ("match", "order_by")
_OF_FILES = ("ca", "client_cert", "client_key", "client_key_password")


def read_destination(path: Path, name: str | None) -> tuple[str, dict[str, Any]]:
    """A destination's name, and its settings in the config's own names, every reference resolved."""
    from vaulytica.config import WebhookConfig

    document = Document(path)

    def complain(keys: tuple[Key, ...], what: str) -> None:
        raise document.error(what, keys)

    destinations = document.parsed.get("destinations")
    if not isinstance(destinations, Mapping) or not destinations:
        what = "has no destinations (destinations: {name: {url: …}})"
        raise document.error(what, ("destinations",))
    refuse_other_than_text(destinations, ("destinations",), complain)
    known = ", ".join(destinations)
    if name is None:
        if len(destinations) > 1:
            raise WebhookConfigError(f"--to NAME is missing; {path} has {known}")
        name = next(iter(destinations))
    if name not in destinations:
        hint = did_you_mean(name, destinations)
        what = f"has no destination {name!r}{hint}; known are {known}"
        raise document.error(what, ("destinations",))
    reader = DestinationReader(document, name, WebhookConfig, complain)
    settings = reader.settings(destinations[name])
    return name, {key: settings[key] for key in settings if key not in _OF_THE_RELAY}


class DestinationReader:
    """Turns one destination's settings into arguments of the config's classes.

    What cannot be read, and was complained of, has a stand-in; the names of these are in `absent`.
    `elsewhere`: nothing is said of what may well be there on the machine that the config is for.
    """

    def __init__(
        self,
        document: Document,
        name: str,
        model: type[WebhookConfig],
        complain: Complain,
        *,
        elsewhere: bool = False,
    ) -> None:
        self._model = model
        self._keys = ("destinations", name)
        self._complain = complain
        self._base = document.path.parent
        self._elsewhere = elsewhere
        self.absent: set[str] = set()

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
            self._complain(self._keys, f"{named(self._keys)} has no url, where events are to go")
        auth = self._mapping(settings.get("auth"), WebhookAuth.model_fields, "auth")
        settings["auth"] = self._auth(auth)
        for part, names in self._parts().items():
            settings[part] = self._mapping(settings.get(part), names, part)
        tls = settings["tls"]
        settings["tls"] = self._each(
            tls, lambda name, what: self._tls(name, tls[name], what), "tls"
        )
        headers = self._mapping(settings.get("headers"), None, "headers")
        settings["headers"] = self._each(
            headers,
            lambda name, what: header_value(
                name, headers[name], what, base=self._base, prompt=False
            ),
            "headers",
        )
        texts = {key: settings[key] for key in _REFERRED if key in settings}
        read = self._each(texts, lambda name, what: self._resolved(texts[name], what))
        return settings | read

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
        from vaulytica.config.settings import names_of

        models: dict[str, type[BaseModel]] = {
            "retry_config": WebhookRetryConfig,
            "batch": WebhookBatchConfig,
            "rate_limit": WebhookRateLimit,
            "tls": WebhookTLS,
        }
        return {part: names_of(model) for part, model in models.items()} | {"format_options": None}

    def _mapping(
        self, given: object, known: Iterable[str] | None, part: str | None = None
    ) -> dict[str, Any]:
        """A copy of the mapping; a key that is not known is an error with the nearest right name."""
        keys = (*self._keys, *([part] if part else []))
        if given is None and part:  # as YAML has it where nothing follows
            return {}
        return known_settings(given, known, keys, self._complain)

    def _each(
        self,
        settings: Mapping[str, Any],
        read: Callable[[str, str], Any],
        part: str | None = None,
    ) -> dict[str, Any]:
        """What is read of each setting; those that cannot be read are complained of."""
        found: dict[str, Any] = {}
        for name, given in settings.items():
            if part == "tls" and self._elsewhere and name in _OF_FILES:
                self.absent.add(name)
                continue
            try:
                found[name] = read(name, f"{part}.{name}" if part else name)
            except WebhookConfigError as error:
                if not (self._elsewhere and isinstance(error, AbsentError)):
                    keys = (*self._keys, *([part] if part else []), name)
                    self._complain(keys, of(keys, str(error)))
                self.absent.add(name)
                if part != "tls":
                    found[name] = stand_in(name, given)
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
        if (reference := referred_or_none(value, what, self._base)) is not None:
            return reference
        if "-----BEGIN " not in value:
            from vaulytica.config.tls import shown_path
            from vaulytica.secrets.file import absolute

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


_REFERRED = ("url", "proxy", "custom_template")


def known_settings(
    given: object,
    known: Iterable[str] | None,
    keys: tuple[Key, ...],
    complain: Complain,
) -> dict[str, Any]:
    """A copy of the mapping with the keys that are known; None: any that is text."""
    if not isinstance(given, Mapping):
        complain(keys, f"{named(keys)} must be a mapping")
        return {}
    refuse_other_than_text(given, keys, complain)
    settings = {key: value for key, value in given.items() if isinstance(key, str)}
    if known is None:
        return settings
    for key in [key for key in settings if key not in known]:
        del settings[key]
        complain((*keys, key), no_such(keys, key, did_you_mean(key, known)))
    return settings


def refuse_other_than_text(
    names: Iterable[object], keys: tuple[Key, ...], complain: Complain
) -> None:
    """Complain of a name that is none: YAML reads 1 and no as a number and a bool."""
    for name in names:
        if not isinstance(name, str):
            what = f"has a name that is not text; put it in quotes: {name}"
            key = name if isinstance(name, int) else str(name)
            complain((*keys, key), f"{named(keys)} {what}")
