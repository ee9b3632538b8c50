"""Names under the egress policy: a real name server, whose answers change, in a network of the test's own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.drivers import KINDS
from support.programs import start

TESTS = Path(__file__).parents[1]
PUBLIC, PUBLIC_6, UNUSED = "8.8.4.4", "2600::1", "8.8.4.5"

# Enters the network. Then for each case: starts a server on each address, and sends with each sender.
PROGRAM = """
    import contextlib, json, sys
    from support.own_network import Names, enter
    from support.drivers import config_for, sending
    from support.faulty import OK, Faulty, Line, replies
    from vaulytica.integrations.webhook import WebhookAuth, WebhookError

    def told(settings, case):
        url = settings.pop("url", "http://hooks.test:8080/in")
        if "auth" in settings:
            settings["auth"] = WebhookAuth(**settings["auth"])
        sender = sending(case["kind"], config_for(url, **settings))
        for _ in range(case.get("events", 1)):
            try:
                yield sender.send_event("file_shared", {}) and "delivered"
            except WebhookError as error:
                yield f"{error.kind} after {error.attempts}: {error}"
        sender.finish()

    def run(case):
        script = Line.reset if case.get("resets") else replies(OK)
        with contextlib.ExitStack() as stack:
            names = stack.enter_context(
                contextlib.closing(Names(case["names"], slow=case.get("slow", "")))
            )
            servers = {
                host: stack.enter_context(Faulty(script, host=host, port=8080))
                for host in ("8.8.4.4", "2600::1", "127.0.0.1", "::1")
            }
            all_told = [one for settings in case["senders"] for one in told(settings, case)]
            reached = {host: server.connections for host, server in servers.items()}
        return {"told": all_told, "reached": reached, "asked": names.asked}

    print(json.dumps("entered" if enter(["8.8.4.4", "2600::1"]) else "not permitted"), flush=True)
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)
"""
ONLY = {"egress": "public-only"}


@pytest.fixture(scope="module")
def network() -> Iterator[Callable[[Any], Any]]:
    """A process in a network of its own, for all cases: what it answers to one."""
    process = start(PROGRAM, stdin=subprocess.PIPE, PYTHONPATH=str(TESTS))
    assert process.stdin is not None
    assert process.stdout is not None

    def answer() -> Any:
        line = process.stdout.readline()
        if not line.startswith(("{", '"')):
            pytest.fail(line + process.stdout.read())
        return json.loads(line)

    def ask(case: Any) -> Any:
        process.stdin.write(json.dumps(case) + "\n")
        process.stdin.flush()
        return answer()

    with process:
        if answer() == "not permitted":
            process.kill()
            pytest.skip("this machine lets no process have a network of its own")
        yield ask


@pytest.fixture(params=KINDS)
def tell(
    request: pytest.FixtureRequest, network: Callable[[Any], Any]
) -> Callable[..., dict[str, Any]]:
    """Runs a case, and tells what became of each event and where connections were made."""

    def run(names: Any, *senders: dict[str, Any], **more: Any) -> dict[str, Any]:
        given = names if isinstance(names, dict) else {"hooks.test": names}
        case = {"names": given, "senders": senders or [ONLY], "kind": request.param, **more}
        return network(case)

    return run


Tell = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("address", [PUBLIC, PUBLIC_6])
def test_a_public_name_is_reached_and_asked_for_once(address: str, tell: Tell) -> None:
    """That the whole answer is looked at first costs no second question, nor with it another answer."""
    seen = tell([[address], ["127.0.0.1", "::1"]], events=3)
    assert seen["told"] == ["delivered"] * 3
    assert {host: n for host, n in seen["reached"].items() if n} == {address: 1}
    assert seen["asked"] == {"hooks.test A": 1, "hooks.test AAAA": 1}


@pytest.mark.parametrize("inside", ["127.0.0.1", "::1", "169.254.169.254", "::ffff:127.0.0.1"])
def test_rebinding_a_name_that_resolves_public_and_then_private_is_refused(
    inside: str, tell: Tell
) -> None:
    seen = tell([[PUBLIC], [inside]], ONLY, ONLY)
    delivered, refused = seen["told"]
    assert delivered == "delivered"
    assert refused.startswith("egress after 1: ")
    assert f"egress refused: {inside} is not public" in refused
    assert sum(seen["reached"].values()) == 1


def test_rebinding_between_the_attempts_for_one_event_is_refused(tell: Tell) -> None:
    """The first attempt's connection is reset; what resolves anew is judged anew."""
    seen = tell([[PUBLIC], ["127.0.0.1"]], {**ONLY, "timeout": 5}, resets=True)
    (told,) = seen["told"]
    assert seen["reached"]["127.0.0.1"] == 0
    assert seen["reached"][PUBLIC] >= 1
    if seen["asked"]["hooks.test A"] > 1:  # libcurl remembers an answer for a minute, in one multi
        assert told.startswith("egress after 2: ")


@pytest.mark.parametrize(
    "answer",
    [
        [PUBLIC, "127.0.0.1"],
        ["127.0.0.1", PUBLIC],
        [PUBLIC_6, "127.0.0.1"],
        [PUBLIC, "::1"],
        [PUBLIC, PUBLIC_6, "10.0.0.1"],
        [PUBLIC, PUBLIC_6, "fd00::1"],
    ],
)
@pytest.mark.parametrize("slow", ["", "A", "AAAA"])
def test_of_a_mixed_answer_no_address_is_connected_to(
    answer: list[str], slow: str, tell: Tell
) -> None:
    """Whichever comes first: libcurl would connect to the first that is there."""
    seen = tell([answer], slow=slow)
    (told,) = seen["told"]
    assert told.startswith("egress after 1: ")
    assert "none of them is tried" in told
    assert sum(seen["reached"].values()) == 0


def test_a_second_public_address_is_tried_where_the_first_is_not_there(tell: Tell) -> None:
    assert tell([[UNUSED, PUBLIC]])["told"] == ["delivered"]


def test_a_name_with_a_dot_at_its_end_and_in_upper_case_is_the_same_name(tell: Tell) -> None:
    urls = ["http://HOOKS.TEST:8080/", "http://hooks.test.:8080/"]
    seen = tell([["127.0.0.1"]], *({**ONLY, "url": url} for url in urls))
    assert all("127.0.0.1 is not public" in told for told in seen["told"])
    assert sum(seen["reached"].values()) == 0


def test_an_international_name_is_judged_by_its_address(tell: Tell) -> None:
    name = "xn--bcher-kva.test"
    seen = tell({name: [["127.0.0.1"]]}, {**ONLY, "url": "http://bücher.test:8080/"})
    assert "127.0.0.1 is not public" in seen["told"][0]
    assert seen["asked"][f"{name} A"] == 1


def test_a_token_endpoint_whose_name_is_rebound_gets_no_secret(tell: Tell) -> None:
    auth = {
        "auth_type": "oauth2",
        "oauth2_token_url": "http://login.test:8080/token",
        "oauth2_client_id": "id",
        "oauth2_client_secret": "obviously-fake",
    }
    names = {"hooks.test": [[PUBLIC]], "login.test": [[PUBLIC, "127.0.0.1"]]}
    seen = tell(names, {**ONLY, "auth": auth, "allow_insecure": True})
    (told,) = seen["told"]
    assert told.startswith("egress after 1: ")
    assert "no token" in told
    assert sum(seen["reached"].values()) == 0


def test_without_a_policy_any_address_is_reached(tell: Tell) -> None:
    assert tell([["127.0.0.1"]], {})["told"] == ["delivered"]
