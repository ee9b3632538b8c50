"""The fuzz targets over the inputs that are kept, and over some that are made of those; `make fuzz` makes more."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.kept import HERE, TARGETS, kept, target_of
from fuzz.run import mutated


@pytest.mark.parametrize("name", TARGETS)
def test_every_kept_input_upholds_the_laws(name: str) -> None:
    inputs = kept(name)
    assert len(inputs) >= 10
    target = target_of(name)
    for data in inputs:
        target(data)


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_made_of_kept_inputs_upholds_them_too(name: str) -> None:
    target = target_of(name)

    @settings(max_examples=150)
    @given(mutated(kept(name)) | st.binary(max_size=200))
    def uphold(data: bytes) -> None:
        target(data)

    uphold()


def test_every_target_is_run() -> None:
    files = {path.stem for path in Path(HERE).glob("*.py")}
    assert files - {"kept", "run", "taking", "test_targets"} == set(TARGETS)
    assert {path.stem for path in (HERE / "corpus").glob("*.txt")} == set(TARGETS)
