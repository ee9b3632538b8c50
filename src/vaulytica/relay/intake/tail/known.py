"""Known: how far files were read that are not followed, and which file each of them has become."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

from vaulytica.relay.intake.tail.content import is_in, is_of, was_in
from vaulytica.relay.intake.tail.files import Seen
from vaulytica.relay.intake.tail.names import is_packed, is_rotation
from vaulytica.relay.intake.tail.position import PRINT, Position

_FORGET = 7 * 86400  # seconds after which nothing is known any more of a file that is gone
_DELETED = 86400  # the same of one that was read to its end, and deleted; it may have been packed


class Known:
    """Positions by the keys of their marks."""

    def __init__(self, positions: dict[str, Position]) -> None:
        self._positions = positions
        self._by_inode: dict[int, list[str]] = defaultdict(list)
        for key, position in positions.items():
            self._by_inode[position.ino].append(key)

    def __getitem__(self, key: str) -> Position:
        return self._positions[key]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._positions))

    def add(self, key: str, position: Position) -> None:
        """It is not followed any more."""
        self._positions[key] = position
        self._by_inode[position.ino].append(key)

    def take(self, key: str) -> Position:
        """It is followed from now on."""
        position = self._positions.pop(key)
        self._by_inode[position.ino].remove(key)
        return position

    def of_inode(self, found: Seen) -> str | None:
        """The same file, seen again: the place furthest on, as of an inode that is used again there are others."""
        same = []
        for key in self._by_inode.get(found.id[1], ()):
            if self._is_of(key, found):
                same.append(key)
            elif self[key].offset and not found.packed:
                self._positions[key] = self[key].but(truncated=True)
        return max(same, key=lambda key: self[key].offset, default=None)

    def _is_of(self, key: str, found: Seen) -> bool:
        at = self[key]
        if found.packed or is_packed(at.path):
            if not (found.packed and is_packed(at.path)):
                return False
            is_same_size = at.stamp.partition(":")[0] == str(found.size)
            return at.stamp == found.stamp or (is_same_size and at.done and not at.print)
        if not at.print and not at.done:
            return False  # nothing was read of it, so anything may be it
        if at.done and not at.print and at.offset:  # it could not be read then
            return at.stamp == found.stamp
        return is_of(at, found.path, found.id)

    def family(self, found: Seen) -> list[str]:
        """Those whose content that file may have by its name, of which something was read."""
        return [
            key
            for key, at in self._positions.items()
            if at.print
            and not is_packed(at.path)
            and (at.base == found.base or is_rotation(found.path, at.base))
        ]

    def packed(self, found: Seen) -> list[str]:
        """Those of its inode that were packed: its time may have changed, or what is in it."""
        keys = self._by_inode.get(found.id[1], ())
        return [key for key in keys if self[key].print and is_packed(self[key].path)]

    def of_content(self, found: Seen) -> str | None:
        """A file that this one goes on with: a copy of it, or the same brought back."""
        least = PRINT if found.path == found.base else 1  # what begins alike may be another
        family = [key for key in self.family(found) if self[key].offset >= least]
        for key in sorted(family, key=lambda key: -self[key].offset):
            if self[key].offset <= found.size and is_in(self[key], found.path, found.id):
                return key
        return None

    def is_read_copy(self, found: Seen) -> bool:
        """Whether all that is in it was read before its original was truncated."""
        return found.path != found.base and any(
            self[key].truncated and was_in(self[key], found.path, found.id)
            for key in self.family(found)
        )

    def unread(self, found: Seen) -> str | None:
        """Of the family, one that is gone and of which nothing was read."""
        unread = [
            key
            for key, at in self._positions.items()
            if at.base == found.base and not (at.offset or at.done)
        ]
        return min(unread, key=lambda key: self[key].ino != found.id[1], default=None)

    def is_noted(self, found: Seen) -> bool:
        """Whether its inode was followed, though nothing was read of it yet."""
        keys = self._by_inode.get(found.id[1], ())
        return any(self[key].base == found.base and not self[key].done for key in keys)

    def was_packed_into(self, found: Seen) -> bool:
        """Whether it has the time of one that was read to its end, as it has when that was packed."""
        changed = str(found.changed)
        return any(
            self[key].done and self[key].stamp.endswith(f":{changed}") for key in self.family(found)
        )

    def missed(self, inodes: Collection[int]) -> Iterator[str]:
        """Those that are gone, and were not before; they are noted as such. `inodes`: there are."""
        for key, at in self._positions.items():
            if not (at.gone or at.is_among(inodes)):
                self._positions[key] = at.but(gone=gone_since())
                yield key

    def too_old(self) -> Sequence[str]:
        """Those that are gone for so long that they are forgotten."""
        now = time.time()
        return [key for key, at in self._positions.items() if at.gone and now - at.gone > _FORGET]

    def forget(self, keys: Collection[str]) -> None:
        """Have them no more."""
        for key in keys:
            if key in self._positions:
                self.take(key)


def gone_since(*, deleted: bool = False) -> int:
    """For `Position.gone`: now."""
    return round(time.time()) - (_FORGET - _DELETED if deleted else 0)
