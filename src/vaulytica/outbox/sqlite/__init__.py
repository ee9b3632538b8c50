"""The outbox in an SQLite file: durable by its write-ahead log, with one fsync for all that is asked for at once."""

from vaulytica.outbox.sqlite.store import SqliteOutbox

__all__ = ["SqliteOutbox"]
