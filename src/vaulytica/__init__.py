"""Vaulytica delivers security events to the systems that watch over a company.

The guide's names live in `vaulytica.integrations.webhook`.
"""

__version__ = "0.1.0"
