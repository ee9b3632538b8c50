"""A bearer token (RFC 6750)."""

from __future__ import annotations

from vaulytica.auth.fixed import FixedHeaderAuth, needed


class BearerAuth(FixedHeaderAuth):
    """`Authorization: Bearer <token>`."""

    name = "bearer_token"

    def __init__(self, token: str | None) -> None:
        token = needed("bearer_token", token)
        super().__init__("Authorization", f"Bearer {token}", (token,))
