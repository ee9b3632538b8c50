"""Held: the files that are followed, open or not, and what is known of others."""

from __future__ import annotations

import logging
import resource
from collections.abc import Callable

from vaulytica.relay.intake.settings import IntakeLimits
from vaulytica.relay.intake.tail.files import Id, Seen
from vaulytica.relay.intake.tail.followed import Followed, reason
from vaulytica.relay.intake.tail.known import Known
from vaulytica.relay.intake.tail.names import is_rotation
from vaulytica.relay.intake.tail.packed import CannotUnpack
from vaulytica.relay.intake.tail.position import Position, generation

log = logging.getLogger("vaulytica.relay.intake")


class Held:
    """`files`: by their inodes. `notes`: those of which the outbox is to know. `known`: what it knew."""

    def __init__(self, limits: IntakeLimits, clock: Callable[[], float]) -> None:
        self._limits, self.clock = limits, clock
        self.files: dict[Id, Followed] = {}
        self.known = Known({})
        self.notes: list[Followed] = []
        self.may_open = 0  # more files than are open; below, some had to wait
        self.unreadable = 0  # lines of files that are not followed any more
        self.changes = 0  # files that were renamed or truncated while they were looked at
        self._said: set[str] = set()

    def count(self) -> None:
        """Learn how many files may be opened: half of what the process may have, and connections the rest."""
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2
        self.may_open = most - sum(file.descriptor is not None for file in self.files.values())

    def spare(self) -> None:
        """If some had to wait, let go of as many that are read to their end, those quiet for longest."""
        if self.may_open < 0:
            quiet = [it for it in self.files.values() if it.is_settled and it.left_since is None]
            quiet.sort(key=lambda file: file.grown_at)
            for file in quiet[: -self.may_open]:
                file.close()

    def family(self, found: Seen) -> list[Followed]:
        """Those that were written to before it, or after, or are what it is a copy of."""
        return [
            file
            for file in list(self.files.values())
            if file.position.base == found.base or is_rotation(found.path, file.position.base)
        ]

    def open(self, file: Followed, path: str, id: Id) -> bool:
        """Whether it could be opened; if not it is tried again, and that is said once."""
        self.may_open -= 1
        if self.may_open < 0:
            return False
        try:
            file.open(path, id)
        except FileNotFoundError:  # it was renamed a moment ago
            self.changes += 1
            return False
        except (OSError, CannotUnpack) as error:
            self.cannot_open(path, error)
            return False
        if path in self._said:
            self._said.discard(path)
            log.info("%s can be read again", path)
        return True

    def cannot_open(self, path: str, error: Exception) -> None:
        """Say so, once."""
        if path not in self._said:
            self._said.add(path)
            log.warning("%s cannot be read: %s; it is tried again", path, reason(error))

    def follow(
        self, position: Position, found: Seen | Followed, id: Id, key: str = ""
    ) -> Followed | None:
        """Open that file and follow it; None if it cannot be opened."""
        file = Followed(position, found.settings, self._limits, key, packed=found.packed)
        if not self.open(file, position.path, id):
            return None
        assert file.descriptor is not None
        file.position = position.but(generation=generation(file.descriptor))
        file.beside, file.grown_at, file.seen = found.beside, self.clock(), file.size()
        file.look_at_beginning()
        file.rotated = found.beside or found.packed or position.path != position.first
        self.files[file.id] = file
        return file

    def follow_new(self, position: Position, found: Seen) -> Followed | None:
        """One of which nothing was read, also not before it was moved to where it is."""
        key = self.known.unread(found)
        file = self.follow(position, found, found.id, key or "")
        if file is not None:
            if key is not None:
                self.known.take(key)
            self.notes.append(file)
        return file

    def shut(self, position: Position, found: Seen, key: str = "") -> Followed:
        """Follow it as one that is read, and is opened if it changes."""
        file = Followed(position, found.settings, self._limits, key, packed=found.packed)
        file.id, file.looks, file.seen = found.id, (found.size, found.changed), found.size
        file.rotated, file.beside = True, found.beside
        self.files[found.id] = file
        return file

    def drop(self, file: Followed) -> None:
        """Follow it no more."""
        file.close()
        del self.files[file.id]
        self.unreadable += file.reader.unreadable
        self.known.add(file.key, file.position)

    def resume(self, found: Seen) -> bool:
        """Go on with a file that was followed earlier, if it is one."""
        key = self.known.of_inode(found)
        if key is None:
            return False
        self.go_on(key, found, found.path, found.id)
        return True

    def go_on(self, key: str, found: Seen | Followed, path: str, id: Id) -> bool:
        """Follow what is known by that key, in the file that has it now; False if that cannot be opened."""
        old = self.known.take(key)
        position = old.now_at(path, id[1]).but(gone=0, truncated=False)
        file: Followed | None
        if isinstance(found, Seen) and old.done and (found.packed or old.stamp == found.stamp):
            file = self.shut(position.but(stamp=found.stamp), found, key)
        else:
            file = self.follow(position, found, id, key)
        if file is None:
            self.known.add(key, old)
            return False
        if old.gone or id[1] != old.ino or file.position.stamp != old.stamp:
            self.notes.append(file)
        return True
