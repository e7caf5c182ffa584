"""`make up` where waiting is no use: the container's last words at once, and what runs now.

The engine here is a script that plays one: what it is told to show as containers, and what these have logged.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from callboard.local.ports import free_ports
from deploy.containers import dotenv
from deploy.containers.compose import find
from deploy.containers.env import load
from deploy.containers.hopeless import Watch
from deploy.containers.trouble import Trouble
from tests.servers import ROOT

ENGINE = """#!/bin/sh
echo "$*" >>"$RECORD"
case "$*" in
    *version) echo "Docker Compose version v2.39.1" ;;
    "image inspect"*) test -n "$HAS_IMAGE" && echo sha256:1 ;;
    pull*) echo "Error: no such image" >&2; exit 1 ;;
    *" up "*) touch "$RECORD.up" ;;
    *" down"*) rm -f "$RECORD.up" ;;
    ps*) test ! -f "$RECORD.up" || printf '%s\\n' "$CONTAINERS" ;;
    "inspect --format {{.Image}}"*) echo sha256:1 ;;
    "inspect --format {{.Id}} "*) echo >>"$RECORD.looks"; echo "c1 $(wc -l <"$RECORD.looks")" ;;
    logs*) printf '%s\\n' "$LOGS" ;;
esac
"""

_WRONG = '{"level": "ERROR", "message": "no good", "traceback": "Traceback\\n  file\\nValueError: of course"}'


@pytest.fixture
def host(tmp_path: Path) -> dict[str, str]:
    """A checkout with an engine, whose environment this is."""
    (tmp_path / "bin").mkdir()
    for name in ("docker", "docker-compose"):
        (tmp_path / "bin" / name).write_text(ENGINE)
        (tmp_path / "bin" / name).chmod(0o755)
    dotenv.first_use(tmp_path / ".env")
    web, dashboard, pages = map(str, free_ports(3))
    return {
        "PATH": f"{tmp_path}/bin:/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
        "RECORD": str(tmp_path / "record"),
        "HAS_IMAGE": "yes",
        "CALLBOARD_IMAGE": "registry.example/callboard:1",
        "CALLBOARD_PORT": web,
        "CALLBOARD_DASHBOARD_PORT": dashboard,
        "CALLBOARD_RABBITMQ_UI_PORT": pages,
        "LOGS": _WRONG,
    }


def up(host: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    folder = Path(host["RECORD"]).parent
    argv = [sys.executable, "-m", "deploy.containers", "--root", str(folder), "up"]
    done = subprocess.run(argv, env=host, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done
    return done


@pytest.mark.parametrize(
    ("state", "told"), [("restarting", "worker has ended"), ("running", "worker ends again and again")]
)
def test_a_container_that_does_not_stay_up_is_shown_at_once(
    host: dict[str, str], state: str, told: str
) -> None:
    done = up(host | {"CONTAINERS": f"c1\tcallboard-worker-1\t{state}\tworker"})
    assert done.stderr.splitlines() == [
        "the last lines of callboard-worker-1:",
        "  ERROR no good | ValueError: of course",
        f"callboard: {told}: ERROR no good | ValueError: of course",
    ]
    assert done.stdout.endswith("nothing runs now; the data is kept\n")
    assert " down\n" in Path(host["RECORD"]).read_text()


def test_an_image_that_is_not_to_be_had_is_neither_built_nor_waited_for(host: dict[str, str]) -> None:
    done = up(host | {"HAS_IMAGE": ""})
    assert done.stderr.startswith("callboard: .env: CALLBOARD_IMAGE=registry.example/callboard:1 is not here")
    assert done.stderr.count("\n") == 1
    assert " up " not in Path(host["RECORD"]).read_text()


def test_a_server_is_started_anew_by_the_next_up_when_the_last_one_did_not_come_to_it(
    host: dict[str, str],
) -> None:
    """Its file has the new password by then, and it would go on with the old one."""
    folder = Path(host["RECORD"]).parent
    up(host | {"CONTAINERS": "c1\tcallboard-worker-1\texited\tworker"})
    file = folder / ".env"
    dotenv.change(file, "REDIS_ADMIN_PASSWORD", "another-one-of-length-Xq7")
    rows = "r1\tcallboard-redis-1\trunning\tredis\nc1\tcallboard-worker-1\texited\tworker"
    (folder / "record.up").touch()
    docker = folder / "bin/docker-compose"
    works = docker.read_text()
    breaks = works.replace('touch "$RECORD.up"', "exit 1")
    for program in ("docker", "docker-compose"):
        (folder / "bin" / program).write_text(breaks)
    up(host | {"CONTAINERS": rows})
    for program in ("docker", "docker-compose"):
        (folder / "bin" / program).write_text(works)
    (folder / "record").unlink()
    up(host | {"CONTAINERS": rows})
    assert " --force-recreate redis\n" in (folder / "record").read_text()


def test_only_a_refusal_that_lasts_ends_the_waiting(host: dict[str, str]) -> None:
    folder, now = Path(host["RECORD"]).parent, [0.0]
    rows = host | {"CONTAINERS": "w1\tcallboard-web-1\trunning\tweb"}
    (folder / "record.up").touch()
    watch = Watch(find(folder, load(folder / ".env", rows), rows), lambda: now[0])
    refused = {"web": "Redis cannot serve now: AuthenticationError: invalid username-password pair"}
    watch.look(refused)
    now[0] = 5.0
    watch.look({"web": "no answer"})
    watch.look(refused)
    now[0] = 10.5
    watch.look(refused)
    now[0] = 11.5
    with pytest.raises(Trouble, match=r"CALLBOARD_REDIS_URL has another user or password"):
        watch.look(refused)
