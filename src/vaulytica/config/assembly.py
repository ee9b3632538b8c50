"""Assembly: the parts of a destination, made of plain settings."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from vaulytica import __version__
from vaulytica.config.batch import WebhookBatchConfig
from vaulytica.delivery.ports import Auth, Format
from vaulytica.delivery.request import Header, checked_header
from vaulytica.errors import WebhookConfigError, did_you_mean
from vaulytica.formats import FORMATS
from vaulytica.formats.function import TemplateFunction
from vaulytica.jsonvalues import canonical_json, compact_json
from vaulytica.urls import is_cleartext, url_secrets

T = TypeVar("T", bound=msgspec.Struct)

_SET_BY_CLIENT = ("content-length", "transfer-encoding", "expect")
_HARMLESS = ("accept", "accept-language", "content-type", "user-agent")
_NEVER_AUTH = (*_SET_BY_CLIENT, "content-type", "user-agent", "host", "connection")


def make_format(
    name: str,
    url: str,
    options: Mapping[str, Any],
    batch: WebhookBatchConfig,
    *,
    template: str | Mapping[str, Any] | None,
    function: TemplateFunction | None,
    canonical: bool,
    max_bytes: int,
) -> tuple[Format, str]:
    """The format of that name, and the URL; `custom` is made of a template or a function.

    `canonical` bodies are what `json.dumps(payload, sort_keys=True)` writes.
    """
    inner = _custom(template, function) if name == "custom" else name
    if name != "custom" and (template is not None or function is not None):
        raise WebhookConfigError('custom_template needs format="custom"')
    made_by = FORMATS.load(inner)
    settings: dict[str, Any] = {"dumps": canonical_json if canonical else compact_json}
    if getattr(made_by, "has_layouts", False):
        if batch.as_ is not None or (batch.max_events or 1) > 1:
            settings["layout"] = batch.as_ or "array"
    elif batch.as_ is not None:
        raise WebhookConfigError(
            f"batch: as array or ndjson is for json and custom; {name} has its own way"
        )
    kind = getattr(made_by, "Options", None)
    if kind is not None:
        settings["options"] = made_options(kind, options)
        url = url or made_by.default_url(settings["options"]) if _names_sites(made_by) else url
        settings["url"] = url
    elif options:
        raise WebhookConfigError(f"format_options: {name} has none")
    if not url:
        raise WebhookConfigError("url: missing; give where events go")
    if inner in ("template", "structured", "function"):
        given = function if inner == "function" else template
        return made_by(given, max_bytes=max_bytes, **settings), url
    return made_by(**settings), url


def _custom(template: str | Mapping[str, Any] | None, function: TemplateFunction | None) -> str:
    if (template is None) == (function is None):
        raise WebhookConfigError(
            'format="custom" needs either custom_template or custom_template_func'
        )
    if isinstance(template, str) and not template.strip():
        raise WebhookConfigError("custom_template is empty")
    if template is None:
        return "function"
    return "template" if isinstance(template, str) else "structured"


def _names_sites(made_by: Any) -> bool:
    return hasattr(made_by, "default_url")


def made_options(kind: type[T], given: Mapping[str, Any]) -> T:
    """A format's own settings, checked; raises a `WebhookConfigError` that names the wrong one."""
    known = [field.name for field in msgspec.structs.fields(kind)]
    for name in given:
        if name not in known:
            raise WebhookConfigError(
                f"format_options: no setting of that name; known are {', '.join(known)}"
                f"{did_you_mean(name, known)}"
            )
    try:
        return msgspec.convert(dict(given), kind)
    except msgspec.ValidationError as error:
        raise WebhookConfigError(f"format_options: {error}") from None


def with_splunk_scheme(api_key: str, header: str) -> str:
    """The key with `Splunk ` before it where it goes into Authorization without a scheme.

    Splunk wants its scheme there; the guide's Example 1 gives the bare token.
    """
    bare = len(api_key.split()) == 1
    return f"Splunk {api_key}" if bare and header.lower() == "authorization" else api_key


def make_headers(
    given: Mapping[str, str], auth: Auth, format: Format, id_headers: Iterable[str]
) -> tuple[Header, ...]:
    """Ours, then the user's, which win; a clash with what is set for each request raises."""
    headers: dict[str, Header] = {
        "content-type": checked_header("Content-Type", format.content_type),
        "user-agent": ("User-Agent", f"vaulytica/{__version__}"),
    }
    taken = {name.lower(): "the event id" for name in id_headers}
    for name in getattr(auth, "signed_headers", ()):
        if name.lower() not in taken:
            raise WebhookConfigError(f"auth {auth.name} signs the header {name}: leave it on")
    for name in auth.header_names:
        if name.lower() in taken or name.lower() in _NEVER_AUTH:
            raise WebhookConfigError(f"header {name} is not one that auth can have for itself")
    taken |= dict.fromkeys(_SET_BY_CLIENT, "the HTTP client")
    taken |= {name.lower(): "the format" for name in getattr(format, "header_names", ())}
    taken |= {name.lower(): "auth" for name in auth.header_names}
    seen: set[str] = set()
    for name, value in given.items():
        lower = name.lower()
        if lower in taken:
            raise WebhookConfigError(f"header {name} clashes with the one set by {taken[lower]}")
        if lower in seen:
            raise WebhookConfigError(f"header {name} is given twice")
        seen.add(lower)
        headers[lower] = checked_header(name, value)
    return tuple(headers.values())


def proxy_for_cleartext(given: str | None, *, trust_env: bool) -> str | None:
    """The proxy that plain http would go through, as far as libcurl reads the environment for it."""
    if given is not None or not trust_env:
        return given
    # libcurl does not read HTTP_PROXY, which a web server may set from a request's header.
    names = ("http_proxy", "all_proxy", "ALL_PROXY")
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


def refuse_cleartext(url: str, proxy: str | None, what: str) -> None:
    """Raise if credentials sent to this URL could be read on the way."""
    if is_cleartext(url, proxy):
        raise WebhookConfigError(
            f"{what}: credentials over plain http would be readable on the way; "
            "use https, or set allow_insecure=True"
        )


def known_secrets(urls: Iterable[str | None], headers: Mapping[str, str]) -> tuple[str, ...]:
    """What no message may hold: the secret parts of URLs, and the values of the user's own headers."""
    secrets = [secret for url in urls if url is not None for secret in url_secrets(url)]
    for name, value in headers.items():
        if name.lower() not in _HARMLESS:
            secrets += [value, *value.split()[1:]]
    return tuple(dict.fromkeys(secrets))
