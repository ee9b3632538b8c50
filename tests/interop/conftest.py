"""Which real programs there are: an environment variable names each; without it, its tests are skipped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from interop.programs import Collector, Search, VictoriaLogs


def _named(variable: str) -> str:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"set {variable}")
    return value


@pytest.fixture
def collector(tmp_path: Path) -> Collector:
    """The Collector, not yet started."""
    return Collector(_named("VAULYTICA_TEST_OTELCOL"), tmp_path)


@pytest.fixture
def victorialogs(tmp_path: Path) -> Iterator[VictoriaLogs]:
    """VictoriaLogs, running and empty."""
    with VictoriaLogs(_named("VAULYTICA_TEST_VICTORIALOGS"), tmp_path).started() as program:
        yield program


@pytest.fixture
def search() -> Iterator[Search]:
    """Elasticsearch or OpenSearch, with a name for an index that is not there yet."""
    search = Search(_named("VAULYTICA_TEST_SEARCH_URL"), f"vaulytica-test-{os.getpid()}")
    search.remove()
    yield search
    search.remove()


@pytest.fixture
def ecs_flat() -> Path:
    """`generated/ecs/ecs_flat.yml` of Elastic's ECS."""
    return Path(_named("VAULYTICA_TEST_ECS_FLAT"))


@pytest.fixture
def datadog_openapi() -> Path:
    """The OpenAPI description of Datadog's API, version 2."""
    return Path(_named("VAULYTICA_TEST_DATADOG_OPENAPI"))
