"""The destinations of all documents: one receiver with TLS, one without, answering as they are told."""

from __future__ import annotations

import ssl
from collections import deque
from pathlib import Path
from typing import Self

import trustme

from support.docs.hosts import Mapping
from vaulytica.receiving.receiver import Answer, Received, Receiver

TOKEN = Answer(200, b'{"access_token": "fake-token", "token_type": "Bearer", "expires_in": 3600}')


class Receivers:
    """`received` holds what came, oldest first, without the requests for tokens."""

    def __init__(self, folder: Path, hosts: list[str]) -> None:
        authority = trustme.CA()
        self.authority = folder / "authority.pem"
        authority.cert_pem.write_to_path(self.authority)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*hosts).configure_cert(context)
        self.received: list[Received] = []
        self._answers: deque[Answer] = deque()
        self._tls = Receiver(respond=self._respond, tls=context)
        self._plain = Receiver(respond=self._respond)

    def mapping(self) -> Mapping:
        """Every host leads to these."""
        return Mapping(self._tls.port, self._plain.port, str(self.authority))

    def answer_next(self, answers: str) -> None:
        """`503, 400 no such index, 200`: statuses, each with the words of its body."""
        for answer in filter(None, map(str.strip, answers.split(","))):
            status, _, words = answer.partition(" ")
            self._answers.append(Answer(int(status), words.encode()))

    def unused_answers(self) -> int:
        """How many of the answers told have not been given."""
        return len(self._answers)

    def _respond(self, record: Received) -> Answer | None:
        if record.body.startswith(b"grant_type="):
            return TOKEN
        self.received.append(record)
        return self._answers.popleft() if self._answers else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._tls.close()
        self._plain.close()
