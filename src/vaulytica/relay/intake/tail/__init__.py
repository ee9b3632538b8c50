"""Files that are followed as they grow, each line taken exactly once and in order however the relay ends.

How far a file has been read is kept in the outbox, in the transaction of the events that were read. A file
is known by its inode and by the bytes before that place, so that neither a new name, nor a truncation, nor
an inode used again, nor a copy is mistaken for something else.

`source` reads, `following` looks which files there are (`files`, by `names`) and what is in them (`content`).
`held` are those followed, `known` those that were, and `newcomers` are what neither is: new, copies, or
`packed`.
"""

from __future__ import annotations

from vaulytica.relay.intake.tail.source import Tail

__all__ = ["Tail"]
