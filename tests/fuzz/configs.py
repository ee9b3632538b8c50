"""Target: any text as a config file of destinations, in YAML, JSON and TOML."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path

from fuzz.taking import Taking
from vaulytica.cli.options.destination import DestinationOptions
from vaulytica.cli.options.given import config_of
from vaulytica.errors import WebhookConfigError

FOLDER = Path(tempfile.mkdtemp(prefix="vaulytica-fuzz-"))
CANARY = "cAnArY.obviously-fake"
(FOLDER / "key").write_text(CANARY)
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
# These would read what is not the target's to read, or wait for somebody to type.
ELSEWHERE = (b"/dev", b"/proc", b"..", b"~")


def target(data: bytes) -> None:
    """A destination, or a `WebhookConfigError` of one line."""
    taking = Taking(data)
    suffix = taking.one_of(("yaml", "json", "toml"))
    text = taking.rest()
    if any(path in text for path in ELSEWHERE):
        return
    path = FOLDER / f"c.{suffix}"
    path.write_bytes(text)
    try:
        config = config_of(DestinationOptions(config=path))
    except WebhookConfigError as error:
        assert not {"\n", "\r", "\0", "\x1b"} & set(str(error))
        assert len(str(error)) < 20_000
    else:
        destination = config.destination()
        assert destination.url.startswith(("http://", "https://"))
        assert CANARY not in repr(config) + repr(destination)
