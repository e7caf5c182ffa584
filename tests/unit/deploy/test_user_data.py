"""What hosts run at their first start, checked as far as it can be without being one."""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.unit.deploy.graph import PROGRAM, Graph

GraphOf = Callable[..., Graph]
FILES = PROGRAM / "callboard_aws/files"
KINDS = {"worker": 1, "worker-email": 1, "worker-data": 1, "worker-files": 1}
#: Of EC2, before base64.
LIMIT_BYTES = 16_384


def scripts(graph_of: GraphOf) -> dict[str, str]:
    """Return the user-data of every host of both modes, by mode and host."""
    found = {}
    for mode, values in (("single", {}), ("multi", {"workers": KINDS})):
        graph = graph_of(mode, **values)
        for host in graph.of("ec2/instance:Instance"):
            found[f"{mode}-{host.name}"] = host.inputs["userData"]
        for template in graph.of("ec2/launchTemplate:LaunchTemplate"):
            found[f"{mode}-{template.name}"] = base64.b64decode(template.inputs["userData"]).decode()
    assert len(found) == 9
    return found


def files_of(script: str) -> dict[str, str]:
    """Return what a script writes: path and content."""
    written = re.findall(r"^install -D -m \d+ /dev/stdin (\S+) <<'(\S+)'\n(.*?)\n\2$", script, re.M | re.S)
    return {path: content + "\n" for path, _, content in written}


def shellcheck(*files: Path) -> None:
    program = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([program, "--severity=style", *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_script_is_good_bash_and_fits(graph_of: GraphOf, tmp_path: Path) -> None:
    paths = []
    for name, script in scripts(graph_of).items():
        assert script.startswith("#!/bin/bash\n")
        assert len(script.encode()) < LIMIT_BYTES
        path = tmp_path / f"{name}.sh"
        path.write_text(script, encoding="utf-8")
        subprocess.run(["bash", "-n", path], check=True)
        conf = tmp_path / f"{name}.conf.sh"
        conf.write_text("#!/bin/bash\n" + files_of(script)["/etc/callboard/host.conf"], encoding="utf-8")
        subprocess.run(["bash", "-euc", f". {conf}; : $GIT_URL $SCALE ${{SERVICES[0]}}"], check=True)
        paths.append(path)
    shellcheck(*paths, FILES / "callboard-host")
    subprocess.run(["bash", "-n", FILES / "callboard-host"], check=True)


def test_a_script_writes_the_files_as_they_are_in_the_repository(graph_of: GraphOf) -> None:
    for script in scripts(graph_of).values():
        written = files_of(script)
        for path, content in written.items():
            if (FILES / Path(path).name).exists():
                assert content == (FILES / Path(path).name).read_text(encoding="utf-8")
        assert {Path(path).name for path in written} == {
            "host.conf",
            "host.json",
            *(each.name for each in FILES.iterdir()),
        }
        compile(written["/usr/local/lib/callboard/parameters.py"], "parameters.py", "exec")
        json.loads(written["/etc/docker/daemon.json"])


def test_hosts_run_their_part_and_know_the_others(graph_of: GraphOf) -> None:
    found = {name: files_of(script) for name, script in scripts(graph_of).items()}
    services = {
        name: re.findall(r"^SERVICES=\((.*)\)$", files["/etc/callboard/host.conf"], re.M)[0].split()
        for name, files in found.items()
    }
    assert services.pop("single-host") == ["worker", "rabbitmq", "redis", "web", "scheduler", "dashboard"]
    assert services == {
        "multi-web": ["web"],
        "multi-rabbitmq": ["rabbitmq"],
        "multi-redis": ["redis"],
        "multi-scheduler": ["scheduler", "dashboard"],
        **{f"multi-{kind}": [kind] for kind in KINDS},
    }
    for name in ("multi-web", "multi-scheduler", *(f"multi-{kind}" for kind in KINDS)):
        fixed = json.loads(found[name]["/etc/callboard/host.json"])["fixed"]
        assert "@10.80.8.10:5672/" in fixed["CALLBOARD_BROKER_URL"]
        assert "@10.80.8.11:6379/" in fixed["CALLBOARD_REDIS_URL"]
        assert fixed["CALLBOARD_FILES_URL"] == "s3://callboard-uploads-1/files"


@pytest.fixture(scope="module")
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


def fill(graph: Graph, address: str) -> None:
    """Put the parameters of a stack into Parameter Store as Pulumi would."""
    client = boto3.client(
        "ssm", "eu-central-1", endpoint_url=address, aws_access_key_id="test", aws_secret_access_key="test"
    )
    for each in graph.of("ssm/parameter:Parameter"):
        inputs = each.inputs
        client.put_parameter(Name=inputs["name"], Value=inputs["value"], Type=inputs["type"], Overwrite=True)


def test_a_host_gets_its_environment_from_parameter_store(
    graph_of: GraphOf, parameter_store: str, aws_env: dict[str, str], tmp_path: Path
) -> None:
    graph = graph_of(
        "multi",
        settings={"CALLBOARD_MAIL_FROM": "Jobs $HOME <jobs@example.org>"},
        secretSettings={"CALLBOARD_SMTP_URL": "smtp://me:pa55#word@mail.example.org"},
    )
    fill(graph, parameter_store)
    host = tmp_path / "host.json"
    host.write_text(
        files_of(graph.one("ec2/instance:Instance", "web").inputs["userData"])["/etc/callboard/host.json"]
    )
    done = subprocess.run(
        [sys.executable, FILES / "parameters.py", host],
        env=aws_env,
        capture_output=True,
        text=True,
        check=True,
    )
    values = dict(line.split("=", 1) for line in done.stdout.splitlines())
    password = graph.one("ssm/parameter:Parameter", "redis-password").inputs["value"]
    key = graph.one("ssm/parameter:Parameter", "admin-key").inputs["value"]
    assert f":{password}@10.80.8.11:6379/" in values["CALLBOARD_REDIS_URL"]
    assert values["CALLBOARD_SMTP_URL"] == "'smtp://me:pa55#word@mail.example.org'"
    assert values["CALLBOARD_MAIL_FROM"] == "'Jobs $HOME <jobs@example.org>'"
    assert values["CALLBOARD_API_KEYS"] == f"'admin:admin:{key}'"
    assert values["CALLBOARD_GIT_REF"] == "'main'"


def test_a_parameter_that_is_not_there_is_named(aws_env: dict[str, str], tmp_path: Path) -> None:
    host = tmp_path / "host.json"
    wanted = {"region": "eu-central-1", "variables": {"X": "/callboard/none/x"}, "documents": [], "fixed": {}}
    host.write_text(json.dumps(wanted))
    done = subprocess.run(
        [sys.executable, FILES / "parameters.py", host],
        env=aws_env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "callboard-host: no such parameter: /callboard/none/x\n"
    assert done.stdout == ""
