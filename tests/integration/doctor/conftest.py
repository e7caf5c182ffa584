"""One installation for all tests of the doctor; each leaves it healthy."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from callboard.local.ports import free_ports
from callboard.local.process import ServerProcess
from callboard.local.rabbitmq import RabbitNode
from callboard.local.redis import RedisServer
from callboard.settings import Settings
from tests.integration.doctor.patient import Patient, ill
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="package")
def patient(
    own_rabbitmq: RabbitNode, own_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Patient]:
    """Web, worker and scheduler; each test leaves it healthy."""
    folder = tmp_path_factory.mktemp("patient")
    settings = Settings(
        broker_url=own_rabbitmq.url,
        redis_url=own_redis.url,
        namespace=f"t{secrets.token_hex(6)}",
        files_url=(folder / "files").as_uri(),
        port=free_ports(1)[0],
        threads=2,
    )
    names = ("broker_url", "redis_url", "namespace", "files_url", "port", "threads")
    env = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    env |= {f"CALLBOARD_{name.upper()}": str(getattr(settings, name)) for name in names}
    processes = {name: ServerProcess(name, folder / f"{name}.log") for name in ("web", "worker", "scheduler")}
    made = Patient(settings, env, processes)
    try:
        for name in processes:
            made.start(name)
        made.wait_healthy()
        yield made
        assert not ill(made.examine())
    finally:
        for process in processes.values():
            process.stop(PATIENCE_S)
        made.client.close()


@pytest.fixture
def healthy(patient: Patient) -> Patient:
    """The installation; a test that stops one of its processes ends with `wait_healthy`."""
    return patient
