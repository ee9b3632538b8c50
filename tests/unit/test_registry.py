"""Tables of parts: ours, and those that other packages add by entry point."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from support.heart import batch_of, guide_event
from vaulytica.auth import SCHEMES
from vaulytica.config import WebhookConfig
from vaulytica.errors import WebhookConfigError
from vaulytica.formats import FORMATS

MODULE = """
from vaulytica.formats.document import DocumentFormat

class ShoutFormat(DocumentFormat):
    name = "shout"
    content_type = "application/vnd.shout+json"

    def document(self, event):
        return {"SHOUT": event.type.upper()}
"""


@pytest.fixture
def another_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installs a package that adds the format `shout`, and one that would take the place of `json`."""
    (tmp_path / "shout_format.py").write_text(MODULE)
    info = tmp_path / "shout_format-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shout-format\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[vaulytica.formats]\nshout = shout_format:ShoutFormat\njson = shout_format:ShoutFormat\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "shout_format", raising=False)


def test_each_entry_is_loaded_by_its_name_and_calls_itself_so() -> None:
    for table in (FORMATS, SCHEMES):
        for name in table.names():
            assert name in table
            assert table.load(name).name == name


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(LookupError, match="unknown format 'xml'; known are json, splunk_hec"):
        FORMATS.load("xml")
    assert "xml" not in FORMATS
    assert None not in FORMATS


@pytest.mark.usefixtures("another_package")
def test_another_package_adds_a_format() -> None:
    to = WebhookConfig(url="https://siem.example.com/", format="shout").destination()
    assert json.loads(to.request(batch_of(to.format, guide_event())).body) == {
        "SHOUT": "FILE_SHARED_EXTERNALLY"
    }
    assert dict(to.headers)["Content-Type"] == "application/vnd.shout+json"
    assert FORMATS.names()[-1] == "shout"


@pytest.mark.usefixtures("another_package")
def test_an_unknown_format_lists_those_of_other_packages_too() -> None:
    with pytest.raises(WebhookConfigError, match="shout"):
        WebhookConfig(url="https://siem.example.com/", format="xml")


@pytest.mark.usefixtures("another_package")
def test_another_package_cannot_take_the_place_of_ours() -> None:
    to = WebhookConfig(url="https://siem.example.com/", format="json").destination()
    assert type(to.format).__name__ == "JsonFormat"
    assert FORMATS.names().count("json") == 1
