"""Every bad setting is refused when the config is made, in one line that repeats no value given."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.heart import refusal
from vaulytica.config import WebhookAuth, WebhookAuthType, WebhookConfig, WebhookRetryConfig
from vaulytica.errors import WebhookConfigError, WebhookError

URL = "https://siem.example.com/hook"
CANARY = "fake-canary-7f3a"


def refused(model: Any, settings: dict[str, Any]) -> str:
    """The message with which the model refuses these settings."""
    with pytest.raises(WebhookConfigError) as caught:
        model(**settings)
    error = caught.value
    message = str(error)
    assert "\n" not in message
    assert 10 < len(message) < 400
    assert "canary" not in message
    assert isinstance(error, (WebhookError, ValueError))
    assert error.__cause__ is None
    assert error.__suppress_context__
    return message


# --- WebhookConfig.

BAD_CONFIGS: list[tuple[dict[str, Any], str]] = [
    ({"url": None}, "url"),
    ({"url": 5}, "url"),
    ({"url": ""}, "no scheme"),
    ({"url": "siem.example.com/fake-canary"}, "no scheme"),
    ({"url": "//siem.example.com/fake-canary"}, "no scheme"),
    ({"url": "https:siem.example.com"}, "no scheme"),
    ({"url": "https://"}, "no host"),
    ({"url": "https:///fake-canary"}, "no host"),
    ({"url": "https://:443/fake-canary"}, "no host"),
    ({"url": "https://?token=fake-canary"}, "no host"),
    ({"url": "ftp://siem.example.com/fake-canary"}, "https:// or http://"),
    ({"url": "file:///etc/fake-canary"}, "host|https://"),
    ({"url": "javascript://siem.example.com"}, "https:// or http://"),
    ({"url": "https://siem.example.com:0/fake-canary"}, "port 0"),
    ({"url": "https://siem.example.com:65536/fake-canary"}, "port"),
    ({"url": "https://siem.example.com:-1/"}, "port"),
    ({"url": "https://siem.example.com:https/"}, "port"),
    ({"url": "https://siem.example.com/fake canary"}, "space"),
    ({"url": " https://siem.example.com/"}, "space"),
    ({"url": "https://siem.example.com/\r\nX-Evil: 1"}, "space"),
    ({"url": "https://siem.example.com/\x00"}, "space"),
    ({"url": "https://siem.example.com\\@fake-canary.example.com/"}, "no URL may hold"),
    ({"url": "https://a@b@siem.example.com/"}, "more than one @"),
    ({"url": "https://[::1/fake-canary"}, "host or port"),
    ({"url": "https://siem%2eexample.com/"}, "host"),
    ({"url": "https://siem.example.com,fake-canary.example.com/"}, "host"),
    ({"url": "https://xn--\u00fc.example.com/"}, "IDNA|host"),
    ({"url": "https://stra\u00dfe.example/"}, "IDNA 2003 and 2008 read differently"),
    ({"url": "https://\u03b2\u03cc\u03bb\u03bf\u03c2.example/"}, "IDNA 2003 and 2008 read differently"),
    ({"url": "https://a\u200cb.example/"}, "IDNA 2003 and 2008 read differently"),
    ({"url": "https://a\u200db.example/"}, "IDNA 2003 and 2008 read differently"),
    ({"url": "https://" + "ü" * 70 + ".example.com/"}, "IDNA|host"),
    ({"url": "https://user:fake-canary@siem.example.com/", "auth": {"auth_type": "hmac", "hmac_secret": CANARY}}, "only one"),
    ({"url": "https://user@siem.example.com/"}, "password is missing in the url's userinfo"),
    ({"url": "https://:fake-canary@siem.example.com/"}, "username is missing in the url's userinfo"),
    ({"url": "https://user:fake%0Acanary@siem.example.com/"}, "control character"),
    ({"format": "xml-fake-canary"}, "unknown format"),
    ({"format": ""}, "unknown format"),
    ({"format": None}, "format"),
    ({"format": 5}, "format"),
    ({"format": "template"}, "unknown format"),
    ({"format": "function"}, "unknown format"),
    ({"format": "vaulytica.formats.json:JsonFormat"}, "unknown format"),
    ({"auth": "fake-canary"}, "auth"),
    ({"auth": {"auth_type": "api_key"}}, "api_key is missing"),
    ({"auth": {"api_key": CANARY}}, "auth_type"),
    ({"headers": None}, "headers"),
    ({"headers": "X-Token: fake-canary"}, "headers"),
    ({"headers": {"X-Token": 5}}, "headers"),
    ({"headers": {"X-Token": None}}, "headers"),
    ({"headers": {"": "v"}}, "header name"),
    ({"headers": {f"Authorization: Bearer {CANARY}": ""}}, "header name"),
    ({"headers": {"X\r\nX-Evil": "v"}}, "header name"),
    ({"headers": {"X Token": "v"}}, "header name"),
    ({"headers": {"X-Tokén": "v"}}, "header name"),
    ({"headers": {"X-Token": "fake\r\nX-Evil: canary"}}, "X-Token holds a control character"),
    ({"headers": {"X-Token": "fake\ncanary"}}, "control character"),
    ({"headers": {"X-Token": "fake\rcanary"}}, "control character"),
    ({"headers": {"X-Token": "fake\x00canary"}}, "control character"),
    ({"headers": {"X-Token": "fake\x7fcanary"}}, "control character"),
    ({"headers": {"X-Team": "blue", "x-team": "red-canary"}}, "twice"),
    ({"headers": {"webhook-id": CANARY}}, "clashes"),
    ({"headers": {"Idempotency-key": CANARY}}, "clashes"),
    ({"headers": {"Content-Length": "1000"}}, "clashes"),
    ({"headers": {"Transfer-Encoding": "chunked"}}, "clashes"),
    ({"headers": {"Expect": "100-continue"}}, "clashes"),
    ({"retry_config": "fake-canary"}, "retry_config"),
    ({"retry_config": {"max_retries": -1}}, "retry_config: max_retries"),
    ({"timeout": 0}, "timeout"),
    ({"timeout": -5}, "timeout"),
    ({"timeout": math.nan}, "timeout"),
    ({"timeout": math.inf}, "timeout"),
    ({"timeout": 1e9}, "timeout"),
    ({"timeout": "soon-canary"}, "timeout"),
    ({"timeout": None}, "timeout"),
    ({"verify_ssl": "fake-canary"}, "verify_ssl"),
    ({"verify_ssl": None}, "verify_ssl"),
    ({"custom_template": "{}"}, 'custom_template needs format="custom"'),
    ({"custom_template_func": dict}, 'custom_template needs format="custom"'),
    ({"format": "custom"}, "needs either custom_template or custom_template_func"),
    ({"format": "custom", "custom_template": "{}", "custom_template_func": dict}, "needs either"),
    ({"format": "custom", "custom_template_func": CANARY}, "custom_template_func"),
    ({"format": "custom", "custom_template": 5}, "custom_template"),
    ({"format": "structured"}, "unknown format"),
    ({"format": "custom", "custom_template": []}, "must be a text, or a mapping"),
    ({"custom_template": {"a": 1}}, 'custom_template needs format="custom"'),
    ({"format": "custom", "custom_template": {"a": {1: 2}}}, "keys are strings"),
    ({"format": "custom", "custom_template": {"a": {"b": ["{{ two words }}"]}}}, "at a.b[0]"),
    ({"format": "custom", "custom_template": {"{{ a }}": 1}}, "an expression in the key"),
    ({"format": "custom", "custom_template": "{\n  {{ two words }}"}, "line 2, column 3"),
    ({"format": "custom", "custom_template": "{% if %}"}, "line 1, column 1"),
    ({"proxy": "proxy.example.com:3128"}, "proxy"),
    ({"proxy": "ftp://proxy.example.com"}, "proxy must begin with"),
    ({"proxy": "http://"}, "proxy has no host"),
    ({"proxy": "http://proxy.example.com:0"}, "port 0"),
    ({"proxy": "http://proxy example.com"}, "space"),
    ({"proxy": "http://pröxy.example.com"}, "proxy"),
    ({"concurrency": 0}, "concurrency"),
    ({"concurrency": -1}, "concurrency"),
    ({"concurrency": 10**9}, "concurrency"),
    ({"concurrency": 1.5}, "concurrency"),
    ({"max_event_bytes": 0}, "max_event_bytes"),
    ({"max_event_bytes": 10**12}, "max_event_bytes"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "why"),
    BAD_CONFIGS,
    ids=[f"{n}-{'-'.join(s)}" for n, (s, _) in enumerate(BAD_CONFIGS)],
)
def test_a_bad_config_is_refused(settings: dict[str, Any], why: str) -> None:
    message = refused(WebhookConfig, {"url": URL} | settings)
    assert any(part in message for part in why.split("|"))


def test_a_config_without_a_url_is_refused() -> None:
    assert "url" in refused(WebhookConfig, {})


def test_all_that_is_wrong_is_told_at_once() -> None:
    message = refused(WebhookConfig, {"url": "ftp://x", "timeout": -1, "concurrency": 0})
    assert all(name in message for name in ("url", "timeout", "concurrency"))


def test_no_word_is_told_twice() -> None:
    assert "url: url" not in refused(WebhookConfig, {"url": "ftp://siem.example.com"})


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("ulr", "url"),
        ("header", "headers"),
        ("retries", "retry_config"),
        ("verify_tls", "verify_ssl"),
        ("custom_templates", "custom_template"),
        ("time_out", "timeout"),
    ],
)
def test_an_unknown_setting_suggests_the_nearest(key: str, near: str) -> None:
    message = refused(WebhookConfig, {"url": URL, key: CANARY})
    assert message.startswith(f"{key} is no setting of WebhookConfig")
    assert near == "retry_config" or message.endswith(f"did you mean {near}?")


def test_an_unknown_setting_that_is_near_nothing_suggests_nothing() -> None:
    assert refused(WebhookConfig, {"url": URL, "qqq": 1}) == "qqq is no setting of WebhookConfig"
    assert refused(WebhookAuth, {"api_kee": CANARY}).endswith("did you mean api_key?")
    assert refused(WebhookRetryConfig, {"max_retry": 1}).endswith("did you mean max_retries?")


# --- WebhookAuth.

AWS = {
    "auth_type": "aws_sigv4",
    "aws_access_key_id": "AKIDFAKE",
    "aws_secret_access_key": CANARY,
    "aws_region": "eu-west-1",
}
CLIENT = {"auth_type": "oauth2", "oauth2_token_url": URL, "oauth2_client_id": "id"}
OAUTH = CLIENT | {"oauth2_client_secret": CANARY}
KEYED = CLIENT | {"oauth2_client_auth": "private_key_jwt"}
PEM_OF_CANARY = f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----\n"
ACCOUNT = {
    "auth_type": "oauth2",
    "oauth2_scope": "s",
    "oauth2_service_account": (
        '{"type": "service_account", "client_email": "e", "private_key": "fake-canary", '
        '"token_uri": "ftp://fake-canary"}'
    ),
}
BAD_AUTHS: list[tuple[dict[str, Any], str]] = [
    ({"auth_type": "kerberos-canary"}, "unknown auth type; known are none, api_key"),
    ({"auth_type": ""}, "unknown auth type"),
    ({"auth_type": 5}, "unknown auth type"),
    ({"auth_type": ["api_key"]}, "unknown auth type"),
    ({"api_key": CANARY}, "auth_type"),
    ({"bearer_token": CANARY}, "auth_type"),
    ({"username": "u", "password": CANARY}, "auth_type"),
    ({"hmac_secret": CANARY}, "auth_type"),
    ({"oauth2_client_secret": CANARY}, "auth_type"),
    ({"auth_type": "none", "api_key": CANARY}, "auth_type"),
    ({"auth_type": None, "api_key": CANARY}, "auth_type"),
    ({"auth_type": "api_key"}, "api_key is missing or empty"),
    ({"auth_type": "api_key", "api_key": ""}, "api_key is missing or empty"),
    ({"auth_type": "api_key", "api_key": " \t"}, "api_key is missing or empty"),
    ({"auth_type": "api_key", "api_key": None}, "api_key is missing or empty"),
    ({"auth_type": "api_key", "api_key": 12345}, "api_key"),
    ({"auth_type": "api_key", "bearer_token": CANARY}, "auth_type api_key has no use for it"),
    ({"auth_type": "api_key", "api_key": "fake\ncanary"}, "control character"),
    ({"auth_type": "api_key", "api_key": "fake-canary\n"}, "control character"),
    ({"auth_type": "api_key", "api_key": CANARY, "api_key_header": ""}, "header name"),
    ({"auth_type": "api_key", "api_key": CANARY, "api_key_header": "X Key"}, "header name"),
    ({"auth_type": "api_key", "api_key": CANARY, "api_key_header": "X\r\nY"}, "header name"),
    ({"auth_type": "bearer_token"}, "bearer_token is missing or empty"),
    ({"auth_type": "bearer_token", "bearer_token": ""}, "bearer_token is missing or empty"),
    ({"auth_type": "bearer_token", "bearer_token": "fake\x00canary"}, "control character"),
    ({"auth_type": "basic_auth", "username": "user"}, "password is missing or empty"),
    ({"auth_type": "basic_auth", "username": "user", "password": ""}, "password is missing"),
    ({"auth_type": "basic_auth", "password": CANARY}, "username is missing or empty"),
    ({"auth_type": "basic_auth", "username": "us:er", "password": CANARY}, "colon"),
    ({"auth_type": "basic_auth", "username": "user", "password": "fake\rcanary"}, "control"),
    ({"auth_type": "basic_auth", "username": "us\ner", "password": CANARY}, "control"),
    ({"auth_type": "hmac_sha256"}, "hmac_secret is missing or empty"),
    ({"auth_type": "hmac_sha256", "hmac_secret": ""}, "hmac_secret is missing or empty"),
    ({"auth_type": "hmac_sha256", "hmac_secret": CANARY, "hmac_header": "X:Y"}, "name"),
    ({"auth_type": "digest", "username": "user"}, "password is missing"),
    ({"auth_type": "digest", "username": "us:er", "password": CANARY}, "colon"),
    ({"auth_type": "digest", "username": "user", "password": "fake\ncanary"}, "control character"),
    ({"auth_type": "headers"}, "auth_headers is missing or empty"),
    ({"auth_type": "headers", "auth_headers": {}}, "auth_headers is missing or empty"),
    ({"auth_type": "headers", "auth_headers": {"X-A": ""}}, "auth header X-A is missing or empty"),
    ({"auth_type": "headers", "auth_headers": {"X A": CANARY}}, "header name"),
    ({"auth_type": "headers", "auth_headers": {"X-A": "fake\r\nX-Evil: canary"}}, "control character"),
    ({"auth_type": "headers", "auth_headers": {"X-A": "{a}"}}, "auth_secrets has no {a}"),
    ({"auth_type": "headers", "auth_headers": {"X-A": "{a}"}, "auth_secrets": {"a": "fake\x00canary"}}, "control character"),
    ({"auth_type": "headers", "auth_headers": {"X-A": "{a}"}, "auth_secrets": {"a": ""}}, "missing or empty"),
    ({"auth_type": "headers", "auth_headers": {"X-A": "{a}"}, "auth_secrets": {"a": CANARY, "b": CANARY}}, "no header has a place for {b}"),
    ({"auth_type": "headers", "auth_headers": {"X-A": "{a}"}, "auth_secrets": {"a": CANARY, "fake canary": "x"}}, "letters, digits and _"),
    ({"auth_type": "headers", "auth_headers": {"X-A": CANARY, "x-a": CANARY}}, "given twice"),
    ({"auth_type": "headers", "auth_headers": {"X-A": "b"}, "api_key": CANARY}, "has no use for it"),
    ({"auth_type": "digest", "username": "u", "password": CANARY, "settings": {"a": CANARY}}, "settings is given"),
    ({"auth_type": "aws_sigv4"}, "aws_access_key_id is missing"),
    (AWS | {"aws_secret_access_key": ""}, "aws_secret_access_key is missing"),
    (AWS | {"aws_region": None}, "aws_region is missing"),
    (AWS | {"aws_region": "EU canary"}, "aws_region must be of a-z"),
    (AWS | {"aws_service": "es/canary"}, "aws_service must be of a-z"),
    (AWS | {"aws_service": "s3"}, "s3 signs in its own way"),
    (AWS | {"aws_access_key_id": "fake-canary key"}, "aws_access_key_id must be of letters"),
    (AWS | {"aws_session_token": "fake\ncanary"}, "control character"),
    (AWS | {"aws_session_token": ""}, "aws_session_token is missing or empty"),
    (OAUTH | {"oauth2_client_auth": "fake-canary"}, "must be one of client_secret_post, client_secret_basic, private_key_jwt, tls_client_auth"),
    (OAUTH | {"oauth2_private_key": CANARY}, "oauth2_private_key is given, but oauth2_client_auth client_secret_post has no use"),
    (OAUTH | {"oauth2_client_auth": "private_key_jwt"}, "oauth2_client_secret is given, but oauth2_client_auth private_key_jwt has no use"),
    (OAUTH | {"oauth2_client_auth": "tls_client_auth"}, "has no use for it"),
    (OAUTH | {"oauth2_service_account": CANARY}, "but a service account has no use for it"),
    (KEYED, "oauth2_private_key is missing"),
    (KEYED | {"oauth2_private_key": CANARY}, "oauth2_private_key is no private key in PEM"),
    (KEYED | {"oauth2_private_key": PEM_OF_CANARY}, "oauth2_private_key is no private key in PEM"),
    (KEYED | {"oauth2_client_auth": "tls_client_auth", "oauth2_token_url": "http://127.0.0.1/canary"}, "must be https for tls_client_auth"),
    (OAUTH | {"oauth2_scope": "fake\u00e9canary"}, "oauth2_scope must be"),
    (OAUTH | {"oauth2_scope": "fake  canary"}, "oauth2_scope must be"),
    (OAUTH | {"oauth2_scope": ""}, "oauth2_scope is missing or empty"),
    (OAUTH | {"oauth2_audience": ""}, "oauth2_audience is missing or empty"),
    (OAUTH | {"oauth2_params": {"client_id": CANARY}}, "client_id has a setting of its own"),
    (OAUTH | {"oauth2_params": {"grant_type": CANARY}}, "grant_type has a setting of its own"),
    (OAUTH | {"oauth2_params": {"x": ""}}, "a value is missing or empty"),
    (OAUTH | {"oauth2_params": {"x": "\ud800"}}, "oauth2_params"),
    ({"auth_type": "oauth2", "oauth2_service_account": CANARY, "oauth2_scope": "s"}, "is not the JSON of a key file"),
    ({"auth_type": "oauth2", "oauth2_service_account": '{"type": "fake-canary"}', "oauth2_scope": "s"}, "no key file"),
    (ACCOUNT | {"oauth2_service_account": '{"type": "service_account", "client_email": "fake-canary"}'}, "private_key is missing"),
    (ACCOUNT | {"oauth2_service_account": ACCOUNT["oauth2_service_account"].replace("ftp://", "https://u:p@")}, "token_uri must not hold userinfo"),
    (ACCOUNT, "token_uri must begin with https:// or http://"),
    ({"auth_type": "hmac_sha256", "hmac_secret": [CANARY]}, "must be one secret"),
    ({"auth_type": "stripe", "hmac_secret": []}, "hmac_secret is missing or empty"),
    ({"auth_type": "stripe", "hmac_secret": [CANARY, ""]}, "hmac_secret is missing or empty"),
    ({"auth_type": "stripe", "hmac_secret": [CANARY, 5]}, "must be a text, or a list of texts"),
    ({"auth_type": "stripe", "hmac_secret": 5}, "must be a text, or a list of texts"),
    ({"auth_type": "stripe", "hmac_secret": {"a": CANARY}}, "must be a text, or a list of texts"),
    ({"auth_type": "stripe", "hmac_secret": CANARY, "hmac_header": "X-Mine"}, "no use for it"),
    ({"auth_type": "standard_webhooks", "hmac_secret": CANARY}, "begins with whsec_"),
    ({"auth_type": "oauth2"}, "is missing or empty"),
    ({"auth_type": "oauth2", "oauth2_client_id": "id", "oauth2_client_secret": CANARY}, "oauth2_token_url is missing"),
    ({"auth_type": "oauth2", "oauth2_token_url": URL, "oauth2_client_secret": CANARY}, "oauth2_client_id is missing"),
    ({"auth_type": "oauth2", "oauth2_token_url": URL, "oauth2_client_id": "id"}, "oauth2_client_secret is missing"),
    ({"auth_type": "oauth2", "oauth2_token_url": "auth.example.com/fake-canary", "oauth2_client_id": "id", "oauth2_client_secret": CANARY}, "no scheme"),
    ({"auth_type": "oauth2", "oauth2_token_url": "https://u:fake-canary@auth.example.com/", "oauth2_client_id": "id", "oauth2_client_secret": CANARY}, "userinfo"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "why"), BAD_AUTHS, ids=[f"{n}-{'-'.join(s)}" for n, (s, _) in enumerate(BAD_AUTHS)]
)
def test_a_bad_auth_is_refused(settings: dict[str, Any], why: str) -> None:
    assert why in refused(WebhookAuth, settings)


# --- WebhookRetryConfig.


@pytest.mark.parametrize("value", [-1, -0.001, math.nan, math.inf, -math.inf, 1e12, "x", None, []])
@pytest.mark.parametrize("name", ["initial_delay", "max_delay", "retry_after_cap"])
def test_a_bad_delay_is_refused(name: str, value: Any) -> None:
    assert name in refused(WebhookRetryConfig, {name: value})


@pytest.mark.parametrize("value", [-1, 2**31, 10**400, 1.5, math.nan, math.inf, "many", None])
def test_a_bad_number_of_retries_is_refused(value: Any) -> None:
    assert "max_retries" in refused(WebhookRetryConfig, {"max_retries": value})


@pytest.mark.parametrize("value", [0, 0.5, -2, math.nan, math.inf, 1e6, "two", None])
def test_a_bad_base_is_refused(value: Any) -> None:
    assert "exponential_base" in refused(WebhookRetryConfig, {"exponential_base": value})


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, 1e12, "soon"])
def test_a_bad_deadline_is_refused(value: Any) -> None:
    assert "deadline" in refused(WebhookRetryConfig, {"deadline": value})


@pytest.mark.parametrize("value", ["maybe", None, 5, math.nan])
def test_bad_jitter_is_refused(value: Any) -> None:
    assert "jitter" in refused(WebhookRetryConfig, {"jitter": value})


ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()


@given(st.sampled_from(sorted(WebhookConfig.model_fields)), ANYTHING)
def test_no_value_of_any_setting_makes_another_error(name: str, value: Any) -> None:
    refusal(WebhookConfigError, lambda: WebhookConfig(**({"url": URL} | {name: value})))


@given(st.sampled_from(sorted(WebhookAuth.model_fields)), ANYTHING, st.sampled_from(
    list(WebhookAuthType)
))  # fmt: skip
def test_no_value_of_any_auth_setting_makes_another_error(
    name: str, value: Any, auth_type: str
) -> None:
    secrets = {
        "api_key": "k", "bearer_token": "t", "username": "u", "password": "p", "hmac_secret": "h",
        "oauth2_token_url": URL, "oauth2_client_id": "i", "oauth2_client_secret": "s",
    }  # fmt: skip
    settings = secrets | {"auth_type": auth_type} | {name: value}
    refusal(WebhookConfigError, lambda: WebhookAuth(**settings))
