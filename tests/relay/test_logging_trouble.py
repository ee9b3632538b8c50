"""The handler for Python's `logging` under what programs do to it: signals, forks, queues, an early end."""

from __future__ import annotations

import json
import logging
import queue
import subprocess
import sys
import textwrap
import threading
import weakref
from collections.abc import Iterator
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path
from typing import Any

import pytest

from support.intake import TOKEN, Intake, intake
from support.ports import free_port
from vaulytica.errors import WebhookConfigError
from vaulytica.integrations.log_backlog import Backlog
from vaulytica.integrations.logging import VaulyticaHandler


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    made = logging.Logger("app")  # noqa: LOG001 - pytest listens to all that are in the tree
    yield made
    for handler in list(made.handlers):
        made.removeHandler(handler)
        handler.close()


def attached(logger: logging.Logger, port: int, **settings: Any) -> VaulyticaHandler:
    settings = {"token": TOKEN, "linger": 0.0, "close_timeout": 60.0, **settings}
    handler = VaulyticaHandler(f"http://127.0.0.1:{port}", **settings)
    logger.addHandler(handler)
    return handler


def messages(relay_in: Intake, type: str = "log_record") -> list[str]:
    return [event["data"]["message"] for event in relay_in.kept() if event["type"] == type]


def run(program: str, *args: Any, folder: Path | None = None) -> str:
    """Its standard error. A file of its own, for what starts itself anew."""
    command = [sys.executable, "-c", textwrap.dedent(program)]
    if folder is not None:
        path = folder / "program.py"
        path.write_text(textwrap.dedent(program))
        command = [sys.executable, str(path)]
    done = subprocess.run(
        [*command, *map(str, args)], check=True, timeout=100, stderr=subprocess.PIPE, text=True
    )
    return done.stderr


# --- What is in records.


def test_an_exception_that_came_as_text_keeps_it(relay_in: Intake, logger: logging.Logger) -> None:
    handler = attached(logger, relay_in.port)
    sent = {"msg": "from afar", "levelno": 40, "levelname": "ERROR", "exc_text": "Traceback: …"}
    logger.handle(logging.makeLogRecord(sent))  # as of logging.handlers.SocketHandler
    handler.flush()
    assert relay_in.kept()[0]["data"]["exception"] == {"traceback": "Traceback: …"}


def test_an_exception_without_a_text_keeps_its_traceback(
    relay_in: Intake, logger: logging.Logger
) -> None:
    class Textless(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    handler = attached(logger, relay_in.port)
    try:
        raise Textless
    except Textless:
        logger.exception("x")
    handler.flush()
    exception = relay_in.kept()[0]["data"]["exception"]
    assert exception["message"] == "(it has no text: RuntimeError)"
    assert "test_an_exception_without_a_text_keeps_its_traceback" in exception["traceback"]


def test_fields_of_a_record_that_are_not_what_they_should_be(
    relay_in: Intake, logger: logging.Logger
) -> None:
    handler = attached(logger, relay_in.port)
    odd = {"msg": "odd", "levelno": 20, "name": object(), "lineno": {1}, "pathname": Path("/x")}
    logger.handle(logging.makeLogRecord(odd))
    handler.flush()
    data = relay_in.kept()[0]["data"]
    assert (data["message"], data["line"], data["file"]) == ("odd", [1], "/x")


def test_behind_a_queue(relay_in: Intake, logger: logging.Logger) -> None:
    records: queue.Queue[Any] = queue.Queue()
    handler = attached(logging.Logger("behind"), relay_in.port)  # noqa: LOG001 - see above
    listener = QueueListener(records, handler)
    listener.start()
    logger.addHandler(QueueHandler(records))
    try:
        raise KeyError("missing")
    except KeyError:
        logger.exception("it %s", "broke", extra={"tries": 3})
    listener.stop()
    handler.close()
    data = relay_in.kept()[0]["data"]
    assert data["message"].startswith("it broke\nTraceback")
    assert data["tries"] == 3


# --- Bounds.


def test_what_waits_is_bounded_by_its_bytes_too(
    tmp_path: Path, logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    handler = attached(logger, port, capacity_bytes=100_000)
    for number in range(50):
        logger.info("%d %s", number, "x" * 10_000)
    with intake(tmp_path, port=port) as relay_in:
        handler.close()
        kept = [message.split()[0] for message in messages(relay_in)]
        assert kept == [str(number) for number in range(9)]
        (said,) = [e for e in relay_in.kept() if e["type"] == "log_records_dropped"]
        assert said["data"]["dropped"] == 41
    assert "there is no room for more records" in capsys.readouterr().err


@pytest.mark.parametrize("limits", [{"body": 20_000}, {"events": 7}])
def test_what_is_too_much_together_is_sent_in_parts(
    tmp_path: Path, logger: logging.Logger, limits: dict[str, int]
) -> None:
    with intake(tmp_path, limits=limits) as relay_in:
        handler = attached(logger, relay_in.port, linger=0.5)
        for number in range(100):
            logger.info("%d %s", number, "x" * 1000)
        logger.info("large %s", "x" * 30_000 if "body" in limits else "")
        handler.close()
        kept = [message.split()[0] for message in messages(relay_in)]
        assert kept[:100] == [str(number) for number in range(100)]
        told = messages(relay_in, "log_records_dropped")
        refused = ["0 log records were dropped, and 1 refused"]
        assert told == (refused if "body" in limits else [])


@pytest.mark.parametrize(
    "settings",
    [
        {"capacity": 0},
        {"capacity_bytes": -1},
        {"timeout": 0},
        {"linger": -1},
        {"close_timeout": float("nan")},
        {"type": ""},
        {"source": ""},
        {"url": "http://127.0.0.1:99999"},
        {"url": None, "outbox": "nothing.db", "destinations": ["siem"]},
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any]) -> None:
    with pytest.raises(WebhookConfigError):
        VaulyticaHandler(**{"url": "http://127.0.0.1:1", **settings})


# --- The relay.


def test_a_connection_that_the_relay_has_closed_is_no_trouble(
    tmp_path: Path, logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    with intake(tmp_path) as first:
        port = first.port
        handler = attached(logger, port)
        logger.info("one")
        handler.flush()
    with intake(tmp_path, port=port) as second:
        logger.info("two")
        handler.flush()
        assert messages(second) == ["one", "two"]
        handler.close()
    assert capsys.readouterr().err == ""


def test_an_outbox_that_cannot_be_opened_yet_loses_nothing(
    tmp_path: Path, logger: logging.Logger
) -> None:
    folder = tmp_path / "later"
    folder.write_text("no folder")
    url = f"sqlite://{folder}/outbox.db"
    handler = VaulyticaHandler(outbox=url, destinations=["siem"], linger=0.0, close_timeout=60)
    logger.addHandler(handler)
    logger.info("x")
    folder.unlink()
    folder.mkdir()
    handler.close()
    with intake(folder) as behind:
        assert messages(behind) == ["x"]


# --- The program.


def test_a_signal_that_logs_while_a_record_is_taken(relay_in: Intake) -> None:
    program = """
        import logging, signal, sys
        from vaulytica.integrations.logging import VaulyticaHandler
        logger = logging.getLogger("app")
        logger.setLevel("INFO")
        logger.addHandler(VaulyticaHandler(
            sys.argv[1], token=sys.argv[2], close_timeout=60, capacity=10**6, linger=0
        ))
        count = 0
        def often(*_):
            global count
            count += 1
            logger.info("by a signal")
        signal.signal(signal.SIGALRM, often)
        signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
        for _ in range(5000):
            logger.info("by the program")
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(count, file=sys.stderr)
    """
    count = int(run(program, f"http://127.0.0.1:{relay_in.port}", TOKEN))
    kept = messages(relay_in)
    assert kept.count("by the program") == 5000
    assert kept.count("by a signal") == count


def test_who_holds_the_handlers_lock_holds_up_nobody(
    relay_in: Intake, logger: logging.Logger
) -> None:
    handler = attached(logger, relay_in.port)
    thread = threading.Thread(target=logger.info, args=("x",))
    handler.acquire()  # as logging.shutdown does, while it waits for what is sent
    try:
        thread.start()
        thread.join(60)
        assert not thread.is_alive()
    finally:
        handler.release()
    handler.flush()
    assert messages(relay_in) == ["x"]


def test_what_comes_after_its_end_is_said(
    relay_in: Intake, logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = attached(logger, relay_in.port)
    handler.close()
    for _ in range(3):
        logger.info("late")
    assert relay_in.kept() == []
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "it is closed" in err


def test_the_end_waits_once(
    logger: logging.Logger,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float] = []
    drain = Backlog.drain

    def counted(backlog: Backlog, seconds: float, thread: threading.Thread) -> bool:
        waits.append(seconds)
        return drain(backlog, seconds, thread)

    monkeypatch.setattr(Backlog, "drain", counted)
    handler = attached(logger, free_port(), close_timeout=0.2)
    logger.info("x")
    logging.shutdown([weakref.ref(handler)])
    assert waits == [0.2]
    assert "1 records were not taken until the end" in capsys.readouterr().err


@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_the_last_records_of_a_worker_process(relay_in: Intake, tmp_path: Path, way: str) -> None:
    program = """
        import logging, multiprocessing, sys, warnings
        from vaulytica.integrations.logging import VaulyticaHandler

        logger = logging.getLogger("app")

        def set_up():
            logger.addHandler(VaulyticaHandler(
                sys.argv[1], token=sys.argv[2], linger=30, close_timeout=60
            ))

        def work(way, number):
            if way == "spawn":
                set_up()
            logger.error("child %d", number)

        if __name__ == "__main__":
            warnings.simplefilter("ignore")
            way = sys.argv[3]
            set_up()
            logger.error("parent")
            context = multiprocessing.get_context(way)
            children = [context.Process(target=work, args=(way, n)) for n in range(2)]
            for child in children:
                child.start()
            for child in children:
                child.join()
    """
    url = f"http://127.0.0.1:{relay_in.port}"
    assert run(program, url, TOKEN, way, folder=tmp_path) == ""
    assert sorted(messages(relay_in)) == ["child 0", "child 1", "parent"]


def test_a_server_that_forks_its_workers(relay_in: Intake) -> None:
    """As one that has loaded the application before: threads log while it forks, and children end by themselves."""
    program = """
        import logging, os, sys, threading, warnings
        warnings.simplefilter("ignore")
        from vaulytica.integrations.logging import VaulyticaHandler
        logger = logging.getLogger("app")
        logger.addHandler(VaulyticaHandler(
            sys.argv[1], token=sys.argv[2], linger=0, close_timeout=60
        ))
        over = threading.Event()
        logged = 0
        def busy():
            global logged
            while not over.is_set():
                logger.error("parent")
                logged += 1
        thread = threading.Thread(target=busy)
        thread.start()
        children = []
        for number in range(8):
            child = os.fork()
            if child == 0:
                for n in range(20):
                    logger.error("child %d %d", number, n)
                logging.shutdown()
                os._exit(0)
            children.append(child)
        for child in children:
            assert os.waitpid(child, 0)[1] == 0
        over.set()
        thread.join()
        print(logged, file=sys.stderr)
    """
    err = run(program, f"http://127.0.0.1:{relay_in.port}", TOKEN)
    logged = int(err.splitlines()[-1])
    kept = messages(relay_in)
    dropped = [e["data"]["dropped"] for e in relay_in.kept() if e["type"] == "log_records_dropped"]
    assert kept.count("parent") + sum(dropped) == logged
    own = sorted(message for message in kept if message.startswith("child"))
    assert own == sorted(f"child {number} {n}" for number in range(8) for n in range(20))
    assert len({json.dumps(event["id"]) for event in relay_in.kept()}) == len(relay_in.kept())
