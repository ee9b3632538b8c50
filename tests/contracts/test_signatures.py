"""Signatures to the letter: published vectors, what is refused, and which schemes take a list."""

from __future__ import annotations

import base64
import sys
from typing import Any

import pytest

from support.signing import NOW, pair, signed, whsec
from vaulytica.auth import SCHEMES
from vaulytica.delivery.request import Request
from vaulytica.errors import AuthFailure, WebhookConfigError
from vaulytica.integrations.webhook import WebhookAuth, WebhookConfig
from vaulytica.receiving import verify

URL = "https://siem.example.com/hook"

# The signature is the example of the Standard Webhooks specification; key, id, time and body are
# those that Svix's server has for it in its tests.
WHSK = (
    "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
)
WHPK = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
V1A = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
# Of the same specification's libraries.
WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
V1 = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
ID, SECONDS, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'


@pytest.mark.parametrize(("secret", "signature"), [(WHSK, V1A), (WHSEC, V1), ([WHSEC, WHSK], f"{V1} {V1A}")])  # fmt: skip
def test_standard_webhooks_vectors(secret: Any, signature: str) -> None:
    assert signed("standard_webhooks", secret, BODY, id=ID, now=SECONDS + 0.9) == (
        ("Webhook-Id", ID),
        ("Webhook-Timestamp", str(SECONDS)),
        ("Webhook-Signature", signature),
    )


def test_a_seed_alone_is_the_same_key() -> None:
    private, _ = pair("key")
    seed = private[: len("whsk_") + 42] + _last_of_seed(private) + "="
    assert signed("standard_webhooks", seed, BODY) == signed("standard_webhooks", private, BODY)


def _last_of_seed(private: str) -> str:
    seed = base64.b64decode(private.removeprefix("whsk_"))[:32]
    return base64.b64encode(seed).decode()[42]


def test_github_vector() -> None:
    """https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries."""
    assert signed("github", "It's a Secret to Everybody", b"Hello, World!")[1:] == (
        (
            "X-Hub-Signature-256",
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        ),
    )


def test_slack_vector() -> None:
    """https://api.slack.com/authentication/verifying-requests-from-slack."""
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
        b"&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner"
        b"&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands"
        b"%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121"
        b".803a0bc887a14d10d2c447fce8b6703c"
    )
    assert signed("slack", "8f742231b10e8888abcd99yyyzzz85a5", body, now=1531420618)[1:] == (
        ("X-Slack-Request-Timestamp", "1531420618"),
        (
            "X-Slack-Signature",
            "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
        ),
    )


def test_stripe_has_a_signature_for_each_secret() -> None:
    ((_, value),) = signed("stripe", ["fake-a", "fake-b"], BODY, now=SECONDS)[1:]
    parts = value.split(",")
    assert parts[0] == f"t={SECONDS}"
    assert [part[:3] for part in parts[1:]] == ["v1=", "v1="]
    assert parts[1] != parts[2]


# --- Keys.


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        ("fake-text", "begins with whsec_, or whsk_"),
        ("whpk_" + "A" * 43 + "=", "begins with whsec_, or whsk_"),
        ("whsec_", "24 to 64 bytes, this one 0"),
        ("whsec_" + "A" * 30, "24 to 64 bytes, this one 22"),
        ("whsec_" + "A" * 88, "24 to 64 bytes, this one 66"),
        ("whsec_fa-ke_fa-ke", "not base64"),
        ("whsec_é", "not base64"),
        ("whsk_" + "A" * 40, "64 bytes (or 32, the seed alone), this one 30"),
        (WHSK[:-10] + "AAAAAAAA==", "not of one pair"),
        (["whsec_" + "A" * 32, ""], "missing or empty"),
        (["whsec_" + "A" * 32, None], "missing or empty"),
        (["whsec_" + "A" * 32] * 9, "at most 8"),
    ],
)
def test_keys_that_are_none(secret: Any, why: str) -> None:
    with pytest.raises(WebhookConfigError) as caught:
        SCHEMES.load("standard_webhooks")(secret)
    assert why in str(caught.value)
    assert "AAAA" not in str(caught.value)


@pytest.mark.parametrize("length", [24, 64])
def test_keys_as_short_and_long_as_they_may_be(length: int) -> None:
    key = "whsec_" + base64.b64encode(b"f" * length).decode()
    assert signed("standard_webhooks", key, BODY)
    assert signed("standard_webhooks", key.rstrip("="), BODY) == signed(
        "standard_webhooks", f" {key}\n", BODY
    )


@pytest.mark.parametrize("scheme", ["hmac_sha256", "github", "slack"])
def test_where_receivers_look_at_one_signature_a_list_is_refused(scheme: str) -> None:
    for secrets in (["fake-canary-a", "fake-canary-b"], ("fake-canary-a",)):
        with pytest.raises(WebhookConfigError, match="must be one secret") as caught:
            WebhookAuth(auth_type=scheme, hmac_secret=secrets)
        assert "canary" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["hmac_sha256", "github", "slack", "stripe"])
def test_a_key_of_a_pair_is_no_shared_secret(scheme: str) -> None:
    for key in pair("key"):
        with pytest.raises(WebhookConfigError, match="no shared secret"):
            WebhookAuth(auth_type=scheme, hmac_secret=key)


def test_without_cryptography_v1_works_and_v1a_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    assert signed("standard_webhooks", whsec("key"), BODY)
    with pytest.raises(
        WebhookConfigError, match=r"pip install 'vaulytica\[signatures\]'"
    ) as caught:
        WebhookAuth(auth_type="standard_webhooks", hmac_secret=WHSK)
    assert "\n" not in str(caught.value)
    with pytest.raises(WebhookConfigError, match=r"pip install 'vaulytica\[signatures\]'"):
        verify({}, b"", WHPK)


# --- The id.


def test_an_id_with_a_dot_is_refused_and_nothing_sent() -> None:
    with pytest.raises(AuthFailure, match="dot"):
        signed("standard_webhooks", whsec("key"), BODY, id="a.b")


def test_without_an_id_nothing_is_sent() -> None:
    auth = SCHEMES.load("standard_webhooks")(whsec("key"))
    with pytest.raises(AuthFailure, match="no header Webhook-Id"):
        next(auth.flow(Request(URL, (), BODY), NOW))


def test_the_header_that_is_signed_must_be_on() -> None:
    auth = {"auth_type": "standard_webhooks", "hmac_secret": whsec("key")}
    assert WebhookConfig(url=URL, auth=auth, idempotency_key_header=False)
    with pytest.raises(WebhookConfigError, match="signs the header Webhook-Id: leave it on"):
        WebhookConfig(url=URL, auth=auth, webhook_id_header=False)


@pytest.mark.parametrize("name", ["webhook-id", "WEBHOOK-TIMESTAMP", "Webhook-Signature"])
def test_a_header_of_the_users_own_may_not_stand_beside_it(name: str) -> None:
    auth = {"auth_type": "standard_webhooks", "hmac_secret": whsec("key")}
    with pytest.raises(WebhookConfigError, match="clashes"):
        WebhookConfig(url=URL, auth=auth, headers={name: "x"})


def test_signatures_may_go_over_plain_http() -> None:
    """Nobody learns the secret from them."""
    for scheme in ("github", "stripe", "slack"):
        auth = {"auth_type": scheme, "hmac_secret": "fake-secret"}
        assert WebhookConfig(url="http://siem.example.com/hook", auth=auth)
