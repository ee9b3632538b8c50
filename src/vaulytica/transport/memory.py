"""A transport without a network: canned answers in order, and every request kept. For tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from vaulytica.delivery.request import Request, Response
from vaulytica.errors import TransportFailure

Answer = Response | TransportFailure | Callable[[Request], Response]


class MemoryTransport:
    """Answers with `answers` in order, then with the last one for ever; `requests` holds what was sent."""

    def __init__(self, answers: Iterable[Answer] = (Response(200),)) -> None:
        self._answers = list(answers)
        self.requests: list[Request] = []

    def send(self, request: Request) -> Response:
        """The next canned answer, or the failure, raised."""
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, TransportFailure):
            raise answer
        return answer if isinstance(answer, Response) else answer(request)

    def close(self) -> None:
        """Nothing to drop."""


class AsyncMemoryTransport:
    """The same for asyncio."""

    def __init__(self, answers: Iterable[Answer] = (Response(200),)) -> None:
        self._memory = MemoryTransport(answers)
        self.requests = self._memory.requests

    async def send(self, request: Request) -> Response:
        """The next canned answer, or the failure, raised."""
        return self._memory.send(request)

    async def aclose(self) -> None:
        """Nothing to drop."""
