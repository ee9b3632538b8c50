"""Preflight: whether this machine has what a config asks for, before anything is begun or exchanged.

`vaulytica config check` and the relay both go by it, so that the one refuses what the other would.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

from vaulytica.errors import WebhookConfigError
from vaulytica.outbox import files_of, is_owned, why_unusable
from vaulytica.relay.config import RelayConfig
from vaulytica.relay.inlets.server import bound, why_not_bound
from vaulytica.relay.intake.socket_file import Taken, check
from vaulytica.relay.intake.tail.files import takes_in
from vaulytica.relay.listen import address_of

Keys = tuple[str | int, ...]


def why_not(config: RelayConfig, running: RelayConfig | None = None) -> Iterator[tuple[Keys, str]]:
    """What a relay could not have, by the setting that asks for it.

    `running`: what it runs with already. An address that a relay with this outbox has is not taken.
    """
    if running is not None:
        if config.outbox != running.outbox:
            yield ("outbox",), "a relay cannot change it while it runs; restart it"
    elif (why := why_unusable(config.outbox)) is not None:
        yield ("outbox",), why
    yield from _why_not_tail(config)
    had = _addresses(running)
    for keys, listen in _addresses(config).items():
        if listen is not None and had.get(keys) != listen:
            yield from _why_not_listen(keys, listen, config.outbox, is_running=running is not None)
    socket = config.intake.socket
    its = None if running is None else running.intake.socket
    if socket is not None and (its is None or its.path != socket.path):
        try:
            check(Path(socket.path))
        except Taken as error:
            if running is not None or not is_owned(config.outbox):
                yield ("intake", "socket"), str(error)
        except WebhookConfigError as error:
            yield ("intake", "socket"), str(error)


def _why_not_tail(config: RelayConfig) -> Iterator[tuple[Keys, str]]:
    """Whoever opens a file that SQLite has open ends its locks when closing it; and each event would be a line more."""
    for number, tail in enumerate(config.intake.tail):
        own = [file for file in files_of(config.outbox) if takes_in(tail.path, file)]
        if own:
            why = f"{tail.path} takes in {own[0]}, which is the outbox's own; name the files more closely"
            yield (
                ("intake", "tail", number, "path"),
                f"{why}, or give the outbox a folder of its own",
            )


def _addresses(config: RelayConfig | None) -> dict[Keys, str | None]:
    if config is None:
        return {}
    return {
        ("intake", "listen"): config.intake.listen,
        ("metrics", "listen"): config.metrics.listen,
    }


def _why_not_listen(
    keys: Keys, listen: str, outbox: str, *, is_running: bool
) -> Iterator[tuple[Keys, str]]:
    try:
        bound(*address_of(listen)).close()
    except OSError as error:
        is_taken = error.errno == errno.EADDRINUSE
        if not is_taken or is_running or not is_owned(outbox):
            hint = "; stop what has it, or take another" if is_taken else ""
            yield keys, f"{why_not_bound(listen, error)}{hint}"
