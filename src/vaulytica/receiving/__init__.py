"""The other end: verify signatures, and a local receiver for trying things."""
