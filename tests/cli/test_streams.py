"""Standard streams that are closed, as some daemons start their children."""

from __future__ import annotations

import pytest

HERE = "http://127.0.0.1:1"


@pytest.fixture
def closed(start):
    """Run a command with some of its streams closed by a shell: its exit code and what it printed."""

    def run(redirections, *arguments):
        process = start(*arguments, before=("sh", "-c", f'exec "$@" {redirections}', "sh"))
        out, err = process.communicate(timeout=60)
        return process.returncode, out.decode(), err.decode()

    return run


@pytest.mark.parametrize("redirections", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_events_go_out_all_the_same(closed, receiver, events, redirections):
    code, out, err = closed(
        redirections, "send", events, "--url", receiver.url, "--report", "report"
    )
    assert (code, err) == (0, "")
    assert out.startswith("delivered 5 of 5") == (">&-" not in redirections.split())
    assert len(receiver.received) == 5
    assert len((events.parent / "report").read_text().splitlines()) == 5


@pytest.mark.parametrize("redirections", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("arguments", [["send", "--nope"], ["sned"], []])
def test_wrong_usage_keeps_its_exit_code(closed, redirections, arguments):
    assert closed(redirections, *arguments)[0] == 2


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["render"]])
def test_nothing_to_print_on(closed, arguments):
    assert closed(">&-", *arguments) == (0, "", "")


@pytest.mark.parametrize(
    "arguments", [["send", "--url", HERE], ["send", "-", "--url", HERE], ["render", "-"]]
)
def test_a_missing_stdin_is_no_input(closed, arguments):
    code, _, err = closed("<&-", *arguments)
    assert code == 2
    (line,) = err.splitlines()
    assert line.startswith("vaulytica: error: no input")
