"""A config made of what was given: the options, over a file's settings, over defaults."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from vaulytica.cli.credentials.auth import merged_auth, option_name
from vaulytica.cli.credentials.mappings import NAMES, made_of
from vaulytica.cli.credentials.references import dereferenced, header_value, secret
from vaulytica.cli.options.auth import AuthOptions
from vaulytica.errors import WebhookConfigError

if TYPE_CHECKING:
    from vaulytica.cli.options.destination import DestinationOptions
    from vaulytica.config import WebhookConfig

# Options and the settings they stand for, where the config has them: at its top, or in a part of it.
_PARTS: dict[str, dict[str, str]] = {
    "retry_config": {
        "max_retries": "max_retries",
        "initial_delay": "initial_delay",
        "max_delay": "max_delay",
        "exponential_base": "exponential_base",
        "jitter": "jitter",
        "retry_deadline": "deadline",
    },
    "batch": {
        "batch_events": "max_events",
        "batch_bytes": "max_bytes",
        "batch_wait": "max_wait",
        "batch_as": "as",
    },
    "tls": {
        "ca_file": "ca",
        "client_cert": "client_cert",
        "client_key": "client_key",
        "pin": "pins",
        "tls_min": "min_version",
        "server_name": "server_name",
    },
    "rate_limit": {
        "events_per_second": "events_per_second",
        "bytes_per_second": "bytes_per_second",
    },
}
_TOP = {
    "format": "format",
    "timeout": "timeout",
    "concurrency": "concurrency",
    "compression": "compression",
    "ordered": "ordered",
    "patience": "patience",
    "no_proxy": "no_proxy",
    "trust_env": "trust_env",
    "proxy_is_guard": "proxy_is_guard",
    "verify_ssl": "verify_ssl",
    "allow_insecure": "allow_insecure",
    "webhook_id": "webhook_id_header",
    "idempotency_key": "idempotency_key_header",
}


def config_of(options: DestinationOptions, default_url: str | None = None) -> WebhookConfig:
    """The config that the options make, over what the config file says."""
    from vaulytica.cli.config_files.destinations import read_destination

    if options.config is None:
        if options.to is not None:
            raise WebhookConfigError("--to needs --config FILE")
        return _over({"url": default_url}, options)
    if options.url is not None:
        raise WebhookConfigError("give either --url, or --config and --to")
    name, settings = read_destination(options.config, options.to)
    try:
        return _over(settings, options)
    except WebhookConfigError as error:
        if not _is_wrong_by_itself(settings, str(error)):
            raise
        raise WebhookConfigError(f"{options.config}: destination {name}: {error}") from None


def _over(file: Mapping[str, Any], options: DestinationOptions) -> WebhookConfig:
    from vaulytica.config import WebhookAuth, WebhookConfig, WebhookRetryConfig

    settings = dict(file)
    auth = merged_auth(settings.pop("auth", {}), _auth(options))
    settings["headers"] = _headers(settings.get("headers", {}), options)
    settings["format_options"] = settings.get("format_options", {}) | _format_options(options)
    for part, names in _PARTS.items():
        settings[part] = settings.get(part, {}) | _given(options, names)
    settings |= _given(options, _TOP) | _referred(options) | _egress(options)
    if (password := options.client_key_password) is not None:
        settings["tls"]["client_key_password"] = secret(password, "--client-key-password")
    if settings.get("url") is None:
        settings.pop("url", None)
        if "site" not in settings["format_options"]:
            raise WebhookConfigError(
                "no destination: give --url URL, or --config FILE and --to NAME"
            )
    settings["retry_config"] = WebhookRetryConfig(**settings["retry_config"])
    return WebhookConfig(**settings, auth=WebhookAuth(**auth))


def _given(options: DestinationOptions, names: Mapping[str, str]) -> dict[str, Any]:
    """The options that were given, under their names in the config."""
    values = ((setting, getattr(options, option)) for option, setting in names.items())
    return {setting: value for setting, value in values if value is not None and value != []}


def _auth(options: DestinationOptions) -> dict[str, Any]:
    from vaulytica.config import WebhookAuth
    from vaulytica.config.settings import secret_fields

    setting_of = {field.name: field.name for field in fields(AuthOptions)}
    setting_of["auth_settings"] = "settings"
    plain = _given(options, setting_of)
    for name in plain.keys() & set(secret_fields(WebhookAuth)) - set(NAMES):
        plain[name] = _secret(plain[name], option_name(name))
    for name in plain.keys() & set(NAMES):
        plain[name] = made_of(name, option_name(name), plain[name])
    if (url := plain.get("oauth2_token_url")) is not None:
        plain["oauth2_token_url"] = dereferenced(url, "--oauth2-token-url")
    return plain


def _secret(given: Any, what: str) -> Any:
    """The secret, or those of an option that may be repeated."""
    if isinstance(given, list):
        secrets = [secret(reference, what) for reference in given]
        return secrets if len(secrets) > 1 else secrets[0]
    return secret(given, what)


def _egress(options: DestinationOptions) -> dict[str, Any]:
    """What `--egress` says, and its lists with it; they take the place of a file's."""
    word, allow, deny = options.egress, options.egress_allow, options.egress_deny
    if not allow and not deny:
        return {} if word is None else {"egress": word}
    if word not in (None, "any", "public-only") or (word == "any" and allow):
        raise WebhookConfigError("--egress is any or public-only; with --egress-allow, public-only")
    if word == "public-only":
        allow = ["public", *allow]
    return {"egress": {"allow": allow or None, "deny": deny}}


def _referred(options: DestinationOptions) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for name in ("url", "proxy"):
        if (value := getattr(options, name)) is not None:
            settings[name] = dereferenced(value, f"--{name}")
    if options.template is not None:
        settings["custom_template"] = dereferenced(f"file:{options.template}", "--template")
        if options.format is None:
            settings["format"] = "custom"
    return settings


def _headers(file: Mapping[str, Any], options: DestinationOptions) -> dict[str, Any]:
    """The headers of the options, and those of the file that no option names, in any case."""
    headers: dict[str, Any] = {}
    names: set[str] = set()
    for given in options.header:
        name, colon, value = (part.strip() for part in given.partition(":"))
        if not colon or not name:
            raise WebhookConfigError("--header is written 'Name: value'")
        if name.lower() in names:
            raise WebhookConfigError(f"--header {name} is given twice")
        names.add(name.lower())
        headers[name] = header_value(name, value, f"--header {name}")
    kept = {name: value for name, value in file.items() if name.lower() not in names}
    return kept | headers


def _format_options(options: DestinationOptions) -> dict[str, Any]:
    """`NAME=VALUE`, the value as JSON where it is some: `ack=true`, `fields={"site": "b"}`."""
    given: dict[str, Any] = {}
    for item in options.format_option:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise WebhookConfigError("--format-option is written NAME=VALUE")
        if name in given:
            raise WebhookConfigError(f"--format-option {name} is given twice")
        try:
            given[name] = json.loads(value)
        except ValueError:
            given[name] = value
    return given


def _is_wrong_by_itself(settings: Mapping[str, Any], message: str) -> bool:
    """Whether a file's settings are wrong in that way without any options, too."""
    from vaulytica.cli.options.destination import DestinationOptions

    try:
        _over(settings, DestinationOptions())
    except WebhookConfigError as error:
        return str(error) in message
    return False
