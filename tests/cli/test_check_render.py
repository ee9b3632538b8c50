from __future__ import annotations

import json
import socket
import ssl
import threading

import pytest
import trustme

from vaulytica.receiving.receiver import Receiver

CANARY = "canary-5f2c-secret"
STEPS = ["name", "address", "connect", "tls", "authentication", "event", "answer", "clock"]


def test_check_of_a_good_destination(vaulytica, receiver):
    done = vaulytica("check", "--url", receiver.url, "--api-key", "env:SECRET")
    assert (done.code, done.err) == (0, "")
    assert [line.split()[1] for line in done.out.splitlines() if line[0] in "✓!✗–"] == STEPS
    assert "✓  event" in done.out
    assert done.out.endswith("takes events\n")
    assert len(receiver.received) == 1


@pytest.mark.parametrize(
    ("status", "step", "words"),
    [(401, "authentication", "credentials"), (404, "answer", "path"), (503, "answer", "busy")],
)
def test_check_says_which_step_failed(vaulytica, status, step, words):
    with Receiver(status=status) as receiver:
        human = vaulytica("check", "--url", receiver.url)
        done = vaulytica("check", "--json", "--url", receiver.url)
    assert (human.code, done.code) == (1, 1)
    assert f"✗  {step}" in human.out
    assert human.out.endswith(f"fails at: {step}\n")
    report = json.loads(done.out)
    assert report["ok"] is False
    (failed,) = (s for s in report["steps"] if s["state"] == "failed")
    assert failed["name"] == step
    assert words in failed["advice"]


def test_check_of_nothing(vaulytica):
    done = vaulytica("check", "--json", "--url", "http://127.0.0.1:1")
    assert done.code == 1
    assert [s["name"] for s in json.loads(done.out)["steps"] if s["state"] == "failed"] == [
        "connect"
    ]


def test_check_of_an_untrusted_certificate(vaulytica):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    with Receiver(tls=context) as receiver:
        url = f"https://localhost:{receiver.port}"
        done = vaulytica("check", "--json", "--url", url)
        assert done.code == 1
        failed = [s["name"] for s in json.loads(done.out)["steps"] if s["state"] == "failed"]
        assert failed == ["tls"]
        assert not receiver.received
        done = vaulytica("check", "--json", "--url", url, "--no-verify-ssl")
        assert done.code == 0
        assert len(receiver.received) == 1


@pytest.fixture
def wire():
    """A port where one request is answered, and a list that gets it: the bytes themselves."""
    got = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            connection, _ = server.accept()
            with connection:
                while b"\r\n\r\n" not in b"".join(got) or not b"".join(got).endswith(b"}"):
                    got.append(connection.recv(65536))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], got
        thread.join(60)


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--header", "accept: x/y", "--header", "X-Empty:"),
        ("--header", "Host: other.example", "--header", "User-Agent: me"),
        ("--username", "u", "--password", "env:SECRET", "--no-webhook-id"),
    ],
)
def test_render_prints_the_lines_of_the_wire_in_their_order(vaulytica, wire, options):
    port, got = wire
    stdin = '{"type":"a","id":"id-1","timestamp":0}'
    options = ("-", "--url", f"http://LocalHost:{port}/in?x=1", *options)
    shown = vaulytica("render", "--raw", *options, stdin=stdin).out
    as_json = json.loads(vaulytica("render", "--json", *options, stdin=stdin).out)
    assert vaulytica("send", *options, stdin=stdin).code == 0
    head, body = b"".join(got).decode().split("\r\n\r\n")
    lines = [
        "Authorization: Basic ***" if line.startswith("Authorization") else line
        for line in head.replace("x=1", "x=***").splitlines()
    ]
    assert [line.rstrip() for line in shown.splitlines()] == [*lines, "", body, ""]
    assert [f"{name}: {value}".rstrip() for name, value in as_json["headers"]] == lines[1:]


def test_render_leaves_out_the_port_that_the_scheme_has_anyway(vaulytica):
    for url, host in (
        ("https://A.example:443", "a.example"),
        ("http://a.example:80", "a.example"),
        ("https://a.example:80", "a.example:80"),
        ("https://[::1]:443", "[::1]"),
    ):
        assert f"\nHost: {host}\n" in vaulytica("render", "--url", url).out


def headers_of(shown):
    head = shown.partition("\n\n")[0].splitlines()
    return head[0], dict(line.split(": ", 1) for line in head[1:])


def test_render_shows_what_send_sends(vaulytica, receiver, tmp_path):
    (tmp_path / "one.json").write_text('{\n"type": "a", "id": "id-1", "timestamp": 0\n}')
    options = ["one.json", "--url", f"{receiver.url}/in", "--hmac-secret", "env:SECRET"]
    options += ["--header", "X-Mine: 1"]
    done = vaulytica("render", "--raw", *options)
    assert done.code == 0
    assert not receiver.received
    assert vaulytica("send", *options).code == 0
    (received,) = receiver.received
    line, headers = headers_of(done.out)
    assert line == "POST /in HTTP/1.1"
    assert headers.pop("X-Signature") == "***"
    assert headers == {k: v for k, v in received.headers if k != "X-Signature"}
    assert done.out.partition("\n\n")[2].rstrip("\n") == received.body.decode()


@pytest.mark.parametrize("format", ["json", "splunk_hec", "datadog", "elastic"])
def test_render_an_example_in_every_format(vaulytica, format):
    done = vaulytica("render", "--format", format)
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out.partition("\n\n")[2])


def test_render_a_template_and_a_map(vaulytica, tmp_path):
    (tmp_path / "t.j2").write_text('{"kind": "{{ event_type }}"}')
    stdin = '{"name":"x \\" y"}\n'
    done = vaulytica(
        "render", "-", "--template", "t.j2", "--map", "type=name", "--json", stdin=stdin
    )
    assert json.loads(json.loads(done.out)["body"]) == {"kind": 'x " y'}


def test_render_a_template_that_is_a_tree(vaulytica, tmp_path):
    (tmp_path / "relay.yaml").write_text("""
destinations:
  alerts:
    url: https://alerts.example.com/in
    format: custom
    custom_template:
      kind: "{{ event_type }}"
      from: host {{ event_data.host }}
      ports: "{{ event_data.ports }}"
      fixed: [1, null]
""")
    stdin = '{"type": "a", "data": {"host": "x\\",\\"kind\\":\\"b", "ports": [22, 80]}}\n'
    done = vaulytica("render", "-", "--config", "relay.yaml", "--raw", stdin=stdin)
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out.partition("\n\n")[2]) == {
        "kind": "a",
        "from": 'host x","kind":"b',
        "ports": [22, 80],
        "fixed": [1, None],
    }


def test_render_masks_secrets(vaulytica):
    url = "https://user.example/services/T0123456789ABCDEFG/plain?token=abc&x=1&bare"
    done = vaulytica(
        "render", "--url", url, "--bearer-token", "env:SECRET", "--header", "Cookie: env:SECRET"
    )
    line, headers = headers_of(done.out)
    assert line == "POST /services/***/plain?token=***&x=***&*** HTTP/1.1"
    assert headers["Authorization"] == "Bearer ***"
    assert headers["Cookie"] == "***"
    assert headers["Idempotency-Key"] == headers["Webhook-Id"]


def test_render_oauth2_fetches_no_token(vaulytica, receiver):
    options = ["--oauth2-token-url", f"{receiver.url}/token", "--oauth2-client-id", "me"]
    done = vaulytica("render", *options, "--oauth2-client-secret", "env:SECRET")
    assert done.code == 0
    assert not receiver.received
    assert "grant_type=client_credentials&client_id=me&client_secret=***" in done.out
    assert "Authorization: Bearer ***" in done.out


def test_render_what_cannot_be_sent(vaulytica):
    for stdin, words in (
        ('{"type":"a","severity":"high"}', "unknown severity"),
        ("{bad", "stdin, line 1: not valid JSON"),
        ("", "holds no events"),
    ):
        done = vaulytica("render", "-", stdin=stdin)
        assert done.code == 1
        assert words in done.error


def test_render_with_a_map_that_finds_nothing(vaulytica):
    done = vaulytica("render", "--map", "type=nothing")
    assert done.code == 1
    assert "the example, line 1: --map type=nothing found nothing" in done.error


def test_the_examples_are_what_they_should_be():
    from vaulytica.cli.examples import example_events
    from vaulytica.events import Event

    entries = example_events()
    assert len(entries) >= 50
    assert len({entry["type"] for entry in entries}) >= 30
    assert {entry["severity"] for entry in entries} == {
        "debug", "info", "warning", "error", "critical"
    }  # fmt: skip
    for entry in entries:
        assert Event.from_mapping(entry).data == entry["data"]
