"""What hosts run at their first start, checked as far as it can be without being one."""

import base64
import json
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.containers import env, servers
from tests.unit.deploy.graph import CERTIFICATE, PROGRAM, Graph
from tests.unit.deploy.host_files import files_of, fill

GraphOf = Callable[..., Graph]
FILES = PROGRAM / "callboard_aws/files"
KINDS = {"worker": 1, "worker-email": 1, "worker-data": 1, "worker-files": 1}
#: Of EC2, before base64.
LIMIT_BYTES = 16_384
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 (compared)


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
        subprocess.run(["bash", "-euc", f". {conf}; : $GIT_URL $APPLICATION $ONE_A_CORE $SIZED"], check=True)
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


def test_what_may_change_is_not_in_user_data_so_no_host_is_replaced_for_it(graph_of: GraphOf) -> None:
    changes = {
        "gitRef": "v1.5.0",
        "image": "registry.example.org/callboard:1.5.0",
        "workers": 5,
        "webPort": "8080",
        "certificateArn": CERTIFICATE,
        "settings": {"CALLBOARD_LOG_LEVEL": "DEBUG"},
        "secretSettings": {"CALLBOARD_SMTP_URL": "smtp://mail.example.org"},
    }
    for mode, hosts in (("single", ["host"]), ("multi", ["web", "rabbitmq", "redis", "scheduler"])):
        for host in hosts:
            before = graph_of(mode).one("ec2/instance:Instance", host)
            after = graph_of(mode, **changes).one("ec2/instance:Instance", host)
            assert after.inputs["userData"] == before.inputs["userData"]
    release = graph_of("single", **changes).one("ssm/parameter:Parameter", "release").inputs["value"]
    assert json.loads(release) == {
        "CALLBOARD_GIT_REF": "v1.5.0",
        "CALLBOARD_IMAGE": "registry.example.org/callboard:1.5.0",
        "CALLBOARD_WORKERS": "5",
        "CALLBOARD_PORT": "8080",
        "CALLBOARD_PROXIES": "10.80.0.0/24,10.80.1.0/24",
        "CALLBOARD_LOG_LEVEL": "DEBUG",
    }


EnvOf = Callable[[str], str]


@pytest.fixture
def env_of(
    aws_env: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> EnvOf:
    """Return `env_of(user-data)`: the .env that a host makes of its parameters."""
    for name, value in aws_env.items():
        monkeypatch.setenv(name, value)
    host = tmp_path / "host.json"
    monkeypatch.setattr(sys, "argv", ["parameters.py", str(host)])

    def find(script: str) -> str:
        host.write_text(files_of(script)["/etc/callboard/host.json"], encoding="utf-8")
        runpy.run_path(str(FILES / "parameters.py"), run_name="__main__")
        return capsys.readouterr().out

    return find


SERVICES = {
    "single-host": ["scheduler", "worker", "dashboard", "web", "rabbitmq", "redis"],
    "multi-web": ["web"],
    "multi-rabbitmq": ["rabbitmq"],
    "multi-redis": ["redis"],
    "multi-scheduler": ["scheduler", "dashboard"],
    **{f"multi-{kind}": [kind] for kind in KINDS},
}


def test_every_host_runs_its_part_with_an_env_that_make_up_takes(
    graph_of: GraphOf, parameter_store: str, env_of: EnvOf, tmp_path: Path
) -> None:
    fill(graph_of("single"), parameter_store)
    fill(graph_of("multi", workers=KINDS), parameter_store)
    found = {}
    for name, script in scripts(graph_of).items():
        path = tmp_path / f"{name}.env"
        path.touch(mode=0o600)
        path.write_text(env_of(script), encoding="utf-8")
        found[name] = env.load(path, {})  # raises on what is missing, weak or of no use
    assert {name: each.services for name, each in found.items()} == SERVICES
    written = {}
    for name, each in found.items():
        servers.write(each, tmp_path / name)
        written[name] = {path.name for path in (tmp_path / name).iterdir()}
    assert written["multi-rabbitmq"] == {"definitions.json", "memory.conf"}
    assert written["multi-redis"] == {"users.acl"}
    assert written["multi-worker"] == set()
    rabbitmq, redis = found["multi-rabbitmq"], found["multi-redis"]
    assert rabbitmq.get("CALLBOARD_PRIVATE_ADDRESS") == "10.80.8.10"
    assert redis.get("CALLBOARD_PRIVATE_ADDRESS") == "10.80.8.11"
    for name, each in found.items():
        secrets = env.secrets_of(each)
        if name not in ("multi-rabbitmq", "multi-redis", "single-host"):
            assert f"@{rabbitmq.get('CALLBOARD_PRIVATE_ADDRESS')}:5672/" in each.get("CALLBOARD_BROKER_URL")
            assert f"@{redis.get('CALLBOARD_PRIVATE_ADDRESS')}:6379/" in each.get("CALLBOARD_REDIS_URL")
            assert secrets.broker_password == env.secrets_of(rabbitmq).broker_password
            assert secrets.redis_password == env.secrets_of(redis).redis_password
            assert each.get("CALLBOARD_FILES_URL") == "s3://callboard-uploads-1/files"
    assert found["single-host"].port("web") == (EVERY_ADDRESS, 80)
    assert found["multi-web"].port("web") == (EVERY_ADDRESS, 80)
    assert found["multi-scheduler"].port("dashboard") == ("127.0.0.1", 5555)


def test_settings_reach_the_hosts_that_run_callboard_secret_ones_too(
    graph_of: GraphOf, parameter_store: str, env_of: EnvOf
) -> None:
    graph = graph_of(
        "multi",
        settings={"CALLBOARD_MAIL_FROM": "Jobs #1 <jobs@example.org>"},
        secretSettings={"CALLBOARD_SMTP_URL": "smtp://me:pa55#word@mail.example.org"},
        dashboardCidrs=["203.0.113.7/32"],
        certificateArn=CERTIFICATE,
    )
    fill(graph, parameter_store)

    def lines(host: str) -> list[str]:
        script = graph.one("ec2/instance:Instance", host).inputs["userData"]
        return env_of(script).splitlines()

    key = graph.one("ssm/parameter:Parameter", "admin-key").inputs["value"]
    assert {
        "CALLBOARD_SMTP_URL='smtp://me:pa55#word@mail.example.org'",
        "CALLBOARD_MAIL_FROM='Jobs #1 <jobs@example.org>'",
        f"CALLBOARD_API_KEYS='admin:admin:{key}'",
        "CALLBOARD_GIT_REF='main'",
        "CALLBOARD_PROXIES='10.80.0.0/24,10.80.1.0/24'",
    } <= set(lines("web"))
    assert "CALLBOARD_DASHBOARD_BIND='0.0.0.0'" in lines("scheduler")
    assert not any("SMTP" in line or key in line for line in lines("redis"))


def test_a_parameter_that_is_not_there_is_named(env_of: EnvOf) -> None:
    wanted = {"region": "eu-central-1", "secrets": {"x": "/callboard/none/x"}, "documents": [], "env": {}}
    script = f"install -D -m 0644 /dev/stdin /etc/callboard/host.json <<'END'\n{json.dumps(wanted)}\nEND\n"
    with pytest.raises(SystemExit, match=r"^callboard-host: no such parameter: /callboard/none/x$"):
        env_of(script)
