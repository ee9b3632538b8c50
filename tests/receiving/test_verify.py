"""The laws of `verify`, for every scheme: right is what was signed so, and nothing else."""

from __future__ import annotations

import base64
import pickle
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from support.signing import NOW, SIGNING, pair, secret_of, signed, whsec
from vaulytica.errors import SignatureError, SignatureProblem, WebhookConfigError
from vaulytica.receiving import Verified, Verifier, verify

BODY = b'{"event_type":"login_failed"}'
IDS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="."), min_size=1, max_size=256)  # fmt: skip
TIMES = st.integers(0, 10**11)
TIMED = ("standard_webhooks", "stripe", "slack")


def problem(call: Any, *arguments: Any, **named: Any) -> SignatureProblem:
    with pytest.raises(SignatureError) as caught:
        call(*arguments, **named)
    assert "\n" not in str(caught.value)
    assert "fake-" not in str(caught.value)
    return caught.value.problem


EACH = pytest.mark.parametrize("scheme", SIGNING)


# --- Laws.


@EACH
@given(body=st.binary(max_size=200), id=IDS, now=TIMES)
@example(body=b"", id="e-1", now=0)
def test_what_is_signed_is_verified(scheme: str, body: bytes, id: str, now: int) -> None:
    secret = secret_of(scheme)
    found = verify(signed(scheme, secret, body, id=id, now=now), body, secret, scheme=scheme, now=now)  # fmt: skip
    assert found.scheme == scheme
    assert found.body == body
    assert found.id == (id if scheme == "standard_webhooks" else None)
    assert found.timestamp == (now if scheme in TIMED else None)


@EACH
@given(body=st.binary(min_size=1, max_size=60), data=st.data())
def test_any_bit_of_the_body_counts(scheme: str, body: bytes, data: st.DataObject) -> None:
    secret = secret_of(scheme)
    headers = signed(scheme, secret, body)
    at, bit = data.draw(st.integers(0, len(body) - 1)), data.draw(st.integers(0, 7))
    other = body[:at] + bytes([body[at] ^ 1 << bit]) + body[at + 1 :]
    assert problem(verify, headers, other, secret, scheme=scheme, now=NOW) is (
        SignatureProblem.NO_MATCH
    )


@EACH
@given(data=st.data())
def test_any_bit_of_the_headers_counts(scheme: str, data: st.DataObject) -> None:
    secret = secret_of(scheme)
    headers = list(signed(scheme, secret, BODY))
    Verifier(secret, scheme=scheme).verify(headers, BODY, now=NOW)
    own = [n for n, (name, _) in enumerate(headers) if name != "Webhook-Id" or scheme == "standard_webhooks"]  # fmt: skip
    which = data.draw(st.sampled_from(own))
    name, value = headers[which]
    at, bit = data.draw(st.integers(0, len(value) - 1)), data.draw(st.integers(0, 6))
    changed = value[:at] + chr(ord(value[at]) ^ 1 << bit) + value[at + 1 :]
    if changed.strip(" \t") == value.strip(" \t"):
        return
    headers[which] = (name, changed)
    with pytest.raises(SignatureError):
        verify(headers, BODY, secret, scheme=scheme, now=NOW)


@given(data=st.data())
def test_any_bit_of_an_ed25519_signature_counts(data: st.DataObject) -> None:
    private, public = pair("key")
    headers = dict(signed("standard_webhooks", private, BODY))
    value = headers["Webhook-Signature"]
    at, bit = data.draw(st.integers(4, len(value) - 1)), data.draw(st.integers(0, 6))
    headers["Webhook-Signature"] = value[:at] + chr(ord(value[at]) ^ 1 << bit) + value[at + 1 :]
    if headers["Webhook-Signature"].strip() != value:
        with pytest.raises(SignatureError):
            verify(headers, BODY, public, now=NOW)


@given(st.text(min_size=1).filter(str.strip), st.binary(max_size=50))
def test_any_text_can_be_a_secret(secret: str, body: bytes) -> None:
    for scheme in ("hmac_sha256", "github", "stripe", "slack"):
        try:
            headers = signed(scheme, secret, body)
        except WebhookConfigError:
            with pytest.raises(WebhookConfigError):
                verify({}, body, secret, scheme=scheme)
            continue
        assert verify(headers, body, secret, scheme=scheme, now=NOW)
        assert problem(verify, headers, body, secret + "x", scheme=scheme, now=NOW) is (
            SignatureProblem.NO_MATCH
        )


@given(
    headers=st.lists(
        st.tuples(
            st.sampled_from(
                ["Webhook-Id", "Webhook-Timestamp", "Webhook-Signature", "Stripe-Signature",
                 "X-Slack-Signature", "X-Slack-Request-Timestamp", "X-Hub-Signature-256", "X-Signature"]
            ),
            st.text(max_size=80) | st.text("v1a,=t+/ 0", max_size=120) | st.just("é" * 5000)
            | st.just(" ".join(["v1," + "A" * 43 + "="] * 200)),
        ),
        max_size=9,
    ),
    body=st.binary(max_size=20),
)  # fmt: skip
def test_whatever_comes_raises_nothing_else(headers: Any, body: bytes) -> None:
    verifier = Verifier([whsec("key"), pair("key")[1], "fake-text"], scheme=SIGNING)
    with pytest.raises(SignatureError) as caught:
        verifier.verify(headers, body, now=NOW)
    assert "\n" not in str(caught.value)


# --- Keys that rotate.


@EACH
def test_keys_that_rotate_overlap(scheme: str) -> None:
    old, new = (secret_of(scheme, fill) for fill in ("old", "new"))
    for sent_with in (old, new):
        found = verify(signed(scheme, sent_with, BODY), BODY, [old, new], scheme=scheme, now=NOW)
        assert found.secret == [old, new].index(sent_with)
    assert problem(verify, signed(scheme, new, BODY), BODY, [old], scheme=scheme, now=NOW) is (
        SignatureProblem.NO_MATCH
    )


@pytest.mark.parametrize("scheme", ["standard_webhooks", "stripe"])
def test_all_keys_of_a_list_sign(scheme: str) -> None:
    keys = [secret_of(scheme, fill) for fill in ("old", "new", "newer")]
    headers = signed(scheme, keys, BODY)
    for key in keys:
        assert verify(headers, BODY, key, scheme=scheme, now=NOW)
    with pytest.raises(SignatureError):
        verify(headers, BODY, secret_of(scheme, "other"), scheme=scheme, now=NOW)


def test_symmetric_and_asymmetric_keys_side_by_side() -> None:
    private, public = pair("key")
    headers = signed("standard_webhooks", [whsec("key"), private], BODY)
    assert [part.split(",")[0] for part in dict(headers)["Webhook-Signature"].split(" ")] == [
        "v1", "v1a"
    ]  # fmt: skip
    for secrets in (whsec("key"), public, [whsec("other"), public], [public, whsec("key")]):
        assert verify(headers, BODY, secrets, now=NOW)
    with pytest.raises(SignatureError):
        verify(headers, BODY, [whsec("other"), pair("other")[1]], now=NOW)


def test_every_candidate_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time tells nothing of which key or signature was right: each is compared with each, always."""
    compared: list[bool] = []
    real = __import__("hmac").compare_digest

    def counting(given: bytes, right: bytes) -> bool:
        compared.append(real(given, right))
        return compared[-1]

    monkeypatch.setattr("vaulytica.receiving.signatures.hmac.compare_digest", counting)
    keys = [whsec(fill) for fill in ("a", "b", "c")]
    headers = signed("standard_webhooks", keys, BODY)
    verify(headers, BODY, keys, now=NOW)
    assert (len(compared), sum(compared)) == (9, 3)
    compared.clear()
    with pytest.raises(SignatureError):
        verify(headers, BODY + b" ", keys, now=NOW)
    assert (len(compared), sum(compared)) == (9, 0)


# --- Time.


@pytest.mark.parametrize("scheme", TIMED)
@given(off=st.integers(-10_000, 10_000), tolerance=st.integers(1, 9_000))
def test_the_time_may_be_off_by_the_tolerance(scheme: str, off: int, tolerance: int) -> None:
    secret = secret_of(scheme)
    headers = signed(scheme, secret, BODY, now=NOW + off)
    if abs(off) <= tolerance:
        assert verify(headers, BODY, secret, tolerance, scheme=scheme, now=NOW)
    else:
        assert problem(verify, headers, BODY, secret, tolerance, scheme=scheme, now=NOW) is (
            SignatureProblem.OUTSIDE_TOLERANCE
        )


@pytest.mark.parametrize(
    "tolerance", [0, -1, float("nan"), float("inf"), 10**400, 8 * 86400, None, "300", True]
)
def test_a_tolerance_that_is_none_is_refused(tolerance: Any) -> None:
    with pytest.raises(WebhookConfigError, match="tolerance"):
        verify({}, b"", whsec("key"), tolerance)


@pytest.mark.parametrize("text", ["", "1e9", "-1", "+1", " 1", "1.5", "٣", "1_0", "0x1", "9" * 13])
def test_a_time_that_is_no_number_of_seconds(text: str) -> None:
    headers = dict(signed("standard_webhooks", whsec("key"), BODY)) | {"Webhook-Timestamp": text}
    if text.strip() != text:  # blanks around a value are no part of it
        assert problem(verify, headers, BODY, whsec("key"), now=1) is SignatureProblem.NO_MATCH
    else:
        assert problem(verify, headers, BODY, whsec("key"), now=NOW) is SignatureProblem.MALFORMED


# --- Headers.


@EACH
def test_headers_in_any_case_and_shape(scheme: str) -> None:
    secret = secret_of(scheme)
    headers = signed(scheme, secret, BODY)
    for given_as in (
        dict(headers),
        {name.upper(): value for name, value in headers},
        [(name.lower().encode(), value.encode()) for name, value in headers],
        [(name, f" {value}\t") for name, value in headers],
        iter(headers),
    ):
        assert verify(given_as, BODY, secret, scheme=scheme, now=NOW)


@EACH
def test_a_header_given_twice_is_refused(scheme: str) -> None:
    secret = secret_of(scheme)
    headers = signed(scheme, secret, BODY)
    for name, value in headers:
        if name == "Webhook-Id" and scheme != "standard_webhooks":
            continue
        more = [*headers, (name.swapcase(), value)]
        assert problem(verify, more, BODY, secret, scheme=scheme, now=NOW) is (
            SignatureProblem.MALFORMED
        )


@EACH
def test_a_header_that_is_missing(scheme: str) -> None:
    secret = secret_of(scheme)
    headers = dict(signed(scheme, secret, BODY))
    for name in headers:
        if name == "Webhook-Id" and scheme != "standard_webhooks":
            continue
        less = {other: value for other, value in headers.items() if other != name}
        assert problem(verify, less, BODY, secret, scheme=scheme, now=NOW) is (
            SignatureProblem.MISSING
        )


@pytest.mark.parametrize(
    ("scheme", "header", "value"),
    [
        ("standard_webhooks", "Webhook-Id", "a.b"),
        ("standard_webhooks", "Webhook-Id", "a b"),
        ("standard_webhooks", "Webhook-Id", "é"),
        ("standard_webhooks", "Webhook-Id", "x" * 257),
        ("standard_webhooks", "Webhook-Signature", "v2,abc v3,def"),
        ("standard_webhooks", "Webhook-Signature", "v1"),
        ("standard_webhooks", "Webhook-Signature", "v1," + "A" * 42),
        ("standard_webhooks", "Webhook-Signature", "x" * 4097),
        ("standard_webhooks", "Webhook-Signature", " ".join(["v1," + "A" * 43 + "="] * 17)),
        ("stripe", "Stripe-Signature", f"v1={'0' * 64}"),
        ("stripe", "Stripe-Signature", f"t=1,t=2,v1={'0' * 64}"),
        ("stripe", "Stripe-Signature", f"t=x,v1={'0' * 64}"),
        ("stripe", "Stripe-Signature", f"t=1761739200,v0={'0' * 64}"),
        ("stripe", "Stripe-Signature", "t=1761739200," + ",".join([f"v1={'0' * 64}"] * 16)),
        ("slack", "X-Slack-Signature", "0" * 64),
        ("slack", "X-Slack-Signature", f"v1={'0' * 64}"),
        ("github", "X-Hub-Signature-256", f"sha1={'0' * 40}"),
        ("github", "X-Hub-Signature-256", f"sha256={'G' * 64}"),
        ("hmac_sha256", "X-Signature", "sha256="),
        ("hmac_sha256", "X-Signature", "\udcff" * 64),
        ("hmac_sha256", "X-Signature", ""),
    ],
)
def test_a_header_that_is_malformed(scheme: str, header: str, value: str) -> None:
    secret = secret_of(scheme)
    headers = dict(signed(scheme, secret, BODY)) | {header: value}
    assert problem(verify, headers, BODY, secret, scheme=scheme, now=NOW) is (
        SignatureProblem.MALFORMED
    )


def test_a_signature_of_a_version_to_come_does_no_harm() -> None:
    headers = dict(signed("standard_webhooks", whsec("key"), BODY))
    headers["Webhook-Signature"] = f"v9,x {headers['Webhook-Signature']} v1,broken"
    assert verify(headers, BODY, whsec("key"), now=NOW)


def test_of_a_signature_there_is_one_text() -> None:
    """The last letters of base64 have bits that decode to nothing."""
    private, public = pair("key")
    for secret, known, unused in ((whsec("key"), whsec("key"), 2), (private, public, 4)):
        headers = dict(signed("standard_webhooks", secret, BODY))
        text = headers["Webhook-Signature"].rstrip("=")
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        other = letters[letters.index(text[-1]) + 1]
        padding = "=" * (unused // 2)
        headers["Webhook-Signature"] = f"{text[:-1]}{other}{padding}"
        given = headers["Webhook-Signature"].partition(",")[2]
        assert base64.b64decode(given) == base64.b64decode(text.partition(",")[2] + padding)
        assert problem(verify, headers, BODY, known, now=NOW) is SignatureProblem.NO_MATCH


def test_a_header_of_any_length_is_not_looked_through() -> None:
    headers = dict(signed("standard_webhooks", whsec("key"), BODY))
    right = headers["Webhook-Signature"]
    room = 4096 - len(f"{right} v9,")
    headers["Webhook-Signature"] = f"{right} v9,{'x' * room}"
    assert verify(headers, BODY, whsec("key"), now=NOW)
    headers["Webhook-Signature"] += "x"
    assert problem(verify, headers, BODY, whsec("key"), now=NOW) is SignatureProblem.MALFORMED


# --- The body.


@EACH
@pytest.mark.parametrize("body", ["{}", {}, None, 5], ids=repr)
def test_only_raw_bytes_are_verified(scheme: str, body: Any) -> None:
    secret = secret_of(scheme)
    with pytest.raises(TypeError, match="raw"):
        verify(signed(scheme, secret, b"{}"), body, secret, scheme=scheme, now=NOW)


def test_json_written_anew_is_not_what_was_signed() -> None:
    headers = signed("standard_webhooks", whsec("key"), b'{"a": 1}')
    assert problem(verify, headers, b'{"a":1}', whsec("key"), now=NOW) is SignatureProblem.NO_MATCH
    for body in (bytearray(b'{"a": 1}'), memoryview(b'{"a": 1}')):
        assert verify(headers, body, whsec("key"), now=NOW).body == b'{"a": 1}'


# --- Which scheme.


def test_a_scheme_is_told_by_its_header_if_it_signs_a_time() -> None:
    secrets = [whsec("key"), "fake-text"]
    for scheme in TIMED:
        secret = secrets[0] if scheme == "standard_webhooks" else secrets[1]
        assert verify(signed(scheme, secret, BODY), BODY, secrets, now=NOW).scheme == scheme


@pytest.mark.parametrize("scheme", ["hmac_sha256", "github"])
def test_a_scheme_that_signs_no_time_must_be_named(scheme: str) -> None:
    headers = signed(scheme, "fake-text", BODY)
    assert problem(verify, headers, BODY, "fake-text", now=NOW) is SignatureProblem.MISSING
    assert verify(headers, BODY, "fake-text", scheme=[scheme, "stripe"], now=NOW).scheme == scheme


def test_a_scheme_that_is_not_allowed_is_not_looked_at() -> None:
    headers = signed("slack", "fake-text", BODY)
    assert problem(verify, headers, BODY, "fake-text", scheme="stripe", now=NOW) is (
        SignatureProblem.MISSING
    )


def test_a_signature_of_one_scheme_is_none_of_another() -> None:
    """The guide's scheme signs the body alone: what Slack's signs before it would be a body of its own."""
    headers = dict(signed("slack", "fake-text", BODY))
    seconds = headers["X-Slack-Request-Timestamp"]
    forged = {"X-Signature": headers["X-Slack-Signature"].removeprefix("v0=")}
    body = f"v0:{seconds}:".encode() + BODY
    assert problem(verify, forged, body, "fake-text", now=NOW) is SignatureProblem.MISSING


def test_the_first_scheme_allowed_decides() -> None:
    headers = [*signed("stripe", "fake-text", BODY), *signed("slack", "fake-text", BODY)[1:]]
    for order in (["stripe", "slack"], ["slack", "stripe"]):
        assert verify(headers, BODY, "fake-text", scheme=order, now=NOW).scheme == order[0]


def test_a_request_signed_by_another_scheme_is_told_so() -> None:
    """Such as where a whsec_ key has lost its end: it could be Stripe's, which is any text."""
    headers = [
        *signed("standard_webhooks", whsec("key"), BODY),
        *signed("github", "fake", BODY),
    ] * 2
    with pytest.raises(SignatureError) as caught:
        verify(headers, BODY, whsec("key")[:20], now=NOW)
    wanted, there = str(caught.value).split(", but ")
    assert wanted == "not signed: no header Stripe-Signature or X-Slack-Signature"
    assert there == "Webhook-Signature and X-Hub-Signature-256"


# --- Wrong use.


@pytest.mark.parametrize(
    ("secrets", "scheme", "why"),
    [
        ("", None, "missing or empty"),
        ([], None, "missing or empty"),
        (["fake", " "], "stripe", "missing or empty"),
        ([b"fake"], "stripe", "each is text .str., and one of them is bytes"),
        (b"fake", None, "each is text .str., and one of them is bytes"),
        (None, None, "none is given"),
        (5, None, "text .str. or a list of texts, not int"),
        ("fake", 5, "scheme must be the name"),
        ("fake", b"stripe", "scheme must be the name"),
        (["fake", None], "stripe", "missing or empty"),
        ("fake-\ud800", "stripe", "Unicode"),
        ("fake", "rot13", "known are standard_webhooks, stripe, slack, github, hmac_sha256"),
        ("fake", "standard_webhooks", "begins with whsec_"),
        ("whsec_fake!", "standard_webhooks", "not base64"),
        ("whsec_ZmFrZQ==", "standard_webhooks", "24 to 64 bytes, this one 4"),
        (pair("key")[0], "standard_webhooks", "public key"),
        ("whpk_ZmFrZQ==", "standard_webhooks", "32 bytes, this one 4"),
        (pair("key")[1], "stripe", "no shared secret"),
        (pair("key")[1], "github", "no shared secret"),
        (pair("key")[1], ["stripe", "slack"], "no shared secret"),
        (["fake", whsec("key")], ["stripe", "standard_webhooks", "nonsense"], "unknown scheme"),
        (["fake", pair("key")[0]], None, "gets the public key"),
        ([whsec("key"), "fake"], "standard_webhooks", "begins with whsec_"),
        (pair("key")[0], None, "gets the public key"),
    ],
)
def test_wrong_secrets_and_schemes_are_refused_at_once(secrets: Any, scheme: Any, why: str) -> None:
    with pytest.raises(WebhookConfigError, match=why) as caught:
        verify({}, b"", secrets, scheme=scheme)
    assert "ZmFrZQ" not in str(caught.value)


def test_a_header_of_another_type_is_the_callers_mistake() -> None:
    with pytest.raises(TypeError, match="str or bytes"):
        verify([("Webhook-Id", 5)], b"", whsec("key"))  # type: ignore[list-item]


def test_nothing_shows_a_secret_or_the_body() -> None:
    verifier = Verifier([whsec("key"), "fake-text"])
    found = verifier.verify(signed("slack", "fake-text", BODY), BODY, now=NOW)
    for shown in (repr(verifier), repr(found)):
        assert "fake" not in shown
        assert "login" not in shown
    assert isinstance(found, Verified)


def test_an_error_can_be_pickled() -> None:
    with pytest.raises(SignatureError) as caught:
        verify({}, b"", whsec("key"))
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.problem, str(copy)) == (SignatureProblem.MISSING, str(caught.value))
