"""Standard streams that are closed, as some daemons start their children."""

from __future__ import annotations

import subprocess

import pytest

HERE = "http://127.0.0.1:1"


@pytest.fixture
def closed(tmp_path):
    """Run a command with some of its streams closed, by a shell."""
    from cli_commands import command, environment

    def run(redirections, *arguments):
        return subprocess.run(
            ["sh", "-c", f'exec "$@" {redirections}', "sh", *command(*arguments)],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            env=environment(),
            cwd=tmp_path,
            timeout=50,
            check=False,
        )

    return run


@pytest.mark.parametrize("redirections", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_events_go_out_all_the_same(closed, receiver, events, redirections):
    done = closed(redirections, "send", events, "--url", receiver.url, "--report", "report")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"delivered 5 of 5") == (">&-" not in redirections.split())
    assert len(receiver.received) == 5
    assert len((events.parent / "report").read_text().splitlines()) == 5


@pytest.mark.parametrize("redirections", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("arguments", [["send", "--nope"], ["sned"], []])
def test_wrong_usage_keeps_its_exit_code(closed, redirections, arguments):
    assert closed(redirections, *arguments).returncode == 2


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["render"]])
def test_nothing_to_print_on(closed, arguments):
    done = closed(">&-", *arguments)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    "arguments", [["send", "--url", HERE], ["send", "-", "--url", HERE], ["render", "-"]]
)
def test_a_missing_stdin_is_no_input(closed, arguments):
    done = closed("<&-", *arguments)
    assert done.returncode == 2
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("vaulytica: error: no input")
