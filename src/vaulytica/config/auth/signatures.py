"""Settings of the schemes that sign each request."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr, field_validator

from vaulytica.config.settings import Settings


class SignatureSettings(Settings):
    """For `hmac_sha256`, `standard_webhooks`, `github`, `stripe`, `slack`, and `aws_sigv4`.

    `hmac_secret` may be a list for `standard_webhooks` and `stripe`: all of them sign.
    """

    hmac_secret: SecretStr | tuple[SecretStr, ...] | None = None
    hmac_header: str = "X-Signature"
    aws_access_key_id: str | None = None
    aws_secret_access_key: SecretStr | None = None
    aws_session_token: SecretStr | None = None
    aws_region: str | None = None
    aws_service: str = "es"

    @field_validator("hmac_secret", mode="before")
    @classmethod
    def _text_or_texts(cls, value: Any) -> Any:
        all_of_them = value if isinstance(value, (list, tuple)) else [value]
        if value is not None and not all(isinstance(one, (str, SecretStr)) for one in all_of_them):
            raise ValueError("must be a text, or a list of texts")
        return value
