"""`callboard-host` itself: from parameters and a repository to the start of containers."""

import base64
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.deploy.graph import GIT_URL, Graph
from tests.unit.deploy.host_files import files_of, fill

GraphOf = Callable[..., Graph]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose deploy/containers tells what it was asked, and with which .env."""
    folder = tmp_path / "repository"
    package = folder / "deploy/containers"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(
        "import sys; print('asked:', *sys.argv[1:]); print(open('.env').read())"
    )
    git = ["git", "-C", str(folder), "-c", "user.name=me", "-c", "user.email=me@example.org"]
    subprocess.run(["git", "init", "-q", "-b", "main", folder], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "one"], check=True)
    return folder


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("worker", ["CALLBOARD_WORKERS="]),
        ("redis", ["CALLBOARD_REDIS_MEMORY=", "CALLBOARD_REDIS_MAXMEMORY="]),
    ],
)
def test_a_host_fetches_the_code_writes_env_and_starts(
    graph_of: GraphOf,
    parameter_store: str,
    aws_env: dict[str, str],
    tmp_path: Path,
    repository: Path,
    host: str,
    expected: list[str],
) -> None:
    graph = graph_of("multi", image="registry.example.org/callboard:1.4.0")
    fill(graph, parameter_store)
    user_data = (
        base64.b64decode(graph.one("ec2/launchTemplate:LaunchTemplate", host).inputs["userData"]).decode()
        if host == "worker"
        else graph.one("ec2/instance:Instance", host).inputs["userData"]
    )
    moved = {f"/{place}": f"{tmp_path}/{place}" for place in ("etc/callboard", "opt", "run", "usr/local")}
    program = tmp_path / "bin/callboard-host"
    for path, content in files_of(user_data).items():
        for old, new in moved.items():
            content = re.sub(rf"(?<![\w/]){old}(?=/)", new, content)
        place = program if path.endswith("callboard-host") else Path(moved.get(path, f"{tmp_path}{path}"))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content.replace(GIT_URL, str(repository)), encoding="utf-8")
    (tmp_path / "opt").mkdir()
    docker = tmp_path / "bin/docker"
    docker.write_text('#!/bin/sh\necho "docker $*"\n')
    python = tmp_path / "bin/python3"  # a link would not find what its venv has
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    for each in (docker, python, program):
        each.chmod(0o755)
    where = {"PATH": f"{tmp_path}/bin:{aws_env['PATH']}", "HOME": str(tmp_path)}
    done = subprocess.run(
        ["bash", program, "up"], env={**aws_env, **where}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.splitlines()
    assert ("docker pull -q registry.example.org/callboard:1.4.0" in said) == (host == "worker")
    assert "asked: up" in said
    assert (tmp_path / "opt/callboard/.env").resolve() == tmp_path / "run/callboard/env"
    assert (tmp_path / "run/callboard/env").stat().st_mode & 0o777 == 0o600
    for name in expected:
        assert any(re.fullmatch(rf"{name}\d+(mb?)?", line) for line in said)
    again = subprocess.run(
        ["bash", program, "key", "create", "me"],
        env={**aws_env, **where},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "asked: key create me" in again.stdout
