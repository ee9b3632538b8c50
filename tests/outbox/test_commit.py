"""Group commit: who waits for whom, and what becomes of the others when one is interrupted or fails."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from vaulytica.outbox.sqlite.commit import GroupCommit, Op


class Slow:
    """Performs groups, each only when it is let; `groups` has the size of each."""

    def __init__(self) -> None:
        self.groups: list[int] = []
        self.begun = threading.Semaphore(0)
        self.let = threading.Semaphore(0)

    def __call__(self, ops: list[Op[Any]]) -> None:
        self.groups.append(len(ops))
        self.begun.release()
        assert self.let.acquire(timeout=10)
        for op in ops:
            op.succeed(op.run(None))


def waiting(commit: GroupCommit, count: int) -> None:
    """Until so many are in the queue."""
    while len(commit._queue) < count:
        threading.Event().wait(0.001)


def test_what_comes_while_one_is_under_way_goes_together() -> None:
    slow, results = Slow(), []
    commit = GroupCommit(slow)

    def ask(number: int) -> None:
        results.append(commit.do(Op(lambda _: number)))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(9)]
    threads[0].start()
    assert slow.begun.acquire(timeout=10)
    for thread in threads[1:]:
        thread.start()
    waiting(commit, 8)
    slow.let.release(2)
    for thread in threads:
        thread.join(60)
    assert slow.groups == [1, 8]
    assert sorted(results) == list(range(9))


def test_who_is_alone_waits_for_nobody() -> None:
    slow = Slow()
    slow.let.release(3)
    commit = GroupCommit(slow)
    assert [commit.do(Op(lambda _: 1)) for _ in range(3)] == [1, 1, 1]
    assert slow.groups == [1, 1, 1]


def test_one_that_is_interrupted_while_it_waits_is_not_done_and_stops_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slow, done = Slow(), []
    commit = GroupCommit(slow)
    first = threading.Thread(target=lambda: commit.do(Op(lambda _: done.append("first"))))
    first.start()
    assert slow.begun.acquire(timeout=10)
    # What Ctrl-C does to a lock that is waited for.
    from vaulytica.outbox.sqlite import commit as module

    class Interrupted:
        def __init__(self) -> None:
            self.taken = False

        def acquire(self) -> None:
            if self.taken:
                raise KeyboardInterrupt
            self.taken = True

        def release(self) -> None: ...

    with monkeypatch.context() as patched:
        patched.setattr(module.threading, "Lock", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            commit.do(Op(lambda _: done.append("interrupted")))
    last = threading.Thread(target=lambda: commit.do(Op(lambda _: done.append("last"))))
    last.start()
    waiting(commit, 1)
    slow.let.release(2)
    first.join(60)
    last.join(60)
    assert done == ["first", "last"]


def test_a_performer_that_breaks_is_told_to_all_and_the_next_go_on() -> None:
    broken = [True]

    def perform(ops: list[Op[Any]]) -> None:
        if broken.pop() if broken else False:
            raise KeyboardInterrupt
        for op in ops:
            op.succeed(op.run(None))

    commit = GroupCommit(perform)
    op = Op(lambda _: 1)
    with pytest.raises(KeyboardInterrupt):
        commit.do(op)
    assert "interrupted before it wrote" in str(op.error)
    assert commit.do(Op(lambda _: 2)) == 2
