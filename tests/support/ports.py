"""Ports for servers that tell nobody theirs, or that come back to the same."""

from __future__ import annotations

import random
import socket

_RANGE = range(
    10_240, 32_768
)  # below those that the kernel gives to whoever connects, or asks for any


def free_port() -> int:
    """A port that nobody has, and that nobody gets by chance before a server listens there."""
    while True:
        port = random.SystemRandom().choice(_RANGE)
        with socket.socket() as taken:
            try:
                taken.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
