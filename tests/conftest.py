"""Settings for all tests."""

from __future__ import annotations

import gc

from hypothesis import HealthCheck, settings

# The same examples in each run, so that what fails is due to the change at hand; and a shared machine may
# stall at any moment, so no example fails by being slow once. `pytest --hypothesis-profile explore` looks for
# new ones.
settings.register_profile(
    "steady",
    derandomize=True,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "explore", settings.get_profile("steady"), derandomize=False, max_examples=1000
)
settings.load_profile("steady")


def pytest_collection_finish() -> None:
    """What is collected stays to the end: the garbage collector need not look through it again and again."""
    gc.collect()
    gc.freeze()
