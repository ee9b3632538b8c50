"""OAuth2 end to end against a real authorization server: each way of proving oneself, and being refused."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Callable
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from support.authorization import Authorization, Client
from support.drivers import Sending
from vaulytica.integrations.webhook import (
    WebhookAuth,
    WebhookAuthError,
    WebhookConfig,
    WebhookConfigError,
)

SenderOf = Callable[..., Sending]
SECRET = "obviously-fake:client/secret+ü %"
SCOPES = ("events:write", "events:read")
KEYS: dict[str, Callable[[], Any]] = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ES512": lambda: ec.generate_private_key(ec.SECP521R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


def pems(key: Any) -> tuple[str, bytes]:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public


def auth_at(server: Authorization, **settings: Any) -> WebhookAuth:
    given = {
        "oauth2_token_url": f"{server.url}/token",
        "oauth2_client_id": "robot & co",
        "oauth2_scope": "events:write",
    }
    return WebhookAuth(auth_type="oauth2", **(given | settings))


def by_secret(server: Authorization, how: str, secret: str = SECRET) -> WebhookAuth:
    return auth_at(server, oauth2_client_auth=how, oauth2_client_secret=secret)


def delivers(sender: Sending, server: Authorization, client: str = "robot & co") -> None:
    """An event; then its token is revoked, and the next is sent twice, the second time with a new one."""
    assert sender.send_event("file_shared", {"n": 1})
    assert (len(server.asked), server.refused) == (1, 0)
    server.revoke_all()
    assert sender.send_event("file_shared", {"n": 2})
    assert (len(server.asked), server.refused) == (2, 1)
    assert sender.send_event("file_shared", {"n": 3})
    assert len(server.asked) == 2
    assert [name for name, _ in server.delivered] == [client] * 3
    assert [json.loads(body)["data"]["n"] for _, body in server.delivered] == [1, 2, 3]


def is_refused(sender: Sending, server: Authorization, why: str, secret: str = SECRET) -> None:
    with pytest.raises(WebhookAuthError, match=re.escape(why)) as caught:
        sender.send_event("file_shared", {})
    assert str(caught.value).isprintable()
    assert secret not in str(caught.value)
    assert (server.delivered, server.refused, server.tokens) == ([], 0, {})


@pytest.mark.parametrize("how", ["client_secret_post", "client_secret_basic"])
def test_client_secret_in_the_form_and_as_basic(sender_of: SenderOf, how: str) -> None:
    client = Client("robot & co", how, SECRET, scopes=SCOPES)
    with Authorization(client) as server:
        delivers(sender_of(f"{server.url}/events", auth=by_secret(server, how)), server)
        for form in server.asked:
            assert ("client_secret" in form) is (how == "client_secret_post")
            assert ("Authorization" in form["_headers"]) is (how == "client_secret_basic")
            assert form["scope"] == ["events:write"]


@pytest.mark.parametrize("how", ["client_secret_post", "client_secret_basic"])
def test_a_wrong_secret_sends_no_event_and_says_so(sender_of: SenderOf, how: str) -> None:
    client = Client("robot & co", how, SECRET, scopes=SCOPES)
    with Authorization(client) as server:
        wrong = by_secret(server, how, "obviously-fake-and-wrong")
        sender = sender_of(f"{server.url}/events", auth=wrong)
        status = "HTTP 401 (invalid_client)"
        why = f"no token: the token endpoint answered {status}"
        is_refused(sender, server, why, "obviously-fake-and-wrong")


def test_the_way_that_the_server_does_not_know_the_client_by(sender_of: SenderOf) -> None:
    with Authorization(Client("robot & co", "client_secret_basic", SECRET)) as server:
        auth = by_secret(server, "client_secret_post")
        is_refused(sender_of(f"{server.url}/events", auth=auth), server, "(invalid_client)")


def test_a_scope_that_the_client_may_not_have(sender_of: SenderOf) -> None:
    with Authorization(Client("robot & co", secret=SECRET, scopes=("events:read",))) as server:
        auth = by_secret(server, "client_secret_post")
        is_refused(sender_of(f"{server.url}/events", auth=auth), server, "(invalid_scope)")


def test_scope_audience_and_extra_parameters_are_asked_for(sender_of: SenderOf) -> None:
    with Authorization(Client("robot & co", secret=SECRET, scopes=SCOPES)) as server:
        auth = auth_at(
            server,
            oauth2_client_secret=SECRET,
            oauth2_scope="events:read events:write",
            oauth2_audience="https://siem.example.com/?a=b&c",
            oauth2_params={
                "resource": ["https://a.example.com", "https://b.example.com"],
                "x": "ü",
            },
        )
        assert sender_of(f"{server.url}/events", auth=auth).send_event("file_shared", {})
        (form,) = server.asked
        assert form["scope"] == ["events:read events:write"]
        assert form["audience"] == ["https://siem.example.com/?a=b&c"]
        assert form["resource"] == ["https://a.example.com", "https://b.example.com"]
        assert form["x"] == ["ü"]


# --- private_key_jwt.


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # by the server, which likes "Ed25519"
@pytest.mark.parametrize("key_id", [None, "key-7"])
@pytest.mark.parametrize("algorithm", KEYS)
def test_private_key_jwt(sender_of: SenderOf, algorithm: str, key_id: str | None) -> None:
    private, public = pems(KEYS[algorithm]())
    client = Client("robot & co", "private_key_jwt", "", public, key_id, SCOPES)
    with Authorization(client) as server:
        auth = auth_at(
            server,
            oauth2_client_auth="private_key_jwt",
            oauth2_private_key=private,
            oauth2_key_id=key_id,
        )
        delivers(sender_of(f"{server.url}/events", auth=auth), server)
        assertions = {form["client_assertion"][0] for form in server.asked}
        assert len(assertions) == len(server.ids) == 2, "each is a new one"
        assert not any("client_secret" in form for form in server.asked)


def test_private_key_jwt_for_another_audience(sender_of: SenderOf) -> None:
    private, public = pems(KEYS["ES256"]())
    client = Client("robot & co", "private_key_jwt", "", public, None, SCOPES)
    settings = {"oauth2_client_auth": "private_key_jwt", "oauth2_private_key": private}
    with Authorization(client) as server:
        issuer = auth_at(server, **settings, oauth2_assertion_audience="https://issuer.example.com")
        assert sender_of(f"{server.url}/events", auth=issuer).send_event("file_shared", {})
    with Authorization(client) as server:
        other = auth_at(server, **settings, oauth2_assertion_audience="https://other.example.com")
        sender = sender_of(f"{server.url}/events", auth=other)
        is_refused(sender, server, "(invalid_client)", private)


def test_private_key_jwt_by_a_key_that_is_not_the_clients(sender_of: SenderOf) -> None:
    private, public = pems(KEYS["ES256"]())[0], pems(KEYS["ES256"]())[1]
    client = Client("robot & co", "private_key_jwt", "", public, None, SCOPES)
    with Authorization(client) as server:
        auth = auth_at(server, oauth2_client_auth="private_key_jwt", oauth2_private_key=private)
        sender = sender_of(f"{server.url}/events", auth=auth)
        is_refused(sender, server, "(invalid_client)", private)


# --- A service account.

ROBOT = "robot@project.iam.gserviceaccount.com"


def key_file(server: Authorization, private: str, **changes: Any) -> str:
    """What Google's console gives one to keep."""
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "project",
            "private_key_id": "key-7",
            "private_key": private,
            "client_email": ROBOT,
            "client_id": "1234567890",
            "token_uri": f"{server.url}/token",
        }
        | changes
    )


def test_a_service_account_by_its_key_file(sender_of: SenderOf) -> None:
    private, public = pems(KEYS["RS256"]())
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    client = Client(ROBOT, "none", "", public, "key-7", SCOPES, grant)
    with Authorization(client) as server:
        auth = WebhookAuth(
            auth_type="oauth2",
            oauth2_service_account=key_file(server, private),
            oauth2_scope="events:write",
        )
        delivers(sender_of(f"{server.url}/events", auth=auth), server, ROBOT)
        assert {*server.asked[0]} == {"grant_type", "assertion", "_headers"}


def test_a_service_account_whose_key_was_withdrawn(sender_of: SenderOf) -> None:
    private, public = pems(KEYS["RS256"]())[0], pems(KEYS["RS256"]())[1]
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    with Authorization(Client(ROBOT, "none", "", public, "key-7", SCOPES, grant)) as server:
        auth = WebhookAuth(
            auth_type="oauth2",
            oauth2_service_account=key_file(server, private),
            oauth2_scope="events:write",
        )
        sender = sender_of(f"{server.url}/events", auth=auth)
        is_refused(sender, server, "HTTP 400 (invalid_grant)", private)


# --- mTLS.


def certificate_of(ca: trustme.CA, name: str) -> str:
    """A client's certificate and its key, as PEM."""
    made = ca.issue_cert("robot.example.com", common_name=name)
    return made.private_key_and_cert_chain_pem.bytes().decode()


def optional_tls(ca: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    ca.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


@pytest.mark.usefixtures("trusted")
def test_tls_client_auth(sender_of: SenderOf, ca: trustme.CA) -> None:
    client = Client("robot", "tls_client_auth", scopes=SCOPES)
    with Authorization(client, tls=optional_tls(ca)) as server:
        auth = auth_at(server, oauth2_client_id="robot", oauth2_client_auth="tls_client_auth")
        tls = {"client_cert": certificate_of(ca, "robot")}
        delivers(sender_of(f"{server.url}/events", auth=auth, tls=tls), server, "robot")
        form = {name: value for name, value in server.asked[0].items() if name != "_headers"}
        assert form == {
            "grant_type": ["client_credentials"],
            "client_id": ["robot"],
            "scope": ["events:write"],
        }


@pytest.mark.usefixtures("trusted")
def test_tls_client_auth_with_the_certificate_of_another(
    sender_of: SenderOf, ca: trustme.CA
) -> None:
    client = Client("robot", "tls_client_auth", scopes=SCOPES)
    with Authorization(client, tls=optional_tls(ca)) as server:
        auth = auth_at(server, oauth2_client_id="robot", oauth2_client_auth="tls_client_auth")
        tls = {"client_cert": certificate_of(ca, "another")}
        sender = sender_of(f"{server.url}/events", auth=auth, tls=tls)
        is_refused(sender, server, "(invalid_client)")


def test_tls_client_auth_without_a_certificate_is_refused_at_once() -> None:
    auth = WebhookAuth(
        auth_type="oauth2",
        oauth2_token_url="https://auth.example.com/token",
        oauth2_client_id="robot",
        oauth2_client_auth="tls_client_auth",
    )
    with pytest.raises(WebhookConfigError, match=r"needs tls\.client_cert"):
        WebhookConfig(url="https://api.example.com/events", auth=auth)
