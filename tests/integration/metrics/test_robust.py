"""Metrics when something is away: servers, or one of the web processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil

from callboard.local.ports import free_ports
from callboard.local.rabbitmq import RabbitNode
from callboard.local.redis import RedisServer
from tests.integration.api import serving
from tests.integration.api.serving import Board
from tests.integration.metrics.scraping import Scrape, scrape
from tests.patience import PATIENCE_S, stand_still, wait_until


def test_without_servers_a_scrape_says_what_is_away(tmp_path: Path) -> None:
    nobody = free_ports(2)
    urls = f"amqp://guest:guest@127.0.0.1:{nobody[0]}/", f"redis://127.0.0.1:{nobody[1]}/0"
    with serving.unready(tmp_path, *urls) as board:
        body = {"task_type": "reverse_text", "parameters": {"text": "a"}}
        assert board.client.post("/api/tasks", json=body).status_code == 503
        found = scrape(f"{board.url}/metrics")
    assert found("callboard_up", dependency="redis") == 0
    assert found("callboard_up", dependency="rabbitmq") == 0
    assert found("callboard_tasks_refused_total", reason="unavailable") == 1
    assert found.total("callboard_queue_depth") == 0
    assert found.total("callboard_build_info") == 1


def test_a_frozen_redis_takes_the_numbers_of_the_installation_away_until_it_is_back(
    rabbitmq: RabbitNode, own_redis: RedisServer, tmp_path: Path, namespace: str
) -> None:
    with serving.web_only(tmp_path, rabbitmq, own_redis, namespace) as board:

        def redis_is_up() -> float | None:
            return scrape(f"{board.url}/metrics")("callboard_up", dependency="redis")

        board.submit("reverse_text", {"text": "a"}, delay=600)
        stand_still(own_redis.pid)
        try:
            wait_until(lambda: redis_is_up() == 0, what="it is seen")
            found = scrape(f"{board.url}/metrics")
        finally:
            os.kill(own_redis.pid, signal.SIGCONT)
        assert found.total("callboard_tasks_accepted_total") == 1
        assert found("callboard_up", dependency="rabbitmq") == 1
        assert found("callboard_queue_delayed", queue="default") is None
        wait_until(lambda: redis_is_up() == 1, what="it is back")
        assert scrape(f"{board.url}/metrics")("callboard_queue_delayed", queue="default") == 1


def test_what_a_web_process_has_counted_outlives_it(stack: Board, web: Callable[[], Scrape]) -> None:
    (master,) = (each for each in stack.processes if each.name == "web")
    before = web().total("callboard_http_request_duration_seconds_count", status="404")
    for _ in range(5):
        stack.client.get("/api/tasks/01a203c7-aaed-7560-ab3e-e3057570e05b")
    (folder,) = _folders(master.pid)
    for _ in range(3):  # each time both, so that whoever counted is among them
        old = psutil.Process(master.pid).children()
        for child in old:
            child.send_signal(signal.SIGKILL)
        psutil.wait_procs(old, timeout=PATIENCE_S)
        wait_until(lambda: _answers(stack), what="others have taken their place")
    after = web().total("callboard_http_request_duration_seconds_count", status="404")
    assert after == before + 5
    wait_until(lambda: len(list(folder.glob("counter_*.db"))) <= 3, what="no file is left over")


def _answers(board: Board) -> bool:
    try:
        return board.client.get("/readyz").status_code == 200
    except Exception:  # noqa: BLE001 - the connection is that of a process which is gone
        return False


def _folders(pid: int | None) -> list[Path]:
    """Return the folders of metrics that a process has open."""
    opened = {path.resolve() for path in Path(f"/proc/{pid}/fd").iterdir()}
    return [each.parent for each in opened if each.name == "owned"]


def test_a_killed_service_leaves_a_folder_until_another_starts(
    tmp_path: Path,
) -> None:
    (tmp_path / "tmp").mkdir()
    making = "from callboard.metrics.processes import SharedFiles; import sys; made = SharedFiles(); "

    def run(then: str) -> int:
        env = {"TMPDIR": str(tmp_path / "tmp"), "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run([sys.executable, "-c", making + then], env=env, check=False).returncode

    assert run("import os; os.kill(os.getpid(), 9)") == -9
    (left,) = (tmp_path / "tmp").iterdir()
    assert run(f"sys.exit(made.path.with_name({left.name!r}).exists())") == 0
    assert run("made.remove()") == 0
    assert len(list((tmp_path / "tmp").iterdir())) == 0
