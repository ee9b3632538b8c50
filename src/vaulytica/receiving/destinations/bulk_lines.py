"""A bulk body's lines: actions with their documents, checked before anything is taken.

Source: Elasticsearch's "Bulk API" reference, and what its parser refuses a whole request for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vaulytica.receiving.destinations.bodies import distinct_json
from vaulytica.receiving.destinations.strict import Refused, What, json_answer

_ACTIONS = ("create", "delete", "index", "update")
_TEXTS = frozenset({"_index", "_id", "routing", "pipeline"})
_FLAGS = frozenset({"require_alias", "require_data_stream", "list_executed_pipelines"})
_LONGEST_ID = 512  # bytes


class BulkError(Refused):
    """The whole request is refused, in Elasticsearch's words; nothing of it is taken."""

    def __init__(self, type: str, reason: str, status: int = 400) -> None:
        answer = json_answer(status, error_body(status, type, reason))
        what = What.DEFERRED if status in (429, 503) else What.REFUSED
        super().__init__(answer, f"{type}: {reason}", what=what)


def error_body(status: int, type: str, reason: str) -> dict[str, Any]:
    """An error as Elasticsearch words it."""
    cause = {"type": type, "reason": reason}
    return {"error": {"root_cause": [cause], **cause}, "status": status}


@dataclass(frozen=True, slots=True)
class Action:
    """What to do with a document, whose line is not read yet."""

    op: str
    index: str
    id: str | None
    line: bytes = b""


def actions(body: bytes, index: str | None) -> list[Action]:
    """All actions; `index` is the one of the URL. Raises `BulkError`."""
    if not body:
        raise BulkError("parse_exception", "request body is required")
    if not body.endswith(b"\n"):
        raise BulkError(
            "illegal_argument_exception", "The bulk request must be terminated by a newline [\\n]"
        )
    found: list[Action] = []
    lines = enumerate(body.split(b"\n")[:-1], 1)
    for number, line in lines:
        if not line.strip():
            continue
        op, metadata = _action(line, number)
        if op == "delete":
            found.append(_made(op, metadata, index, b""))
            continue
        _, document = next(lines, (0, None))
        if document is None:
            break  # an action without a document is passed over
        found.append(_made(op, metadata, index, document))
    if not found:
        raise _invalid("no requests added")
    return found


def _action(line: bytes, number: int) -> tuple[str, dict[str, Any]]:
    try:
        value = distinct_json(line.decode("utf-8"))
    except ValueError as error:
        raise BulkError("x_content_parse_exception", f"[{number}:1] {error}") from None
    where = f"Malformed action/metadata line [{number}]"
    if not isinstance(value, dict):
        raise _malformed(f"{where}, expected START_OBJECT but found [{type(value).__name__}]")
    if not value:
        raise _malformed(f"{where}, expected FIELD_NAME but found [END_OBJECT]")
    op = next(iter(value))
    if op not in _ACTIONS:
        expected = "[create], [delete], [index] or [update]"
        raise _malformed(f"{where}, expected field {expected} but found [{op}]")
    if len(value) > 1:
        raise _malformed(f"{where}, expected END_OBJECT but found [FIELD_NAME]")
    metadata = value[op]
    if not isinstance(metadata, dict):
        raise _malformed(f"{where}, expected START_OBJECT but found [{type(metadata).__name__}]")
    for name, given in metadata.items():
        if name not in _TEXTS | _FLAGS:
            raise _malformed(
                f"Action/metadata line [{number}] contains an unknown parameter [{name}]"
            )
        if isinstance(given, dict | list):
            raise _malformed(f"{where}, expected a simple value for field [{name}]")
    return op, metadata


def _made(op: str, metadata: dict[str, Any], default: str | None, line: bytes) -> Action:
    index = metadata.get("_index", default)
    id = metadata.get("_id")
    if index is None:
        raise _invalid("index is missing")
    id = None if id is None else str(id)
    if id == "":
        raise _invalid("if _id is specified it must not be empty")
    size = len((id or "").encode("utf-8", "replace"))
    if size > _LONGEST_ID:
        raise _invalid(
            f"id [{id}] is too long, must be no longer than {_LONGEST_ID} bytes but was: {size}"
        )
    return Action(op, str(index), id, line)


def _malformed(reason: str) -> BulkError:
    return BulkError("illegal_argument_exception", reason)


def _invalid(reason: str) -> BulkError:
    return BulkError("action_request_validation_exception", f"Validation Failed: 1: {reason};")
