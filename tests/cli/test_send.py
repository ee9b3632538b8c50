from __future__ import annotations

import json
import os
import pty
import signal
import time
from pathlib import Path

import pytest

from vaulytica.receiving.receiver import Misbehaviour, Receiver

GOOD = '{"type":"good","data":{"n":%d}}'


def bodies(receiver):
    return [json.loads(r.body) for r in receiver.received]


def types(receiver):
    return sorted(body["event_type"] for body in bodies(receiver))


def report_of(path):
    return sorted(map(json.loads, path.read_text().splitlines()), key=lambda row: row["line"])


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


def test_all_delivered(vaulytica, receiver, events):
    done = vaulytica("send", events, "--url", receiver.url)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("delivered 5 of 5 events")
    assert types(receiver) == ["t0", "t1", "t2", "t3", "t4"]
    assert {r.header("Webhook-Id") for r in receiver.received} == {f"id-{n}" for n in range(5)}


@pytest.mark.parametrize(
    "text",
    [
        '[{"type":"a"},\n {"type":"b",\n"data":{"x":[1,{"y":2}]}}]',
        '{"type":"a"}\n{"type":"b"}',
        '\ufeff{"type":"a"}\r\n\r\n   \n{"type":"b"}\r\n',
        '{\n  "type": "a",\n  "data": {\n    "x": 1\n  }\n}\n{\n  "type": "b"\n}\n',
        '\n\n [ {"type":"a"} , {"type":"b"} ] ',
    ],
    ids=["array", "ndjson", "bom-crlf-blank", "pretty", "padded-array"],
)
def test_kinds_of_input(vaulytica, receiver, text):
    done = vaulytica("send", "--url", receiver.url, stdin=text)
    assert (done.code, done.err) == (0, "")
    assert types(receiver) == ["a", "b"]


def test_one_object(vaulytica, receiver):
    done = vaulytica("send", "-", "--url", receiver.url, stdin='{"type":"a"}')
    assert done.code == 0
    assert types(receiver) == ["a"]


def test_no_events(vaulytica, receiver):
    done = vaulytica("send", "--url", receiver.url, stdin="\n")
    assert done.code == 0
    assert "holds no events" in done.error


def test_bad_lines_and_their_neighbours(vaulytica, receiver, tmp_path):
    lines = [
        GOOD % 1,
        "{broken",
        '{"type":"x","data":"' + "y" * 3000 + '"}',
        '"text"',
        "\xff",
        '{"type":"x","severity":"high"}',
        '{"type":"x","data":{"v":NaN}}',
        '{"data":{}}',
        "[" * 100_000,
        GOOD % 2,
    ]
    report = tmp_path / "report"
    done = vaulytica(
        "send", "--url", receiver.url, "--max-line-bytes", 2000, "--report", report,
        stdin="\n".join(lines).encode("latin-1"),
    )  # fmt: skip
    assert done.code == 1
    assert sorted(b["data"]["n"] for b in bodies(receiver)) == [1, 2]  # eight at a time
    rows = report_of(report)
    assert [row["line"] for row in rows] == list(range(1, 11))
    assert [row["outcome"] for row in rows] == ["delivered", *["rejected"] * 8, "delivered"]
    reasons = [row["reason"] for row in rows[1:-1]]
    expected = ["not valid JSON", "longer than 2000", "must be an object", "not UTF-8", "severity"]
    expected += ["NaN", "has no", "longer than 2000"]
    for reason, words in zip([*reasons[:4], *reasons[4:]], expected, strict=True):
        assert words.lower() in reason.lower()
    assert len(done.err.splitlines()) == 8
    assert done.err.splitlines()[0].startswith("vaulytica: line 2: rejected: not valid JSON")


def test_report_has_everything(vaulytica, events, tmp_path, fast):
    other = tmp_path / "other.ndjson"
    other.write_text("{bad\n")
    report = tmp_path / "report.ndjson"
    with Receiver(fail=Misbehaviour(first=1)) as receiver:
        done = vaulytica("send", events, other, "--url", receiver.url, "--report", report, *fast)
    assert done.code == 1
    rows = list(map(json.loads, report.read_text().splitlines()))
    assert len(rows) == 6
    assert all(
        list(row) == ["file", "line", "id", "outcome", "status", "attempts", "reason"]
        for row in rows
    )
    delivered = [row for row in rows if row["outcome"] == "delivered"]
    assert sorted(row["id"] for row in delivered) == [f"id-{n}" for n in range(5)]
    assert sorted(row["attempts"] for row in delivered) == [1, 1, 1, 1, 2]
    (bad,) = (row for row in rows if row["outcome"] == "rejected")
    assert (bad["file"], bad["line"], bad["attempts"]) == (str(other), 1, 0)


def test_json_summary(vaulytica, receiver):
    done = vaulytica("send", "--json", "--url", receiver.url, stdin='{"type":"a"}\n{bad\n')
    summary = json.loads(done.out)
    assert (done.code, done.err) == (1, "")
    assert (summary["events"], summary["delivered"], summary["rejected"]) == (2, 1, 1)
    (row,) = summary["undelivered"]
    assert (row["line"], row["outcome"]) == (2, "rejected")


def test_deferred_after_all_attempts(vaulytica, events, fast):
    with Receiver(status=503) as receiver:
        done = vaulytica("send", events, "--url", receiver.url, "--max-retries", 1, "--json", *fast)
        summary = json.loads(done.out)
    assert done.code == 1
    assert summary["deferred"] == 5
    assert {row["status"] for row in summary["undelivered"]} <= {503, None}


def test_a_destination_that_is_down_is_not_tried_for_ever(vaulytica, tmp_path):
    many = tmp_path / "many.ndjson"
    many.write_text('{"type":"a"}\n' * 3000)
    with Receiver(status=401) as receiver:
        done = vaulytica("send", many, "--url", receiver.url, "--report", "report")
        assert receiver.counts.total() < 50
    assert done.code == 1
    rows = list(map(json.loads, (tmp_path / "report").read_text().splitlines()))
    assert len(rows) == 3000
    assert sum(row["reason"].startswith("not sent") for row in rows) > 2900


def test_a_destination_that_is_down_is_noticed_when_input_is_slow(start):
    with Receiver(status=503) as receiver:
        process = start("send", "--url", receiver.url, "--max-retries", 0, "--report", "report")
        for count in range(1, 13):
            process.stdin.write(b'{"type":"a"}\n')
            process.stdin.flush()
            if count <= 3:
                wait_for(lambda count=count: receiver.counts.total() >= count)
            time.sleep(0.05)
        out, _ = process.communicate(timeout=60)
        assert 3 <= receiver.counts.total() <= 5  # one may go out before an answer is read
    assert process.returncode == 1
    assert b"delivered 0 of 12 events (0 rejected, 12 deferred" in out


def test_what_each_line_says_of_a_destination_that_is_down(vaulytica, tmp_path):
    with Receiver(status=401) as receiver:
        lines = '{"type":"a"}\n' * 20 + "{bad\n"
        done = vaulytica("send", "--url", receiver.url, "--report", "report", stdin=lines)
    assert done.code == 1
    *_, before, last = report_of(tmp_path / "report")
    assert before["outcome"] == "deferred"
    assert before["reason"].startswith("not sent: the destination is down: HTTP 401")
    assert (last["line"], last["outcome"]) == (21, "rejected")


def test_retry_options(vaulytica, events):
    with Receiver(fail=Misbehaviour(first=3)) as receiver:
        options = ["--max-retries", 5, "--initial-delay", 0.01, "--max-delay", 0.02]
        options += ["--exponential-base", 1.5, "--no-jitter", "--retry-deadline", 20]
        options += ["--timeout", 5, "--concurrency", 2, "--allow-insecure", "--trust-env"]
        options += ["--no-webhook-id", "--no-idempotency-key"]
        done = vaulytica("send", events, "--url", receiver.url, *options)
    assert (done.code, done.err) == (0, "")
    assert receiver.counts == {503: 3, 200: 5}
    assert receiver.received[0].header("Webhook-Id") is None


def test_slow_input_goes_out_at_once(start, receiver):
    process = start("send", "--url", receiver.url)
    process.stdin.write(b'{"type":"first"}\n')
    process.stdin.flush()
    wait_for(lambda: receiver.received)
    assert types(receiver) == ["first"]
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"delivered 1 of 1" in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(start, tmp_path, number):
    many = tmp_path / "many.ndjson"
    many.write_text('{"type":"a"}\n' * 2000)
    with Receiver(delay=0.2) as receiver:
        process = start("send", many, "--url", receiver.url, "--report", "report", "--json")
        wait_for(lambda: receiver.counts.total() >= 16)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    summary = json.loads(out)
    assert process.returncode == 1
    assert summary["interrupted"] is True
    assert summary["delivered"] + summary["unknown"] >= 16  # whose answers may not have been read
    assert 1 <= summary["unknown"] <= 8
    (line,) = err.decode().splitlines()
    assert "interrupted" in line
    assert f"{summary['delivered']} sent" in line
    assert f"{summary['unknown']} unknown" in line
    assert "the input after line" in line
    outcomes = [row["outcome"] for row in report_of(tmp_path / "report")]
    assert outcomes.count("unknown") == summary["unknown"]
    assert outcomes.count("delivered") == summary["delivered"]


def test_interrupted_while_a_pipe_given_by_name_says_nothing(start, receiver, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    process = start("send", "pipe", "--url", receiver.url)
    with (tmp_path / "pipe").open("wb", buffering=0) as pipe:
        pipe.write(b'{"type":"a"}\n')
        wait_for(lambda: receiver.received)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"the input after line 1 of pipe was not read" in err


def test_interrupted_before_there_was_any_input(start, receiver):
    process = start("send", "-", "--url", receiver.url)
    deadline = time.monotonic() + 60
    threads = Path(f"/proc/{process.pid}/task")
    while len(list(threads.iterdir())) < 2:  # the reader is there
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert out.startswith(b"delivered 0 of 0 events")
    assert b"interrupted: 0 sent, 0 not sent" in err
    assert err.rstrip().endswith(b"nothing of the input was read")


def test_progress_on_a_terminal(start, receiver, events):
    controller, terminal = pty.openpty()
    process = start("send", events, "--url", receiver.url, stderr=terminal)
    os.close(terminal)
    out, _ = process.communicate(timeout=60)
    shown = b""
    while True:
        try:
            chunk = os.read(controller, 4096)
        except OSError:
            break
        shown += chunk
    os.close(controller)
    assert process.returncode == 0
    assert b"delivered" in shown
    assert out.startswith(b"delivered 5 of 5")


def test_large_input_in_small_memory(start, tmp_path):
    peaks = []
    for count in (600, 6000):
        many = tmp_path / f"{count}.ndjson"
        with many.open("w") as file:
            file.writelines(
                GOOD.replace("%d", f'{n},"pad":"{"x" * 3000}"') + "\n" for n in range(count)
            )
        with Receiver(keep=0) as receiver:
            process = start("send", many, "--url", receiver.url)
            peak = 0
            while process.poll() is None:
                peak = max(peak, _resident_kib(process.pid))
                time.sleep(0.01)
            assert process.returncode == 0
            assert receiver.counts == {200: count}
        peaks.append(peak)
    assert peaks[1] - peaks[0] < 12_000  # KiB; the input is 16 000 larger


def _resident_kib(pid):
    try:
        status = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next((int(line.split()[1]) for line in status if line.startswith("VmRSS")), 0)
    except OSError:
        return 0
