"""A name of somebody else that leads to 127.0.0.1 (DNS rebinding) opens nothing to that site's pages."""

import json
import socket
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from tests.integration.api import problem, serving
from tests.integration.api.serving import Board, body
from tests.integration.live.watch import connect
from tests.patience import PATIENCE_S

REVERSE = body("reverse_text", {"text": "a"})
FOREIGN = "evil.example"


@pytest.mark.parametrize(
    "path",
    ["/", "/api/tasks", "/api/keys", "/api/events", "/metrics", "/docs", "/static/base.css", "/healthz"],
)
def test_nothing_is_read_under_a_foreign_name(board: Board, path: str) -> None:
    answer = board.client.get(path, headers={"Host": f"{FOREIGN}:{board.port}"})
    told = problem.check(answer, 421, "misdirected")
    assert "CALLBOARD_HOST_NAMES" in told["detail"]
    assert f"127.0.0.1:{board.port}" not in answer.text


def test_nothing_is_changed_under_a_foreign_name(still_empty: Board) -> None:
    host = f"{FOREIGN}:{still_empty.port}"
    own = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    for method, path in (("POST", "/api/tasks"), ("POST", "/api/queues/default/purge"), ("POST", "/sign-in")):
        problem.check(still_empty.client.request(method, path, headers=own, json=REVERSE), 421, "misdirected")


def test_every_name_of_loopback_is_ours(board: Board) -> None:
    for host in (f"localhost:{board.port}", "LOCALHOST", "127.0.0.1", f"[::1]:{board.port}", "127.9.9.9"):
        assert board.client.get("/api/tasks", headers={"Host": host}).status_code == 200


def test_a_websocket_is_refused_as_well(board: Board) -> None:
    task = board.submit("reverse_text", {"text": "a"}, delay=3600)
    address = f"ws://127.0.0.1:{board.port}/ws/tasks/{task['task_id']}"
    foreign = f"http://{FOREIGN}:{board.port}"
    with pytest.raises(InvalidStatus):
        connect(
            address.replace("127.0.0.1", FOREIGN),
            sock=socket.create_connection(("127.0.0.1", board.port)),
            origin=foreign,  # type: ignore[arg-type]
        )
    with connect(address, origin=f"http://127.0.0.1:{board.port}") as own:  # type: ignore[arg-type]
        assert json.loads(own.recv(timeout=PATIENCE_S))["status"] == "scheduled"
    board.client.post(task["links"]["cancel"])


def test_the_names_of_the_setting_are_ours(tmp_path: Path) -> None:
    with serving.embedded(tmp_path, host_names="tasks.example.org") as board:
        own = {"Host": "tasks.example.org", "Origin": "https://tasks.example.org"}
        assert board.client.post("/api/tasks", headers=own, json=REVERSE).status_code == 202
        answer = board.client.get("/api/tasks", headers={"Host": "x.tasks.example.org"})
        problem.check(answer, 421, "misdirected")


def test_where_a_key_is_asked_for_any_name_will_do(tmp_path: Path) -> None:
    key = "cb_" + "a" * 43
    with serving.embedded(tmp_path, auth="required", api_keys=f"ops:admin:{key}", key=key) as board:
        assert board.client.get("/api/tasks", headers={"Host": "tasks.example.org"}).status_code == 200
        page = board.client.get("/docs", headers={"Host": "a$(id)", "Accept": "text/html"})
        assert page.status_code == 200
        assert "$(id)" not in page.text
