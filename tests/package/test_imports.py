"""What importing and using the library costs: nothing is loaded before it is used."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

import pytest

from support.faulty import OK, Faulty, replies
from support.programs import run, run_json

HEAVY = (
    "asyncio",
    "click",
    "concurrent.futures",
    "http.server",
    "jinja2",
    "jmespath",
    "prometheus_client",
    "pycurl",
    "rich",
    "sqlite3",
    "structlog",
    "typer",
    "uvicorn",
    "uvloop",
    "vaulytica.cli",
    "vaulytica.receiving",
    "vaulytica.relay",
    "vaulytica.transport",
    "yaml",
)
LOADED = f"""
    import json, sys
    print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))
"""


def test_importing_the_guides_module_loads_no_heavy_one() -> None:
    assert run_json("    import vaulytica.integrations.webhook" + LOADED) == []


def test_importing_has_no_side_effects() -> None:
    program = """
        import logging, os, signal, sys, threading, warnings
        before = (list(sys.path), dict(os.environ), os.getcwd(), signal.getsignal(signal.SIGINT),
                  list(warnings.filters), logging.getLogger().handlers[:])
        import vaulytica.integrations.webhook
        after = (list(sys.path), dict(os.environ), os.getcwd(), signal.getsignal(signal.SIGINT),
                 list(warnings.filters), logging.getLogger().handlers[:])
        assert before == after
        assert threading.active_count() == 1
        assert logging.getLogger("vaulytica").level == logging.NOTSET
    """
    assert run(program) == ""


@pytest.mark.parametrize("secret", ["", "api_key", "hmac_secret"])
def test_sending_in_turn_loads_no_asyncio_and_no_command_line(
    secret: str, serve: Callable[..., Faulty]
) -> None:
    server = serve(replies(OK))
    program = f"""
    import sys
    from vaulytica.integrations.webhook import *
    auth_type = {{"": "none", "api_key": "api_key", "hmac_secret": "hmac_sha256"}}[sys.argv[2]]
    auth = WebhookAuth(auth_type=auth_type, **{{sys.argv[2]: "fake"}} if sys.argv[2] else {{}})
    with WebhookSender(WebhookConfig(url=sys.argv[1], auth=auth)) as sender:
        assert sender.send_event("file_shared", {{"file": "a.pdf"}})
        assert sender.test_connection()
    {LOADED}
    """
    assert set(run_json(program, server.url, secret)) <= {"pycurl", "vaulytica.transport"}
    assert len(server.arrived) == 2


def test_a_failure_loads_none_either() -> None:
    program = f"""
    from vaulytica.integrations.webhook import *
    config = WebhookConfig(url="http://127.0.0.1:1/", retry_config={{"max_retries": 0}})
    try:
        WebhookSender(config).send_event("file_shared", {{}})
    except WebhookExhaustedError:
        pass
    {LOADED}
    """
    assert set(run_json(program)) <= {"pycurl", "vaulytica.transport"}


def test_the_package_is_marked_as_typed() -> None:
    assert files("vaulytica").joinpath("py.typed").is_file()


def test_all_names_of_the_guides_module_exist() -> None:
    import vaulytica.integrations.webhook as module

    assert sorted(module.__all__) == sorted(set(module.__all__))
    assert [name for name in module.__all__ if not hasattr(module, name)] == []
