"""Lines: events read from NDJSON at full speed, their data checked to be JSON and left as bytes; and written.

The checks look at one column of many lines at once, in C, and at single lines only where one fails.
"""

from __future__ import annotations

from vaulytica.lines.data import may_be_too_deep
from vaulytica.lines.decoding import decode, decode_kept, decode_values, decode_well
from vaulytica.lines.encoding import encode
from vaulytica.lines.given import Given
from vaulytica.lines.ids import joined
from vaulytica.lines.kept import Kept
from vaulytica.lines.line import Line, SeverityName
from vaulytica.lines.lines import Entries, Lines, Written, together, written
from vaulytica.lines.thorough import is_too_many_digits, read, too_many_digits, why_not_json

__all__ = [
    "Entries",
    "Given",
    "Kept",
    "Line",
    "Lines",
    "SeverityName",
    "Written",
    "decode",
    "decode_kept",
    "decode_values",
    "decode_well",
    "encode",
    "is_too_many_digits",
    "joined",
    "may_be_too_deep",
    "read",
    "together",
    "too_many_digits",
    "why_not_json",
    "written",
]
