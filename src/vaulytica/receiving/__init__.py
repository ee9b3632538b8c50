"""The other end: verify signatures, keep replays out; and a local receiver for trying things."""

from vaulytica.errors import SignatureError, SignatureProblem
from vaulytica.receiving.verification import Verified, Verifier, verify

__all__ = ["SignatureError", "SignatureProblem", "Verified", "Verifier", "verify"]
