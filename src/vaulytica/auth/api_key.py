"""An API key in a header of its own."""

from __future__ import annotations

from vaulytica.auth.fixed import FixedHeaderAuth, needed


class ApiKeyAuth(FixedHeaderAuth):
    """`X-API-Key: <key>`, or under another header name."""

    name = "api_key"

    def __init__(self, api_key: str | None, header: str = "X-API-Key") -> None:
        key = needed("api_key", api_key)
        # Of "Splunk abc" the token alone is a secret too.
        super().__init__(header, key, (key, *key.split()[1:]))
