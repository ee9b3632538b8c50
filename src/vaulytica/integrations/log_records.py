"""An event from a record of `logging`: everything a record may hold, made plain, and nothing raised."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable
from typing import Any

from vaulytica.events import Severity, parse_timestamp, uuid7
from vaulytica.jsonvalues import NotJSON, format_timestamp, plain

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_MOST_TEXT = 64 * 1024  # characters of one text
_MOST_BYTES = 512 * 1024  # of one event; with more, its extra fields are left out


def severity_of(level: int) -> Severity:
    """By the level's number, which also those between the usual ones have."""
    if level < logging.INFO:
        return Severity.DEBUG
    if level < logging.WARNING:
        return Severity.INFO
    if level < logging.ERROR:
        return Severity.WARNING
    return Severity.ERROR if level < logging.CRITICAL else Severity.CRITICAL


def line_of(record: logging.LogRecord, type: str, source: str) -> bytes:
    """The event as one line of JSON, without its end."""
    data: dict[str, Any] = {
        "message": _message(record),
        "logger": record.name,
        "level": record.levelname,
        "file": record.pathname,
        "line": record.lineno,
        "function": record.funcName,
        "process": record.process,
        "thread": record.threadName,
    }
    if record.exc_info and record.exc_info[0] is not None:
        data["exception"] = _exception(record)
    elif record.exc_text:  # of a record that has come through a queue or a socket
        data["exception"] = {"traceback": record.exc_text}
    if record.stack_info:
        data["stack"] = record.stack_info
    extra = {str(name): _plain(value) for name, value in vars(record).items() if name not in _OWN}
    event = {
        "type": type,
        "data": {**extra, **{name: _own(value) for name, value in data.items()}},
        "severity": severity_of(record.levelno),
        "timestamp": format_timestamp(parse_timestamp(record.created)),
        "id": uuid7(round(record.created * 1000)),
        "source": source,
    }
    line = _encoded(event)
    if len(line) > _MOST_BYTES:
        for name in extra.keys() - data.keys():
            del event["data"][name]  # type: ignore[attr-defined] # it is a dict
        event["data"]["left_out"] = sorted(map(_cut, extra))[:100]  # type: ignore[index]
        line = _encoded(event)
    return line


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # noqa: BLE001 - arguments that do not fit are the program's
        try:
            return f"{record.msg!s} (its arguments do not fit: {type(error).__name__})"
        except Exception as error:  # noqa: BLE001 - nor may its message have a text
            return _no_text(error)


def _exception(record: logging.LogRecord) -> dict[str, Any]:
    assert record.exc_info
    exc_info = record.exc_info
    kind, value, _ = exc_info
    name = kind.__name__ if kind is not None else ""
    return {
        "type": name,
        "message": _text(lambda: str(value)),
        "traceback": _text(lambda: "".join(traceback.format_exception(*exc_info))),
    }


def _text(make: Callable[[], str]) -> Any:
    try:
        return _cut(make())
    except Exception as error:  # noqa: BLE001 - what is logged has a text of the program's own
        return _no_text(error)


def _no_text(error: Exception) -> str:
    return f"(it has no text: {type(error).__name__})"


def _own(value: Any) -> Any:
    """One of the record's own fields, which are usually what they should be."""
    return _cut(value) if isinstance(value, (str, int, dict)) or value is None else _plain(value)


def _plain(value: Any) -> Any:
    """The value as JSON has it, or its `repr`."""
    try:
        return _cut(plain({"value": value}, max_bytes=_MOST_BYTES)["value"])
    except NotJSON:
        pass
    except Exception as error:  # noqa: BLE001 - such as a mapping of the program's own
        return f"({type(error).__name__})"
    return _text(lambda: repr(value))


def _cut(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _MOST_TEXT:
        return f"{value[:_MOST_TEXT]}… ({len(value)} characters)"
    return value


def _encoded(event: dict[str, Any]) -> bytes:
    try:
        return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # a lone surrogate, which no intake takes
        return json.dumps(_whole(event), ensure_ascii=False, separators=(",", ":")).encode()


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_whole(name): _whole(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return value
