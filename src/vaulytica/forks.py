"""Forks: what a forked child makes anew, or leaves to its parent."""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Forked(Protocol):
    """What a forked child must not share with its parent: locks that a thread there holds, connections."""

    def forked(self) -> None:
        """In the child, before anything else runs: leave what is the parent's, and begin anew."""


_ALIVE: WeakSet[Forked] = WeakSet()


def heed_forks(one: Forked) -> None:
    """Have it told in each forked child, as long as it lives."""
    _ALIVE.add(one)


def keep_for_ever(thing: object) -> None:
    """Never free it: to free a parent's connection in a child says goodbye (TLS) in the parent's name."""
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _tell_all() -> None:
    for one in list(_ALIVE):
        one.forked()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_tell_all)
