"""A relay's config out of a file: made into a model, or all that is wrong with it, by line and column."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from vaulytica.cli.auth import merged_auth
from vaulytica.cli.config_file import DestinationReader, known_settings
from vaulytica.cli.document import Document, Key
from vaulytica.cli.references import dereferenced, secret
from vaulytica.config import WebhookAuth
from vaulytica.config.settings import secret_fields
from vaulytica.errors import WebhookConfigError
from vaulytica.relay.config import DestinationSettings, RelayConfig


def read_relay(path: Path) -> RelayConfig:
    """The config; the first thing that is wrong raises `WebhookConfigError`."""
    config, problems = checked_relay(path)
    if config is None:
        first, *others = problems
        more = f" (and {len(others)} more: vaulytica config check {path})" if others else ""
        raise WebhookConfigError(f"{first}{more}")
    return config


def checked_relay(path: Path) -> tuple[RelayConfig | None, list[str]]:
    """The config, or None; and all that is wrong, each in one line with its place, in their order."""
    document = Document(path)
    reading = _Reading(document)
    config = reading.relay()
    return (None if reading.problems else config), reading.shown()


class _Reading:
    def __init__(self, document: Document) -> None:
        self._document = document
        self.problems: list[tuple[tuple[Key, ...], str]] = []

    def shown(self) -> list[str]:
        """One line for each problem, from the top of the file to its end."""
        places = {keys: self._document.place(keys) or (0, 0) for keys, _ in self.problems}
        ordered = sorted(self.problems, key=lambda problem: places[problem[0]])
        lines = [str(self._document.error(what, keys)) for keys, what in ordered]
        return list(dict.fromkeys(lines))

    def relay(self) -> RelayConfig | None:
        """The model, if nothing is wrong."""
        tree = self._model(RelayConfig, self._document.parsed, "the config", ())
        if "outbox" in tree:
            tree["outbox"] = self._text(tree["outbox"], "outbox", ("outbox",))
        given = tree.pop("destinations", {})
        destinations: dict[str, DestinationSettings] = {}
        if not isinstance(given, Mapping):
            self._complain(("destinations",), "destinations must be a mapping")
            given = {}
        for name, settings in given.items():
            if not isinstance(name, str):
                what = f"destinations has a name that is not text; put it in quotes: {name}"
                self._complain(("destinations",), what)
            elif (made := self._destination(name, settings)) is not None:
                destinations[name] = made
        if self.problems and not destinations:
            return None
        try:
            return RelayConfig(**tree, destinations=destinations)
        except WebhookConfigError as error:
            for keys, what in error.problems or (((), str(error)),):
                self._complain(keys, what)
        return None

    def _complain(self, keys: tuple[Key, ...], what: str) -> None:
        self.problems.append((keys, what))

    def _destination(self, name: str, given: object) -> DestinationSettings | None:
        before = len(self.problems)
        keys = ("destinations", name)
        reader = DestinationReader(self._document, name, DestinationSettings, self._complain)
        settings = reader.settings(given)
        try:
            auth = WebhookAuth(**merged_auth(settings.pop("auth"), {}))
            return DestinationSettings(**settings, auth=auth)
        except WebhookConfigError as error:
            problems = error.problems or ((("auth",), str(error)),)
        said = [known for known, _ in self.problems[before:]]
        for more, what in problems:
            place = (*keys, *more)
            # What is said of a setting that was left out, or of what it is in, says nothing new.
            if not any(_is_around(place, other) or _is_around(other, place) for other in said):
                self._complain(place, f"destination {name}: {what}")
        return None

    def _model(
        self, model: type[BaseModel], given: object, what: str, keys: tuple[Key, ...]
    ) -> dict[str, Any]:
        """The settings of a model, those that are secrets resolved; what is in them looked at likewise."""
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        settings = known_settings(given, fields, what, keys, self._complain)
        for name in settings:
            place = (*keys, name)
            inner = _models_in(fields[name].annotation)
            if name in secret_fields(model):
                settings[name] = self._secret(settings[name], name, place)
            elif inner and not issubclass(inner[0], DestinationSettings):
                settings[name] = self._inner(inner[0], settings[name], name, place)
        return settings

    def _inner(
        self, model: type[BaseModel], given: object, name: str, keys: tuple[Key, ...]
    ) -> Any:
        if isinstance(given, list):
            return [
                self._model(model, one, f"{name}[{n}]", (*keys, n))
                if isinstance(one, Mapping)
                else one
                for n, one in enumerate(given)
            ]
        if given is None:
            return {}
        return self._model(model, given, name, keys) if isinstance(given, Mapping) else given

    def _secret(self, given: object, what: str, keys: tuple[Key, ...]) -> Any:
        if isinstance(given, list):
            return [self._secret(one, f"{what}[{n}]", (*keys, n)) for n, one in enumerate(given)]
        try:
            return secret(given, what, base=self._document.path.parent, prompt=False)
        except WebhookConfigError as error:
            self._complain(keys, str(error))
            return ""

    def _text(self, given: object, what: str, keys: tuple[Key, ...]) -> Any:
        if not isinstance(given, str):
            return given
        try:
            return dereferenced(given, what, base=self._document.path.parent)
        except WebhookConfigError as error:
            self._complain(keys, str(error))
            return ""


def _is_around(outer: tuple[Key, ...], inner: tuple[Key, ...]) -> bool:
    return inner[: len(outer)] == outer


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models that a setting is made of, itself or in a list or mapping."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models_in(inner)]
