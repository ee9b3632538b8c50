"""Recovery: from the rows that a file still has, a new file."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from vaulytica.errors import OutboxDamagedError, OutboxError, OutboxInUseError
from vaulytica.outbox.delivery import Counts
from vaulytica.outbox.sqlite.commit import Op
from vaulytica.outbox.sqlite.lock import OwnerLock
from vaulytica.outbox.sqlite.place import refuse_if_lost
from vaulytica.outbox.sqlite.recover.filling import Filling
from vaulytica.outbox.sqlite.recover.pages import SIZES, Pages
from vaulytica.outbox.sqlite.recover.rows import BatchRow, DeliveryRow, DestinationRow, Scan
from vaulytica.outbox.sqlite.session import Session
from vaulytica.outbox.sqlite.store import SqliteOutbox

_OWN_SIZE = 16384  # bytes of a page, as an outbox makes its files
_GLANCE = 4096  # pages that are looked at to see whether a file is an outbox


class Recovered(msgspec.Struct, frozen=True):
    """What is in the new file, and how many events of each destination could not be read as they were.

    `damage`: what is wrong with the old one. `doubtful` are dead letters now, as nothing tells whether
    they are as they were put, or were delivered before. `uncounted`: destinations of which more may be
    lost, since their counters are.
    """

    counts: dict[str, Counts]
    lost: dict[str, int]
    doubtful: dict[str, int]
    uncounted: list[str]
    damage: list[str]


def recover(source: Path, target: Path) -> Recovered:
    """Read `source` as far as that is possible, into the new file `target`.

    For a process that does not use `source` itself: to read it without SQLite ends this process's locks on it.
    """
    if not source.is_file():
        raise OutboxError(f"outbox {source}: there is no such file")
    if target.exists():
        raise OutboxError(f"outbox {target} is there already; name a new file")
    refuse_if_lost(target, create=True)
    lock = _locked(source)
    try:
        pages = _opened(source)
        try:
            return _into(target, pages)
        finally:
            pages.close()
    finally:
        if lock is not None:
            lock.release()


def _locked(source: Path) -> OwnerLock | None:
    """Where no lock can be made, as on a disk that is read-only, no relay runs."""
    try:
        return OwnerLock(source)
    except OutboxInUseError:
        raise
    except OutboxError:
        return None


def _opened(source: Path) -> Pages:
    """Its pages, of the size that its header has; without one, of that by which there are rows in them."""
    try:
        for size in (_OWN_SIZE, *SIZES):
            pages = Pages(source, size)
            if pages.has_header or _is_outbox(pages):
                break
            pages.close()
        else:
            raise OutboxDamagedError(
                f"outbox {source}: it is no SQLite file, and nothing of an outbox is in it; "
                "was another file meant, or has all of it been overwritten? Put back a copy of it"
            )
    except OSError as error:
        raise OutboxError(f"outbox {source}: cannot read it: {error.strerror}") from None
    if _is_outbox(pages):
        return pages
    cut = f"only {pages.there} of {pages.told} pages are there, and " * (pages.there < pages.told)
    pages.close()
    raise OutboxDamagedError(
        f"outbox {source}: {cut}nothing of an outbox is in it; was another file meant?"
    )


def _is_outbox(pages: Pages) -> bool:
    """Whether anything of one is in it; or nothing is yet, and nothing is damaged."""
    scan = Scan(pages)
    kinds = (BatchRow, DeliveryRow, DestinationRow)
    most = min(pages.count, _GLANCE)
    for live in (True, None):
        if any(isinstance(row, kinds) for row in scan.rows(live=live, most=most)):
            return True
    return scan.has_schema and not scan.damaged and pages.there >= pages.told


def _into(target: Path, pages: Pages) -> Recovered:
    try:
        with SqliteOutbox(target) as outbox:
            return outbox.do(Op(lambda session: _fill(session, pages)))
    except BaseException:
        for name in ("", "-wal", "-shm", ".lock"):
            with suppress(OSError):
                target.with_name(target.name + name).unlink()
        raise


def _fill(session: Session, pages: Pages) -> Recovered:
    scan = Scan(pages)
    filling = Filling(session)
    for live in (True, None):
        for row in scan.rows(live=live):
            filling.add(row, is_certain=live is True)
    counts = filling.finish()
    return Recovered(
        counts=counts,
        lost=filling.lost,
        doubtful=filling.doubtful,
        uncounted=filling.uncounted,
        damage=_damage(pages, scan, filling.damaged_batches),
    )


def _damage(pages: Pages, scan: Scan, batches: int) -> list[str]:
    damage = []
    if pages.there < pages.told:
        damage.append(f"the file is cut off: {pages.there} of {pages.told} pages are there")
    if not pages.has_header:
        damage.append("its first page is damaged")
    if scan.damaged:
        count = len(scan.damaged)
        damage.append(f"{count} {'page of rows is' if count == 1 else 'pages of rows are'} damaged")
    if batches:
        damage.append(f"{batches} {'batch' if batches == 1 else 'batches'} of events lack some")
    return damage
