"""One sender, many threads; and a forked child, which must leave the parent's connections alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from support.drivers import Sync, config_for
from support.faulty import OK, Arrived, Faulty, http, replies
from support.programs import run
from support.tls import server_tls
from vaulytica.integrations.webhook import WebhookAuth, WebhookError

Serve = Callable[..., Faulty]


def test_sixteen_threads_share_one_sender(serve: Serve) -> None:
    """Each gets its own event's answer: the status is told by the event."""

    def answer(arrived: Arrived) -> bytes:
        wants = arrived.header("webhook-id") or ""
        return http(422, wants.encode()) if wants.endswith("-bad") else OK

    server = serve(replies(answer))
    auth = WebhookAuth(auth_type="hmac_sha256", hmac_secret="obviously-fake")
    sender = Sync(config_for(server.url, auth=auth))
    wrong: list[str] = []
    ready = threading.Barrier(16)

    def work(thread: int) -> None:
        ready.wait()
        for number in range(25):
            mine = f"event-{thread}-{number}-{'bad' if number % 5 == 0 else 'good'}"
            try:
                fine = sender.send_event("file_shared", {"by": thread}, event_id=mine)
                text = f"HTTP 422: {mine}" if number % 5 == 0 else ""
            except WebhookError as error:
                fine, text = number % 5 == 0, str(error)
            if not fine or (number % 5 == 0 and not text.endswith(f"HTTP 422: {mine}")):
                wrong.append(f"{mine}: {text}")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sender.finish()
    assert wrong == []
    assert len({arrived.header("webhook-id") for arrived in server.arrived}) == 400
    assert len(server.arrived) == 400
    assert server.connections <= 16


FORKING = """
    import os, sys, certifi
    from vaulytica.integrations.webhook import WebhookConfig, WebhookRetryConfig, WebhookSender

    url, ca = sys.argv[1:]
    certifi.where = lambda: ca
    once = WebhookRetryConfig(max_retries=0)
    config = WebhookConfig(url=url, timeout=60, retry_config=once)
    sender = WebhookSender(config)

    def send(name):
        assert sender.send_event("file_shared", {}, event_id=name)

    def uses():
        send("child")

    def closes():
        sender.close()

    def drops():
        global sender
        del sender

    def nothing():
        pass

    def in_child(what, leave):
        child = os.fork()
        if child == 0:
            what()
            leave(0)
        assert os.waitpid(child, 0)[1] == 0
        send("parent")

    send("parent")
    for what in (uses, closes, drops, nothing):
        in_child(what, os._exit)
        in_child(what, sys.exit)
"""

FORKING_TASKS = """
    import asyncio, os, sys, certifi
    from vaulytica.integrations.webhook import (
        AsyncWebhookSender, WebhookConfig, WebhookRetryConfig)

    url, ca = sys.argv[1:]
    certifi.where = lambda: ca
    once = WebhookRetryConfig(max_retries=0)
    sender = AsyncWebhookSender(WebhookConfig(url=url, timeout=60, retry_config=once))

    async def send(name):
        assert await sender.send_event("file_shared", {}, event_id=name)

    async def close():
        await sender.aclose()

    def uses():
        asyncio.run(send("child"))

    def closes():
        asyncio.run(close())

    def nothing():
        pass

    with asyncio.Runner() as runner:
        runner.run(send("parent"))
        for what in (uses, closes, nothing):
            for leave in (os._exit, sys.exit):
                child = os.fork()
                if child == 0:
                    asyncio.events._set_running_loop(None)
                    what()
                    leave(0)
                assert os.waitpid(child, 0)[1] == 0
                runner.run(send("parent"))
"""


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("program", [FORKING, FORKING_TASKS], ids=["sync", "async"])
def test_a_child_has_its_own_connections_and_leaves_the_parents_alone(
    program: str, tls: bool, serve: Serve, ca: trustme.CA, ca_file: Path
) -> None:
    """Whether the child sends, closes the sender, drops it or just ends; and however it ends.

    The parent is told so by its one connection, which no child has said goodbye on.
    """
    server = serve(replies(OK), tls=server_tls(ca) if tls else None)
    run(program, server.url, ca_file)
    by = {
        name: {a.client_port for a in server.arrived if a.header("webhook-id") == name}
        for name in ("parent", "child")
    }
    assert len(by["parent"]) == 1
    assert len(by["child"]) == 2
    assert not by["parent"] & by["child"]
    assert len(server.arrived) == (11 if program is FORKING else 9)


def test_a_lock_held_while_forking_does_not_hang_the_child(serve: Serve, tmp_path: Path) -> None:
    """A thread is fetching a token while another forks; the child fetches its own."""
    asked, over = tmp_path / "asked", tmp_path / "over"

    def late(_: Arrived) -> bytes:
        asked.touch()
        end = time.monotonic() + 60
        while not over.exists() and time.monotonic() < end:
            time.sleep(0.01)
        return http(200, b"{}")

    tokens = serve(replies(late, http(200, b'{"access_token": "fake", "expires_in": 600}')))
    server = serve(replies(OK))
    program = """
        import os, sys, threading, time, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking while a thread runs
        from vaulytica.integrations.webhook import *
        url, token_url, asked, over = sys.argv[1:]
        auth = WebhookAuth(auth_type="oauth2", oauth2_token_url=token_url,
                           oauth2_client_id="robot", oauth2_client_secret="obviously-fake")
        sender = WebhookSender(WebhookConfig(url=url, auth=auth, timeout=60))
        thread = threading.Thread(target=sender.test_connection)
        thread.start()
        while not os.path.exists(asked):
            time.sleep(0.01)
        child = os.fork()
        if child == 0:
            sender.send_event("file_shared", {}, event_id="child")
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        open(over, "w").close()
        thread.join()
        assert status == 0, status
    """
    run(program, server.url, tokens.url, str(asked), str(over))
    assert [arrived.header("webhook-id") for arrived in server.arrived] == ["child"]


ROTATING = """
    import os, signal, sys, threading, warnings
    warnings.simplefilter("ignore", DeprecationWarning)  # of forking while a thread runs
    from vaulytica.integrations.webhook import SecretRef, WebhookAuth, WebhookConfig, WebhookSender
    from vaulytica.auth.bearer import BearerAuth
    from vaulytica.secrets import reference
    from vaulytica.secrets.file import FileSecrets
    from vaulytica.transport import tls
    from vaulytica.transport.memory import MemoryTransport

    path = sys.argv[1]
    reference.LOOK_EVERY = tls.LOOK_EVERY = 0.0

    def put(text):
        with open(path + ".new", "w") as file:
            file.write(text)
        os.replace(path + ".new", path)

    def as_one_thread_is_in(owner, name, act, then):
        '''Fork while a thread is in that method, and go on in the child.'''
        inside, leave, whole = threading.Event(), threading.Event(), getattr(owner, name)

        def slow(*given, **named):
            if threading.current_thread() is thread:
                inside.set()
                leave.wait(60)
            return whole(*given, **named)

        thread = threading.Thread(target=act)
        setattr(owner, name, slow)
        thread.start()
        assert inside.wait(60)
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            try:
                then()
            except BaseException as error:
                print(repr(error), file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        leave.set()
        thread.join()
        setattr(owner, name, whole)
        assert status == 0, status

    put("fake-one")
"""


def test_a_child_forked_while_the_scheme_is_made_anew_makes_it_too(tmp_path: Path) -> None:
    program = """
    transport = MemoryTransport()
    auth = WebhookAuth(auth_type="bearer_token", bearer_token=SecretRef("file:" + path))
    config = WebhookConfig(url="https://siem.example.com/hook", auth=auth)
    sender = WebhookSender(config, transport=transport)
    def sent():
        sender.send_event("file_shared", {})
        return dict(transport.requests[-1].headers)["Authorization"]

    assert sent() == "Bearer fake-one"
    put("fake-two")

    def then():
        assert sent() == "Bearer fake-two"
        put("fake-three")
        assert sent() == "Bearer fake-three"

    as_one_thread_is_in(BearerAuth, "__init__", sent, then)
    assert sent() == "Bearer fake-three"
    """
    run(ROTATING + program, str(tmp_path / "secret"))


def test_a_child_forked_while_a_secret_is_looked_at_keeps_up_with_it(tmp_path: Path) -> None:
    program = """
    secret = SecretRef("file:" + path)

    def then():
        put("fake-two")
        assert secret.get_secret_value() == "fake-two"
        assert secret.revision() == 1

    as_one_thread_is_in(FileSecrets, "version", secret.get_secret_value, then)
    """
    run(ROTATING + program, str(tmp_path / "secret"))


def test_a_child_forked_while_certificates_are_read_keeps_up_with_them(tmp_path: Path) -> None:
    program = """
    class Files:
        def read(self):
            with open(path) as file:
                return tls.Material(password=file.read())

    files = Files()
    settings = tls.Tls(lambda: files.read(), reloads=True)

    def then():
        put("fake-two")
        assert settings.current().password == "fake-two"

    as_one_thread_is_in(Files, "read", settings.current, then)
    """
    run(ROTATING + program, str(tmp_path / "secret"))
