"""The JSON Schema of a relay's config file, for editors: the models', and what is true of files only.

In a file secrets are references, a section may be left empty, names may be in any case, and settings that
say the same shorter are read as well. What `vaulytica config check` takes, the schema takes, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from vaulytica.auth import SCHEMES
from vaulytica.auth.oauth2.grants import CLIENT_AUTHS
from vaulytica.cli.config_files.schema_words import WORDS
from vaulytica.cli.credentials.mappings import NAMES
from vaulytica.config import WebhookAuth, WebhookAuthType, WebhookFormat
from vaulytica.config.auth import ALIASES, AUTH_NEEDS, AUTH_SETTINGS
from vaulytica.config.format_names import FORMAT_ALIASES, INNER_NAMES
from vaulytica.config.settings import secret_fields
from vaulytica.events import Severity
from vaulytica.formats import FORMATS
from vaulytica.outbox import OUTBOXES
from vaulytica.outbox.names import NAME
from vaulytica.relay.config import RelayConfig
from vaulytica.secrets import PROVIDERS
from vaulytica.urls import CREDENTIAL_WORDS

Schema = dict[str, Any]

_NULL = {"type": "null"}
# Sections of a destination that the file may have empty; those above it are found by themselves.
_MAY_BE_EMPTY = ("auth", "headers", "format_options", "retry_config", "batch", "rate_limit", "tls")


def config_schema() -> Schema:
    """A JSON Schema of 2020-12, with a sentence on each setting."""
    schema = RelayConfig.model_json_schema()
    models = {**schema["$defs"], "RelayConfig": schema}
    for name, model in models.items():
        for setting, its in model.get("properties", {}).items():
            _may_be_empty(model, setting, its, always=name == "DestinationSettings")
            shown = {"title": setting.replace("_", " ").capitalize()}
            model["properties"][setting] |= {**shown, "description": WORDS[name][setting]}
    _relay(schema)
    _intake(schema["$defs"])
    _destination(schema["$defs"]["DestinationSettings"])
    _auth(schema["$defs"]["WebhookAuth"])
    _set(schema["$defs"]["WebhookTLS"], "min_version", enum=["1.2", "1.3", 1.2, 1.3])
    _set(schema["$defs"]["WebhookTLS"], "client_key_password", anyOf=[_reference(), _NULL])
    for side in ("allow", "deny"):
        _set(schema["$defs"]["WebhookEgress"], side, anyOf=[_TEXTS, {"type": "string"}, _NULL])
    _set(schema["$defs"]["MatchSettings"], "min_severity", **_any_case(Severity))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "Vaulytica relay",
    }


_TEXTS = {"type": "array", "items": {"type": "string"}}


def _may_be_empty(model: Schema, setting: str, its: Schema, *, always: bool) -> None:
    """A section with nothing in it is null in YAML, and has its defaults."""
    if set(its) == {"$ref"} or (always and setting in _MAY_BE_EMPTY):
        its.pop("title", None)
        model["properties"][setting] = {"anyOf": [its, _NULL]}


def _relay(schema: Schema) -> None:
    schemes = [f"{name}://" for name in OUTBOXES.names()]
    _set(schema, "outbox", pattern=f"^({'|'.join(['sqlite:///(?!/)', *schemes[1:], *_kinds()])}).")
    schema["properties"]["destinations"] |= {
        "minProperties": 1,
        "propertyNames": {"pattern": f"^{NAME.pattern.replace(chr(92) + 'w', 'A-Za-z0-9_')}$"},
    }
    word = "By which editors find this schema; the relay does not look at it."
    schema["properties"]["$schema"] = {
        "type": "string",
        "title": "Schema",
        "description": word,
    }


def _intake(models: Schema) -> None:
    intake = models["IntakeSettings"]
    _set(intake, "tokens", items=_reference())
    _set(intake, "stdin", anyOf=[{"type": "boolean"}, {"$ref": "#/$defs/LineSettings"}, _NULL])
    path = {"type": "string", "minLength": 1}
    _set(intake, "socket", anyOf=[path, {"$ref": "#/$defs/SocketSettings"}, _NULL])
    _set(models["SocketSettings"], "mode", pattern="^0?[0-7]{3}$")
    _set(models["TailSettings"], "path", pattern="^/")
    for name in ("LineSettings", "SocketSettings", "TailSettings"):
        del models[name]["properties"]["severity"]["$ref"]
        _set(models[name], "severity", **_any_case(Severity))
    del models["Severity"]


def _destination(destination: Schema) -> None:
    known = [*WebhookFormat, *FORMAT_ALIASES, *FORMATS.names()]
    _set(destination, "format", **_any_case(name for name in known if name not in INNER_NAMES))
    _set(destination, "url", pattern="^[A-Za-z][A-Za-z0-9+.-]*:.")
    del destination["properties"]["url"]["default"]
    headers = destination["properties"]["headers"]["anyOf"][0]
    headers["patternProperties"] = {_credential_names(): _reference()}
    site = {"properties": {"format_options": {"type": "object", "required": ["site"]}}}
    destination["anyOf"] = [{"required": ["url"]}, {"required": ["format_options"], **site}]
    both = {"ordered": {"const": True}, "order_by": {"type": "string"}}
    destination["not"] = {"required": list(both), "properties": both}


def _auth(auth: Schema) -> None:
    known = dict.fromkeys([*WebhookAuthType, *ALIASES, *SCHEMES.names()])
    _set(auth, "auth_type", **_any_case(known, _NULL))
    for setting in secret_fields(WebhookAuth):
        if setting not in NAMES:
            auth["properties"][setting]["anyOf"] = [
                {**one, "items": _reference()} if one["type"] == "array" else _reference(one)
                for one in auth["properties"][setting]["anyOf"]
            ]
    _set(auth, "oauth2_client_auth", anyOf=[{"enum": list(CLIENT_AUTHS)}, _NULL])
    auth["allOf"] = [_of_type(type, auth["properties"]) for type in AUTH_SETTINGS]


def _of_type(type: str, properties: Schema) -> Schema:
    """What a type has no use for may not be set, and what it cannot do without has to be."""
    names = [type, *(alias for alias, meant in ALIASES.items() if meant == type)]
    others = set(properties) - set(AUTH_SETTINGS[type]) - {"auth_type"}
    return {
        "if": {"required": ["auth_type"], "properties": {"auth_type": _words_in_any_case(names)}},
        "then": {
            "properties": dict.fromkeys(sorted(others), _NULL),
            "required": list(AUTH_NEEDS[type]),
        },
    }


def _set(model: Schema, setting: str, **its: Any) -> None:
    """Put these in the place of what the setting's schema says of its kind."""
    schema = model["properties"][setting]
    if its.keys() & {"anyOf", "enum"}:
        for key in ("anyOf", "enum", "type", "items", "$ref"):
            schema.pop(key, None)
    schema.update(its)


def _any_case(words: Iterable[str], *others: Schema) -> Schema:
    """These words, which editors offer, written in whatever case."""
    words = list(dict.fromkeys(str(word) for word in words))
    return {"anyOf": [{"enum": words}, _words_in_any_case(words), *others]}


def _words_in_any_case(words: Iterable[str]) -> Schema:
    return {"type": "string", "pattern": f"^({'|'.join(map(_in_any_case, words))})$"}


def _in_any_case(word: str) -> str:
    """A pattern: JSON Schema's regular expressions have no flags."""
    return "".join(
        f"[{c.lower()}{c.upper()}]" if c.isalpha() else c if c in "-_" else re.escape(c)
        for c in word
    )


def _reference(other: Schema | None = None) -> Schema:
    """A reference to a secret, in the place of the secret that the model has."""
    if other is not None and other["type"] != "string":
        return other
    return {"type": "string", "pattern": f"^({'|'.join(_kinds())}).", "examples": ["env:NAME"]}


def _kinds() -> list[str]:
    return [f"{kind}:" for kind in PROVIDERS.names()]


def _credential_names() -> str:
    words = "|".join(map(_in_any_case, CREDENTIAL_WORDS))
    return f"^(?!{_in_any_case('idempotency-key')}$).*({words})"
