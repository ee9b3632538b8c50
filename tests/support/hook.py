"""A receiver of any webhook's JSON, as strict as those of the vendors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vaulytica.receiving.destinations.bodies import TooLargeError, distinct_json, unpacked
from vaulytica.receiving.destinations.strict import Refused, StrictDestination, json_answer
from vaulytica.receiving.receiver import Answer, Received


@dataclass(kw_only=True)
class Hook(StrictDestination):
    """Takes lines of JSON, or an `array` of documents, or one alone: all of a request or nothing."""

    array: bool = True

    def _answer(self, request: Received, number: int) -> Answer:
        status = self._refused(number)
        if status is not None:
            raise Refused(json_answer(status, {"error": "as told"}), "as told")
        documents = self._documents(request)
        if any(self._rejected(document) for document in documents):
            raise Refused(json_answer(422, {"error": "one is bad"}), "as told")
        put_off = [document for document in documents if self._deferred(document)]
        if put_off:
            raise Refused(json_answer(503, {"error": "later"}), "as told")
        for document in documents:
            self._take(document)
        return json_answer(200, {"ok": True})

    def _documents(self, request: Received) -> list[Any]:
        assert request.method == "POST"
        media_type = request.header("Content-Type")
        try:
            body = unpacked(request.body, request.header("Content-Encoding") or "", self.max_bytes)
        except TooLargeError:
            raise Refused(json_answer(413, {"error": "too large"}), "as told") from None
        if media_type == "application/x-ndjson":
            assert body.endswith(b"\n")
            return [distinct_json(line.decode()) for line in body[:-1].split(b"\n")]
        assert media_type == "application/json"
        value = distinct_json(body.decode())
        assert isinstance(value, list) is self.array
        return value if self.array else [value]
