"""The guide's words, validated, and turned into a `Destination` made of parts: the only place that knows both.

Secrets are `SecretStr`; a config shows none of them in repr, dumps or errors, and refuses to be pickled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import (
    Field,
    SecretStr,
    field_serializer,
    field_validator,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema

from vaulytica.assembly import (
    known_secrets,
    make_format,
    make_headers,
    refuse_cleartext,
    with_splunk_scheme,
)
from vaulytica.auth import SCHEMES
from vaulytica.delivery.destination import Destination
from vaulytica.delivery.policy import RetryPolicy
from vaulytica.delivery.ports import Auth
from vaulytica.errors import WebhookConfigError
from vaulytica.formats import FORMATS
from vaulytica.jsonvalues import MAX_BYTES
from vaulytica.settings import Settings
from vaulytica.urls import (
    checked_proxy,
    checked_url,
    is_credential,
    origin,
    query_names,
    split_userinfo,
)

_WEEK = 7 * 86400.0
Seconds = Annotated[float, Field(allow_inf_nan=False)]


class WebhookAuthType(StrEnum):
    """How a request proves who sent it."""

    NONE = "none"
    API_KEY = "api_key"
    BEARER_TOKEN = "bearer_token"  # noqa: S105 - a name, not a secret
    BASIC_AUTH = "basic_auth"
    HMAC_SHA256 = "hmac_sha256"
    OAUTH2 = "oauth2"


class WebhookFormat(StrEnum):
    """What the destination reads. Aliases: generic = json, splunk = splunk_hec, elasticsearch = elastic."""

    JSON = "json"
    SPLUNK_HEC = "splunk_hec"
    DATADOG = "datadog"
    ELASTIC = "elastic"
    CUSTOM = "custom"


_FORMAT_ALIASES = {"generic": "json", "splunk": "splunk_hec", "elasticsearch": "elastic"}
_CREDENTIALS = (
    "api_key",
    "bearer_token",
    "username",
    "password",
    "hmac_secret",
    "oauth2_token_url",
    "oauth2_client_id",
    "oauth2_client_secret",
)
_AUTH_ALIASES = {"bearer": "bearer_token", "basic": "basic_auth", "hmac": "hmac_sha256"}


class WebhookAuth(Settings):
    """Credentials for one scheme; a scheme with its secret missing raises `WebhookConfigError`."""

    auth_type: WebhookAuthType = WebhookAuthType.NONE
    api_key: SecretStr | None = None
    api_key_header: str = "X-API-Key"
    bearer_token: SecretStr | None = None
    username: str | None = None
    password: SecretStr | None = None
    hmac_secret: SecretStr | None = None
    hmac_header: str = "X-Signature"
    oauth2_token_url: str | None = None
    oauth2_client_id: str | None = None
    oauth2_client_secret: SecretStr | None = None

    @field_validator("auth_type", mode="before")
    @classmethod
    def _known_type(cls, value: Any) -> Any:
        name = str(value).lower()
        name = _AUTH_ALIASES.get(name, name)
        if name not in list(WebhookAuthType):
            known = ", ".join(WebhookAuthType)
            raise ValueError(f"unknown auth type; known are {known}")
        return name

    @field_validator("oauth2_token_url")
    @classmethod
    def _valid_url(cls, value: str | None) -> str | None:
        if value is not None:
            value = checked_url(value, "oauth2_token_url")
            if split_userinfo(value)[1] is not None:
                raise ValueError("must not hold userinfo; give oauth2_client_id and _secret")
        return value

    @model_validator(mode="after")
    def _complete(self) -> WebhookAuth:
        if self.auth_type is WebhookAuthType.NONE:
            for name in _CREDENTIALS:
                if getattr(self, name) is not None:  # it would be left out without a word
                    raise WebhookConfigError(f"{name} is given, but no auth_type that uses it")
        self.scheme(api_key=_shown(self.api_key), timeout=30.0)
        return self

    @field_serializer("oauth2_token_url")
    def _hide_url(self, value: str | None) -> str | None:
        return value and origin(value)

    def __repr_args__(self) -> Any:
        for name, value in super().__repr_args__():
            if value is not None:
                yield name, origin(value) if name == "oauth2_token_url" else value

    def scheme(self, *, api_key: str | None, timeout: float) -> Auth:
        """The scheme, made of plain arguments; raises `WebhookConfigError` where one is missing."""
        scheme = SCHEMES.load(self.auth_type)
        arguments: dict[WebhookAuthType, tuple[Any, ...]] = {
            WebhookAuthType.NONE: (),
            WebhookAuthType.API_KEY: (api_key, self.api_key_header),
            WebhookAuthType.BEARER_TOKEN: (_shown(self.bearer_token),),
            WebhookAuthType.BASIC_AUTH: (self.username, _shown(self.password)),
            WebhookAuthType.HMAC_SHA256: (_shown(self.hmac_secret), self.hmac_header),
            WebhookAuthType.OAUTH2: (
                self.oauth2_token_url,
                self.oauth2_client_id,
                _shown(self.oauth2_client_secret),
            ),
        }
        extra = {"timeout": timeout} if self.auth_type is WebhookAuthType.OAUTH2 else {}
        made: Auth = scheme(*arguments[self.auth_type], **extra)
        return made


class WebhookRetryConfig(Settings):
    """When to try again, in seconds: the guide's retry table, and bounds on the whole."""

    max_retries: int = Field(3, ge=0, le=1_000_000)
    initial_delay: Seconds = Field(1.0, ge=0, le=_WEEK)
    max_delay: Seconds = Field(60.0, ge=0, le=_WEEK)
    exponential_base: Seconds = Field(2.0, ge=1, le=1000)
    jitter: bool = True
    retry_after_cap: Seconds = Field(3600.0, ge=0, le=_WEEK)
    deadline: Seconds | None = Field(None, gt=0, le=52 * _WEEK)

    def policy(self) -> RetryPolicy:
        """The pure policy with these numbers."""
        return RetryPolicy(**self.model_dump())


class WebhookConfig(Settings):
    """One destination, in the guide's words. `timeout` in seconds bounds a whole attempt.

    Wrong settings raise `WebhookConfigError` here, not when an event is sent.
    """

    url: str
    format: str = WebhookFormat.JSON
    auth: WebhookAuth = Field(default_factory=WebhookAuth)
    headers: dict[str, str] = Field(default_factory=dict)
    retry_config: WebhookRetryConfig = Field(default_factory=WebhookRetryConfig)
    timeout: Seconds = Field(30.0, gt=0, le=86400)
    verify_ssl: bool = True
    custom_template: str | None = None
    # No JSON Schema has functions.
    custom_template_func: SkipJsonSchema[Callable[[dict[str, Any]], Mapping[str, Any]] | None] = (
        Field(None, exclude=True)
    )
    proxy: str | None = None
    trust_env: bool = False
    allow_insecure: bool = False
    concurrency: int = Field(8, ge=1, le=1000)
    webhook_id_header: bool = True
    idempotency_key_header: bool = True
    max_event_bytes: int = Field(MAX_BYTES, ge=1, le=1024**3)

    @field_validator("url")
    @classmethod
    def _valid_url(cls, value: str) -> str:
        return checked_url(value, "url")

    @field_validator("proxy")
    @classmethod
    def _valid_proxy(cls, value: str | None) -> str | None:
        return value and checked_proxy(value)

    @field_validator("format")
    @classmethod
    def _known_format(cls, value: str) -> str:
        name = value.lower()
        name = _FORMAT_ALIASES.get(name, name)
        if name in list(WebhookFormat):
            return WebhookFormat(name)
        if name not in FORMATS or name in ("template", "function"):  # custom's two inner names
            known = ", ".join(dict.fromkeys([*WebhookFormat, *_FORMAT_ALIASES, *FORMATS.foreign()]))
            raise ValueError(f"unknown format; known are {known}")
        return name

    @field_validator("auth", mode="before")
    @classmethod
    def _no_auth(cls, value: Any) -> Any:
        return WebhookAuth() if value is None else value

    @model_validator(mode="after")
    def _buildable(self) -> WebhookConfig:
        self.destination()
        return self

    @field_serializer("url", "proxy")
    def _hide_url(self, value: str | None) -> str | None:
        return value and origin(value)

    @field_serializer("headers")
    def _hide_values(self, value: dict[str, str]) -> dict[str, str]:
        return dict.fromkeys(value, "***")

    def __repr_args__(self) -> Any:
        fields = type(self).model_fields
        for name, value in super().__repr_args__():
            if name in ("url", "proxy") and value is not None:
                yield name, origin(value)
            elif name == "headers" and value:
                yield name, dict.fromkeys(value, "***")
            elif value != fields[str(name)].get_default(call_default_factory=True):
                yield name, value

    def destination(self) -> Destination:
        """The destination made of the parts these settings name."""
        url, userinfo = split_userinfo(self.url)
        auth = self._auth(userinfo)
        self._refuse_cleartext(url, auth)
        # The guide's verifier re-serialises what it got, so signed bodies are written its way.
        signed = self.auth.auth_type is WebhookAuthType.HMAC_SHA256
        format = make_format(
            self.format, self.custom_template, self.custom_template_func, canonical=signed
        )
        urls = (self.url, self.auth.oauth2_token_url, self.proxy)
        return Destination(
            name=origin(url),
            url=url,
            format=format,
            auth=auth,
            headers=make_headers(self.headers, auth, format, self._id_headers()),
            id_headers=self._id_headers(),
            retry=self.retry_config.policy(),
            timeout=self.timeout,
            concurrency=self.concurrency,
            max_event_bytes=self.max_event_bytes,
            secrets=known_secrets(urls, self.headers),
        )

    def _auth(self, userinfo: tuple[str, str] | None) -> Auth:
        auth = self.auth
        if userinfo is not None:
            if auth.auth_type is not WebhookAuthType.NONE:
                raise WebhookConfigError("the url holds userinfo and auth is set; give only one")
            name, password = userinfo
            auth = WebhookAuth(
                auth_type=WebhookAuthType.BASIC_AUTH, username=name, password=SecretStr(password)
            )
        key = _shown(auth.api_key)
        if key is not None and self.format == WebhookFormat.SPLUNK_HEC:
            key = with_splunk_scheme(key, auth.api_key_header)
        return auth.scheme(api_key=key, timeout=self.timeout)

    def _id_headers(self) -> tuple[str, ...]:
        names = (
            ("Webhook-Id", self.webhook_id_header),
            ("Idempotency-Key", self.idempotency_key_header),
        )
        return tuple(name for name, wanted in names if wanted)

    def _refuse_cleartext(self, url: str, auth: Auth) -> None:
        if self.allow_insecure:
            return
        names = [*self.headers, *query_names(url)]
        if auth.name not in ("none", "hmac_sha256") or any(map(is_credential, names)):
            refuse_cleartext(url, self.proxy, "url")
        token_url = self.auth.oauth2_token_url
        if token_url is not None and self.auth.auth_type is WebhookAuthType.OAUTH2:
            refuse_cleartext(token_url, self.proxy, "oauth2_token_url")


def _shown(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
