"""Every relay config on a page fits the JSON Schema that `vaulytica config schema` prints; a wrong one does not."""

from __future__ import annotations

import jsonschema
import pytest
import yaml

from support.docs.pages import Block, all_pages
from vaulytica.cli.config_files.schema import config_schema

VALIDATOR = jsonschema.Draft202012Validator(config_schema())
CONFIGS = [
    pytest.param(block, id=page.where(block.line))
    for page in all_pages()
    for block in page.blocks
    if block.language == "yaml" and {"outbox", "destinations"} <= set(yaml.safe_load(block.text))
]


def test_there_are_some() -> None:
    assert len(CONFIGS) > 4


@pytest.mark.parametrize("block", CONFIGS)
def test_a_config_on_a_page_fits_the_schema(block: Block) -> None:
    errors = [error.message for error in VALIDATOR.iter_errors(yaml.safe_load(block.text))]
    is_wrong = block.directives.get("file", "").startswith("wrong")
    assert bool(errors) == is_wrong, errors
