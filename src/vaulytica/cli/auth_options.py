"""The options for credentials. A secret is given by reference only: others can see the process list."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import typer


def option(name: str, help: str, metavar: str | None = None) -> Any:
    """An option whose default is None, or nothing: "not given"."""
    return typer.Option(name, help=help, metavar=metavar, show_default=False)


@dataclass(kw_only=True)
class AuthOptions:
    """Each is called what the setting of `WebhookAuth` is called."""

    auth_type: Annotated[
        str | None,
        option(
            "--auth-type", "api_key, bearer_token, hmac_sha256, standard_webhooks, oauth2…", "T"
        ),
    ] = None
    api_key: Annotated[str | None, option("--api-key", "The key.", "R")] = None
    api_key_header: Annotated[
        str | None, option("--api-key-header", "Its header (X-API-Key).", "H")
    ] = None
    bearer_token: Annotated[str | None, option("--bearer-token", "The token.", "R")] = None
    username: Annotated[str | None, option("--username", "For basic_auth.", "U")] = None
    password: Annotated[str | None, option("--password", "For basic_auth.", "R")] = None
    hmac_secret: Annotated[
        list[str], option("--hmac-secret", "The key that signs; may be repeated.", "R")
    ] = field(default_factory=list)
    hmac_header: Annotated[
        str | None, option("--hmac-header", "Its header (X-Signature).", "H")
    ] = None
    oauth2_token_url: Annotated[
        str | None, option("--oauth2-token-url", "Where tokens are issued.", "U")
    ] = None
    oauth2_client_id: Annotated[
        str | None, option("--oauth2-client-id", "The client's name there.", "I")
    ] = None
    oauth2_client_secret: Annotated[
        str | None, option("--oauth2-client-secret", "The client's secret there.", "R")
    ] = None
