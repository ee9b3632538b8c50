"""WebhookEgress: which addresses events may be sent to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, field_validator, model_validator

from vaulytica.config.settings import Settings

if TYPE_CHECKING:
    from vaulytica.transport.egress import EgressPolicy


class WebhookEgress(Settings):
    """Networks that may be connected to, as `192.0.2.0/24`, and those that may not; `deny` wins.

    `allow` may also hold the word `public`. None allows everything.
    """

    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] = ()

    @field_validator("allow", "deny", mode="before")
    @classmethod
    def _one_is_a_list_of_one(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _valid(self) -> WebhookEgress:
        self.policy()
        return self

    def policy(self) -> EgressPolicy:
        """The pure policy."""
        from vaulytica.transport.egress import EgressPolicy

        return EgressPolicy(self.allow, self.deny)


_WORDS: dict[str, dict[str, Any]] = {"any": {}, "public-only": {"allow": ("public",)}}


def _of_word(value: Any) -> Any:
    if value == {}:
        raise ValueError("is empty, so limits nothing; write any, if that is meant")
    if not isinstance(value, str):
        return value
    if value not in _WORDS:
        raise ValueError("is any, public-only, or {allow: [networks], deny: [networks]}")
    return _WORDS[value]


# `any` and `public-only` are short for what they mean.
Egress = Annotated[
    WebhookEgress,
    BeforeValidator(_of_word, json_schema_input_type=Literal["any", "public-only"] | WebhookEgress),
]
