"""Every page: its blocks do what they say, its links lead somewhere, nothing is left unchecked."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from support.docs.pages import Page, all_pages, broken_links, broken_paths
from support.docs.runner import Runner

PAGES = all_pages()


@pytest.mark.parametrize("page", PAGES, ids=repr)
def test_blocks_do_what_the_page_says(page: Page, run_page: Callable[[Page], Runner]) -> None:
    if shutil.which("curl") is None and any("curl " in block.text for block in page.blocks):
        pytest.skip("the page calls curl, which is not installed")
    run_page(page)


@pytest.mark.parametrize("page", PAGES, ids=repr)
def test_page_is_well_formed(page: Page) -> None:
    assert page.problems == []


@pytest.mark.parametrize("page", PAGES, ids=repr)
def test_links_and_anchors_lead_somewhere(page: Page) -> None:
    assert list(broken_links(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=repr)
def test_paths_in_the_text_exist(page: Page) -> None:
    assert list(broken_paths(page)) == []
