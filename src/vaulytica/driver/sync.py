"""The driver for threads."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from vaulytica.delivery.ports import Alone, Connect, Effect, Flow, Send, T, Transport, Turn, Wait
from vaulytica.delivery.request import Response
from vaulytica.driver.faults import failure_of, no_response
from vaulytica.errors import Failure

log = logging.getLogger("vaulytica")

_LONGEST_WAIT = 1.0  # seconds, for a turn; then it asks again
_INTERRUPTED = "the call was interrupted"

Sleep = Callable[[float], object]


class Driver:
    """Runs flows over a sync transport; may be shared by threads, and used by a forked child."""

    def __init__(self, transport: Transport, sleep: Sleep = time.sleep) -> None:
        self.transport = transport
        self.sleep = sleep
        self._held = _Locks()

    def run(self, flow: Flow[T], stopped: threading.Event | None = None) -> T:
        """What the flow returns; once `stopped` is set, it makes no request and waits for nothing, but raises."""
        answer: Any = None
        failure: Failure | None = None
        try:
            while True:
                try:
                    effect = flow.send(answer) if failure is None else flow.throw(failure)
                except StopIteration as stop:
                    result: T = stop.value
                    return result
                answer = failure = None
                if stopped is not None and stopped.is_set() and type(effect) is Send:
                    raise InterruptedError(_INTERRUPTED)
                try:
                    if type(effect) is Send:  # nearly always
                        answer = self.transport.send(effect.request)
                        if not isinstance(answer, Response):
                            raise no_response(answer)
                    elif type(effect) is Turn:
                        self._turn(effect.ask, stopped)
                    else:
                        answer = self._perform(effect, stopped)
                except Failure as error:
                    failure = error
                except Exception as error:
                    if type(effect) is not Send:
                        raise
                    failure = failure_of(error)
        finally:
            flow.close()

    def _perform(self, effect: Effect, stopped: threading.Event | None) -> Any:
        if isinstance(effect, Wait):
            log.info("%s; again in %.2f s", effect.why, effect.seconds)
            return self._let_pass(effect.seconds, stopped)
        if isinstance(effect, Connect):
            connect = getattr(self.transport, "connect", None)
            return connect and connect(effect.url, effect.timeout)
        assert isinstance(effect, Alone)
        with self._locks().alone:
            return self.run(effect.flow, stopped)

    def _let_pass(self, seconds: float, stopped: threading.Event | None) -> None:
        if stopped is None or self.sleep is not time.sleep:
            self.sleep(seconds)
        else:
            stopped.wait(seconds)
        if stopped is not None and stopped.is_set():
            raise InterruptedError(_INTERRUPTED)

    def _turn(self, ask: Callable[[], float], stopped: threading.Event | None) -> None:
        locks = self._locks()
        with locks.turn:  # itself, not the condition: nearly always nobody waits
            while (seconds := ask()) > 0:
                if self.sleep is not time.sleep and seconds < math.inf:  # a test's own clock
                    locks.turn.release()
                    try:
                        self._let_pass(min(seconds, _LONGEST_WAIT), stopped)
                    finally:
                        locks.turn.acquire()
                    continue
                locks.waiting += 1
                locks.turns.wait(min(seconds, _LONGEST_WAIT))
                locks.waiting -= 1
                if stopped is not None and stopped.is_set():
                    raise InterruptedError(_INTERRUPTED)
            if locks.waiting:
                locks.turns.notify_all()

    def _locks(self) -> _Locks:
        if self._held.pid != os.getpid():  # a lock that was held while forking is never released
            self._held = _Locks()
        return self._held


class _Locks:
    """What the flows of one sync driver wait for each other with."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.alone = threading.Lock()
        self.turn = threading.Lock()
        self.turns = threading.Condition(self.turn)
        self.waiting = 0  # for a turn
