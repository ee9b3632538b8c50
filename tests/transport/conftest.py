"""The fixtures over real sockets that these tests share."""

from support.fixtures import ca, ca_file, kind, sender_of, serve, trusted  # noqa: F401
from support.proxied import run, secure, server  # noqa: F401
from support.replacing import clients, looks_at_once  # noqa: F401
