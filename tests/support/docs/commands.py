"""Shell blocks run as they are, by a real shell, with stand-ins for four programs on its PATH.

vaulytica   the real one, in a process of its own, with its hosts mapped (see `hosts`); a relay has its
            outbox in the page's folder, and a free port
python      the same for `python -m vaulytica`; anything else is the real Python
make        checks that the targets exist, and does nothing
pip         checks that what is installed is this project, with extras it has, and does nothing
"""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

from support.docs.hosts import RELAY_PORT, apply_from_environment
from support.docs.pages import ROOT

PROGRAMS = ("vaulytica", "python", "make", "pip")


def install(folder: Path) -> None:
    """Write the stand-ins, for use in PATH."""
    folder.mkdir()
    for program in PROGRAMS:
        script = folder / program
        script.write_text(
            f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT / 'tests')!r})\n"
            f"from support.docs import commands\nsys.exit(commands.{program}(sys.argv[1:]))\n",
            encoding="utf-8",
        )
        script.chmod(0o755)


def vaulytica(arguments: list[str]) -> int:
    """The command line itself."""
    _prepare("vaulytica", arguments)
    from vaulytica.cli import main

    main()
    return 0


def python(arguments: list[str]) -> int:
    """`python -m vaulytica` as above; the rest as it is."""
    if arguments[:2] != ["-m", "vaulytica"]:
        return subprocess.run([sys.executable, *arguments], check=False).returncode
    _prepare("python -m vaulytica", arguments[2:])
    runpy.run_module("vaulytica", run_name="__main__", alter_sys=True)
    return 0


def _prepare(program: str, arguments: list[str]) -> None:
    """Map the hosts, and listen on a free port: the one in the document may be taken here."""
    apply_from_environment()
    if "receive" in arguments:
        at = arguments.index("--listen") if "--listen" in arguments else None
        arguments = arguments if at is None else arguments[:at] + arguments[at + 2 :]
        arguments = [*arguments, "--listen", "127.0.0.1:0"]
    if arguments[:1] == ["relay"] or arguments[:2] == ["config", "check"]:
        at = arguments.index("--config") + 1 if "--config" in arguments else 2
        config = Path(arguments[at])
        text = config.read_text(encoding="utf-8").replace(f":{RELAY_PORT}", ":0")
        text = text.replace("sqlite:///var/lib/vaulytica", f"sqlite://{Path.cwd()}")
        config.write_text(text, encoding="utf-8")
    sys.argv = [program, *arguments]


# The targets that are really run. The others set up an environment, or run these very tests.
_RUN_TARGETS = ("demo",)


def make(arguments: list[str]) -> int:
    """0 if every target is one of the Makefile's, and every variable one that it reads; runs `demo`."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipes = dict(re.findall(r"^([a-z]+):[^\n]*\n((?:\t[^\n]*\n)*)", text, re.MULTILINE))
    variables = re.findall(r"^([A-Z]+) \?=", text, re.MULTILINE)
    for argument in arguments:
        name, is_variable, _ = argument.partition("=")
        if name not in (variables if is_variable else recipes):
            return _refuse(f"the Makefile has no {argument}")
    script = "".join(recipes[name] for name in _RUN_TARGETS if name in arguments)
    return subprocess.run(
        ["sh", "-eu", "-c", script.replace("$(BIN)/", "")], check=False
    ).returncode


def pip(arguments: list[str]) -> int:
    """0 if it is `pip install` of this project."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    if arguments[:1] != ["install"]:
        return _refuse(f"documents only install, not {arguments[:1]}")
    for argument in arguments[1:]:
        name, _, extras = argument.rstrip("]").partition("[")
        if name not in (project["name"], ".", "-e"):
            return _refuse(f"{argument} is not this project")
        for extra in filter(None, extras.split(",")):
            if extra not in project.get("optional-dependencies", {}):
                return _refuse(f"the project has no extra {extra}")
    return 0


def _refuse(why: str) -> int:
    sys.stderr.write(f"{why}\n")
    return 1
