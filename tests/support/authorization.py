"""An authorization server by Authlib on loopback, which verifies for real, and an endpoint it protects."""

from __future__ import annotations

import secrets
import ssl
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import ClientMixin, InvalidClientError, TokenMixin
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion, JWTBearerGrant
from cryptography import x509
from cryptography.x509.oid import NameOID
from flask import Flask, request
from joserfc import jwk, jwt
from joserfc.errors import JoseError
from werkzeug.serving import WSGIRequestHandler, make_server

METHODS = ["client_secret_basic", "client_secret_post", "private_key_jwt", "tls_client_auth"]
ALGORITHMS = ["RS256", "ES256", "ES384", "ES512", "EdDSA"]


@dataclass
class Client(ClientMixin):
    """A registered client, and the one way in which it may prove itself."""

    name: str
    method: str = "client_secret_post"
    secret: str = ""
    public_key: bytes = b""
    key_id: str | None = None
    scopes: tuple[str, ...] = ()
    grant: str = "client_credentials"

    @property
    def client_id(self) -> str:
        return self.name

    def get_client_id(self) -> str:
        return self.name

    def get_allowed_scope(self, scope: str | None) -> str | None:
        wanted = (scope or "").split()
        return None if set(wanted) - set(self.scopes) else " ".join(wanted)

    def check_client_secret(self, client_secret: str) -> bool:
        return secrets.compare_digest(self.secret.encode(), client_secret.encode())

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == self.method

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == self.grant


@dataclass
class Token(TokenMixin):
    """An access token that was issued."""

    value: str
    client: Client
    scope: str
    until: float
    revoked: bool = False

    def get_scope(self) -> str:
        return self.scope

    def get_expires_in(self) -> int:
        return int(self.until - time.time())

    def is_expired(self) -> bool:
        return self.until < time.time()

    def is_revoked(self) -> bool:
        return self.revoked

    def get_client(self) -> Client:
        return self.client

    def get_user(self) -> None:
        return None


@dataclass
class _Memory:
    """What the server remembers."""

    clients: dict[str, Client] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(
        default_factory=list
    )  # the form and headers of each request
    delivered: list[tuple[str, bytes]] = field(default_factory=list)  # client and body
    refused: int = 0
    ids: set[str] = field(default_factory=set)


class Authorization(_Memory):
    """`/token` issues tokens, `/events` takes events from whoever has one. Use as a context manager."""

    def __init__(self, *clients: Client, tls: ssl.SSLContext | None = None) -> None:
        super().__init__({client.name: client for client in clients})
        self.app = Flask("authorization")
        self.lock = threading.Lock()
        self._server = make_server(
            "127.0.0.1", 0, self.app, threaded=True, request_handler=_Handler, ssl_context=tls
        )
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}
        )
        self._open()

    def _open(self) -> None:
        server = AuthorizationServer(self.app, self.clients.get, self._save)
        server.register_client_auth_method("private_key_jwt", _assertions_for(self))
        server.register_client_auth_method("tls_client_auth", _by_certificate)
        server.register_grant(_CredentialsGrant)
        server.register_grant(_jwt_grant_for(self))
        protect = ResourceProtector()
        protect.register_token_validator(_validator_for(self))

        @self.app.post("/token")
        def token() -> Any:
            with self.lock:
                self.asked.append(
                    dict(request.form.to_dict(flat=False), _headers=dict(request.headers))
                )
            return server.create_token_response()

        @self.app.post("/events")
        def events() -> Any:
            try:
                held = protect.acquire_token("events:write")
            except OAuth2Error as error:
                with self.lock:
                    self.refused += 1
                return protect.raise_error_response(error)
            with self.lock:
                self.delivered.append((held.client.name, request.get_data()))
            return {"ok": True}

    def _save(self, token: dict[str, Any], request: Any) -> None:
        until = time.time() + token["expires_in"]
        value = token["access_token"]
        with self.lock:
            self.tokens[value] = Token(value, request.client, token.get("scope", ""), until)

    def revoke_all(self) -> None:
        for token in self.tokens.values():
            token.revoked = True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(WSGIRequestHandler):
    def log(self, *_: Any) -> None: ...


class _CredentialsGrant(ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS


def _assertions_for(server: Authorization) -> JWTBearerClientAssertion:
    class Assertions(JWTBearerClientAssertion):
        CLIENT_AUTH_METHOD = "private_key_jwt"

        def process_assertion_claims(self, assertion: str, resolve_key: Any) -> Any:
            # Authlib's own takes joserfc's recommended algorithms only.
            try:
                claims = jwt.decode(assertion, resolve_key, algorithms=ALGORITHMS).claims
            except JoseError as error:
                raise InvalidClientError(description=error.description) from error
            self.verify_claims(claims)
            return claims

        def get_audiences(self) -> list[str]:
            return [f"{server.url}/token", "https://issuer.example.com"]

        def validate_jti(self, claims: dict[str, Any], jti: str) -> bool:
            seen = jti in server.ids
            server.ids.add(jti)
            return not seen

        def resolve_client_public_key(self, client: Client) -> Any:
            return _key_of(client)

    return Assertions()


def _jwt_grant_for(server: Authorization) -> type[JWTBearerGrant]:
    class Grant(JWTBearerGrant):
        """As Google has it: the scope is a claim."""

        def resolve_issuer_client(self, issuer: str) -> Client | None:
            return server.clients.get(issuer)

        def resolve_client_public_key(self, client: Client) -> Any:
            return _key_of(client)

        def get_audiences(self) -> list[str]:
            return [f"{server.url}/token"]

        def process_assertion_claims(self, assertion: str) -> Any:
            self.claims = super().process_assertion_claims(assertion)
            assert self.claims["exp"] - self.claims["iat"] <= 3600
            return self.claims

        def create_token_response(self) -> Any:
            token = self.generate_token(scope=self.claims["scope"], include_refresh_token=False)
            self.save_token(token)
            return 200, token, self.TOKEN_RESPONSE_HEADER

    return Grant


def _key_of(client: Client) -> Any:
    """Its public key; with a key id, a set in which the right one has to be named."""
    key = jwk.import_key(client.public_key, _kind_of(client.public_key))
    if client.key_id is None:
        return key
    named = jwk.import_key(key.as_dict(kid=client.key_id))
    other = jwk.RSAKey.generate_key(2048, {"kid": "another"}, private=False)
    return jwk.KeySet([other, named])


def _kind_of(pem: bytes) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = load_pem_public_key(pem)
    if isinstance(key, rsa.RSAPublicKey):
        return "RSA"
    return "EC" if isinstance(key, ec.EllipticCurvePublicKey) else "OKP"


def _by_certificate(query_client: Any, oauth2_request: Any) -> Client | None:
    """RFC 8705, 2.1: the certificate was verified in the handshake; its subject must be the client's."""
    pem = request.environ.get("SSL_CLIENT_CERT")
    client: Client | None = query_client(oauth2_request.form.get("client_id", ""))
    if not pem or client is None:
        return None
    subject = x509.load_pem_x509_certificate(pem.encode()).subject
    names = [name.value for name in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return client if names == [client.name] else None


def _validator_for(server: Authorization) -> BearerTokenValidator:
    class Validator(BearerTokenValidator):
        def authenticate_token(self, token_string: str) -> Token | None:
            return server.tokens.get(token_string)

    return Validator()
