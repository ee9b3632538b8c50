"""OAuth2: tokens by client credentials, or for a service account; see `scheme` for their life."""

from vaulytica.auth.oauth2.scheme import OAuth2Auth

__all__ = ["OAuth2Auth"]
