"""Secrets in environment variables."""

from __future__ import annotations

import os


class EnvironmentSecrets:
    """`env:NAME`. Read once: a program may take a secret out of its environment after it has started."""

    def get(self, name: str) -> str:
        """The variable's value."""
        value = os.environ.get(name)
        if not value:
            raise LookupError
        return value
