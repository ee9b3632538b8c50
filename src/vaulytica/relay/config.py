"""RelayConfig: all that a relay is told, in one model. `vaulytica config schema` prints its JSON Schema."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from vaulytica.config import WebhookConfig, WebhookRetryConfig
from vaulytica.config.settings import Seconds, Settings
from vaulytica.errors import WebhookConfigError
from vaulytica.events import Severity
from vaulytica.expressions import checked_expression
from vaulytica.outbox import check_url
from vaulytica.outbox.names import why_no_name
from vaulytica.relay.intake.settings import IntakeSettings
from vaulytica.relay.listen import Listen, are_one
from vaulytica.relay.sizes import Size

_WEEK = 7 * 86400.0
Expression = Annotated[str, AfterValidator(checked_expression)]


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class MatchSettings(Settings):
    """Which events a destination wants: those that fit all of it.

    `types`: globs, such as `login_*`, one of which the type fits. `where`: a JMESPath condition on
    the event (`data.user == 'root'`).
    """

    types: Annotated[
        tuple[str, ...],
        BeforeValidator(_one_or_many),
        WithJsonSchema(
            {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
        ),
    ] = ()
    min_severity: Annotated[
        Severity, WithJsonSchema({"enum": [*Severity, *(name.upper() for name in Severity)]})
    ] = Severity.DEBUG
    where: Expression | None = None

    @field_validator("min_severity", mode="before")
    @classmethod
    def _any_case(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value


class RelayRetryConfig(WebhookRetryConfig):
    """As for a sender; but where nothing is said, 16 retries, up to an hour apart: five hours and more."""

    max_retries: int = Field(16, ge=0, le=1_000_000)
    max_delay: Seconds = Field(3600.0, ge=0, le=_WEEK)


class DestinationSettings(WebhookConfig):
    """A `WebhookConfig`, and which events go there.

    `order_by`: a JMESPath expression, such as `data.user`; events for which it gives the same value go
    out in their order. `ordered`: all of them do. `patience` is a week here.
    """

    retry_config: RelayRetryConfig = Field(default_factory=RelayRetryConfig)
    match: MatchSettings | None = None
    order_by: Expression | None = None
    patience: Seconds = Field(_WEEK, ge=0, le=52 * _WEEK)

    @field_validator("order_by")
    @classmethod
    def _one_order(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("ordered"):
            raise ValueError(
                "ordered is set, too, which holds for all events; leave one of them out"
            )
        return value

    @property
    def is_ordered(self) -> bool:
        """Whether any of its events must not overtake another."""
        return self.ordered or self.order_by is not None


class RetentionSettings(Settings):
    """How long what is delivered is kept for looking back: both bounds hold. None of it unless set.

    `size`: of the delivered events themselves; what is pending or dead is not counted.
    """

    days: float | None = Field(None, gt=0, le=36500, allow_inf_nan=False)
    size: Size | None = None


class FullSettings(Settings):
    """When the outbox is full, and what happens then to what comes in.

    `size`: of the outbox on disk. `events`: pending, over all destinations. `then`: `refuse` what
    comes (429), or `drop` the oldest pending events of the least severity to make room.
    """

    size: Size | None = None
    events: int | None = Field(None, ge=1)
    then: Literal["refuse", "drop"] = "refuse"


class MetricsSettings(Settings):
    """`listen`: HOST:PORT for `/metrics`, `/healthz` and `/readyz`, where not on the intake's."""

    listen: Listen | None = None


class RelayConfig(Settings):
    """What a relay is told. `outbox`: a URL. `drain`: seconds that it goes on delivering when it is stopped."""

    outbox: str
    intake: IntakeSettings = Field(default_factory=IntakeSettings)
    destinations: dict[str, DestinationSettings]
    retention: RetentionSettings = Field(default_factory=RetentionSettings)
    full: FullSettings = Field(default_factory=FullSettings)
    metrics: MetricsSettings = Field(default_factory=MetricsSettings)
    drain: Seconds = Field(10.0, ge=0, le=86400)

    @field_validator("outbox")
    @classmethod
    def _fit_outbox(cls, value: str) -> str:
        check_url(value)
        return value

    @field_validator("destinations")
    @classmethod
    def _fit_names(cls, value: dict[str, DestinationSettings]) -> dict[str, DestinationSettings]:
        if not value:
            raise WebhookConfigError("there is none; add one, such as {siem: {url: https://…}}")
        for name in value:
            if why := why_no_name(name):
                raise WebhookConfigError(why)
        return value

    @model_validator(mode="after")
    def _apart(self) -> Self:
        intake, metrics = self.intake.listen, self.metrics.listen
        if intake is not None and metrics is not None and are_one(intake, metrics):
            raise WebhookConfigError(
                f"metrics.listen: {metrics} is the address of intake.listen; "
                "give it another, or leave it out to have the pages on the intake's"
            )
        return self
