"""Settings of the schemes that sign each request."""

from __future__ import annotations

from pydantic import SecretStr

from vaulytica.config.settings import Settings


class SignatureSettings(Settings):
    """For `hmac_sha256`."""

    hmac_secret: SecretStr | None = None
    hmac_header: str = "X-Signature"
