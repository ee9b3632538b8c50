"""Elastic: the bulk API of Elasticsearch and OpenSearch, with an answer for each item.

Sources: Elasticsearch's "Bulk API", "Data streams" and "Failure store", OpenSearch's "Bulk".
"""

from __future__ import annotations

import base64
import re
from collections import defaultdict, deque
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from vaulytica.receiving.destinations.bodies import (
    CodingError,
    TooLargeError,
    distinct_json,
    target,
    unpacked,
)
from vaulytica.receiving.destinations.bulk_lines import Action, BulkError, actions, error_body
from vaulytica.receiving.destinations.filter_path import filtered
from vaulytica.receiving.destinations.mapping import Mapping, MappingError, wrong_name
from vaulytica.receiving.destinations.strict import (
    Refused,
    StrictDestination,
    What,
    json_answer,
)
from vaulytica.receiving.receiver import Answer, Received

_PATH = re.compile(r"/(?:(?P<index>[^/]+)/)?(?P<api>_bulk|_doc)")
_BANNER = {
    "name": "vaulytica-receiver",
    "cluster_name": "vaulytica-receiver",
    "version": {"number": "8.15.0", "build_flavor": "default", "build_type": "tar"},
    "tagline": "You Know, for Search",
}
# Media types with a version in them are refused: OpenSearch does not know them.
_MEDIA_TYPES = ("application/json", "application/x-ndjson")
_CHALLENGES = ('Basic realm="security" charset="UTF-8"', 'Bearer realm="security"', "ApiKey")
_ERRORS = {429: "es_rejected_execution_exception", 503: "cluster_block_exception"}


class _ItemError(Exception):
    def __init__(self, status: int, type: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.type = type


@dataclass(kw_only=True)
class Elastic(StrictDestination):
    """What is taken is in `events`, as a search shows it: `{"_index": …, "_id": …, "_source": {…}}`.

    `security`: credentials are needed (with `token`: that API key or password). `data_streams`:
    names, with `*`, that are one. `failure_store`: documents that a data stream refuses go to `aside`.
    `refuse` gives an HTTP status. Of the actions, `create` and `index` are known here.
    """

    security: bool = False
    data_streams: tuple[str, ...] = ("logs-*-*", "metrics-*-*", "traces-*-*", "synthetics-*-*")
    failure_store: bool = False
    max_bytes: int = 100 * 1024 * 1024  # http.max_content_length

    def __post_init__(self) -> None:
        super().__post_init__()
        self.aside: deque[Any] = deque(maxlen=self.keep)
        self._mappings: defaultdict[str, Mapping] = defaultdict(Mapping)
        self._made_ids = 0

    def _answer(self, request: Received, number: int) -> Answer:
        path, query = target(request.path)
        if not self._is_let_in(request.header("Authorization")):
            reason = f"missing or wrong authentication credentials for REST request [{path}]"
            said = error_body(401, "security_exception", reason)
            challenges = tuple(("WWW-Authenticate", challenge) for challenge in _CHALLENGES)
            raise Refused(json_answer(401, said, challenges), reason)
        if path == "/" and request.method in ("GET", "HEAD"):
            return json_answer(200, _BANNER)
        where = _PATH.fullmatch(path)
        if where is None:
            raise _said(400, f"no handler found for uri [{path}] and method [{request.method}]")
        if request.method not in ("POST", "PUT"):
            raise _said(405, f"Incorrect HTTP method for uri [{path}]: [{request.method}]")
        media_type = request.header("Content-Type")
        if (media_type or "").partition(";")[0].strip().lower() not in _MEDIA_TYPES:
            wrong = "is missing" if media_type is None else f"[{media_type}] is not supported"
            raise _said(406, f"Content-Type header {wrong}")
        status = self._refused(number)
        if status is not None:
            raise BulkError(_ERRORS.get(status, "exception"), "as told", status)
        body = self._body(request)
        if where["api"] == "_doc":
            return self._one(where["index"], body)
        return self._many(actions(body, where["index"]), query.get("filter_path"))

    def _body(self, request: Received) -> bytes:
        coding = (request.header("Content-Encoding") or "").lower()
        try:  # a coding that is not known is passed over, and its bytes are then read as text
            return unpacked(request.body, coding if coding == "gzip" else "", self.max_bytes)
        except CodingError as error:
            raise BulkError("parse_exception", f"gzip: {error}") from None
        except TooLargeError:  # said by the HTTP server, which has no words
            raise Refused(Answer(413, b"", ()), "HTTP 413") from None

    def _one(self, index: str | None, body: bytes) -> Answer:
        if index is None:
            raise BulkError("invalid_index_name_exception", "Invalid index name [_doc]")
        item = self._item(Action("index", index, None, body))
        error = item.get("error")
        said = error_body(item["status"], error["type"], error["reason"]) if error else item
        return json_answer(item["status"], said)

    def _many(self, wanted: list[Action], filter_path: str | None) -> Answer:
        items = [{action.op: self._item(action)} for action in wanted]
        failed = any("error" in result for item in items for result in item.values())
        said = {"errors": failed, "took": 0, "items": items}
        return json_answer(200, filtered(said, filter_path) if filter_path else said)

    def _is_let_in(self, given: str | None) -> bool:
        if not self.security and self.token is None:
            return True
        scheme, _, value = (given or "").partition(" ")
        if scheme == "Basic":
            try:
                value = base64.b64decode(value, validate=True).decode("utf-8").partition(":")[2]
            except ValueError:
                return False
        is_known = scheme in ("Basic", "Bearer", "ApiKey")
        return is_known and bool(value) and self.token in (None, value)

    def _item(self, action: Action) -> dict[str, Any]:
        """The answer to one action."""
        is_stream = any(fnmatchcase(action.index, pattern) for pattern in self.data_streams)
        document: Any = None
        try:
            self._check(action, is_stream=is_stream)
            document = _document(action)
            return self._stored(action, document, is_stream=is_stream)
        except _ItemError as error:
            if is_stream and self.failure_store and error.type == "document_parsing_exception":
                self.aside.append(document or action.line)
                self._note(What.ASIDE, document, str(error))
                return _created(f".fs-{action.index}-000002", "aside", failure_store="used")
            self._note(_what(error.status), document, f"{error.type}: {error}")
            said = {"type": error.type, "reason": str(error)}
            return {"_index": action.index, "_id": action.id, "status": error.status, "error": said}

    def _check(self, action: Action, *, is_stream: bool) -> None:
        wrong = wrong_name(action.index)
        if wrong:
            reason = f"Invalid index name [{action.index}], {wrong}"
            raise _ItemError(400, "invalid_index_name_exception", reason)
        if is_stream and action.op != "create":
            reason = "only write ops with an op_type of create are allowed in data streams"
            raise _ItemError(400, "illegal_argument_exception", reason)
        if action.op not in ("create", "index"):
            reason = f"[{action.op}] is not known to this receiver"
            raise _ItemError(400, "illegal_argument_exception", reason)

    def _stored(
        self, action: Action, document: dict[str, Any], *, is_stream: bool
    ) -> dict[str, Any]:
        key = (action.index, action.id) if action.id is not None else None
        if self._deferred(document, key):
            raise _ItemError(
                429, "es_rejected_execution_exception", "rejected execution of a write"
            )
        why = self._rejected(document)
        if why is None and is_stream and "@timestamp" not in document:
            why = "data stream timestamp field [@timestamp] is missing"
        try:
            if why is None:
                self._mappings[action.index].learn(document)
        except MappingError as error:
            why = str(error)
        if why is not None:
            raise _ItemError(400, "document_parsing_exception", why)
        known = key is not None and self._knows(key)
        if known and action.op == "create":
            reason = (
                f"[{action.id}]: version conflict, document already exists (current version [1])"
            )
            raise _ItemError(409, "version_conflict_engine_exception", reason)
        self._made_ids += 1
        id = action.id or f"made-{self._made_ids}"
        hit = {"_index": action.index, "_id": id, "_source": document}
        self._take(hit, (action.index, id))
        index = f".ds-{action.index}-000001" if is_stream else action.index
        return _created(index, id) | ({"result": "updated", "status": 200} if known else {})


def _document(action: Action) -> dict[str, Any]:
    try:
        value = distinct_json(action.line.decode("utf-8"))
    except ValueError as error:
        raise _ItemError(400, "document_parsing_exception", f"failed to parse: {error}") from None
    if not isinstance(value, dict):
        raise _ItemError(400, "document_parsing_exception", "the document is no object")
    return value


def _what(status: int) -> What:
    return {409: What.KNOWN, 429: What.DEFERRED}.get(status, What.REFUSED)


def _created(index: str, id: str, **more: str) -> dict[str, Any]:
    shards = {"total": 2, "successful": 1, "failed": 0}
    item = {"_index": index, "_id": id, "_version": 1, "result": "created", "_shards": shards}
    return item | more | {"_seq_no": 0, "_primary_term": 1, "status": 201}


def _said(status: int, reason: str) -> Refused:
    return Refused(json_answer(status, {"error": reason, "status": status}), reason)
