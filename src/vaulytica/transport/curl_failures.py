"""What libcurl's error codes mean for a delivery. Codes: https://curl.se/libcurl/c/libcurl-errors.html"""

from __future__ import annotations

import re
from typing import Any

import pycurl

from vaulytica.errors import FailureKind, TransportFailure, one_line

_E_PROXY = 97  # CURLE_PROXY, which pycurl has no name for
_KINDS = {
    pycurl.E_COULDNT_RESOLVE_HOST: FailureKind.RESOLVE,
    pycurl.E_COULDNT_CONNECT: FailureKind.CONNECT,
    pycurl.E_OPERATION_TIMEDOUT: FailureKind.TIMEOUT,
    pycurl.E_COULDNT_RESOLVE_PROXY: FailureKind.PROXY,
    _E_PROXY: FailureKind.PROXY,
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
_NO_CLIENT_CERTIFICATE = re.compile(
    r"SSL routines.* alert .*(certificate|unknown ca|access denied)"
)
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


# What SOCKS proxies say (CURLPX_…): of the destination; and of us, for good.
_OF_THE_DESTINATION = frozenset({19, 21, 22, 24})  # refused, no way to the host or network, TTL
_OF_OUR_CREDENTIALS = frozenset({9, 10, 11, 12, 33})  # too long, no method in common, rejected
_CUT = (pycurl.E_RECV_ERROR, pycurl.E_GOT_NOTHING, pycurl.E_SEND_ERROR, pycurl.E_SSL_CONNECT_ERROR)
_NO_ANSWER_TO_CONNECT = (*_CUT, 8)  # CURLE_WEIRD_SERVER_REPLY


def failure_by_proxy(curl: Any, code: int, message: str) -> TransportFailure | None:
    """The failure of a transfer that used a proxy, where it is the proxy's; None where it is not, or none can tell."""
    answered = curl.getinfo(pycurl.HTTP_CONNECTCODE)
    retryable, why = True, ""
    if code == _E_PROXY:
        said = curl.getinfo(pycurl.PROXY_ERROR)
        if said in _OF_THE_DESTINATION:
            text = f"{_WORDS[FailureKind.CONNECT]} (the proxy says: {one_line(message)})"
            return TransportFailure(FailureKind.CONNECT, text)
        retryable = said not in _OF_OUR_CREDENTIALS
    elif code == pycurl.E_COULDNT_CONNECT and not answered:
        why = "no connection to it"
    elif answered >= 300:
        why = f"it answered HTTP {answered} to CONNECT"
    elif code in _TLS_FOR_GOOD and curl.getinfo(pycurl.PROXY_SSL_VERIFYRESULT):
        text = f"{_WORDS[FailureKind.TLS]} to the proxy ({one_line(message)})"
        return TransportFailure(FailureKind.TLS, text, retryable=False)
    elif code == pycurl.E_OPERATION_TIMEDOUT and not curl.getinfo(pycurl.CONNECT_TIME):
        why = "no connection to it in time"
    elif code in _NO_ANSWER_TO_CONNECT and _is_before_the_tunnel(curl):
        why = "the connection to it broke"
    elif code != pycurl.E_COULDNT_RESOLVE_PROXY:
        return None
    text = f"{_WORDS[FailureKind.PROXY]}{f': {why}' if why else ''} ({one_line(message)})"
    return TransportFailure(FailureKind.PROXY, text, retryable=retryable)


def _is_before_the_tunnel(curl: Any) -> bool:
    """Whether a proxy that was asked by CONNECT for a tunnel, on a new connection, has not answered."""
    return bool(
        curl.getinfo(pycurl.EFFECTIVE_URL).startswith("https:")
        and not curl.getinfo(pycurl.HTTP_CONNECTCODE)
        and not curl.getinfo(pycurl.APPCONNECT_TIME)
        and curl.getinfo(pycurl.NUM_CONNECTS)
    )
