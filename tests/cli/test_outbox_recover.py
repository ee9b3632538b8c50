"""`vaulytica outbox recover`: says what is damaged, what is lost, and what to do next."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.damage import PAGE, Whole, fill, noise

Cli = Callable[..., Any]


def test_what_is_lost_is_one_line_a_destination(vaulytica: Cli, tmp_path: Path) -> None:
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    fill(old, events=160)
    noise(old, Whole(old).of_bodies()[::3], random.Random(1))
    done = vaulytica("outbox", "audit", "--outbox", old)
    assert done.code == 1
    assert "vaulytica outbox recover" in done.out + done.err
    done = vaulytica("outbox", "recover", "--outbox", old, "--into", new)
    assert done.code == 1, done.err
    lines = done.out.splitlines()
    assert any(line.startswith("DAMAGED: ") for line in lines)
    lost = [line for line in lines if line.startswith("LOST: ")]
    assert [line.split()[1] for line in lost] == ["one:", "two:"]
    assert all("cannot be read as they were" in line for line in lost)
    assert lines[-1] == (
        f"what can be read is in {new}; put it where the old one was, and start the relay"
    )
    assert vaulytica("outbox", "audit", "--outbox", new).code == 0
    found = vaulytica("outbox", "list", "--state", "dead", "--json", "--outbox", new).out
    whys = {row["tried"][-1]["text"] for row in map(json.loads, found.splitlines())}
    assert any("it may have been altered" in why for why in whys)
    new.unlink()
    said = json.loads(vaulytica("outbox", "recover", "--json", "--outbox", old, "--into", new).out)
    assert said["lost"].keys() == {"one", "two"}
    assert said["damage"]
    assert said["destinations"]["one"]["pending"] > 0


def test_a_file_that_is_cut_off_is_called_so(vaulytica: Cli, tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    fill(old, events=20)
    whole = old.stat().st_size // PAGE
    with old.open("r+b") as file:
        file.truncate(file.seek(0, 2) - 2 * PAGE)
    done = vaulytica("outbox", "recover", "--outbox", old, "--into", tmp_path / "new.db")
    assert f"DAMAGED: the file is cut off: {whole - 2} of {whole} pages are there" in done.out
