"""Every store of seen ids keeps the same laws; and each request is handled once, and none is lost."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.programs import run
from support.signing import NOW, secret_of, signed, whsec
from vaulytica.errors import SignatureError, SignatureProblem, WebhookConfigError
from vaulytica.receiving import (
    MemorySeenIds,
    Seen,
    SeenIds,
    SeenIdsFull,
    SQLiteSeenIds,
    once,
    verify,
)
from vaulytica.receiving.replays import Once

BODY = b"{}"


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "sqlite"])
def seen(request: pytest.FixtureRequest, clock: Clock, tmp_path: Path) -> Iterator[SeenIds]:
    if request.param == "memory":
        yield MemorySeenIds(clock=clock)
        return
    with contextlib.closing(SQLiteSeenIds(tmp_path / "seen.db", clock=clock)) as store:
        yield store


# --- Stores.


def test_an_id_is_new_once(seen: SeenIds) -> None:
    assert seen.claim("a", "t-1", NOW + 10) is Seen.NEW
    assert seen.claim("a", "t-2", NOW + 20) is Seen.CLAIMED
    assert seen.claim("b", "t-3", NOW + 10) is Seen.NEW


def test_a_claim_becomes_done_in_place(seen: SeenIds, clock: Clock) -> None:
    seen.claim("a", "t-1", NOW + 10)
    seen.done("a", NOW + 30)
    clock.now += 20
    assert seen.claim("a", "t-2", NOW + 99) is Seen.DONE
    seen.release("a", "t-1")  # no more to be taken back
    assert seen.claim("a", "t-2", NOW + 99) is Seen.DONE


def test_an_id_is_forgotten_in_its_time(seen: SeenIds, clock: Clock) -> None:
    seen.claim("a", "t-1", NOW + 10)
    clock.now += 9.9
    assert seen.claim("a", "t-2", NOW + 20) is Seen.CLAIMED
    clock.now += 0.1
    assert seen.claim("a", "t-2", NOW + 20) is Seen.NEW
    clock.now += 9
    assert seen.claim("a", "t-3", NOW + 40) is Seen.CLAIMED


def test_an_id_that_is_released_is_new_again(seen: SeenIds, clock: Clock) -> None:
    seen.release("a", "t-1")
    seen.claim("a", "t-1", NOW + 10)
    seen.release("a", "t-1")
    assert seen.claim("a", "t-2", NOW + 99) is Seen.NEW
    clock.now += 11  # when the first would have ended
    assert seen.claim("a", "t-3", NOW + 99) is Seen.CLAIMED


def test_a_claim_that_lapsed_gives_back_no_others(seen: SeenIds, clock: Clock) -> None:
    seen.claim("a", "t-1", NOW + 10)
    clock.now += 10
    seen.claim("a", "t-2", NOW + 20)
    seen.release("a", "t-1")
    assert seen.claim("a", "t-3", NOW + 20) is Seen.CLAIMED


def test_one_handled_after_its_claim_lapsed_is_done_all_the_same(
    seen: SeenIds, clock: Clock
) -> None:
    seen.claim("a", "t-1", NOW + 10)
    clock.now += 10
    seen.claim("a", "t-2", NOW + 20)
    seen.done("a", NOW + 99)
    seen.release("a", "t-2")
    assert seen.claim("a", "t-3", NOW + 20) is Seen.DONE


def test_of_many_at_the_same_time_one_is_the_first(seen: SeenIds) -> None:
    barrier = threading.Barrier(8)
    found: list[Seen] = []

    def claim(token: str) -> None:
        for n in range(50):
            barrier.wait()
            found.append(seen.claim(f"id-{n}", token, NOW + 10))

    threads = [threading.Thread(target=claim, args=(f"t-{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), found.count(Seen.NEW), found.count(Seen.CLAIMED)) == (400, 50, 350)


def test_memory_is_bounded_and_full_is_an_error(clock: Clock) -> None:
    seen = MemorySeenIds(3, clock=clock)
    for n in range(3):
        seen.claim(str(n), "t-1", NOW + 10 + n)
    with pytest.raises(SeenIdsFull, match="3 ids"):
        seen.claim("more", "t-1", NOW + 10)
    # None made room for it.
    assert {seen.claim(str(n), "t-2", NOW + 10) for n in range(3)} == {Seen.CLAIMED}
    clock.now += 10
    assert seen.claim("more", "t-1", NOW + 20) is Seen.NEW
    assert len(seen) == 3


def test_a_file_that_cannot_be_one_is_named(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"not a database, but long enough to be taken for one" * 100)
    for path, why in (
        (tmp_path / "nowhere" / "seen.db", "unable to open"),
        (other, "not a database"),
    ):
        with pytest.raises(WebhookConfigError, match=why) as caught:
            SQLiteSeenIds(path)
        assert str(path) in str(caught.value)


def test_who_has_a_claim_has_room_to_be_done(clock: Clock) -> None:
    seen = MemorySeenIds(2, clock=clock)
    for id in ("a", "b"):
        assert seen.claim(id, "t-1", NOW + 10) is Seen.NEW
    for id in ("a", "b"):
        seen.done(id, NOW + 99)
    assert [seen.claim(id, "t-2", NOW + 10) for id in ("a", "b")] == [Seen.DONE] * 2


def test_releasing_does_not_make_memory_grow(clock: Clock) -> None:
    seen = MemorySeenIds(10, clock=clock)
    tracemalloc.start()
    try:
        for _ in range(20_000):
            assert seen.claim("a", "t-1", NOW + 10) is Seen.NEW
            seen.release("a", "t-1")
        assert tracemalloc.get_traced_memory()[0] < 200_000
    finally:
        tracemalloc.stop()
    assert len(seen) == 0


@given(st.lists(st.tuples(st.sampled_from(["claim", "done", "release"]), st.integers(0, 3), st.integers(0, 2), st.integers(0, 9)), max_size=60))  # fmt: skip
def test_both_stores_say_the_same(steps: list[tuple[str, int, int, int]]) -> None:
    """One of them is a few lines over a dict, the other SQL."""
    clock = Clock()
    memory = MemorySeenIds(clock=clock)
    with contextlib.closing(SQLiteSeenIds(":memory:", clock=clock)) as sqlite:
        for what, id, token, seconds in steps:
            until = clock.now + 1 + seconds
            for store in (memory, sqlite):
                if what == "done":
                    store.done(f"id-{id}", until)
                elif what == "release":
                    store.release(f"id-{id}", f"t-{token}")
            if what == "claim":
                told = [store.claim(f"id-{id}", f"t-{token}", until) for store in (memory, sqlite)]
                assert told[0] is told[1]
            clock.now += seconds / 3


ADDING = """
import sys
from vaulytica.receiving import Seen, SQLiteSeenIds
print("ready", flush=True)
sys.stdin.readline()
store = SQLiteSeenIds(sys.argv[1], clock=lambda: 0.0)
print(sum(store.claim(f"id-{n}", sys.argv[2], 10.0) is Seen.NEW for n in range(50)))
store.close()
"""


def test_sqlite_is_for_all_processes_and_outlives_them(tmp_path: Path) -> None:
    path = tmp_path / "seen.db"
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", ADDING, path, f"t-{n}"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for n in range(3)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        firsts = [int(process.communicate(timeout=60)[0]) for process in processes]
    assert sum(firsts) == 50
    with contextlib.closing(SQLiteSeenIds(path, clock=lambda: 0.0)) as store:
        assert store.claim("id-7", "t-9", 10.0) is Seen.CLAIMED


FORKING = """
    import os, signal, sqlite3, sys, threading, warnings
    warnings.simplefilter("ignore", DeprecationWarning)  # of forking while a thread runs
    from vaulytica.receiving import MemorySeenIds, Seen, SQLiteSeenIds

    path = sys.argv[1]
    inside, leave = threading.Event(), threading.Event()

    class Held:
        # A lock that one thread keeps while another forks.
        def __init__(self, lock):
            self.lock = lock

        def __enter__(self):
            self.lock.acquire()
            if threading.current_thread() is thread:
                inside.set()
                leave.wait(60)

        def __exit__(self, *_):
            self.lock.release()

    os.chdir(os.path.dirname(path))
    on_disk = SQLiteSeenIds(os.path.basename(path), clock=lambda: 0.0)
    for store in (MemorySeenIds(clock=lambda: 0.0), on_disk):
        inside.clear()
        leave.clear()
        assert store.claim("before", "parent", 10.0) is Seen.NEW
        store._lock = Held(store._lock)
        thread = threading.Thread(target=store.claim, args=("other", "t", 10.0))
        thread.start()
        assert inside.wait(60)
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            os.chdir("/")
            try:
                assert store.claim("before", "child", 10.0) is Seen.CLAIMED
                assert store.claim("after", "child", 10.0) is Seen.NEW
                on_disk.close()
            except BaseException as error:
                print(repr(error), flush=True)
                os._exit(1)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        leave.set()
        thread.join()
        assert status == 0, status
        found = Seen.CLAIMED if store is on_disk else Seen.NEW
        assert store.claim("after", "parent", 10.0) is found
        assert store.claim("other", "parent", 10.0) is Seen.CLAIMED
    on_disk.close()
    after = sqlite3.connect(path)
    print(after.execute("PRAGMA integrity_check").fetchone()[0])
    after.close()
"""


def test_a_forked_child_goes_on_with_a_connection_and_locks_of_its_own(tmp_path: Path) -> None:
    """As where a server loads the app, and forks its workers then; a thread may be at it just then."""
    assert run(FORKING, tmp_path / "seen.db") == "ok\n"


# --- Once.


def request(id: str = "e-1", *, scheme: str = "standard_webhooks", now: float = NOW) -> Any:
    secret = secret_of(scheme)
    headers = signed(scheme, secret, BODY, id=id, now=now)
    return verify(headers, BODY, secret, scheme=scheme, now=now)


def refused(call: Callable[[], object]) -> SignatureProblem:
    with pytest.raises(SignatureError) as caught:
        call()
    return caught.value.problem


def test_a_replay_is_refused(seen: SeenIds) -> None:
    with once(request(), seen):
        pass
    with pytest.raises(SignatureError) as caught, once(request(), seen):
        pytest.fail("it was let in")
    assert caught.value.problem is SignatureProblem.REPLAYED
    assert caught.value.status == 200
    with once(request("e-2"), seen):
        pass


def test_an_attempt_signed_anew_is_the_same_request(seen: SeenIds, clock: Clock) -> None:
    steps = Once(seen, clock=clock)
    steps.begin(request()).done()
    clock.now += 60
    assert refused(lambda: steps.begin(request(now=clock.now))) is SignatureProblem.REPLAYED


def test_after_a_handler_that_failed_the_retry_is_let_in(seen: SeenIds) -> None:
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), once(request(), seen):
            raise error
    with once(request(), seen):
        pass
    assert refused(once(request(), seen).__enter__) is SignatureProblem.REPLAYED


def test_while_it_is_being_handled_it_is_refused_and_may_come_again(seen: SeenIds) -> None:
    with once(request(), seen), pytest.raises(SignatureError) as caught, once(request(), seen):
        pytest.fail("it was let in")
    assert (caught.value.problem, caught.value.status) == (SignatureProblem.IN_PROGRESS, 425)


def test_what_a_process_that_died_was_handling_is_let_in_after_the_lease(
    seen: SeenIds, clock: Clock
) -> None:
    Once(seen, lease=30, clock=clock).begin(request())  # and no more is heard of it
    steps = Once(seen, lease=30, clock=clock)
    assert refused(lambda: steps.begin(request())) is SignatureProblem.IN_PROGRESS
    clock.now += 30
    steps.begin(request())


def test_it_is_remembered_for_as_long_as_said(seen: SeenIds, clock: Clock) -> None:
    steps = Once(seen, remember=600, clock=clock)
    steps.begin(request()).done()
    clock.now += 599
    assert refused(lambda: steps.begin(request())) is SignatureProblem.REPLAYED
    clock.now += 1
    steps.begin(request())


def test_of_many_at_the_same_time_one_is_handled(seen: SeenIds) -> None:
    handled: list[str] = []
    problems: list[SignatureProblem] = []
    barrier = threading.Barrier(6)

    def receive() -> None:
        for n in range(20):
            barrier.wait()
            try:
                with once(request(f"e-{n}"), seen):
                    handled.append(f"e-{n}")
            except SignatureError as error:
                problems.append(error.problem)

    threads = [threading.Thread(target=receive) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(handled) == sorted({f"e-{n}" for n in range(20)})
    assert len(problems) == 100


def test_who_is_past_its_lease_gives_back_no_others_claim(seen: SeenIds, clock: Clock) -> None:
    steps = Once(seen, lease=30, clock=clock)
    late = steps.begin(request())
    clock.now += 30
    other = steps.begin(request())
    late.failed()
    assert refused(lambda: steps.begin(request())) is SignatureProblem.IN_PROGRESS
    other.failed()
    steps.begin(request())


def test_at_capacity_no_event_is_handled_twice(clock: Clock) -> None:
    """Each attempt whose `done` found no room would be handled again, an hour long."""
    steps = Once(MemorySeenIds(20, clock=clock), clock=clock)
    handled: list[str] = []
    waiting = [f"e-{n}" for n in range(60)]
    while waiting:
        for id in list(waiting):
            try:
                handling = steps.begin(request(id))
            except SeenIdsFull:
                continue
            handled.append(id)
            handling.done()
            waiting.remove(id)
        clock.now += 3600
    assert sorted(handled) == sorted(f"e-{n}" for n in range(60))


@pytest.mark.parametrize("name", ["remember", "lease"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), None, "60", True])
def test_seconds_that_are_none_are_refused(seen: SeenIds, name: str, value: Any) -> None:
    with pytest.raises(WebhookConfigError, match=f"{name} must be a number of seconds above 0"):
        once(request(), seen, **{name: value}).__enter__()


def test_what_may_be_replayed_longer_than_it_is_remembered_is_refused(seen: SeenIds) -> None:
    headers = signed("standard_webhooks", secret_of("standard_webhooks"), BODY)
    found = verify(headers, BODY, secret_of("standard_webhooks"), 86400, now=NOW)
    with pytest.raises(WebhookConfigError, match="twice the tolerance at least, 172800 s"):
        once(found, seen).__enter__()
    with once(found, seen, remember=2 * 86400):
        pass


@pytest.mark.parametrize("scheme", ["stripe", "standard_webhooks"])
def test_of_a_request_signed_with_two_keys_each_part_is_a_replay(
    seen: SeenIds, scheme: str
) -> None:
    keys = [secret_of(scheme, "old"), secret_of(scheme, "new")]
    headers = dict(signed(scheme, keys, BODY))
    for known in (keys, keys[::-1], keys[1:]):  # the receiver's own order counts no more
        with contextlib.suppress(SignatureError), once(verify(headers, BODY, known, now=NOW), seen):
            assert known is keys
    name = "Stripe-Signature" if scheme == "stripe" else "Webhook-Signature"
    parts = headers[name].split("," if scheme == "stripe" else " ")
    time = parts[:-2]  # Stripe's t=…
    for part in parts[-2:]:
        altered = headers | {name: ("," if scheme == "stripe" else " ").join([*time, part])}
        found = verify(altered, BODY, keys, now=NOW)
        assert refused(once(found, seen).__enter__) is SignatureProblem.REPLAYED


@pytest.mark.parametrize("scheme", ["stripe", "slack"])
def test_where_no_id_is_signed_the_same_time_and_body_are_a_replay(
    seen: SeenIds, scheme: str
) -> None:
    with once(request(scheme=scheme), seen):
        pass
    assert refused(once(request(scheme=scheme), seen).__enter__) is SignatureProblem.REPLAYED
    with once(request(scheme=scheme, now=NOW + 1), seen):  # a retry, signed anew
        pass


@pytest.mark.parametrize("scheme", ["hmac_sha256", "github"])
def test_where_no_time_is_signed_replays_cannot_be_told(seen: SeenIds, scheme: str) -> None:
    with pytest.raises(WebhookConfigError, match="neither an id nor a time"):
        once(request(scheme=scheme), seen).__enter__()


def test_schemes_do_not_share_ids(seen: SeenIds) -> None:
    assert whsec("key") == secret_of("standard_webhooks")
    with once(request(), seen), once(request(scheme="slack"), seen):
        pass
