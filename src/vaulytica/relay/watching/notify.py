"""Tells systemd how the relay is (sd_notify): a datagram to a socket that it names. Elsewhere this does nothing."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress

READY, STOPPING, ALIVE = "READY=1", "STOPPING=1", "WATCHDOG=1"


def notify(*states: str) -> None:
    """Send these; what goes wrong is none of the relay's business."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # Linux's abstract names
        address = f"\0{address[1:]}"
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
        wire.sendto("\n".join(states).encode(), address)


def reloading() -> tuple[str, str]:
    """A reload has begun; systemd wants the time, in microseconds by the monotonic clock."""
    return "RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}"


def watchdog_every() -> float | None:
    """Seconds between two signs of life, half of what systemd allows for; None if it wants none."""
    micros, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not micros.isdigit() or (pid.isdigit() and int(pid) != os.getpid()):
        return None
    return int(micros) / 2_000_000
