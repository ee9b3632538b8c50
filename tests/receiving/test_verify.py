from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaulytica.receiving.verify import verify_hmac_sha256


@given(st.binary(), st.text(min_size=1))
def test_right_signatures_only(body, secret):
    try:
        key = secret.encode()
    except UnicodeEncodeError:
        return
    right = hmac.new(key, body, hashlib.sha256).hexdigest()
    assert verify_hmac_sha256(body, right, secret)
    assert verify_hmac_sha256(body, f" {right.upper()} ", secret)
    assert not verify_hmac_sha256(body + b" ", right, secret)
    assert not verify_hmac_sha256(body, right, secret + "x")


@pytest.mark.parametrize("signature", ["", "00", "x" * 64, "é", "\udcff", "sha256="])
def test_odd_signatures_are_wrong_and_raise_nothing(signature):
    assert not verify_hmac_sha256(b"{}", signature, "secret")
