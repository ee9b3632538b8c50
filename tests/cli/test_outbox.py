"""`vaulytica outbox …`, in processes of its own."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.damage import PAGE, Whole
from support.outbox import NEVER, everything, ids_in, parcel
from vaulytica.outbox import open_outbox
from vaulytica.outbox.delivery import ack, bury
from vaulytica.outbox.sqlite import SqliteOutbox
from vaulytica.outbox.sqlite.usage import log_bytes

Cli = Callable[..., Any]


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Of an outbox with two delivered, three dead and one pending; another destination has one pending."""
    url = f"sqlite://{tmp_path}/outbox.db"
    with open_outbox(url) as outbox:
        outbox.put(parcel("a", "b"), ["siem"])
        outbox.settle([ack(delivery) for delivery in outbox.claim("siem")])
        outbox.put(parcel("c", "d", "e"), ["siem"])
        outbox.settle([bury(delivery, NEVER) for delivery in outbox.claim("siem")])
        outbox.put(parcel("f", text="\x1b[31m"), ["siem", "soc"])
    return url


def opened(url: str) -> SqliteOutbox:
    return open_outbox(url)


def of_siem(url: str, *names: str) -> list[int]:
    with opened(url) as outbox:
        return [getattr(outbox.counts()["siem"], name) for name in names]


def test_status(vaulytica: Cli, url: str) -> None:
    done = vaulytica("outbox", "status", "--outbox", url)
    rows = {line.split()[0]: line.split()[1:7] for line in done.out.splitlines()[1:3]}
    assert rows == {"siem": list("623100"), "soc": list("100100")}
    done = vaulytica("outbox", "status", "--json", VAULYTICA_OUTBOX=url)
    said = json.loads(done.out)
    assert said["destinations"]["siem"]["dead"] == 3
    assert said["bytes"] > 0


def test_list(vaulytica: Cli, url: str) -> None:
    def listed(*options: str) -> list[tuple[int, str, str, int]]:
        done = vaulytica("outbox", "list", "--json", "--outbox", url, *options)
        assert done.code == 0, done.err
        rows = [json.loads(line) for line in done.out.splitlines()]
        return [(row["id"], row["destination"], row["state"], row["count"]) for row in rows]

    dead, fresh, other = (2, "siem", "dead", 3), (3, "siem", "fresh", 1), (4, "soc", "fresh", 1)
    assert listed() == [dead, fresh, other]
    assert listed("--state", "dead") == [dead]
    assert listed("--state", "pending", "--destination", "soc") == [other]
    assert listed("--grep", "^[de]$") == [(2, "siem", "dead", 2)]
    assert listed("--since", "1h", "--until", "2099-01-01T00:00:00Z") == [dead, fresh, other]
    assert listed("--until", "1h") == []
    assert listed("3") == [fresh]
    assert vaulytica("outbox", "list", "99", "--outbox", url).out == "no delivery fits\n"
    assert listed("--limit", "1", "--after", "2") == [fresh]
    text = vaulytica("outbox", "list", "--outbox", url, "--limit", "2").out
    assert "HTTP 400: no" in text
    assert text.endswith("… and more: --after 3\n")
    with opened(url) as outbox:
        outbox.put(parcel("x"), [name := "d" * 40])
    text = vaulytica("outbox", "list", "--outbox", url, COLUMNS="40").out
    assert f" 5  {name}  fresh " in text
    assert "HTTP 400: no" in text


def test_show(vaulytica: Cli, url: str) -> None:
    done = vaulytica("outbox", "show", "2", "--outbox", url)
    assert done.out.startswith("delivery 2 for siem: dead, 3 events\n")
    assert "HTTP 400: no" in done.out
    assert done.out.count('"type":"t"') == 3
    done = vaulytica("outbox", "show", "d", "--json", "--outbox", url)
    said = json.loads(done.out)
    assert (said["id"], [event["id"] for event in said["events"]]) == (2, ["d"])
    assert said["tried"][0]["status"] == 400
    with opened(url) as outbox:
        outbox.put(parcel("x", id="d"), ["siem"])  # its data has the other's id
    found = vaulytica("outbox", "show", "d", "--outbox", url).out
    assert (found.count("delivery "), found.count('"type":"t"')) == (1, 1)
    both = vaulytica("outbox", "show", "f", "--outbox", url)
    assert both.out.count("delivery ") == 2
    assert "\x1b" not in both.out
    none = vaulytica("outbox", "show", "nobody", "--outbox", url)
    assert (none.code, none.error) == (
        2, "vaulytica: error: the outbox holds no delivery and no event nobody"
    )  # fmt: skip


def test_replay_says_first_how_many(vaulytica: Cli, url: str) -> None:
    done = vaulytica("outbox", "replay", "--outbox", url, "--dry-run")
    assert (done.code, done.out) == (0, "3 events in 1 delivery to put back\n")
    assert of_siem(url, "dead", "pending") == [3, 1]
    done = vaulytica("outbox", "replay", "--outbox", url, "--where", "data.of == 'c' || id == 'd'")
    assert done.out == "2 events in 1 delivery to put back\n2 events put back\n"
    assert of_siem(url, "dead", "pending", "replayed") == [1, 3, 2]
    done = vaulytica("outbox", "replay", "--outbox", url, "--json")
    assert json.loads(done.out) == {"events": 1, "deliveries": 1, "done": 1}
    assert "1 event in 1 delivery to put back" in done.err


def test_a_replay_can_be_paused_and_goes_on(start: Cli, vaulytica: Cli, url: str) -> None:
    with opened(url) as outbox:
        for number in range(40):
            outbox.put(parcel(f"x{number}"), ["siem"])
        outbox.settle([bury(delivery, NEVER) for delivery in outbox.claim("siem")])
    process = start("outbox", "replay", "--outbox", url, "--rate", "20", "--json")
    with opened(url) as outbox:
        while not outbox.counts()["siem"].replayed:
            assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"paused: " in err
    (done,) = of_siem(url, "replayed")
    assert 0 < done < 44
    assert vaulytica("outbox", "replay", "--outbox", url).code == 0
    assert of_siem(url, "dead", "replayed") == [0, 44]


def test_a_replay_that_is_killed_is_whole(start: Cli, url: str) -> None:
    with opened(url) as outbox:
        for number in range(40):
            outbox.put(parcel(f"x{number}"), ["siem"])
        outbox.settle([bury(delivery, NEVER) for delivery in outbox.claim("siem")])
    process = start("outbox", "replay", "--outbox", url, "--rate", "100")
    with opened(url) as outbox:
        while outbox.counts()["siem"].replayed < 5:
            assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert outbox.audit().problems == []
        assert outbox.counts()["siem"].pending + outbox.counts()["siem"].dead == 44


def test_bury_and_purge(vaulytica: Cli, url: str) -> None:
    done = vaulytica("outbox", "bury", "--outbox", url, "--destination", "soc")
    assert done.out == "1 event in 1 delivery to give up on\n1 event given up on\n"
    with opened(url) as outbox:
        (one,) = everything(outbox, destinations=("soc",))
        assert (one.state, one.tried[-1].text) == ("dead", "given up on by hand")
    done = vaulytica("outbox", "purge", "--outbox", url, "--destination", "siem")
    assert done.out == "3 events in 1 delivery to throw away\nnothing is done: add --yes\n"
    assert of_siem(url, "dead") == [3]
    done = vaulytica("outbox", "purge", "--outbox", url, "--destination", "siem", "--yes")
    assert done.out.endswith("3 events thrown away\n")
    assert of_siem(url, "dead", "purged") == [0, 3]
    vaulytica("outbox", "purge", "--outbox", url, "--state", "pending", "--yes")
    assert of_siem(url, "pending", "dropped") == [0, 1]
    assert vaulytica("outbox", "audit", "--outbox", url).code == 0


@pytest.mark.parametrize("command", [("bury",), ("purge", "--yes")])
@pytest.mark.parametrize("states", [("claimed",), ("claimed", "fresh")])
def test_what_a_worker_holds_is_left_to_it_and_nothing_else_is_taken_instead(
    vaulytica: Cli, url: str, command: tuple[str, ...], states: tuple[str, ...]
) -> None:
    before = of_siem(url, "pending", "dead", "dropped", "purged")
    given = [word for state in states for word in ("--state", state)]
    done = vaulytica("outbox", *command, "--outbox", url, *given)
    assert done.code == 2
    assert "claimed deliveries are with a worker" in done.err
    assert of_siem(url, "pending", "dead", "dropped", "purged") == before


def test_audit(vaulytica: Cli, url: str) -> None:
    done = vaulytica("outbox", "audit", "--outbox", url)
    assert (done.code, "accepted = delivered + dead + pending" in done.out) == (0, True)
    with opened(url) as outbox:
        writer = outbox._writer
        assert writer is not None
        writer.connection.execute("DELETE FROM outbox_delivery WHERE id = 3")
    done = vaulytica("outbox", "audit", "--outbox", url)
    assert done.code == 1
    assert "WRONG: siem: 1 pending are counted, 0 are on disk" in done.out
    said = json.loads(vaulytica("outbox", "audit", "--outbox", url, "--json").out)
    assert said["ok"] is False
    assert said["destinations"]["siem"]["pending"] == 1


def test_recover(vaulytica: Cli, url: str, tmp_path: Path) -> None:
    new = tmp_path / "new.db"
    done = vaulytica("outbox", "recover", "--outbox", url, "--into", new)
    assert done.code == 0
    assert f"what can be read is in {new}" in done.out
    with opened(f"sqlite://{new}") as outbox:
        assert sorted(ids_in(*everything(outbox))) == ["c", "d", "e", "f", "f"]
    done = vaulytica("outbox", "recover", "--outbox", url, "--into", new)
    assert (done.code, "is there already" in done.error) == (1, True)


def test_commands_work_while_a_relay_is_on_the_file(vaulytica: Cli, url: str) -> None:
    with open_outbox(url, owner=True) as relay:
        claimed = relay.claim("siem")
        assert vaulytica("outbox", "status", "--outbox", url).code == 0
        assert vaulytica("outbox", "replay", "--outbox", url).code == 0
        assert vaulytica("outbox", "audit", "--outbox", url).code == 0
        assert relay.settle([ack(delivery) for delivery in claimed]) == []
        assert ids_in(*relay.claim("siem")) == ["c", "d", "e"]
        done = vaulytica("outbox", "recover", "--outbox", url, "--into", "/nowhere/x.db")
        assert "is in use by another relay" in done.error


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("status", "--outbox", "sqlite:///nowhere/x.db"), 1, "there is no such file"),
        (("status", "--outbox", "x.db"), 1, "/x.db: there is no such file"),
        (("status", "--outbox", "/tmp"), 1, "outbox /tmp: it is a folder; name the file in it"),
        (("status", "--outbox", "other://x"), 2, "unknown outbox 'other'"),
        (("list", "--state", "lost"), 2, "--state: unknown 'lost'; known are pending, fresh"),
        (("list", "--destination", "sime"), 2, "no destination 'sime'; it has siem, soc"),
        (("list", "--since", "last week"), 2, "--since: 'last week' is no moment; give a span ago"),
        (("list", "--since", "2025-13-01"), 2, "--since: '2025-13-01' is no moment"),
        (("list", "--grep", "("), 2, "grep: "),
        (("list", "--where", "data.of =="), 2, "where: is not a JMESPath expression"),
        (("bury", "--state", "dead"), 2, "--state: bury is for pending deliveries"),
        (("purge", "--state", "dead", "--state", "fresh"), 2, "by themselves"),
    ],
)
def test_what_is_wrong_is_one_line(
    vaulytica: Cli, url: str, arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = vaulytica("outbox", *arguments, VAULYTICA_OUTBOX=url)
    assert done.code == code
    assert message in done.error


def test_a_damaged_file_is_one_line(vaulytica: Cli, tmp_path: Path) -> None:
    (tmp_path / "outbox.db").write_bytes(b"x" * 5000)
    done = vaulytica("outbox", "status", "--outbox", f"sqlite://{tmp_path}/outbox.db")
    assert done.code == 1
    assert "is damaged" in done.error
    assert "vaulytica outbox recover" in done.error


def test_the_outbox_is_that_of_a_relays_config(vaulytica: Cli, url: str, tmp_path: Path) -> None:
    """Whatever else is in the config: its secrets need not be there to look at the outbox."""
    config = tmp_path / "relay.yaml"
    config.write_text(
        f"outbox: {url}\n"
        "destinations: {siem: {url: https://siem.example.com, auth: {auth_type: bearer_token, "
        "bearer_token: 'env:NOT_THERE'}}}\n"
    )
    for command in ("status", "list", "audit"):
        done = vaulytica("outbox", command, "--config", config, "--json")
        assert done.code == 0, done.err
    done = vaulytica("outbox", "replay", "--config", config)
    assert done.out.endswith("3 events put back\n")
    done = vaulytica("outbox", "status", "--config", config, "--outbox", url)
    assert (done.code, "give either --outbox, or --config" in done.error) == (2, True)
    done = vaulytica("outbox", "status", VAULYTICA_OUTBOX="sqlite:///nowhere.db")
    assert done.code == 1
    config.write_text("destinations: {}\n")
    done = vaulytica("outbox", "status", "--config", config)
    assert (done.code, "relay.yaml:1:1: has no outbox" in done.error) == (2, True)
    done = vaulytica("outbox", "status")
    assert (
        done.code,
        "which outbox? give --outbox URL, the relay's --config FILE" in done.error,
    ) == (2, True)


def test_the_log_beside_the_file_counts(vaulytica: Cli, url: str) -> None:
    with opened(url) as outbox:
        outbox.put(parcel("x", text="x" * 100_000), ["siem"])
        assert log_bytes(outbox.path) > 100_000
        said = json.loads(vaulytica("outbox", "status", "--json", "--outbox", url).out)
        assert said["log_bytes"] == log_bytes(outbox.path)
        assert "MiB in its log" in vaulytica("outbox", "status", "--outbox", url).out


def test_status_says_what_a_relay_has_found_damaged(vaulytica: Cli, tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    url = f"sqlite://{path}"

    def noted() -> Any:
        return json.loads(vaulytica("outbox", "status", "--json", "--outbox", url).out)["damage"]

    with SqliteOutbox(path, owner=True) as outbox:
        for number in range(40):
            outbox.put(parcel(str(number), text="x" * 2000), ["siem"])
    assert noted() is None
    with path.open("r+b") as file:
        for page in Whole(path).of_bodies()[5:9]:
            file.seek(page * PAGE)
            file.write(b"\xff" * PAGE)
    with SqliteOutbox(path, owner=True) as outbox:
        assert noted() is None, "nobody has met it yet"
        while outbox.claim("siem", 1):
            pass
        found = noted()
    assert f"outbox {path} is damaged (" in found["why"]
    shown = vaulytica("outbox", "status", "--outbox", url)
    assert shown.code == 0
    assert shown.out.splitlines()[-1].startswith("DAMAGED: the relay found it at 20")
    assert shown.out.endswith(
        f"what can be read: vaulytica outbox recover --outbox {url} --into NEW_FILE\n"
    )
    saved = tmp_path / "saved.db"
    assert vaulytica("outbox", "recover", "--outbox", url, "--into", str(saved)).code in (0, 1)
    assert noted() == found, "it is as damaged as before"
    saved.rename(path)
    assert noted() is None, "this is another file"
    SqliteOutbox(path, owner=True).close()
    assert noted() is None


def test_pause_and_resume(vaulytica: Cli, url: str) -> None:
    done = vaulytica("outbox", "pause", "siem", "soc", "--why", "moves", "--outbox", url)
    assert done.out.startswith("siem is paused; vaulytica outbox resume siem goes on\n")
    status = vaulytica("outbox", "status", "--outbox", url).out
    assert "siem is paused since 20" in status
    assert "Z: moves; vaulytica outbox resume siem goes on" in status
    said = json.loads(vaulytica("outbox", "status", "--json", "--outbox", url).out)
    assert said["paused"]["soc"]["why"] == "moves"
    done = vaulytica("outbox", "resume", "siem", "--outbox", url)
    assert done.out == "siem is resumed\n"
    assert vaulytica("outbox", "resume", "siem", "--outbox", url).out == "siem was not paused\n"
    with opened(url) as outbox:
        assert list(outbox.paused()) == ["soc"]
    done = vaulytica("outbox", "pause", "sime", "--outbox", url)
    assert (done.code, "no destination 'sime'; it has siem, soc" in done.error) == (2, True)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("sqlite:///{}", "sqlite:///{} has a slash too many; write sqlite://{}"),
        ("sqlite:{}", "'sqlite:{}' is no URL of an outbox; write it like sqlite://{}"),
        ("file://{}", "'file://{}' is no URL of an outbox; write it like sqlite://{}"),
        ("file:{}", "'file:{}' is no URL of an outbox; write it like sqlite://{}"),
    ],
)
def test_a_url_that_is_none_is_said_with_the_one_that_is_meant(
    vaulytica: Cli, url: str, given: str, words: str
) -> None:
    path = url.removeprefix("sqlite://")
    done = vaulytica("outbox", "status", "--outbox", given.replace("{}", path))
    assert (done.code, f"outbox: {words.replace('{}', path)}" in done.error) == (2, True)


def test_a_path_may_have_slashes_too_many(vaulytica: Cli, url: str) -> None:
    path = url.removeprefix("sqlite://")
    assert vaulytica("outbox", "status", "--outbox", f"/{path}").code == 0


@pytest.mark.parametrize("command", ["status", "audit"])
def test_an_empty_file_is_no_outbox_and_is_left_as_it_is(
    vaulytica: Cli, tmp_path: Path, command: str
) -> None:
    path = tmp_path / "outbox.db"
    path.touch()
    done = vaulytica("outbox", command, "--outbox", str(path))
    assert done.code != 0
    assert f"outbox {path} is empty, as no outbox ever is" in done.err
    assert [file.name for file in tmp_path.iterdir()] == ["outbox.db"]
    assert path.stat().st_size == 0
