from __future__ import annotations

import json
from pathlib import Path

import pytest

from vaulytica.cli.demo.decode import milliseconds
from vaulytica.cli.demo.kinds import KINDS
from vaulytica.receiving.receiver import Receiver

CLOUDTRAIL = Path(__file__).parents[3] / "shared" / "data" / "cloudtrail_s3_exfiltration.ndjson"
MAP = ("--map", "type=eventName", "--map", "data=@", "--map", 'timestamp="@timestamp"', "--map", "severity='warning'")  # fmt: skip


def in_process(monkeypatch, *arguments):
    """Run the command in this process, for speed."""
    from vaulytica.cli import app

    monkeypatch.setattr(app, "_prepare_process", lambda: None)
    return app.run([str(a) for a in arguments])


@pytest.mark.skipif(not CLOUDTRAIL.exists(), reason="the data set is not there")
@pytest.mark.parametrize("name", [name for name in KINDS if name != "custom function"])
def test_cloudtrail_through_every_format(monkeypatch, capsys, tmp_path, name):
    kind = KINDS[name]
    destination = kind.stand_in()
    header, before = kind.key
    monkeypatch.setenv("KEY", f"{before}not-a-real-key")
    arguments = ["--api-key", "env:KEY", "--api-key-header", header, *MAP]
    arguments += ["--format", kind.settings["format"]]
    arguments += ["--batch-as", layout] if (layout := _layout(kind)) else []
    for key, value in kind.settings.get("format_options", {}).items():
        arguments += ["--format-option", f"{key}={value}"]
    if name == "custom template":
        (tmp_path / "t.j2").write_text(kind.settings["custom_template"])
        arguments += ["--template", tmp_path / "t.j2"]
    with Receiver(respond=destination.answer) as receiver:
        url = receiver.url + kind.path
        assert in_process(monkeypatch, "send", CLOUDTRAIL, "--url", url, *arguments) == 0
    assert "delivered 103 of 103" in capsys.readouterr().out
    given = [json.loads(line) for line in CLOUDTRAIL.read_text().splitlines()]
    left = {entry["eventID"]: entry for entry in given}
    assert len(given) == len(left) == len(destination.events) == 103
    for taken in destination.events:
        if name == "datadog" and "[cut by vaulytica]" in taken["text"]:
            _compare_cut(taken, given, left)
            continue
        decoded = kind.reader.read(taken)
        entry = left.pop(decoded.data["eventID"])
        assert decoded.data == entry
        assert (decoded.type, decoded.severity) == (entry["eventName"], "warning")
        at = milliseconds(entry["@timestamp"])
        assert decoded.at == at - at % kind.reader.step
    assert not left


def _layout(kind):
    return kind.settings.get("batch", {}).get("as")


def _compare_cut(document, given, left):
    """Datadog takes 4000 characters of text: those must be the input's own."""
    text, mark, rest = document["text"].partition("… [cut by vaulytica]")
    assert mark
    assert not rest
    entry = next(e for e in given if json.dumps(e, indent=2, ensure_ascii=False).startswith(text))
    del left[entry["eventID"]]


def test_all_fields(vaulytica, receiver):
    fields = {"type": "a", "data": "d", "severity": "s", "timestamp": "t", "id": "i", "source": "o"}
    entry = {"a": "x", "d": {"k": 1}, "s": "error", "t": 0, "i": "id-1", "o": "here"}
    options = [o for f, e in fields.items() for o in ("--map", f"{f}={e}")]
    done = vaulytica("send", "--url", receiver.url, *options, stdin=json.dumps(entry))
    assert done.code == 0
    (received,) = receiver.received
    assert received.header("Webhook-Id") == "id-1"
    assert json.loads(received.body) == {
        "timestamp": "1970-01-01T00:00:00Z",
        "source": "here",
        "event_type": "x",
        "severity": "error",
        "data": {"k": 1},
    }


def test_what_cannot_be_mapped_is_an_outcome(vaulytica, receiver):
    lines = '{"t":"a","n":1}\n{"n":2}\n{"t":"b","n":"x"}\n7\n{"t":"c","n":3}\n'
    options = ("--map", "type=t", "--map", "data={n: abs(n)}")
    done = vaulytica("send", "--url", receiver.url, *options, stdin=lines)
    assert done.code == 1
    first, second, third = done.err.splitlines()
    assert "line 2: rejected: --map type=t found nothing" in first
    assert "line 3: rejected: --map data={n: abs(n)}" in second
    assert "line 4" in third
    assert sorted(json.loads(r.body)["event_type"] for r in receiver.received) == ["a", "c"]


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (["--map", "typ=a"], "FIELD one of type, data"),
        (["--map", "type"], "FIELD=EXPR"),
        (["--map", "type=[["], "--map type=[["),
        (["--map", "type=a", "--map", "type=b"], "given twice"),
        (["--map", "data=@"], "type=EXPR is missing"),
    ],
)
def test_wrong_maps(vaulytica, option, words):
    done = vaulytica("send", "--url", "http://127.0.0.1:1", *option)
    assert done.code == 2
    assert words in done.error
