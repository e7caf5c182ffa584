"""Every stack the tests look at, built once against Pulumi's mocks."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

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


@pytest.fixture(scope="session")
def parameter_store() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture
def aws_env(parameter_store: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": parameter_store,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
        "PATH": os.environ["PATH"],
    }
