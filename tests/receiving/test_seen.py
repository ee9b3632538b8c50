"""Every store of seen ids keeps the same laws; and each request is handled once, and none is lost."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.signing import NOW, secret_of, signed, whsec
from vaulytica.errors import SignatureError, SignatureProblem, WebhookConfigError
from vaulytica.receiving import MemorySeenIds, SeenIds, SeenIdsFull, SQLiteSeenIds, once, verify
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
    assert not seen.has("a")
    assert seen.add("a", NOW + 10)
    assert seen.has("a")
    assert not seen.add("a", NOW + 20)
    assert seen.add("b", NOW + 10)


def test_an_id_is_forgotten_in_its_time(seen: SeenIds, clock: Clock) -> None:
    seen.add("a", NOW + 10)
    clock.now += 9.9
    assert not seen.add("a", NOW + 20)
    clock.now += 0.1
    assert not seen.has("a")
    assert seen.add("a", NOW + 20)
    clock.now += 9
    assert seen.has("a")


def test_an_id_that_is_discarded_is_new_again(seen: SeenIds, clock: Clock) -> None:
    seen.discard("a")
    seen.add("a", NOW + 10)
    seen.discard("a")
    assert not seen.has("a")
    assert seen.add("a", NOW + 99)
    clock.now += 11  # when the first would have ended
    assert seen.has("a")


def test_of_many_at_the_same_time_one_is_the_first(seen: SeenIds) -> None:
    barrier = threading.Barrier(8)
    firsts: list[bool] = []

    def add() -> None:
        for n in range(50):
            barrier.wait()
            firsts.append(seen.add(f"id-{n}", NOW + 10))

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(firsts), sum(firsts)) == (400, 50)


def test_memory_is_bounded_and_full_is_an_error(clock: Clock) -> None:
    seen = MemorySeenIds(3, clock=clock)
    for n in range(3):
        seen.add(str(n), NOW + 10 + n)
    with pytest.raises(SeenIdsFull, match="3 ids"):
        seen.add("more", NOW + 10)
    assert all(seen.has(str(n)) for n in range(3))  # none made room for it
    clock.now += 10
    assert seen.add("more", NOW + 20)
    assert len(seen) == 3


def test_discarding_does_not_make_memory_grow(clock: Clock) -> None:
    seen = MemorySeenIds(10, clock=clock)
    for _ in range(10):
        seen.add("a", NOW + 10)
        seen.discard("a")
    with pytest.raises(SeenIdsFull):
        seen.add("a", NOW + 10)
    clock.now += 10
    assert seen.add("a", NOW + 20)


ADDING = """
import sys
from vaulytica.receiving import SQLiteSeenIds
print("ready", flush=True)
sys.stdin.readline()
store = SQLiteSeenIds(sys.argv[1], clock=lambda: 0.0)
print(sum(store.add(f"id-{n}", 10.0) for n in range(50)))
store.close()
"""


def test_sqlite_is_for_all_processes_and_outlives_them(tmp_path: Path) -> None:
    path = tmp_path / "seen.db"
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", ADDING, path],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for _ in range(3)
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
        assert not store.add("id-7", 10.0)


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
    steps.begin(request())
    steps.done(request())
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
    steps.begin(request())
    steps.done(request())
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


def test_one_that_ends_while_another_begins_is_seen(seen: SeenIds, clock: Clock) -> None:
    """The other looks, sees nothing, and by the time it claims, the first has ended."""
    steps = Once(seen, clock=clock)
    steps.begin(request())

    class Between:
        add, discard = seen.add, seen.discard

        def has(self, id: str) -> bool:
            found = seen.has(id)
            if not found:
                steps.done(request())
            return found

    late = Once(Between(), clock=clock)
    assert refused(lambda: late.begin(request())) is SignatureProblem.REPLAYED
    assert refused(lambda: late.begin(request())) is SignatureProblem.REPLAYED


@pytest.mark.parametrize("scheme", ["stripe", "slack"])
def test_where_no_id_is_signed_the_same_signature_is_a_replay(seen: SeenIds, scheme: str) -> None:
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
