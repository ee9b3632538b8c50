"""A relay's config out of a file: made into a model, or all that is wrong with it, by line and column."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from vaulytica.cli.config_files.destinations import (
    DestinationReader,
    known_settings,
    refuse_other_than_text,
)
from vaulytica.cli.config_files.document import Document, Key
from vaulytica.cli.config_files.faults import Faults, named, of, refused
from vaulytica.cli.config_files.kinds import wrong_kinds
from vaulytica.cli.config_files.stand_ins import is_about, stand_in
from vaulytica.cli.credentials.auth import merged_auth, unused
from vaulytica.cli.credentials.references import AbsentError, outbox_url, secret
from vaulytica.config import WebhookAuth
from vaulytica.config.settings import model_at, models_in, names_of, secret_fields
from vaulytica.errors import WebhookConfigError
from vaulytica.outbox.names import why_no_name
from vaulytica.relay.config import DestinationSettings, RelayConfig
from vaulytica.relay.preflight import why_not

_FIRST = re.compile(r"[a-z_0-9]+(\.[a-z_0-9]+)*")
_NO_TYPE = "is the name of an auth type, such as api_key"
_HEADER = re.compile(r"header ([^ ]+) ")
# Without these, what the others are cannot be told; nor where a name was misspelt.
_LEANED_ON = frozenset({"url", "format", "format_options", "custom_template", "batch", "proxy"})
_STAND_IN_ONLY = {"stand-in": DestinationSettings(url=stand_in("url", ""))}


def read_relay(path: Path, *, running: RelayConfig | None = None) -> RelayConfig:
    """The config; `WebhookConfigError`, whose `lines` are all that is wrong, if anything is.

    `running`: what a relay runs with that is to go on with this one.
    """
    config, lines = checked_relay(path, running=running)
    if config is None:
        raise refused(path, lines)
    return config


def checked_relay(
    path: Path, *, running: RelayConfig | None = None, elsewhere: bool = False
) -> tuple[RelayConfig | None, list[str]]:
    """The config, or None; and all that is wrong, each in one line with its place, in their order.

    `elsewhere`: it is for another machine, so what only that one has is not looked at.
    """
    try:
        document = Document(path)
    except WebhookConfigError as error:
        return None, list(error.lines or (str(error),))
    reading = _Reading(document, elsewhere=elsewhere)
    config = reading.relay()
    faults = reading.faults
    if config is not None and not elsewhere:
        for keys, what in why_not(config, running):
            if not faults.says_of(keys):
                faults(keys, of(keys, what))
    return (None if faults else config), faults.lines()


class _Reading:
    def __init__(self, document: Document, *, elsewhere: bool) -> None:
        self._document, self._elsewhere = document, elsewhere
        self._base = document.path.parent
        self.faults = Faults(document)

    def relay(self) -> RelayConfig | None:
        """The model, if it can be built of what is right."""
        parsed = dict(self._document.parsed)
        if isinstance(parsed.get("$schema"), str):  # by which an editor finds what may stand here
            del parsed["$schema"]
        tree = self._model(RelayConfig, parsed, ())
        absent = set()
        if "outbox" in tree:
            given = tree["outbox"]
            if isinstance(given, str):
                tree["outbox"] = self._read(lambda: outbox_url(given, self._base), ("outbox",))
            absent = {"outbox"} if tree["outbox"] is not given else set()
        if isinstance(given := tree.pop("destinations", None), Mapping):
            tree["destinations"] = self._destinations(given)
        elif given is not None:
            self.faults(("destinations",), "destinations must be a mapping")
        whole = self._whole(tree, absent)
        # Once more without the sections that are wrong: to see how the others go together.
        return self._whole(tree, absent) if whole is None else whole

    def _whole(self, tree: dict[str, Any], absent: set[str]) -> RelayConfig | None:
        """The model; sections that are wrong are taken out of the tree, so that the others can be looked at."""
        try:
            return RelayConfig(**tree)
        except WebhookConfigError as error:
            self._say(error, RelayConfig, (), absent)
            for more, _ in error.problems:
                for name in more[:1]:
                    tree.pop(str(name), None)
        tree.setdefault("outbox", stand_in("outbox", ""))
        tree.setdefault("destinations", _STAND_IN_ONLY)
        return None

    def _destinations(self, given: Mapping[Any, Any]) -> dict[str, DestinationSettings]:
        """Those that are right; something in the place of all, if none is, so that all else can be looked at."""
        refuse_other_than_text(given, ("destinations",), self.faults)
        made: dict[str, DestinationSettings] = {}
        for name, settings in given.items():
            if not isinstance(name, str):
                continue
            one, why = self._destination(name, settings), why_no_name(name)
            if why is not None:
                keys = ("destinations", name)
                self.faults(keys, of(keys, why))
            elif one is not None:
                made[name] = one
        return made or (_STAND_IN_ONLY if given else {})

    def _destination(self, name: str, given: object) -> DestinationSettings | None:
        keys = ("destinations", name)
        reader = DestinationReader(
            self._document,
            name,
            DestinationSettings,
            self.faults,
            elsewhere=self._elsewhere,
        )
        settings = reader.settings(given)
        if isinstance(match := settings.get("match"), Mapping):
            inner = models_in(DestinationSettings.model_fields["match"].annotation)[0]
            settings["match"] = self._model(inner, match, (*keys, "match"))
        for more, what in wrong_kinds(DestinationSettings, settings):
            self._drop(settings, more)
            self.faults((*keys, *more), of((*keys, *more), what))
        auth = self._auth(settings.pop("auth"), (*keys, "auth"), reader.absent)
        if auth is not None:
            settings["auth"] = auth
        return self._made(settings, keys, reader.absent)

    def _auth(
        self, given: dict[str, Any], keys: tuple[Key, ...], absent: set[str]
    ) -> WebhookAuth | None:
        type = given.get("auth_type")
        if type is not None and not (isinstance(type, str) and type.strip()):
            self.faults((*keys, "auth_type"), of((*keys, "auth_type"), _NO_TYPE))
            return None
        for name, what in [] if type is None else list(unused(given, {})):
            self.faults((*keys, name), of((*keys, name), what))
            del given[name]
        try:
            return WebhookAuth(**merged_auth(given, {}))
        except WebhookConfigError as error:
            self._say(error, WebhookAuth, keys, absent)
        return None

    def _made(
        self, settings: dict[str, Any], keys: tuple[Key, ...], absent: set[str]
    ) -> DestinationSettings | None:
        """The model. What is wrong with one setting is left out once, to see how the others go together."""
        try:
            return DestinationSettings(**settings)
        except WebhookConfigError as error:
            self._say(error, DestinationSettings, keys, absent)
            bad = {str(more[0]) for more, _ in error.problems if more}
        misspelt = {str(key) for key in self.faults.says_in(keys)} - {
            *names_of(DestinationSettings)
        }
        if not bad or bad & _LEANED_ON or misspelt:
            return None
        try:
            return DestinationSettings(
                **{name: given for name, given in settings.items() if name not in bad}
            )
        except WebhookConfigError as error:
            self._say(error, DestinationSettings, keys, absent | bad)
        return None

    def _say(
        self,
        error: WebhookConfigError,
        model: type[BaseModel],
        keys: tuple[Key, ...],
        absent: set[str],
    ) -> None:
        """Say what is wrong with a model, but for what follows from what was said before."""
        new = []
        for more, what in error.problems or (((), str(error)),):
            place = (*keys, *_placed(model, more, what))
            if not self.faults.says_of(place) and not is_about(what, absent):
                new.append((place, of(place, what)))
        for place, what in new:
            self.faults(place, what)

    def _model(
        self, model: type[BaseModel], given: object, keys: tuple[Key, ...]
    ) -> dict[str, Any]:
        """The settings of a model, those that are secrets resolved; what is in them looked at likewise."""
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        settings = known_settings(given, fields, keys, self.faults)
        for name in list(settings):
            place = (*keys, name)
            inner = models_in(fields[name].annotation)
            if settings[name] is None and inner == [fields[name].annotation]:
                del settings[name]  # as YAML has it where nothing follows
            elif name in secret_fields(model):
                settings[name] = self._secret(settings[name], place)
            elif inner and not issubclass(inner[0], DestinationSettings):
                settings[name] = self._inner(inner[0], settings[name], place)
        for more, what in wrong_kinds(model, settings):
            self._drop(settings, more)
            self.faults((*keys, *more), of((*keys, *more), what))
        return settings

    def _inner(self, model: type[BaseModel], given: object, keys: tuple[Key, ...]) -> Any:
        if isinstance(given, list):
            return [
                self._model(model, one, (*keys, n)) if isinstance(one, Mapping) else one
                for n, one in enumerate(given)
            ]
        return self._model(model, given, keys) if isinstance(given, Mapping) else given

    def _secret(self, given: object, keys: tuple[Key, ...]) -> Any:
        if isinstance(given, list):
            return [self._secret(one, (*keys, n)) for n, one in enumerate(given)]
        return self._read(lambda: secret(given, named(keys), base=self._base, prompt=False), keys)

    def _read(self, read: Any, keys: tuple[Key, ...]) -> Any:
        try:
            return read()
        except WebhookConfigError as error:
            if not (self._elsewhere and isinstance(error, AbsentError)):
                self.faults(keys, of(keys, str(error)))
            return stand_in(str(keys[-1]), "")

    @staticmethod
    def _drop(settings: dict[str, Any], keys: tuple[Key, ...]) -> None:
        """Leave out what was complained of, so that it is not complained of twice."""
        inner: Any = settings
        for key in keys[:-1]:
            inner = inner[key]
        if isinstance(inner, dict):
            del inner[keys[-1]]


def _placed(model: type[BaseModel], keys: tuple[Key, ...], what: str) -> tuple[Key, ...]:
    """The keys, and the setting in there that a sentence on all of it begins with."""
    inside = model_at(model, keys)
    first = _FIRST.match(what)
    if inside is None or first is None:
        return keys
    if inside is DestinationSettings and (header := _HEADER.match(what)):
        return (*keys, "headers", header[1])
    if inside is DestinationSettings and first[0] in names_of(WebhookAuth):
        return (*keys, "auth", first[0])
    for name in first[0].split("."):
        inside = model_at(model, keys)
        if inside is None or name not in names_of(inside):
            break
        keys = (*keys, name)
    return keys
