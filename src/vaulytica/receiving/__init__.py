"""The other end: verify signatures, keep replays out; and a local receiver for trying things."""

from vaulytica.errors import SignatureError, SignatureProblem
from vaulytica.receiving.replays import once
from vaulytica.receiving.seen import MemorySeenIds, Seen, SeenIds, SeenIdsFull, SQLiteSeenIds
from vaulytica.receiving.verification import Verified, Verifier, verify

__all__ = [
    "MemorySeenIds",
    "SQLiteSeenIds",
    "Seen",
    "SeenIds",
    "SeenIdsFull",
    "SignatureError",
    "SignatureProblem",
    "Verified",
    "Verifier",
    "once",
    "verify",
]
