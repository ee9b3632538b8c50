from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys

import pytest

HERE = "http://127.0.0.1:1"


@pytest.mark.parametrize("arguments", [["--version"], ["--version", "send"]])
def test_version(vaulytica, arguments):
    done = vaulytica(*arguments)
    assert (done.code, done.out, done.err) == (0, "vaulytica 0.1.0\n", "")


def test_version_loads_next_to_nothing():
    code = (
        "import sys; sys.argv = ['vaulytica', '--version']\n"
        "from vaulytica.cli import main; main()\n"
        "assert not {'typer', 'rich', 'pydantic', 'asyncio', 'pycurl'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_the_library_needs_no_command_line():
    code = (
        "import sys, vaulytica.integrations.webhook\n"
        "assert not [m for m in sys.modules if m.startswith(('typer', 'rich', 'vaulytica.cli'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize("command", [[], ["send"], ["check"], ["render"], ["receive"], ["demo"]])
def test_help(vaulytica, command):
    done = vaulytica(*command, "--help")
    assert done.code == 0
    assert done.out.startswith(f"Usage: vaulytica {' '.join(command)}".rstrip())


def test_no_command_shows_help(vaulytica):
    done = vaulytica()
    assert done.code == 2
    assert "Commands:" in done.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sned"], "No such command"),
        (["send", "--nope"], "No such option: --nope"),
        (["send", "--url"], "requires an argument"),
        (["send"], "no destination"),
        (["send", "--to", "x"], "--to needs --config"),
        (["send", "--url", "ftp://a.example"], "https://"),
        (["send", "--url", "a.example"], "no scheme"),
        (["send", "--url", HERE, "--format", "xml"], "known are json"),
        (["send", "--url", HERE, "--format", "custom"], "custom_template"),
        (["send", "--url", HERE, "--template", "nowhere"], "--template: cannot read "),
        (["send", "--url", HERE, "--max-retries", "x"], "--max-retries"),
        (["send", "--url", HERE, "--max-retries", "-1"], "max_retries"),
        (["send", "--url", HERE, "--initial-delay", "nan"], "initial_delay"),
        (["send", "--url", HERE, "--concurrency", "0"], "concurrency"),
        (["send", "--url", HERE, "--proxy", "gopher://x"], "proxy"),
        (["send", "--url", HERE, "--header", "nonsense"], "'Name: value'"),
        (["send", "--url", HERE, "--header", "A: 1", "--header", "A: 2"], "given twice"),
        (["send", "--url", HERE, "--header", "A: 1", "--header", "a: 2"], "a is given twice"),
        (["send", "--url", HERE, "--header", "A: x\ny"], "control character"),
        (["render", "--hmac-header", "X"], "--hmac-header is given, but --hmac-secret is missing"),
        (["render", "--api-key-header", "X"], "--api-key-header is given, but --api-key is"),
        (["render", "--auth-type", "none", "--hmac-header", "X"], "--hmac-header is not used by"),
        (["render", "--auth-type", "b", "--bearer-token", "env:SECRET"], "unknown auth type"),
        (["send", "--url", HERE, "--auth-type", "kerberos"], "unknown auth type"),
        (["send", "--url", HERE, "--auth-type", "bearer"], "bearer_token is missing"),
        (["send", "--url", HERE, "--username", "u"], "password is missing"),
        (["send", "--url", HERE, "--auth-type", "none", "--api-key", "env:SECRET"], "not used by"),
        (["send", "--url", HERE, "--api-key", "env:SECRET", "--username", "u"], "several auth"),
        (["send", "--url", "http://a.example", "--api-key", "env:SECRET"], "plain http"),
        (["send", "nowhere.ndjson", "--url", HERE], "cannot read nowhere.ndjson"),
        (["send", ".", "--url", HERE], "cannot read .: Is a directory"),
        (["send", "--url", HERE, "--report", "no/such/folder"], "cannot write no/such/folder"),
        (["send", "--url", HERE, "--max-line-bytes", "0"], "--max-line-bytes"),
        (["receive", "--listen", "nonsense"], "HOST:PORT"),
        (["receive", "--listen", "127.0.0.1:99999"], "HOST:PORT"),
        (["receive", "--listen", "192.0.2.1:0"], "cannot listen"),
        (["receive", "--fail", "2:503"], "RATE:STATUS"),
        (["receive", "--fail", "x"], "RATE:STATUS"),
        (["receive", "--status", "42"], "--status"),
        (["receive", "--out", "no/such/folder"], "cannot write"),
        (["receive", "--hmac-secret", "plain-text"], "takes a reference"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(monkeypatch, capsys, arguments, words):
    from vaulytica.cli import app

    monkeypatch.setenv("SECRET", "canary-5f2c-secret")
    monkeypatch.setattr(app, "_prepare_process", lambda: None)
    assert app.run(arguments) == 2
    said = capsys.readouterr()
    (line,) = said.err.splitlines()
    assert line.startswith("vaulytica: error: ")
    assert words in line
    assert said.out == ""


def test_a_fault_of_ours_is_one_line_too(monkeypatch, capsys):
    from vaulytica.cli import app

    def broken(*_: object) -> None:
        raise ZeroDivisionError("oh\nno")

    monkeypatch.setattr(app, "_prepare_process", lambda: None)
    monkeypatch.setattr(app.typer.main, "get_command", broken)
    assert app.run(["demo"]) == 1
    assert capsys.readouterr().err == "vaulytica: error: internal error: ZeroDivisionError: oh no\n"


def test_no_input_from_a_terminal(start):
    controller, terminal = pty.openpty()
    process = start("send", "--url", HERE, stdin=terminal)
    os.close(terminal)
    _, err = process.communicate(timeout=60)
    os.close(controller)
    assert process.returncode == 2
    assert b"no input" in err


def test_whoever_reads_us_is_gone(start, receiver):
    process = start("demo", "--formats", "--json")
    process.stdout.close()
    process.stdout = None
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err == b""


def test_ctrl_c_at_any_time(start, receiver):
    receiver.delay = 5
    process = start("check", "--url", receiver.url)
    process.send_signal(signal.SIGTERM) if process.poll() is None else None
    _, err = process.communicate(timeout=60)
    assert process.returncode in (1, -signal.SIGTERM)  # before Python listens, the signal kills
    assert b"Traceback" not in err


def test_a_warning_is_one_line(vaulytica, receiver, events):
    done = vaulytica("send", events, "--url", receiver.url, "--no-verify-ssl")
    assert done.code == 0
    assert done.error.startswith("vaulytica: warning: verify_ssl=False")


def test_json_is_ascii_whatever_the_terminal(vaulytica, receiver):
    done = vaulytica("send", "--json", "--url", receiver.url, stdin='{"type":"a\\ud800","x":"é"}')
    assert json.loads(done.out)["events"] == 1
    assert done.out.isascii()
