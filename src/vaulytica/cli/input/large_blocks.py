"""Large blocks of memory go back to the system when they are freed, whatever still stands between them."""

from __future__ import annotations

# Of glibc's mallopt(3), which sets both by itself as blocks are freed, up to 32 and 64 MiB, unless told.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_MMAPPED = 640 * 1024  # bytes: above what is read at a time, and nearly all batches of small events
_TRIMMED = 8 * 1024 * 1024


def give_back_large_blocks() -> None:
    """Keep them out of the heap, whose holes cost a stream of large events up to 35 MiB; only where it is glibc's."""
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _MMAPPED)
        mallopt(_TRIM_THRESHOLD, _TRIMMED)
