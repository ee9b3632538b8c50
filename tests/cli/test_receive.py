from __future__ import annotations

import json
import re
import signal
import urllib.error
import urllib.request

import pytest

from support.signing import secret_of

CANARY = "canary-5f2c-secret"


@pytest.fixture
def receive(start):
    """Start `receive` on a free port; the process and its URL."""

    def run(*options):
        process = start("receive", "--listen", "127.0.0.1:0", *options)
        line = process.stderr.readline().decode()
        return process, re.search(r"http://\S+", line)[0]

    return run


def post(url, body, **headers):
    request = urllib.request.Request(
        url, body, {k.replace("_", "-"): v for k, v in headers.items()}
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def stopped(process):
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"Traceback" not in err
    assert CANARY.encode() not in out + err
    return out.decode(), err.decode()


def test_requests_are_shown(receive):
    process, url = receive()
    body = '{"b":{"c":"é\u202e"}}'.encode()
    assert post(f"{url}/in?token=abc", body, Authorization=f"Bearer {CANARY}") == 200
    assert post(url, b"\xff\x00") == 200
    assert post(url, b"\x1b[31mred") == 200
    out, _ = stopped(process)
    assert "POST /in?token=***  → 200" in out
    assert "Authorization: Bearer ***" in out
    assert '    "c": "é\\u202e"' in out
    assert "(2 bytes that are not UTF-8)" in out
    assert "\x1b" not in out
    assert out.endswith("3 requests: 3 answered 200\n")


def test_signatures(receive, vaulytica, events):
    process, url = receive("--hmac-secret", "env:SECRET")
    assert vaulytica("send", events, "--url", url, "--hmac-secret", "env:SECRET").code == 0
    assert post(url, b"{}", X_Signature="00") == 401
    assert post(url, b"{}") == 401
    out, _ = stopped(process)
    assert out.count("✓ signature verified") == 5
    assert out.count("✗ signature wrong or missing") == 2
    assert "signatures: 5 verified, 2 wrong or missing" in out


@pytest.mark.parametrize("scheme", ["standard_webhooks", "github", "stripe", "slack"])
def test_signatures_of_other_schemes(receive, vaulytica, events, tmp_path, scheme):
    for name in ("old", "new"):
        (tmp_path / name).write_text(secret_of(scheme, name))
    keys = ("--hmac-secret", "file:old", "--hmac-secret", "file:new")
    process, url = receive("--scheme", scheme, *keys)
    signing = ("--auth-type", scheme, "--hmac-secret", "file:new")
    assert vaulytica("send", events, "--url", url, *signing).code == 0
    assert post(url, b"{}") == 401
    out, _ = stopped(process)
    assert out.count("✓ signature verified") == 5
    assert out.count("✗ signature wrong or missing: not signed: no header") == 1
    assert "fake-" not in out


def test_a_scheme_without_a_key(vaulytica):
    done = vaulytica("receive", "--scheme", "slack")
    assert done.code == 2
    assert "--scheme is for --hmac-secret" in done.error
    done = vaulytica("receive", "--scheme", "rot13", "--hmac-secret", "env:SECRET")
    assert done.code == 2
    assert "known are standard_webhooks" in done.error


def test_json_lines_and_out(receive, tmp_path):
    process, url = receive("--json", "--out", "out.ndjson", "--status", "202")
    assert post(f"{url}/a", b'{"x":1}', X_Api_Key=CANARY) == 202
    assert post(f"{url}/b", b"\xff") == 202
    out, err = stopped(process)
    rows = [json.loads(line) for line in out.splitlines()]
    assert rows == [json.loads(line) for line in (tmp_path / "out.ndjson").read_text().splitlines()]
    assert [row["path"] for row in rows] == ["/a", "/b"]
    assert rows[0]["body"] == '{"x":1}'
    assert ["X-Api-Key", "***"] in rows[0]["headers"]
    assert rows[1]["body_base64"] == "/w=="
    assert "2 requests" in err


def test_misbehaviour(receive):
    process, url = receive("--fail", "1:429", "--delay", "0.05")
    assert post(url, b"{}") == 429
    out, _ = stopped(process)
    assert "1 answered 429" in out


def test_a_port_in_use(receive, vaulytica):
    _, url = receive()
    done = vaulytica("receive", "--listen", url.removeprefix("http://"))
    assert done.code == 2
    assert "cannot listen on" in done.error


def test_whoever_reads_us_is_gone(receive):
    process, url = receive()
    process.stdout.close()
    process.stdout = None
    post(url, b"{}")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err == b""
