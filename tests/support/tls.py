"""Server-side TLS contexts, with certificates made on the spot."""

from __future__ import annotations

import ssl
import warnings
from datetime import UTC, datetime, timedelta

import trustme


def server_tls(ca: trustme.CA, name: str = "127.0.0.1", *, days: int = 90) -> ssl.SSLContext:
    """A context whose certificate is for `name` and ends in `days` days (or ended, if negative)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    now = datetime.now(UTC)
    ends = now + timedelta(days=days, hours=1)
    begins = min(now, ends) - timedelta(days=30)
    ca.issue_cert(name, not_before=begins, not_after=ends).configure_cert(context)
    return context


def demanding_tls(ca: trustme.CA) -> ssl.SSLContext:
    """A context that refuses clients without a certificate."""
    context = server_tls(ca)
    ca.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def old_tls(ca: trustme.CA) -> ssl.SSLContext:
    """A context that speaks nothing newer than TLS 1.1."""
    context = server_tls(ca)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context
