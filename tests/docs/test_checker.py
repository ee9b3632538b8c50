"""The checker itself: a page that is wrong is found out, whatever is wrong with it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.docs.compare import masked, mermaid_problem
from support.docs.pages import Page, broken_links, broken_paths
from support.docs.runner import Runner, Wrong

Write = Callable[[str], Page]
Run = Callable[[Page], Runner]

CONFIG = """
```python
from vaulytica.integrations.webhook import WebhookAuth, WebhookConfig, WebhookSender

config = WebhookConfig(
    url="https://api.example.com/events", auth=WebhookAuth(auth_type="api_key", api_key="fake-key")
)
```
"""

RIGHT = {
    "python that runs": "```python\nx = 1\n```\n\n```python\nassert x == 1\n```",
    "an error that is raised": "<!-- raises: ValueError -->\n```python\nint('x')\n```",
    "an output": "```python\nprint(3)\n```\n\n<!-- output -->\n```text\n3\n```",
    "headers": CONFIG + "\n```http\nX-API-Key: fake-key\nWebhook-Id: <id>\n```",
    "a file": "<!-- file: a.json -->\n```json\n{}\n```\n\n```sh\ntest -f a.json\n```",
    "a module": "<!-- file: here.py -->\n```python\nx = 1\n```\n\n```python\nimport here\n```",
    "a console": "```console\n$ echo a\na\n$ echo b \\\n>   c\nb c\n```",
    "make and pip": "```sh\nmake test\npip install vaulytica\npip install -e .\n```",
    "an exit code": "<!-- fails: 3 -->\n```sh\nexit 3\n```",
    "a diagram": "```mermaid\nflowchart LR\n  a[One] --> b[Two]\n```",
    "a variable": '```python\nimport os\nassert os.environ["TOKEN"] == "fake-token"\n```',
}
WRONG = {
    "python that raises": "```python\n1 / 0\n```",
    "python that does not parse": "```python\nx =\n```",
    "no error where one is expected": "<!-- raises: ValueError -->\n```python\nx = 1\n```",
    "another error": "<!-- raises: ValueError -->\n```python\n{}['x']\n```",
    "another output": "```python\nprint(3)\n```\n\n<!-- output -->\n```text\n4\n```",
    "text nobody checks": "```text\nanything\n```",
    "an unknown language": "```cobol\nSTOP RUN.\n```",
    "another header": CONFIG + "\n```http\nX-API-Key: another\n```",
    "a header that is not sent": CONFIG + "\n```http\nX-Other: <anything>\n```",
    "headers without a config": "```http\nX-API-Key: fake-key\n```",
    "another payload": CONFIG + '\n**Payload:**\n\n```json\n{"event_type": "another"}\n```',
    "json that does not parse": "```json\n{,}\n```",
    "jsonl that does not parse": "```jsonl\n{}\nx\n```",
    "yaml that does not parse": "```yaml\na: [\n```",
    "toml that does not parse": "```toml\na =\n```",
    "a template that does not parse": "```jinja\n{% if %}\n```",
    "a command that fails": "```sh\nfalse\necho reached\n```",
    "a command that should fail": "<!-- fails: 1 -->\n```sh\ntrue\n```",
    "an unknown make target": "```sh\nmake coffee\n```",
    "an unknown make variable": "```sh\nmake test COFFEE=1\n```",
    "another project": "```sh\npip install vaultyca\n```",
    "an unknown extra": "```sh\npip install 'vaulytica[coffee]'\n```",
    "an unknown option": "```sh\nvaulytica send --coffee\n```",
    "another console output": "```console\n$ echo a\nb\n```",
    "answers that nobody asks for": "<!-- answers: 503 -->\n```python\nx = 1\n```",
    "a broken diagram": "```mermaid\nflowchart LR\n  a[One --> b[Two]\n```",
}


@pytest.mark.parametrize("text", RIGHT.values(), ids=RIGHT)
def test_right_page_passes(text: str, write_page: Write, run_page: Run) -> None:
    page = write_page(text)

    run_page(page)

    assert page.problems == []


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_wrong_page_fails(text: str, write_page: Write, run_page: Run) -> None:
    page = write_page(text)

    with pytest.raises(Wrong, match=r"page\.md:\d+: "):
        run_page(page)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("```\nx\n```", "no language"),
        ("    indented\n", "no language"),
        ("<!-- outptu -->\n```text\nx\n```", "no known directive"),
        ("<!-- output -->\n\nA paragraph in between.\n\n```text\nx\n```", "stands before no block"),
        ("Text.\n\n<!-- output -->\n", "stands before no block"),
    ],
)
def test_malformed_page_is_noticed(text: str, problem: str, write_page: Write) -> None:
    assert [p for p in write_page(text).problems if problem in p]


@pytest.mark.parametrize(
    "link", ["[a](b.md)", "[a](#nowhere)", "[a](page.md#nowhere)", "![i](i.png)"]
)
def test_broken_link_is_noticed(link: str, write_page: Write) -> None:
    assert list(broken_links(write_page(f"# Somewhere\n\n{link}")))


@pytest.mark.parametrize("link", ["[a](#some-where)", "[a](page.md#some-where-1)", "[a](page.md)"])
def test_good_link_passes(link: str, write_page: Write) -> None:
    assert not list(broken_links(write_page(f"# `Some` Where!\n\n## Some where\n\n{link}")))


def test_missing_path_is_noticed(write_page: Write) -> None:
    page = write_page("`delivery/flow.py`, `src/vaulytica/sender.py`, `delivery/coffee.py`, `a/b`")

    assert [problem.split(" ")[-1] for problem in broken_paths(page)] == ["delivery/coffee.py"]


def test_outputs_differ_in_what_counts_only() -> None:
    assert masked("took 1.2 s at 127.0.0.1:4711") == masked("took 30 s  at 127.0.0.1:80")
    assert masked("delivered 3") != masked("delivered 4")


@pytest.mark.parametrize(
    "text",
    ["", "pie\n", "flowchart LR\na --> \n", "flowchart LR\nsubgraph x\na --> b\n",
     "sequenceDiagram\na->b\n", "stateDiagram-v2\na -> b\n"],
)  # fmt: skip
def test_broken_diagram_is_noticed(text: str) -> None:
    assert mermaid_problem(text)
