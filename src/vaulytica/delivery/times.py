"""Times, in seconds, as the parts of the pace reckon them."""

from __future__ import annotations

FOREVER = float("inf")
SLACK = 1e-6  # times are sums and differences of floats, and those round
