"""Intakes: the ways by which events get into the relay.

`routes` are those over HTTP, on the relay's own server; `sources` run beside it. After a change of the
settings the relay asks for both anew.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from vaulytica.relay.door.accept import Accept
from vaulytica.relay.http.app import Handler
from vaulytica.relay.intake.settings import IntakeSettings


class Source(Protocol):
    """Takes events in by itself, such as from a file that grows.

    `settings`: what it was made of; one that is made of the same need not take its place.
    """

    @property
    def settings(self) -> object:
        """By which it is compared."""

    @property
    def unreadable(self) -> int:
        """How many lines were no events so far."""

    async def run(self, accept: Accept) -> None:
        """Until it is cancelled, or there is nothing more to come; raises if it cannot go on.

        Cancelled, it takes what has come, for some seconds at most, and none if it is cancelled again.
        Cancelled while it waits for `accept`, it has told nobody that those events are accepted.
        """


def routes(settings: IntakeSettings, accept: Accept) -> Mapping[str, Handler]:
    """Handlers of HTTP requests by their paths, such as `/v1/events`."""
    from vaulytica.relay.intake.events import EventsHandler

    return {"/v1/events": EventsHandler(settings, accept)}


def sources(settings: IntakeSettings, before: Collection[Source] = ()) -> Sequence[Source]:
    """What is to run beside the HTTP server. `before`: what has run, of which standard input goes on as it is."""
    from vaulytica.relay.intake.stdin import Stdin
    from vaulytica.relay.intake.tail import Tail
    from vaulytica.relay.intake.unix import UnixSocket

    found: list[Source] = []
    if settings.stdin is not None:
        same = [source for source in before if isinstance(source, Stdin)]
        found.append(same[0] if same else Stdin(settings.stdin, settings.limits))
    if settings.socket is not None:
        found.append(UnixSocket(settings, settings.socket))
    if settings.tail:
        found.append(Tail(settings.tail, settings.limits))
    return found
