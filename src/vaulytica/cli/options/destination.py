"""The options that name a destination, shared by `send`, `check` and `render`.

Every default is None, for "not given": the defaults stand once, in the config's own classes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from vaulytica.cli.credentials.references import file_of
from vaulytica.cli.options.auth import AuthOptions, option
from vaulytica.cli.options.network import NetworkOptions

if TYPE_CHECKING:
    from vaulytica.config import WebhookConfig


@dataclass(kw_only=True)
class _Place:
    """Where to send, and in which format."""

    url: Annotated[str | None, option("--url", "The destination; or a reference to it.", "URL")] = (
        None
    )
    config: Annotated[
        Path | None, option("--config", "A YAML, JSON or TOML file of destinations.", "FILE")
    ] = None
    to: Annotated[str | None, option("--to", "Which of the config's destinations.", "NAME")] = None
    format: Annotated[
        str | None,
        option("--format", "json (default), splunk_hec, elastic, ecs, datadog_logs…", "F"),
    ] = None
    template: Annotated[
        Path | None, option("--template", "A Jinja2 template, for --format custom.", "FILE")
    ] = None
    header: Annotated[
        list[str], option("--header", "One more header; the value may be a reference.", "'K: V'")
    ] = field(default_factory=list)


@dataclass(kw_only=True)
class DestinationOptions(NetworkOptions, AuthOptions, _Place):
    """Where to send, in which format, with which credentials; as given on the command line."""

    max_retries: Annotated[
        int | None, option("--max-retries", "After the first attempt (3).", "N")
    ] = None
    initial_delay: Annotated[
        float | None, option("--initial-delay", "Before the first retry (1).", "S")
    ] = None
    max_delay: Annotated[float | None, option("--max-delay", "Before any retry (60).", "S")] = None
    exponential_base: Annotated[
        float | None, option("--exponential-base", "Growth of the delay (2).", "B")
    ] = None
    jitter: Annotated[
        bool | None, option("--jitter/--no-jitter", "Vary the delays by chance (yes).")
    ] = None
    retry_deadline: Annotated[
        float | None, option("--retry-deadline", "No retry after so long (none).", "S")
    ] = None
    timeout: Annotated[
        float | None, option("--timeout", "For one attempt as a whole (30).", "S")
    ] = None
    concurrency: Annotated[
        int | None, option("--concurrency", "Requests in flight at most (8).", "N")
    ] = None
    format_option: Annotated[
        list[str],
        option("--format-option", "A setting of the format, such as index=main.", "K=V"),
    ] = field(default_factory=list)
    batch_events: Annotated[
        int | None, option("--batch-events", "Events in a request at most.", "N")
    ] = None
    batch_bytes: Annotated[
        int | None, option("--batch-bytes", "Bytes in a request at most.", "N")
    ] = None
    batch_wait: Annotated[
        float | None, option("--batch-wait", "For a batch to be full (1).", "S")
    ] = None
    batch_as: Annotated[
        str | None, option("--batch-as", "array or ndjson, for json and custom.", "A")
    ] = None
    compression: Annotated[
        str | None, option("--compression", "none (default), gzip, zstd.", "C")
    ] = None
    events_per_second: Annotated[
        float | None, option("--events-per-second", "At most (no limit).", "N")
    ] = None
    bytes_per_second: Annotated[
        float | None, option("--bytes-per-second", "At most (no limit).", "N")
    ] = None
    ordered: Annotated[
        bool | None, option("--ordered/--no-ordered", "One batch after another (no).")
    ] = None
    patience: Annotated[
        float | None, option("--patience", "With a destination that is busy or down (300).", "S")
    ] = None
    verify_ssl: Annotated[
        bool | None, option("--verify-ssl/--no-verify-ssl", "Check the certificate (yes).")
    ] = None
    allow_insecure: Annotated[
        bool | None,
        option("--allow-insecure/--no-allow-insecure", "Send credentials over plain http (no)."),
    ] = None
    webhook_id: Annotated[
        bool | None, option("--webhook-id/--no-webhook-id", "The header Webhook-Id (yes).")
    ] = None
    idempotency_key: Annotated[
        bool | None,
        option("--idempotency-key/--no-idempotency-key", "The header Idempotency-Key (yes)."),
    ] = None

    def webhook_config(self, *, default_url: str | None = None) -> WebhookConfig:
        """The config these options make, over what the config file says."""
        from vaulytica.cli.options.given import config_of

        return config_of(self, default_url)

    def files(self) -> list[Path]:
        """The files these options name, which are read."""
        given = [getattr(self, each.name) for each in fields(self)]
        files = [path for value in given if isinstance(value, str) for path in file_of(value)]
        files += [path for reference in self.hmac_secret for path in file_of(reference)]
        for header in self.header:
            files += file_of(header.partition(":")[2].strip())
        for named in (*self.auth_secrets, *self.oauth2_params, *self.auth_settings):
            files += file_of(named.partition("=")[2])
        return files + [path for path in given if isinstance(path, Path)]
