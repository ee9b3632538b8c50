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
        option("--auth-type", "api_key, bearer_token, hmac_sha256, aws_sigv4, oauth2…", "T"),
    ] = None
    api_key: Annotated[str | None, option("--api-key", "The key.", "R")] = None
    api_key_header: Annotated[
        str | None, option("--api-key-header", "Its header (X-API-Key).", "H")
    ] = None
    bearer_token: Annotated[str | None, option("--bearer-token", "The token.", "R")] = None
    username: Annotated[str | None, option("--username", "For basic_auth, or digest.", "U")] = None
    password: Annotated[str | None, option("--password", "For basic_auth, or digest.", "R")] = None
    auth_headers: Annotated[
        list[str], option("--auth-header", "A header that holds a secret {name}.", "'K: V'")
    ] = field(default_factory=list)
    auth_secrets: Annotated[
        list[str], option("--auth-secret", "The secret of that name.", "NAME=R")
    ] = field(default_factory=list)
    hmac_secret: Annotated[
        list[str], option("--hmac-secret", "The key that signs; may be repeated.", "R")
    ] = field(default_factory=list)
    hmac_header: Annotated[
        str | None, option("--hmac-header", "Its header (X-Signature).", "H")
    ] = None
    aws_access_key_id: Annotated[
        str | None, option("--aws-access-key-id", "The name of the key.", "I")
    ] = None
    aws_secret_access_key: Annotated[
        str | None, option("--aws-secret-access-key", "The key that signs.", "R")
    ] = None
    aws_session_token: Annotated[
        str | None, option("--aws-session-token", "Of temporary credentials.", "R")
    ] = None
    aws_region: Annotated[str | None, option("--aws-region", "Where the service is.", "NAME")] = (
        None
    )
    aws_service: Annotated[
        str | None, option("--aws-service", "es (default), aoss, execute-api…", "NAME")
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
    oauth2_client_auth: Annotated[
        str | None,
        option("--oauth2-client-auth", "How the client proves itself (client_secret_post).", "HOW"),
    ] = None
    oauth2_private_key: Annotated[
        str | None, option("--oauth2-private-key", "In PEM, for private_key_jwt.", "R")
    ] = None
    oauth2_key_id: Annotated[
        str | None, option("--oauth2-key-id", "The key's name there.", "I")
    ] = None
    oauth2_assertion_audience: Annotated[
        str | None, option("--oauth2-assertion-audience", "If not the token URL.", "A")
    ] = None
    oauth2_service_account: Annotated[
        str | None, option("--oauth2-service-account", "A service account's key file.", "R")
    ] = None
    oauth2_scope: Annotated[
        str | None, option("--oauth2-scope", "What the token is to allow.", "S")
    ] = None
    oauth2_audience: Annotated[
        str | None, option("--oauth2-audience", "What the token is for.", "A")
    ] = None
    oauth2_params: Annotated[
        list[str], option("--oauth2-param", "More for the token request.", "K=V")
    ] = field(default_factory=list)
    auth_settings: Annotated[
        list[str], option("--auth-setting", "A setting of another package's scheme.", "K=V")
    ] = field(default_factory=list)
