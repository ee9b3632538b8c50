"""The handler for Python's `logging`: to an intake, over its socket, and into an outbox."""

from __future__ import annotations

import json
import logging
import logging.config
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.intake import TOKEN, Intake, intake
from support.outbox import everything
from support.relay import wait_until
from support.sources import running
from vaulytica.errors import WebhookConfigError
from vaulytica.integrations.logging import VaulyticaHandler
from vaulytica.outbox import open_outbox
from vaulytica.relay.intake import sources
from vaulytica.relay.intake.settings import IntakeSettings


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    made = logging.Logger("app.auth")  # noqa: LOG001 - pytest listens to all that are in the tree
    yield made
    for handler in list(made.handlers):
        made.removeHandler(handler)
        handler.close()


def attached(logger: logging.Logger, url: Any, **settings: Any) -> VaulyticaHandler:
    settings = {"token": TOKEN, "linger": 0.0, **settings}
    handler = VaulyticaHandler(url, **settings)
    logger.addHandler(handler)
    return handler


def until_it_waits(capsys: pytest.CaptureFixture[str]) -> str:
    """What is said on standard error until the handler has tried to send, and could not."""
    said = ""

    def waits() -> bool:
        nonlocal said
        said += capsys.readouterr().err
        return "records wait: " in said

    wait_until(waits, "a first try", 60)
    return said


def url_of(relay_in: Intake) -> str:
    return f"http://127.0.0.1:{relay_in.port}"


def test_a_record_becomes_an_event(relay_in: Intake, logger: logging.Logger) -> None:
    handler = attached(logger, url_of(relay_in), type="app_log", source="shop")
    logger.warning(
        "login of %s failed", "user@example.com", extra={"ip": "203.0.113.7", "tries": 3}
    )
    handler.flush()
    (event,) = relay_in.kept()
    assert (event["type"], event["source"], event["severity"]) == ("app_log", "shop", "warning")
    data = event["data"]
    assert data["message"] == "login of user@example.com failed"
    assert (data["logger"], data["level"], data["ip"], data["tries"]) == (
        "app.auth",
        "WARNING",
        "203.0.113.7",
        3,
    )
    assert data["file"] == __file__
    assert data["function"] == "test_a_record_becomes_an_event"


@pytest.mark.parametrize(
    ("level", "severity"),
    [(1, "debug"), (10, "debug"), (20, "info"), (25, "info"), (30, "warning"), (40, "error"), (50, "critical"), (60, "critical")],
)  # fmt: skip
def test_levels(relay_in: Intake, logger: logging.Logger, level: int, severity: str) -> None:
    handler = attached(logger, url_of(relay_in))
    logger.log(level, "x")
    handler.flush()
    assert relay_in.kept()[0]["severity"] == severity


def test_an_exception_with_its_traceback(relay_in: Intake, logger: logging.Logger) -> None:
    handler = attached(logger, url_of(relay_in))
    try:
        raise KeyError("missing")
    except KeyError:
        logger.exception("it broke", stack_info=True)
    handler.flush()
    data = relay_in.kept()[0]["data"]
    assert (data["exception"]["type"], data["exception"]["message"]) == ("KeyError", "'missing'")
    assert "test_an_exception_with_its_traceback" in data["exception"]["traceback"]
    assert data["stack"].startswith("Stack")


class Awkward:
    def __repr__(self) -> str:
        raise RuntimeError


def test_whatever_a_record_holds_is_sent(relay_in: Intake, logger: logging.Logger) -> None:
    handler = attached(logger, url_of(relay_in))
    loop: list[Any] = []
    loop.append(loop)
    logger.info(
        "lone \ud800, nul \0, %d", "no number",
        extra={"awkward": Awkward(), "loop": loop, "nan": float("nan"), "bytes": b"\xff", "set": {1}, "key\udfff": object},
    )  # fmt: skip
    logger.info("x" * 200_000, extra={f"field{n}": "y" * 60_000 for n in range(20)})
    logger.info(Awkward())
    handler.flush()
    first, large, textless = relay_in.kept()
    assert first["data"]["message"].startswith("lone \\ud800, nul \0, %d (its arguments do not fit")
    assert "RuntimeError" in first["data"]["awkward"]
    assert first["data"]["nan"] == "nan"
    assert first["data"]["set"] == [1]
    assert "(200000 characters)" in large["data"]["message"]
    assert "field7" in large["data"]["left_out"]
    assert (textless["type"], textless["data"]["message"]) == (
        "log_record",
        "(it has no text: RuntimeError)",
    )


def test_a_record_cannot_forge_what_the_handler_says(
    relay_in: Intake, logger: logging.Logger
) -> None:
    handler = attached(logger, url_of(relay_in))
    logger.info("x", extra={"level": "CRITICAL", "logger": "root", "severity": "critical"})
    handler.flush()
    (event,) = relay_in.kept()
    assert (event["severity"], event["data"]["level"], event["data"]["logger"]) == (
        "info",
        "INFO",
        "app.auth",
    )


def test_it_is_set_up_by_dictconfig(relay_in: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULYTICA_TOKEN", TOKEN)
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {
                "siem": {
                    "class": "vaulytica.integrations.logging.VaulyticaHandler",
                    "url": url_of(relay_in),
                    "token": "env:VAULYTICA_TOKEN",
                    "level": "WARNING",
                }
            },
            "loggers": {"configured": {"handlers": ["siem"], "level": "DEBUG"}},
        }
    )
    logger = logging.getLogger("configured")
    (handler,) = logger.handlers
    try:
        logger.info("no")
        logger.error("yes")
        handler.flush()
        assert [event["data"]["message"] for event in relay_in.kept()] == ["yes"]
        assert TOKEN not in repr(handler)
        assert TOKEN not in repr(vars(handler))
    finally:
        logger.removeHandler(handler)
        handler.close()


def test_over_a_unix_socket(behind: Intake, tmp_path: Path, logger: logging.Logger) -> None:
    path = tmp_path / "s"
    (source,) = sources(IntakeSettings(socket=str(path)))
    with running(source, behind) as run:
        handler = attached(logger, f"unix:{path}", token=None)
        logger.info("over the socket")
        assert run.until(1)[0]["data"]["message"] == "over the socket"
        handler.close()


def test_into_an_outbox(tmp_path: Path, logger: logging.Logger) -> None:
    url = f"sqlite://{tmp_path}/outbox.db"
    handler = attached(logger, None, token=None, outbox=url, destinations=["siem", "archive"])
    for number in range(3):
        logger.info("event %d", number)
    handler.close()
    with open_outbox(url) as outbox:
        rows = list(everything(outbox, destinations=("archive",)))
    kept = [json.loads(line)["data"]["message"] for row in rows for line in row.body.splitlines()]
    assert kept == ["event 0", "event 1", "event 2"]


def test_many_threads(relay_in: Intake, logger: logging.Logger) -> None:
    handler = attached(logger, url_of(relay_in), linger=0.05)
    threads = [
        threading.Thread(target=lambda: [logger.info("x", extra={"n": n}) for n in range(200)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    handler.flush()
    assert len(relay_in.kept()) == 1600


# --- Trouble.


def test_a_relay_that_is_away_holds_nobody_up_and_loses_nothing(
    tmp_path: Path, logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    with intake(tmp_path) as first:
        port = first.port
    handler = attached(logger, f"http://127.0.0.1:{port}")
    began = time.monotonic()
    for number in range(100):
        logger.info("event %d", number)
    assert time.monotonic() - began < 1
    err = until_it_waits(capsys)
    with intake(tmp_path, port=port) as relay_in:
        handler.flush()
        kept = [event["data"]["message"] for event in relay_in.kept()]
        assert kept == [f"event {number}" for number in range(100)]
        handler.close()
    err += capsys.readouterr().err
    assert err.count("\n") == 1
    assert "records wait" in err


def test_what_has_no_room_is_counted_and_said(
    tmp_path: Path, logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    with intake(tmp_path) as first:
        port = first.port
    handler = attached(logger, f"http://127.0.0.1:{port}", capacity=10)
    for number in range(50):
        logger.info("event %d", number)
    err = until_it_waits(capsys)
    with intake(tmp_path, port=port) as relay_in:
        handler.flush()
        handler.flush()
        kept = relay_in.kept()
        assert [event["data"]["message"] for event in kept[:10]] == [
            f"event {n}" for n in range(10)
        ]
        (said,) = kept[10:]
        assert (said["type"], said["severity"], said["data"]["dropped"]) == (
            "log_records_dropped",
            "warning",
            40,
        )
        handler.close()
    err += capsys.readouterr().err
    assert err.count("there is no room for more records") == 1
    assert err.count("records wait: ") == 1
    assert err.count("\n") == 2


def test_of_a_refused_batch_the_rest_is_sent(tmp_path: Path, logger: logging.Logger) -> None:
    with intake(tmp_path, limits={"event": 5000}) as relay_in:
        handler = attached(logger, url_of(relay_in), linger=0.3)
        logger.info("one")
        logger.info("x" * 6000)
        logger.info("two")
        handler.flush()
        handler.flush()
        one, two, said = relay_in.kept()
        assert (one["data"]["message"], two["data"]["message"]) == ("one", "two")
        assert said["data"]["refused"] == 1
        handler.close()


def test_a_wrong_token_is_said_once_and_nothing_raised(
    relay_in: Intake, logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = attached(logger, url_of(relay_in), token="fake-wrong", close_timeout=0.3)
    for _ in range(5):
        logger.info("x")
    handler.close()
    err = capsys.readouterr().err
    assert "401" in err
    assert "5 records were not taken until the end" in err
    assert "fake-wrong" not in err


def test_its_own_records_do_not_feed_it(relay_in: Intake) -> None:
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.DEBUG)
    handler = attached(root, url_of(relay_in))
    try:
        logging.getLogger("vaulytica.integrations.logging").error("own")
        logging.getLogger("app").info("x")
        handler.flush()
        time.sleep(0.3)
        messages = [e["data"]["message"] for e in relay_in.kept() if e["data"]["logger"] == "app"]
        assert messages == ["x"]
        assert not any(
            e["data"]["logger"].startswith("vaulytica.integrations") for e in relay_in.kept()
        )
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
        handler.close()


def test_a_forked_child_has_a_thread_of_its_own(relay_in: Intake) -> None:
    program = """
        import logging, os, sys, warnings
        warnings.simplefilter("ignore")
        from vaulytica.integrations.logging import VaulyticaHandler
        logger = logging.getLogger("app")
        logger.addHandler(VaulyticaHandler(sys.argv[1], token=sys.argv[2], linger=1.0))
        logger.error("parent before")
        if (child := os.fork()) == 0:
            logger.error("child")
            logging.shutdown()
            os._exit(0)
        os.waitpid(child, 0)
        logger.error("parent after")
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), url_of(relay_in), TOKEN],
        check=True,
        timeout=60,
    )
    kept = sorted(event["data"]["message"] for event in relay_in.kept())
    assert kept == ["child", "parent after", "parent before"]


def test_the_end_of_the_program_waits_for_the_last_ones(relay_in: Intake) -> None:
    program = """
        import logging, sys
        from vaulytica.integrations.logging import VaulyticaHandler
        logging.basicConfig(handlers=[VaulyticaHandler(sys.argv[1], token=sys.argv[2], linger=5.0)])
        for number in range(1000):
            logging.error("event %d", number)
    """
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), url_of(relay_in), TOKEN],
        check=True,
        timeout=60,
    )
    assert len(relay_in.kept()) == 1000
    assert time.monotonic() - began < 20


def test_a_retry_is_no_second_batch(
    relay_in: Intake, logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = attached(logger, url_of(relay_in))
    ask = handler._shipper._ask
    lost = iter([True])

    def answer_is_lost(*args: Any) -> Any:
        answer = ask(*args)
        if next(lost, False):
            from vaulytica.integrations.log_shipping import NotNow

            raise NotNow("the connection broke")
        return answer

    monkeypatch.setattr(handler._shipper, "_ask", answer_is_lost)
    logger.info("once")
    handler.flush()
    assert len(relay_in.kept()) == 1


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"url": "http://127.0.0.1:1", "outbox": "sqlite:///x", "destinations": ["a"]},
        {"url": "ftp://example.com"},
        {"url": "http://siem.example.com", "token": "fake"},
        {"url": "http://user:fake@127.0.0.1"},
        {"outbox": "sqlite:///x"},
        {"outbox": "sqlite:///x", "destinations": "siem"},
        {"url": "http://127.0.0.1:1", "token": "env:NOT_SET_ANYWHERE"},
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any]) -> None:
    with pytest.raises(WebhookConfigError):
        VaulyticaHandler(**settings)


def test_it_is_light_to_import() -> None:
    program = (
        "import sys, vaulytica.integrations.logging;"
        "sys.exit(any(name.split('.')[0] in ('uvicorn', 'typer', 'rich', 'pycurl') for name in sys.modules))"
    )
    env = {**os.environ}
    assert subprocess.run([sys.executable, "-c", program], env=env, check=False).returncode == 0
