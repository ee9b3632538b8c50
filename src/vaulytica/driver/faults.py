"""What a driver tells a flow of a transport, which may be anybody's, that does not do as it should."""

from __future__ import annotations

import logging

from vaulytica.errors import FailureKind, TransportFailure

log = logging.getLogger("vaulytica")


def no_response(answer: object) -> TransportFailure:
    """What a transport, which may be anybody's, gave instead of an answer."""
    what = f"the transport gave {type(answer).__name__}, not a Response"
    return TransportFailure(FailureKind.REQUEST, what, retryable=False)


def failure_of(error: Exception) -> TransportFailure:
    """A transport's error that is no `TransportFailure`: of the network, or a fault of its own."""
    log.debug("the transport raised", exc_info=error)
    what = f"the transport raised {type(error).__name__}: {error}"
    if isinstance(error, OSError):
        kind = FailureKind.TIMEOUT if isinstance(error, TimeoutError) else FailureKind.BROKEN
        return TransportFailure(kind, what)
    return TransportFailure(FailureKind.REQUEST, what, retryable=False)
