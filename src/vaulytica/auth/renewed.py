"""A scheme that is made anew whenever one of its secrets changes."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from vaulytica.delivery.ports import Auth, Flow
from vaulytica.delivery.redaction import HoldsSecrets
from vaulytica.delivery.request import Header, Request, Response
from vaulytica.errors import WebhookConfigError
from vaulytica.latch import Latch

log = logging.getLogger("vaulytica")

_REMEMBERED = 4  # answers to what an old secret signed may still be on their way


class RenewedAuth(HoldsSecrets):
    """Looks before each attempt. `make` gives the scheme, and headers that hold secrets themselves.

    `revision` is asked each time, so it must be quick; where it changes, `make` is called again.
    What `make` then refuses is logged, and the scheme that was there stays in use.
    """

    def __init__(
        self,
        make: Callable[[], tuple[Auth, tuple[Header, ...]]],
        revision: Callable[[], Hashable],
    ) -> None:
        self._make = make
        self._revision = revision
        self._made_of = revision()  # before it is made: a change in between is seen next time
        self._scheme, self._headers = make()
        self._before: deque[tuple[Auth, tuple[Header, ...]]] = deque(maxlen=_REMEMBERED)
        self._latch = Latch()
        self.name: str = self._scheme.name
        self.header_names: tuple[str, ...] = (
            *self._scheme.header_names,
            *(name for name, _ in self._headers),
        )

    def __getattr__(self, name: str) -> Any:
        """What more the scheme says of itself, such as `urls`."""
        return getattr(self.__dict__["_scheme"], name)

    def flow(self, request: Request, now: float) -> Flow[Response]:
        """The scheme's own flow, with the secrets as they are now."""
        self._renew()
        scheme, headers = self._scheme, self._headers
        if headers:
            request = request.with_headers(*headers)
        return (yield from scheme.flow(request, now))

    def secrets(self) -> Sequence[str]:
        """Those of now, and those of the schemes that this one took the place of."""
        found: list[str] = []
        for scheme, headers in ((self._scheme, self._headers), *tuple(self._before)):
            found += scheme.secrets()
            for _, value in headers:
                found += (value, *value.split()[1:])
        return found

    def _renew(self) -> None:
        revision = self._revision()
        if revision == self._made_of:
            return
        if not self._latch.take():
            return  # another thread is at it: until it is done, those that were there serve
        try:
            if revision != self._made_of:
                self._make_anew()
                # Last: a child that is forked halfway makes it once more.
                self._made_of = revision
        finally:
            self._latch.give()

    def _make_anew(self) -> None:
        try:
            made = self._make()
        except WebhookConfigError as error:
            log.warning("%s; the credentials that were there stay in use", error)
            return
        self._before.appendleft((self._scheme, self._headers))
        self._scheme, self._headers = made

    def __repr__(self) -> str:
        return repr(self._scheme)
