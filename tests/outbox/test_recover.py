"""Recovery: files are damaged in every way; what can be read is saved as it was, and the rest is counted."""

from __future__ import annotations

import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from support.damage import PAGE, Whole, fill, flip, lines_of, noise
from support.heart import refusal
from support.outbox import NEVER, WHY, everything, ids_in, parcel, the_law
from vaulytica.errors import IdempotencyConflictError, OutboxDamagedError, OutboxError
from vaulytica.outbox.delivery import Once, ack
from vaulytica.outbox.sqlite import SqliteOutbox
from vaulytica.outbox.sqlite import recover as package
from vaulytica.outbox.sqlite.recover import Recovered, recover
from vaulytica.outbox.states import PENDING, State

WHY_TEXT = WHY.text.encode()
VERSIONS = Path(__file__).parent / "versions"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Whole]:
    """A file of deliveries in every state, some of them in one page and some in many."""
    path = tmp_path_factory.mktemp("recover") / "old.db"
    fill(path, events=160)
    return path, Whole(path)


@pytest.fixture
def whole(original: tuple[Path, Whole]) -> Whole:
    return original[1]


@pytest.fixture
def old(original: tuple[Path, Whole], tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copy(original[0], tmp_path / "old.db"))


def recovered(old: Path) -> tuple[Recovered, dict[tuple[str, bytes], tuple[State, int]]]:
    """Recover it: what was said, and what became of each event. The new file must be right in itself."""
    new = old.with_name("new.db")
    made = recover(old, new)
    with SqliteOutbox(new) as outbox:
        assert outbox.audit().problems == []
        the_law(outbox)
        kept = list(everything(outbox))
        for name in outbox.counts():  # it delivers
            claimed = outbox.claim(name, 10**6)
            assert outbox.settle([ack(delivery) for delivery in claimed]) == []
        assert outbox.audit().problems == []
    fates = {
        (one.destination, line): (one.state, one.attempts) for one in kept for line in lines_of(one)
    }
    assert len(fates) == sum(one.events for one in kept), "none is there twice"
    return made, fates


def as_recovered(
    fates: dict[tuple[str, bytes], tuple[State, int]],
) -> dict[tuple[str, bytes], tuple[State, int]]:
    """What nobody holds any more is not claimed."""
    return {
        event: (State.DEFERRED if state is State.CLAIMED else state, attempts)
        for event, (state, attempts) in fates.items()
    }


def check_lost(
    whole: Whole, made: Recovered, found: dict[tuple[str, bytes], tuple[State, int]]
) -> None:
    """Nothing pending or dead is missing that was not said to be lost."""
    for name in ("one", "two"):
        left = {event for event, (state, _) in whole.fates.items() if state is not State.DELIVERED}
        missing = {event for event in left if event[0] == name and event not in found}
        assert (
            len(missing) <= made.lost.get(name, 0)
            or name in made.uncounted
            or name not in made.counts
        )


def test_a_whole_file_comes_out_as_it_was(whole: Whole, old: Path) -> None:
    with SqliteOutbox(old) as outbox:
        before = outbox.counts()
        highest = max(one.id for one in everything(outbox))
    made, found = recovered(old)
    assert (made.lost, made.doubtful, made.uncounted, made.damage) == ({}, {}, [], [])
    assert found == as_recovered(whole.fates)
    for name, count in made.counts.items():
        assert count.accepted == before[name].accepted
        assert (count.delivered, count.dead, count.pending) == (
            before[name].delivered, before[name].dead, before[name].pending
        )  # fmt: skip
    with SqliteOutbox(old.with_name("new.db")) as new:
        assert new.marks() == {"file": "7"}
        assert new.put_shares((), (), once=Once("K", "digest")).ids == ("k",)
        refusal(IdempotencyConflictError, lambda: new.put_shares((), (), once=Once("K", "other")))
        new.put(parcel("more"), ["one"])
        assert max(one.id for one in everything(new)) > highest


@pytest.mark.parametrize("seed", range(8))
def test_events_in_undamaged_pages_are_there_as_they_were(
    seed: int, whole: Whole, old: Path
) -> None:
    """The pages of bodies only: what is known of each delivery is whole, so each event keeps its state."""
    rng = random.Random(seed)
    pages = rng.sample(whole.of_bodies(), k=1 + seed % 5)
    noise(old, pages, rng)
    made, found = recovered(old)
    there = whole.untouched(pages)
    proven = whole.proven(there)
    assert len(proven) > len(whole.lines) // 4
    for event, fate in as_recovered(whole.fates).items():
        if event[1] in proven:
            assert found[event] == fate or (fate[0], found[event][0]) == (State.HELD, State.FRESH)
        elif event[1] in there and fate[0] is not State.DELIVERED:
            assert found[event] in (fate, (State.DEAD, 0)), (
                "its neighbours may be altered, so may it"
            )
    assert {line for _, line in found} <= whole.lines, "none is forged"
    check_lost(whole, made, found)
    lost = sum(
        event not in found for event, (state, _) in whole.fates.items() if state != State.DELIVERED
    )
    assert sum(made.lost.values()) == lost, "what is lost is counted, and nothing else"
    assert made.damage or not lost


@pytest.mark.parametrize("seed", range(12))
def test_noise_in_any_pages(seed: int, whole: Whole, old: Path) -> None:
    """The first page, the pages' map, rows, bodies: each event that stands in an undamaged page is there."""
    rng = random.Random(seed)
    pages = rng.sample(whole.pages, k=1 + seed % 6)
    noise(old, pages, rng)
    made, found = recovered(old)
    assert whole.untouched(pages) & whole.left <= {line for _, line in found}
    assert {line for _, line in found} <= whole.lines
    check_lost(whole, made, found)


@pytest.mark.parametrize("pages", [[0], [1]])
def test_without_its_first_page_or_the_pages_map_all_is_as_it_was(
    pages: list[int], whole: Whole, old: Path
) -> None:
    noise(old, pages, random.Random(1))
    made, found = recovered(old)
    assert found == as_recovered(whole.fates)
    assert (made.lost, made.doubtful) == ({}, {})
    assert made.damage == (["its first page is damaged"] if pages == [0] else [])


def test_where_nothing_tells_what_is_in_use_people_decide(whole: Whole, old: Path) -> None:
    noise(old, [0, 1], random.Random(1))
    made, found = recovered(old)
    assert found.keys() >= whole.fates.keys()
    assert {state for state, _ in found.values()} <= {State.DEAD, State.DELIVERED}
    assert sum(made.doubtful.values()) >= sum(s in PENDING for s, _ in whole.fates.values())


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.02, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 0.999])
def test_a_file_that_is_cut_off(share: float, whole: Whole, old: Path) -> None:
    size = int(len(whole.content) * share)
    with old.open("r+b") as file:
        file.truncate(size)
    if size < 2 * PAGE:
        error = refusal(OutboxDamagedError, lambda: recovered(old))
        assert "nothing of an outbox is in it" in str(error)
        assert not old.with_name("new.db").exists()
        return
    made, found = recovered(old)
    cut = range(size // PAGE, len(whole.content) // PAGE)
    assert whole.untouched(cut) & whole.left <= {line for _, line in found}
    assert {line for _, line in found} <= whole.lines
    assert any(words.startswith("the file is cut off: ") for words in made.damage)
    check_lost(whole, made, found)


@pytest.mark.parametrize("seed", range(4))
def test_a_bit_that_has_flipped_in_a_body_is_put_back(seed: int, whole: Whole, old: Path) -> None:
    rng = random.Random(seed)
    line = rng.choice(sorted(whole.lines))
    flip(old, [whole.content.find(line) + rng.randrange(len(line))], rng)
    made, found = recovered(old)
    assert found == as_recovered(whole.fates)
    assert (made.lost, made.doubtful) == ({}, {})


@pytest.mark.parametrize("seed", range(8))
def test_of_a_body_that_was_altered_nothing_is_sent_unseen(
    seed: int, whole: Whole, old: Path
) -> None:
    rng = random.Random(seed)
    line = rng.choice(sorted(line for line in whole.lines if b'"59-' in line))
    at = whole.content.find(line) + line.find(b"xxx")
    flip(old, range(at, at + 40, 2 + seed), random.Random(seed))
    made, found = recovered(old)
    altered = {event for event in found if event[1] not in whole.lines}
    assert {found[event][0] for event in altered} <= {State.DEAD, State.DELIVERED}
    assert made.doubtful or made.lost


@pytest.mark.parametrize("seed", range(12))
def test_bits_that_have_flipped_anywhere(seed: int, whole: Whole, old: Path) -> None:
    rng = random.Random(seed)
    flip(old, [rng.randrange(len(whole.content)) for _ in range(3 ** (seed % 6))], rng)
    made, found = recovered(old)
    sent = {line for (_, line), (state, _) in found.items() if state in PENDING}
    assert sent <= whole.lines, "what goes out is as it was put"
    assert made.counts


def test_attempts_that_cannot_be_read_are_left_out_and_that_is_said(
    whole: Whole, old: Path
) -> None:
    places = [at for at in range(len(whole.content)) if whole.content.startswith(WHY_TEXT, at)]
    flip(old, [at - 1 for at in places], random.Random(1))  # the quotes before them
    made, found = recovered(old)
    assert (made.lost, found) == ({}, as_recovered(whole.fates))
    with SqliteOutbox(old.with_name("new.db")) as outbox:
        texts = {one.text for kept in everything(outbox) for one in kept.tried}
    assert texts == {NEVER.text, "the attempts before cannot be read: see vaulytica outbox audit"}


def test_what_is_in_the_log_only_is_there(tmp_path: Path) -> None:
    """As it is after `kill -9`: the log beside the file has not been written into it."""
    with SqliteOutbox(tmp_path / "live.db") as outbox:
        outbox.put(parcel("a", "b"), ["one"])
        for name in ("", "-wal"):
            shutil.copy(f"{tmp_path}/live.db{name}", f"{tmp_path}/old.db{name}")
    assert (tmp_path / "old.db").stat().st_size <= PAGE
    made, found = recovered(tmp_path / "old.db")
    assert len(found) == made.counts["one"].pending == 2
    with (tmp_path / "old.db-wal").open("r+b") as log:  # its last transaction is not whole
        log.truncate((tmp_path / "old.db-wal").stat().st_size - 100)
    (tmp_path / "new.db").unlink()
    made, _ = recovered(tmp_path / "old.db")
    assert made.lost == {}


def test_a_table_of_yours_beside_it_is_not_taken_for_ours(tmp_path: Path) -> None:
    """In a file that was not made by an outbox: other pages, and no map of them."""
    path = tmp_path / "old.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA page_size = 4096")
    connection.execute("CREATE TABLE mine (source TEXT PRIMARY KEY, position TEXT) WITHOUT ROWID")
    rows = [(f"source-{n}", "x" * 30) for n in range(1000)]
    connection.executemany("INSERT INTO mine VALUES (?, ?)", rows)
    connection.commit()
    connection.close()
    with SqliteOutbox(path) as outbox:
        for number in range(50):
            outbox.put(parcel(*[f"{number}-{n}" for n in range(50)]), ["one"])
        outbox.settle([ack(delivery) for delivery in outbox.claim("one", 1000)])
        left = len(list(everything(outbox)))
        before = outbox.counts()["one"]
    made, found = recovered(path)
    assert (made.lost, made.doubtful, made.damage) == ({}, {}, [])
    assert len(found) == 50 * left == before.pending
    with SqliteOutbox(tmp_path / "new.db") as new:
        assert new.marks() == {}


def test_a_file_of_version_1_is_recovered(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "old.db")
    connection.executescript((VERSIONS / "schema_1.sql").read_text("utf-8"))
    connection.close()
    made, found = recovered(tmp_path / "old.db")
    count = made.counts["siem"]
    assert (count.accepted, count.delivered, count.dead, count.pending) == (9, 2, 2, 5)
    assert len(found) == 9
    with SqliteOutbox(tmp_path / "new.db") as new:
        (dead,) = everything(new, states=("dead",))
        assert dead.tried == (NEVER,)


def test_nothing_is_held_back_by_what_is_lost(tmp_path: Path) -> None:
    with SqliteOutbox(tmp_path / "old.db") as outbox:
        for id in "abc":
            outbox.put(parcel(id), ["one"], key="k")
        session = outbox._writer
        assert session is not None
        session.connection.execute("DELETE FROM outbox_delivery WHERE id = 1")
        session.connection.execute("DELETE FROM outbox_batch WHERE id = 1")
    made = recover(tmp_path / "old.db", tmp_path / "new.db")
    assert made.lost == {"one": 1}
    with SqliteOutbox(tmp_path / "new.db") as new:
        assert ids_in(*new.claim("one")) == ["b"]


def test_an_outbox_in_which_nothing_is_yet(tmp_path: Path) -> None:
    SqliteOutbox(tmp_path / "old.db").close()
    made = recover(tmp_path / "old.db", tmp_path / "new.db")
    assert (made.counts, made.lost, made.damage) == ({}, {}, [])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is no SQLite file, and nothing of an outbox is in it"),
        (b"some text, and much of it\n" * 5000, "it is no SQLite file"),
        (random.Random(1).randbytes(10 * PAGE), "it is no SQLite file"),
        (None, "nothing of an outbox is in it; was another file meant?"),
    ],
)
def test_a_file_that_is_no_outbox_is_called_so(
    content: bytes | None, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "old.db"
    if content is None:
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)")
        connection.commit()
        connection.close()
    else:
        path.write_bytes(content)
    error = refusal(OutboxDamagedError, lambda: recover(path, tmp_path / "new.db"))
    assert said in str(error)
    assert "\n" not in str(error)
    assert not (tmp_path / "new.db").exists()


def test_a_target_that_is_there_is_not_overwritten(old: Path, tmp_path: Path) -> None:
    (tmp_path / "new.db").write_text("precious")
    message = refusal(OutboxError, lambda: recover(old, tmp_path / "new.db"))
    assert "is there already" in str(message)
    assert (tmp_path / "new.db").read_text() == "precious"
    message = refusal(OutboxError, lambda: recover(tmp_path / "none.db", tmp_path / "x.db"))
    assert "no such file" in str(message)


def test_a_recovery_that_fails_leaves_no_file_behind(
    old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OutboxError("the disk is full")

    monkeypatch.setattr(package.filling.Filling, "finish", fail)
    assert refusal(OutboxError, lambda: recover(old, tmp_path / "new.db"))
    assert sorted(path.name for path in tmp_path.iterdir() if "new" in path.name) == []


def test_a_file_that_a_relay_uses_is_left_alone(tmp_path: Path) -> None:
    with SqliteOutbox(tmp_path / "old.db", owner=True):
        message = refusal(OutboxError, lambda: recover(tmp_path / "old.db", tmp_path / "new.db"))
    assert "is in use by another relay" in str(message)
