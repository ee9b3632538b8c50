"""The options that name a destination, shared by `send`, `check` and `render`; and a config made of them.

Every default is None, for "not given": the defaults stand once, in the config's own classes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from vaulytica.cli.auth import AUTH_PLAIN, AUTH_SECRETS, merged_auth, option_name
from vaulytica.cli.references import dereferenced, file_of, header_value, secret
from vaulytica.errors import WebhookConfigError

if TYPE_CHECKING:
    from vaulytica.config import WebhookConfig

EPILOG = "R is a reference to a secret: env:NAME, file:PATH, or - to be asked."


def _option(name: str, help: str, metavar: str | None = None) -> Any:
    return typer.Option(name, help=help, metavar=metavar, show_default=False)


@dataclass(kw_only=True)
class DestinationOptions:
    """Where to send, in which format, with which credentials; as given on the command line."""

    url: Annotated[
        str | None, _option("--url", "The destination; or a reference to it.", "URL")
    ] = None
    config: Annotated[
        Path | None, _option("--config", "A YAML, JSON or TOML file of destinations.", "FILE")
    ] = None
    to: Annotated[str | None, _option("--to", "Which of the config's destinations.", "NAME")] = None
    format: Annotated[
        str | None,
        _option("--format", "json (default), splunk_hec, datadog, elastic, custom.", "F"),
    ] = None
    template: Annotated[
        Path | None, _option("--template", "A Jinja2 template, for --format custom.", "FILE")
    ] = None
    header: Annotated[
        list[str], _option("--header", "One more header; the value may be a reference.", "'K: V'")
    ] = field(default_factory=list)
    auth_type: Annotated[
        str | None,
        _option(
            "--auth-type", "none, api_key, bearer_token, basic_auth, hmac_sha256, oauth2.", "T"
        ),
    ] = None
    api_key: Annotated[str | None, _option("--api-key", "The key.", "R")] = None
    api_key_header: Annotated[
        str | None, _option("--api-key-header", "Its header (X-API-Key).", "H")
    ] = None
    bearer_token: Annotated[str | None, _option("--bearer-token", "The token.", "R")] = None
    username: Annotated[str | None, _option("--username", "For basic_auth.", "U")] = None
    password: Annotated[str | None, _option("--password", "For basic_auth.", "R")] = None
    hmac_secret: Annotated[str | None, _option("--hmac-secret", "The key that signs.", "R")] = None
    hmac_header: Annotated[
        str | None, _option("--hmac-header", "Its header (X-Signature).", "H")
    ] = None
    oauth2_token_url: Annotated[
        str | None, _option("--oauth2-token-url", "Where tokens are issued.", "U")
    ] = None
    oauth2_client_id: Annotated[
        str | None, _option("--oauth2-client-id", "The client's name there.", "I")
    ] = None
    oauth2_client_secret: Annotated[
        str | None, _option("--oauth2-client-secret", "The client's secret there.", "R")
    ] = None
    max_retries: Annotated[
        int | None, _option("--max-retries", "After the first attempt (3).", "N")
    ] = None
    initial_delay: Annotated[
        float | None, _option("--initial-delay", "Before the first retry (1).", "S")
    ] = None
    max_delay: Annotated[float | None, _option("--max-delay", "Before any retry (60).", "S")] = None
    exponential_base: Annotated[
        float | None, _option("--exponential-base", "Growth of the delay (2).", "B")
    ] = None
    jitter: Annotated[
        bool | None, _option("--jitter/--no-jitter", "Vary the delays by chance (yes).")
    ] = None
    retry_deadline: Annotated[
        float | None, _option("--retry-deadline", "No retry after so long (none).", "S")
    ] = None
    timeout: Annotated[
        float | None, _option("--timeout", "For one attempt as a whole (30).", "S")
    ] = None
    concurrency: Annotated[int | None, _option("--concurrency", "Requests in flight (8).", "N")] = (
        None
    )
    proxy: Annotated[
        str | None, _option("--proxy", "A proxy's URL; or a reference to it.", "URL")
    ] = None
    trust_env: Annotated[
        bool | None,
        _option("--trust-env/--no-trust-env", "Use the proxies the environment names (no)."),
    ] = None
    verify_ssl: Annotated[
        bool | None, _option("--verify-ssl/--no-verify-ssl", "Check the certificate (yes).")
    ] = None
    allow_insecure: Annotated[
        bool | None,
        _option("--allow-insecure/--no-allow-insecure", "Send credentials over plain http (no)."),
    ] = None
    webhook_id: Annotated[
        bool | None, _option("--webhook-id/--no-webhook-id", "The header Webhook-Id (yes).")
    ] = None
    idempotency_key: Annotated[
        bool | None,
        _option("--idempotency-key/--no-idempotency-key", "The header Idempotency-Key (yes)."),
    ] = None

    def webhook_config(self, *, default_url: str | None = None) -> WebhookConfig:
        """The config these options make, over what the config file says."""
        from vaulytica.cli.config_file import read_destination

        if self.config is None:
            if self.to is not None:
                raise WebhookConfigError("--to needs --config FILE")
            return self.config_over({"url": default_url})
        if self.url is not None:
            raise WebhookConfigError("give either --url, or --config and --to")
        name, settings = read_destination(self.config, self.to)
        try:
            return self.config_over(settings)
        except WebhookConfigError as error:
            if not _is_wrong_by_itself(settings, str(error)):
                raise
            raise WebhookConfigError(f"{self.config}: destination {name}: {error}") from None

    def files(self) -> list[Path]:
        """The files these options name, which are read."""
        given = [getattr(self, option.name) for option in fields(self)]
        files = [path for value in given if isinstance(value, str) for path in file_of(value)]
        for header in self.header:
            files += file_of(header.partition(":")[2].strip())
        return files + [path for path in given if isinstance(path, Path)]

    def config_over(self, file: dict[str, Any]) -> WebhookConfig:
        """The config of these options over a file's settings, or over defaults."""
        from vaulytica.config import WebhookAuth, WebhookConfig, WebhookRetryConfig

        settings = dict(file)
        auth = merged_auth(settings.pop("auth", {}), self._auth())
        retry = settings.pop("retry_config", {}) | self._given(_RETRY)
        headers = self._headers_over(settings.pop("headers", {}))
        settings = settings | self._given(_PLAIN) | self._referred()
        if settings["url"] is None:
            raise WebhookConfigError(
                "no destination: give --url URL, or --config FILE and --to NAME"
            )
        return WebhookConfig(
            **settings,
            headers=headers,
            auth=WebhookAuth(**auth),
            retry_config=WebhookRetryConfig(**retry),
        )

    def _given(self, names: dict[str, str]) -> dict[str, Any]:
        """The options that were given, under their names in the config."""
        values = ((setting, getattr(self, option)) for option, setting in names.items())
        return {setting: value for setting, value in values if value is not None}

    def _auth(self) -> dict[str, Any]:
        plain = self._given({name: name for name in AUTH_PLAIN})
        for name, reference in self._given({name: name for name in AUTH_SECRETS}).items():
            plain[name] = secret(reference, option_name(name))
        if (url := plain.get("oauth2_token_url")) is not None:
            plain["oauth2_token_url"] = dereferenced(url, "--oauth2-token-url")
        return plain

    def _referred(self) -> dict[str, Any]:
        settings: dict[str, Any] = {}
        for name in ("url", "proxy"):
            if (value := getattr(self, name)) is not None:
                settings[name] = dereferenced(value, f"--{name}")
        if self.template is not None:
            settings["custom_template"] = dereferenced(f"file:{self.template}", "--template")
            if self.format is None:
                settings["format"] = "custom"
        return settings

    def _headers_over(self, file: dict[str, Any]) -> dict[str, Any]:
        """The headers of the options, and those of the file that no option names, in any case."""
        headers: dict[str, str] = {}
        names: set[str] = set()
        for given in self.header:
            name, colon, value = (part.strip() for part in given.partition(":"))
            if not colon or not name:
                raise WebhookConfigError("--header is written 'Name: value'")
            if name.lower() in names:
                raise WebhookConfigError(f"--header {name} is given twice")
            names.add(name.lower())
            headers[name] = header_value(name, value, f"--header {name}")
        kept = {name: value for name, value in file.items() if name.lower() not in names}
        return kept | headers


_RETRY = {
    name: name
    for name in ("max_retries", "initial_delay", "max_delay", "exponential_base", "jitter")
} | {"retry_deadline": "deadline"}
_PLAIN = {
    name: name
    for name in ("format", "timeout", "concurrency", "trust_env", "verify_ssl", "allow_insecure")
} | {"webhook_id": "webhook_id_header", "idempotency_key": "idempotency_key_header"}


def _is_wrong_by_itself(settings: dict[str, Any], message: str) -> bool:
    """Whether a file's settings are wrong in that way without any options, too."""
    try:
        DestinationOptions().config_over(settings)
    except WebhookConfigError as error:
        return str(error) in message
    return False


def destination_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command every option of `DestinationOptions`, and hand it over as `destination`."""
    own = inspect.signature(command, eval_str=True).parameters.values()
    hints = get_type_hints(DestinationOptions, include_extras=True)
    shared = [
        inspect.Parameter(
            option.name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=hints[option.name],
            default=[] if option.name == "header" else option.default,
        )
        for option in fields(DestinationOptions)
    ]
    kept = [p.replace(kind=p.KEYWORD_ONLY) for p in own if p.name != "destination"]

    def with_options(**given: Any) -> Any:
        options = {parameter.name: given.pop(parameter.name) for parameter in shared}
        return command(**given, destination=DestinationOptions(**options))

    with_options.__name__, with_options.__doc__ = command.__name__, command.__doc__
    with_options.__signature__ = inspect.Signature([*kept, *shared])  # type: ignore[attr-defined]
    with_options.__annotations__ = {p.name: p.annotation for p in (*kept, *shared)}
    return with_options
