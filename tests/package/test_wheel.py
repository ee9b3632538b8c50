"""The wheel: built without a network, installed into an empty environment, and run from there."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import vaulytica

REPOSITORY = Path(__file__).parents[2]


def done(*command: object, at: Path) -> str:
    """The command's output; fails, showing it, if the command fails."""
    result = subprocess.run(
        [str(part) for part in command], cwd=at, text=True, capture_output=True, timeout=100
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    done(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", out, at=REPOSITORY)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        return set(archive.namelist())


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds the wheel; what it depends on is lent from ours."""
    home = tmp_path_factory.mktemp("environment")
    venv.EnvBuilder(with_pip=False, symlinks=True).create(home)
    python = home / "bin" / "python"
    # A path file's lines are added as they are: path files that lie there (an editable one) are not read.
    (site,) = home.glob("lib/python*/site-packages")
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = (sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "--python", python)
    done(*pip, "install", "--no-deps", "--no-index", wheel, at=home)
    return python


def test_it_holds_the_whole_package_and_nothing_else(names: set[str]) -> None:
    package = REPOSITORY / "src" / "vaulytica"
    ours = {f"vaulytica/{path.relative_to(package).as_posix()}" for path in package.rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == ours
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"vaulytica"}
    own = names - {"vaulytica/testing.py"}  # for the tests of those who write parts
    assert not [name for name in own if "test" in name.lower() or "__pycache__" in name]


def test_it_holds_the_type_marker_the_licence_and_the_examples(names: set[str]) -> None:
    info = f"vaulytica-{vaulytica.__version__}.dist-info"
    assert f"{info}/licenses/LICENSE" in names
    assert "vaulytica/py.typed" in names
    examples = [name for name in names if "/examples/" in name]
    assert [name for name in examples if name.endswith(".ndjson")], "the demo's events"


def test_its_metadata_says_what_it_is(wheel: Path) -> None:
    info = f"vaulytica-{vaulytica.__version__}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        metadata = Parser().parsestr(archive.read(f"{info}/METADATA").decode())
        entry_points = archive.read(f"{info}/entry_points.txt").decode()
    assert (metadata["Name"], metadata["Version"]) == ("vaulytica", vaulytica.__version__)
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    required = metadata.get_all("Requires-Dist", [])
    needs = {line.split(">")[0] for line in required if "extra ==" not in line}
    assert {"pycurl", "certifi", "pydantic", "msgspec", "jinja2", "typer", "rich"} <= needs
    assert not needs & {"pytest", "hatchling", "uvicorn", "fastapi", "psycopg"}
    assert "vaulytica = vaulytica.cli" in entry_points


def test_it_is_imported_from_the_environment_it_was_installed_in(
    python: Path, tmp_path: Path
) -> None:
    program = "import vaulytica.integrations.webhook as w; print(w.__file__, w.WebhookSender)"
    where = done(python, "-I", "-W", "error", "-c", program, at=tmp_path).split()[0]
    assert Path(where).is_relative_to(python.parents[1])


@pytest.mark.parametrize("how", ["script", "module"])
def test_its_command_runs(how: str, python: Path, tmp_path: Path) -> None:
    command = (
        [python.with_name("vaulytica")] if how == "script" else [python, "-I", "-m", "vaulytica"]
    )
    assert vaulytica.__version__ in done(*command, "--version", at=tmp_path)
    assert "send" in done(*command, "--help", at=tmp_path)
