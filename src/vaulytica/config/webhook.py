"""WebhookConfig: one destination in the guide's words, and how it becomes a `Destination`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from pydantic import (
    Field,
    SecretStr,
    field_serializer,
    field_validator,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema

from vaulytica.config.assembly import (
    known_secrets,
    make_format,
    make_headers,
    proxy_for_cleartext,
    refuse_cleartext,
    with_splunk_scheme,
)
from vaulytica.config.auth import AnyAuth, WebhookAuth, WebhookAuthType, is_of
from vaulytica.config.batch import WebhookBatchConfig, WebhookRateLimit
from vaulytica.config.egress import Egress, WebhookEgress
from vaulytica.config.format_names import WebhookFormat, known_format
from vaulytica.config.headers import HeaderValue, renewed, revealed
from vaulytica.config.retry import WebhookRetryConfig
from vaulytica.config.settings import Seconds, Settings, references_in
from vaulytica.config.tls import WebhookTLS
from vaulytica.delivery.destination import Compress, Destination
from vaulytica.delivery.pace import PaceSettings
from vaulytica.delivery.ports import Auth
from vaulytica.delivery.redaction import REDACTED, HoldsSecrets
from vaulytica.errors import WebhookConfigError
from vaulytica.jsonvalues import MAX_BYTES, plain
from vaulytica.urls import (
    checked_no_proxy,
    checked_proxy,
    checked_url,
    is_credential,
    origin,
    query_names,
    split_userinfo,
    whole_userinfo,
)

if TYPE_CHECKING:
    from vaulytica.transport.network import Network
    from vaulytica.transport.tls import Tls


class WebhookConfig(HoldsSecrets, Settings):
    """One destination, in the guide's words. `timeout` in seconds bounds a whole attempt.

    Wrong settings raise `WebhookConfigError` here, not when an event is sent.
    """

    url: str = ""  # some formats can do with a site by name
    format: str = WebhookFormat.JSON
    format_options: dict[str, Any] = Field(default_factory=dict)
    auth: AnyAuth = Field(default_factory=WebhookAuth)
    headers: dict[str, HeaderValue] = Field(default_factory=dict)
    retry_config: WebhookRetryConfig = Field(default_factory=WebhookRetryConfig)
    batch: WebhookBatchConfig = Field(default_factory=WebhookBatchConfig)
    rate_limit: WebhookRateLimit = Field(default_factory=WebhookRateLimit)
    ordered: bool = False
    patience: Seconds = Field(300.0, ge=0, le=52 * 7 * 86400)
    compression: Literal["none", "gzip", "zstd"] = "none"
    timeout: Seconds = Field(30.0, gt=0, le=86400)
    verify_ssl: bool = True
    custom_template: str | dict[str, Any] | None = None
    # No JSON Schema has functions.
    custom_template_func: SkipJsonSchema[Callable[[dict[str, Any]], Mapping[str, Any]] | None] = (
        Field(None, exclude=True)
    )
    proxy: str | None = None
    no_proxy: tuple[str, ...] | None = None
    trust_env: bool = False
    tls: WebhookTLS = Field(default_factory=WebhookTLS)
    egress: Egress = Field(default_factory=WebhookEgress)
    proxy_is_guard: bool = False
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
        return None if value is None else checked_proxy(value)

    @field_validator("no_proxy")
    @classmethod
    def _hosts(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if value is None else tuple(map(checked_no_proxy, value))

    @field_validator("format")
    @classmethod
    def _known_format(cls, value: str) -> str:
        return known_format(value)

    @field_validator("custom_template", mode="before")
    @classmethod
    def _template(cls, value: Any) -> Any:
        if not (value is None or isinstance(value, (str, Mapping))):
            raise ValueError("must be a text, or a mapping for a structured one")
        return plain(value, name="custom_template") if isinstance(value, Mapping) else value

    @model_validator(mode="after")
    def _buildable(self) -> WebhookConfig:
        why: list[str] = []
        for make in (self.destination, self.network):
            try:
                make()
            except WebhookConfigError as error:
                if str(error) not in why:
                    why.append(str(error))
        if why:
            refused = WebhookConfigError("; ".join(why))
            refused.problems = tuple(((), text) for text in why)
            raise refused
        return self

    @field_serializer("url", "proxy")
    def _hide_url(self, value: str | None) -> str | None:
        return value and origin(value)

    @field_serializer("headers")
    def _hide_values(self, value: dict[str, Any]) -> dict[str, str]:
        return dict.fromkeys(value, REDACTED)

    def __repr_args__(self) -> Any:
        fields = type(self).model_fields
        for name, value in super().__repr_args__():
            if name in ("url", "proxy") and value:
                yield name, origin(value)
            elif name == "headers" and value:
                yield name, dict.fromkeys(value, REDACTED)
            elif name == "auth" and not isinstance(value, WebhookAuth):
                yield name, type(value).__name__  # its own repr may show anything
            elif value != fields[str(name)].get_default(call_default_factory=True):
                yield name, value

    def destination(self) -> Destination:
        """The destination made of the parts these settings name."""
        # The guide's verifier re-serialises what it got, so signed bodies are written its way.
        signed = is_of(self.auth, WebhookAuthType.HMAC_SHA256)
        format, given_url = make_format(
            self.format,
            self.url,
            self.format_options,
            self.batch,
            template=self.custom_template,
            function=self.custom_template_func,
            canonical=signed,
            max_bytes=self.max_event_bytes,
        )
        url, userinfo = split_userinfo(given_url)
        make = partial(self._checked_auth, url, userinfo)
        auth = make()
        given = revealed(self.headers)
        headers = make_headers(given, auth, format, self._id_headers())
        if references := list(references_in([self.auth, self.headers])):
            auth = renewed(make, references, self.headers)
            headers = tuple(pair for pair in headers if pair[0] not in auth.header_names)
        urls = (self.url, *getattr(auth, "urls", ()), self.proxy)
        return Destination(
            name=origin(url),
            url=url,
            format=format,
            auth=auth,
            headers=headers,
            id_headers=self._id_headers(),
            retry=self.retry_config.policy(),
            timeout=self.timeout,
            max_event_bytes=self.max_event_bytes,
            secrets=known_secrets(urls, given),
            batch_limits=self.batch.limits(format),
            max_wait=self.batch.max_wait,
            ordered=self.ordered,
            patience=self.patience,
            pace=self._pace(),
            compress=self._compressor(),
        )

    def network(self) -> Network:
        """How libcurl's transports reach the destination: `CurlTransport(config.network())`."""
        from vaulytica.transport.network import Network

        return Network(
            verify=self.verify_ssl,
            proxy=self.proxy,
            trust_env=self.trust_env,
            no_proxy=self.no_proxy,
            tls=self._tls(),
            egress=self.egress.policy(),
            proxy_is_guard=self.proxy_is_guard,
        )

    def _tls(self) -> Tls:
        if not (self.tls.pins or self.tls.server_name):
            return self.tls.settings("")
        where = self.destination().name
        if not where.startswith("https:"):
            raise WebhookConfigError("tls: pins and server_name need an https:// url")
        return self.tls.settings(where)

    def _pace(self) -> PaceSettings:
        # With one request in flight, five failures in a row would be more than all its retries.
        alone = self.ordered or self.concurrency == 1
        return PaceSettings(
            concurrency=self.concurrency,
            events_per_second=self.rate_limit.events_per_second,
            bytes_per_second=self.rate_limit.bytes_per_second,
            max_hold=self.retry_config.retry_after_cap,
            **({"open_after": 2} if alone else {}),
        )

    def _compressor(self) -> Compress | None:
        if self.compression == "none":
            return None
        from vaulytica.compression import compressor

        return compressor(self.compression)

    def _checked_auth(self, url: str, userinfo: tuple[str, str] | None) -> Auth:
        auth = self._auth(userinfo)
        self._refuse_cleartext(url, auth)  # a secret may name a token endpoint
        return auth

    def _auth(self, userinfo: tuple[str, str] | None) -> Auth:
        auth = self.auth
        if userinfo is not None:
            if not is_of(auth, WebhookAuthType.NONE):
                raise WebhookConfigError("the url holds userinfo and auth is set; give only one")
            name, password = whole_userinfo(userinfo)
            auth = WebhookAuth(
                auth_type=WebhookAuthType.BASIC_AUTH, username=name, password=SecretStr(password)
            )
        if not isinstance(auth, WebhookAuth):
            return auth
        if auth.oauth2_client_auth == "tls_client_auth" and self.tls.client_cert is None:
            raise WebhookConfigError(
                "oauth2_client_auth tls_client_auth needs tls.client_cert, the client's certificate"
            )
        key = auth.revealed("api_key")
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
        proxy = proxy_for_cleartext(self.proxy, trust_env=self.trust_env)
        names = [*self.headers, *query_names(url)]
        secret = any(isinstance(value, SecretStr) for value in self.headers.values())
        if secret or getattr(auth, "travels", True) or any(map(is_credential, names)):
            refuse_cleartext(url, proxy, "url")
        for token_url in getattr(auth, "urls", ()):
            refuse_cleartext(token_url, proxy, "oauth2_token_url")
        if proxy is not None and split_userinfo(proxy)[1] is not None:
            refuse_cleartext(proxy, None, "proxy")
