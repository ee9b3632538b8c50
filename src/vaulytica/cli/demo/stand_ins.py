"""Stand-ins that only `demo` needs: any webhook, and Elasticsearch with a template for our indices."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from vaulytica.receiving.destinations.bodies import distinct_json
from vaulytica.receiving.destinations.elastic import Elastic
from vaulytica.receiving.destinations.mapping import Mapping
from vaulytica.receiving.destinations.strict import Refused, StrictDestination, What, json_answer
from vaulytica.receiving.receiver import Answer, Received

_OK = json_answer(200, {"ok": True})


@dataclass(kw_only=True)
class Webhook(StrictDestination):
    """Any endpoint: takes a JSON object, an array of them, or a line for each, and says what it says.

    `refuse` gives an HTTP status.
    """

    layout: str = "single"
    says: Answer = _OK

    def _answer(self, request: Received, number: int) -> Answer:
        status = self._refused(number)
        if status is not None:
            answer = json_answer(status, {"error": "busy, as the demo has it"})
            raise Refused(answer, "as told", what=What.DEFERRED)
        try:
            documents = _documents(self.layout, request.body)
        except ValueError as error:
            raise Refused(json_answer(400, {"error": str(error)}), str(error)) from None
        for document in documents:
            self._take(document)
        return self.says


def _documents(layout: str, body: bytes) -> list[dict[str, Any]]:
    text = body.decode("utf-8")
    if layout == "ndjson":
        *lines, rest = text.split("\n")
        documents = [distinct_json(line) for line in lines]
        is_whole = not rest
    else:
        value = distinct_json(text)
        documents = value if layout == "array" else [value]
        is_whole = isinstance(documents, list)
    if not is_whole or not documents or not all(isinstance(one, dict) for one in documents):
        raise ValueError(f"not what is wanted here: {layout}")
    return documents


@dataclass(kw_only=True)
class Search(Elastic):
    """Elasticsearch with a template for our indices, by which `vaulytica` is a `flattened` field.

    Without one the first value of each name in the data decides of which type all others must be.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self._mappings = defaultdict(_Flattened)


class _Flattened(Mapping):
    def learn(self, document: dict[str, Any]) -> None:
        """Add the fields that are new, but for those of the data."""
        super().learn({name: document[name] for name in document if name != "vaulytica"})
