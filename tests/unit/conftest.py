"""The fixtures that these tests share."""

from support.secrets import clock  # noqa: F401
