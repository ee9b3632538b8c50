"""What one caller gets for all: a token, a challenge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from vaulytica.delivery.ports import Flow, alone
from vaulytica.errors import AuthFailure, TransportFailure

T = TypeVar("T")


class Shared(Generic[T]):
    """A value that is fetched by one caller at a time; those who wait for it share what comes of it."""

    def __init__(self) -> None:
        self.value: T | None = None
        self._failure: AuthFailure | TransportFailure | None = None
        self._fetches = 0

    def fetch(self, make: Callable[[], Flow[T]]) -> Flow[T]:
        """Fetch it, unless another caller tries since now: its answer, or failure, is ours too."""
        return (yield from alone(self._fetch(make, self._fetches)))

    def drop(self, value: T) -> None:
        """It is of no more use; unless another caller has fetched a new one already."""
        if self.value is value:
            self.value = None

    def _fetch(self, make: Callable[[], Flow[T]], fetches_seen: int) -> Flow[T]:
        if self._fetches == fetches_seen:
            try:
                self.value, self._failure = (yield from make()), None
            except (AuthFailure, TransportFailure) as failure:
                self.value, self._failure = None, failure
            self._fetches += 1
        if self._failure is not None:
            raise self._failure.again()
        if self.value is None:  # fetched by another, and dropped by a third since
            return (yield from self._fetch(make, self._fetches))
        return self.value

    def __repr__(self) -> str:
        return "Shared(***)"
