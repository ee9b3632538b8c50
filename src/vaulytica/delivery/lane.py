"""Lane: one destination, with what has been learnt of it: its pace, and how large requests may be."""

from __future__ import annotations

from vaulytica.delivery.batching import Bounds
from vaulytica.delivery.destination import Destination
from vaulytica.delivery.pace import Pace


class Lane:
    """Shared by all flows to one destination, for the sender's life. Changed only in a `Turn`.

    `known`, `apart`: see `Pace`. `doubted`: it may be that its URL is wrong, so what it says of events that are
    kept is not believed.
    """

    def __init__(
        self, destination: Destination, *, known: bool = False, apart: bool = False
    ) -> None:
        self.destination = destination
        self.pace = Pace(destination.pace, known=known, apart=apart)
        self.bounds = Bounds(destination.limits)
        self.doubted = False
