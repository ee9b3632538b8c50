"""Secrets by reference: `env:NAME`, `file:PATH`, and what other packages add by the entry point `vaulytica.secrets`."""

from vaulytica.secrets.reference import PROVIDERS, SecretProvider, SecretRef, is_reference

__all__ = ["PROVIDERS", "SecretProvider", "SecretRef", "is_reference"]
