"""Settings for all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A shared machine may stall at any moment: no example fails by being slow once.
settings.register_profile(
    "steady", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")
