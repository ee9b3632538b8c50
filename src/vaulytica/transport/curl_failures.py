"""What libcurl's error codes mean for a delivery. Codes: https://curl.se/libcurl/c/libcurl-errors.html"""

from __future__ import annotations

import re

import pycurl

from vaulytica.errors import FailureKind, TransportFailure, one_line

_KINDS = {
    pycurl.E_COULDNT_RESOLVE_HOST: FailureKind.RESOLVE,
    pycurl.E_COULDNT_CONNECT: FailureKind.CONNECT,
    pycurl.E_OPERATION_TIMEDOUT: FailureKind.TIMEOUT,
    pycurl.E_COULDNT_RESOLVE_PROXY: FailureKind.PROXY,
    97: FailureKind.PROXY,  # CURLE_PROXY, which pycurl has no name for
    pycurl.E_SSL_CONNECT_ERROR: FailureKind.TLS,
    pycurl.E_URL_MALFORMAT: FailureKind.REQUEST,
    pycurl.E_UNSUPPORTED_PROTOCOL: FailureKind.REQUEST,
    pycurl.E_OUT_OF_MEMORY: FailureKind.REQUEST,
    pycurl.E_BAD_FUNCTION_ARGUMENT: FailureKind.REQUEST,
}
# The certificate, the pin, or our own TLS files: no retry mends these.
_TLS_FOR_GOOD = (
    pycurl.E_PEER_FAILED_VERIFICATION,
    pycurl.E_SSL_CERTPROBLEM,
    pycurl.E_SSL_CIPHER,
    pycurl.E_SSL_CACERT_BADFILE,
    pycurl.E_SSL_CRL_BADFILE,
    pycurl.E_SSL_ISSUER_ERROR,
    pycurl.E_SSL_PINNEDPUBKEYNOTMATCH,
    pycurl.E_SSL_INVALIDCERTSTATUS,
    pycurl.E_SSL_ENGINE_NOTFOUND,
    pycurl.E_SSL_ENGINE_SETFAILED,
)
_NO_CLIENT_CERTIFICATE = re.compile(r"SSL routines.* alert .*(certificate|unknown ca)")
_WORDS = {
    FailureKind.RESOLVE: "no address for the host",
    FailureKind.CONNECT: "no connection",
    FailureKind.TLS: "no trusted TLS connection",
    FailureKind.TIMEOUT: "no whole answer in time",
    FailureKind.PROXY: "the proxy failed",
    FailureKind.BROKEN: "the connection broke",
    FailureKind.REQUEST: "the request could not be made",
}


def failure_of(code: int, message: str) -> TransportFailure:
    """The failure for a libcurl error code and its message."""
    kind = _KINDS.get(code, FailureKind.BROKEN)
    retryable = kind is not FailureKind.REQUEST
    if code in _TLS_FOR_GOOD:
        kind, retryable = FailureKind.TLS, False
    elif kind is FailureKind.TLS:
        # The handshake failed: by what was said in it (for good), or since the line was cut (not).
        retryable = "SSL routines" not in message or "unexpected eof" in message
        kind = FailureKind.BROKEN if retryable else kind
    elif code == pycurl.E_UNSUPPORTED_PROTOCOL and "HTTP" in message:
        kind, retryable = FailureKind.BROKEN, True  # an answer that is not HTTP
    elif _NO_CLIENT_CERTIFICATE.search(message):
        kind, retryable = FailureKind.TLS, False  # TLS 1.3 says so only after the handshake
    elif code == pycurl.E_SEND_FAIL_REWIND:
        message = "closed before there was an answer"  # and not sent once more behind our back
    return TransportFailure(
        kind,
        f"{_WORDS[kind]} ({one_line(message)})" if message else _WORDS[kind],
        retryable=retryable,
    )
