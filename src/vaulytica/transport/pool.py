"""Pool: handles at rest, each with its kept connection."""

from __future__ import annotations

from vaulytica.errors import FailureKind, TransportFailure
from vaulytica.forks import heed_forks, keep_for_ever
from vaulytica.transport.exchange import Exchange, Prober
from vaulytica.transport.kept import KeptConnections
from vaulytica.transport.network import Network


class Pool:
    """Handles at rest. A forked child starts anew: on the parent's connections it must not say a word.

    `material` is that of the handles: when certificates change, all of them are dropped.
    """

    def __init__(self, kind: type[Exchange], network: Network) -> None:
        self._kind = kind
        self._network = network
        self.material = network.tls.current()
        self._one_kind = not network.tls.is_for_one_place
        self._kept = KeptConnections()
        self._free: list[Exchange] = []
        self._free_elsewhere: list[Exchange] = []  # without the pins
        self.closed = False
        heed_forks(self)

    def take(self, url: str) -> Exchange:
        """A handle for requests to this URL; raises `TransportFailure` once the pool is closed."""
        if self.closed:
            raise TransportFailure(FailureKind.REQUEST, "the sender is closed", retryable=False)
        material = self._network.tls.current()
        if material is not self.material:
            self.material = material
            self._drop()
        pinned = self._one_kind or self._network.tls.is_pinned(url)
        try:
            return (self._free if pinned else self._free_elsewhere).pop()
        except IndexError:
            return self._kind(self._network, material, self._kept, pinned=pinned)

    def give_back(self, exchange: Exchange) -> None:
        """A handle that is well: its connection is kept, unless its certificates are of yesterday."""
        if self.closed or exchange.material is not self.material:
            exchange.curl.close()
        elif exchange.pinned:
            self._free.append(exchange)
        else:
            self._free_elsewhere.append(exchange)

    def prober(self, url: str) -> Prober:
        """A handle that only connects to this URL."""
        tls = self._network.tls
        pinned = self._one_kind or tls.is_pinned(url)
        return Prober(self._network, tls.current(), self._kept, pinned=pinned)

    def close(self) -> None:
        """Drop all connections."""
        self.closed = True
        self._drop()

    def _drop(self) -> None:
        for free in (self._free, self._free_elsewhere):
            while free:
                free.pop().curl.close()

    def forked(self) -> None:
        """Leave all connections to the parent process."""
        keep_for_ever((self._free, self._free_elsewhere))
        self._free, self._free_elsewhere = [], []
