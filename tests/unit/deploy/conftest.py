"""Every stack the tests look at, built once against Pulumi's mocks."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.deploy.graph import Graph, build


@pytest.fixture(scope="session")
def graph_of() -> Callable[..., Graph]:
    """Return `graph_of(mode, **keys of the configuration)`; equal calls share one graph."""
    built: dict[str, Graph] = {}

    def find(mode: str, **values: Any) -> Graph:
        key = repr((mode, sorted(values.items())))
        if key not in built:
            built[key] = build(mode, values)
        return built[key]

    return find
