"""Target: a stranger's signature over a stranger's body; and a right one over another body."""

from __future__ import annotations

from fuzz.taking import Taking
from support.signing import NOW, SIGNING, pair, secret_of, signed
from vaulytica.errors import SignatureError
from vaulytica.receiving import Verifier

PRIVATE, PUBLIC = pair("fuzz")
SECRETS = {name: secret_of(name, "fuzz") for name in SIGNING}
VERIFIERS = {name: Verifier([SECRETS[name]], scheme=name) for name in SIGNING}
VERIFIERS["ed25519"] = Verifier([PUBLIC, SECRETS["standard_webhooks"]])
VERIFIERS["any that signs a time"] = Verifier([SECRETS["stripe"]])
NAMES = (
    "Webhook-Signature", "Webhook-Id", "Webhook-Timestamp", "Stripe-Signature", "X-Slack-Signature",
    "X-Slack-Request-Timestamp", "X-Hub-Signature-256", "X-Signature", "webhook-signature", "Other",
)  # fmt: skip


def target(data: bytes) -> None:
    """Nothing verifies that the secret did not sign, and nothing but `SignatureError` says so."""
    taking = Taking(data)
    if taking.byte() % 4 == 3:
        _right_one(taking)
        return
    verifier = taking.one_of(list(VERIFIERS.values()))
    headers: list[tuple[str | bytes, str | bytes]] = []
    for _ in range(taking.byte() % 6):
        name, value = taking.one_of(NAMES), taking.part()
        as_bytes = taking.byte() % 2 == 0
        text = value.decode("utf-8", "surrogateescape")
        headers.append((name.encode(), value) if as_bytes else (name, text))
    try:
        verified = verifier.verify(headers, taking.rest(), now=NOW)
    except SignatureError as error:
        assert not {"\n", "\r", "\0"} & set(str(error))
        return
    raise AssertionError(f"a stranger's {verified.scheme}")


def _right_one(taking: Taking) -> None:
    """A request that was signed, and what arrives: it verifies if it is the same, to the byte."""
    name = taking.one_of(SIGNING)
    sent, arrived = taking.part(), taking.part()
    headers = signed(name, SECRETS[name], sent)
    try:
        verified = VERIFIERS[name].verify(headers, arrived, now=NOW)
    except SignatureError:
        assert sent != arrived
    else:
        assert sent == arrived == verified.body
        assert verified.scheme == name
