"""Basic authentication, as UTF-8 (RFC 7617)."""

from __future__ import annotations

import base64

from vaulytica.auth.fixed import FixedHeaderAuth, needed
from vaulytica.delivery.request import checked_header
from vaulytica.errors import WebhookConfigError


class BasicAuth(FixedHeaderAuth):
    """`Authorization: Basic <base64 of username:password>`."""

    name = "basic_auth"

    def __init__(self, username: str | None, password: str | None) -> None:
        username, password = needed("username", username), needed("password", password)
        if ":" in username:
            raise WebhookConfigError(
                "username holds a colon, which Basic authentication cannot carry"
            )
        # base64 would hide control characters from the header check: RFC 7617 forbids them.
        checked_header("username", username, "auth field")
        checked_header("password", password, "auth field")
        encoded = base64.b64encode(f"{username}:{password}".encode()).decode("ascii")
        super().__init__("Authorization", f"Basic {encoded}", (password, encoded))
