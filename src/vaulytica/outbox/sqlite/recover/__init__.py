"""Recover: whatever can be read of a damaged file goes into a new one, and what cannot is counted.

    pages → records → rows by their shape → bodies line by line → a new file, that audits equal

Nothing here needs SQLite to understand the damaged file, nor the tables' trees: each page in use is read
by itself, so what stands in an undamaged page is there, whatever became of those around it.
"""

from __future__ import annotations

from vaulytica.outbox.sqlite.recover.recovery import Recovered, recover

__all__ = ["Recovered", "recover"]
