"""Fixtures of the HTTP tests. Both modes are started once; each test says by `board` that it runs on both."""

import secrets
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from callboard.local.ports import free_ports
from tests.integration.api import serving
from tests.integration.api.serving import Board
from tests.patience import PATIENCE_S

MODES = ("embedded", "stack")


class Mailbox:
    """An SMTP server's handler that keeps what it takes."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.taken.append(message_from_bytes(envelope.content, policy=policy.SMTP))
        return "250 OK"

    def find(self, task_id: str) -> list[EmailMessage]:
        """Return the mails of a task."""
        return [mail for mail in self.taken if task_id in mail["Message-ID"]]


@pytest.fixture(scope="session")
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture(scope="session")
def smtp_url(mailbox: Mailbox) -> Iterator[str]:
    """The address of a real SMTP server."""
    (port,) = free_ports(1)
    controller = Controller(mailbox, hostname="127.0.0.1", port=port, ready_timeout=PATIENCE_S)
    controller.start()
    yield f"smtp://127.0.0.1:{port}"
    controller.stop()


@pytest.fixture(scope="session", params=MODES)
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, smtp_url: str
) -> Iterator[Board]:
    """Callboard in one mode, for the whole run."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "embedded":
        made = serving.embedded(folder, smtp_url=smtp_url)
    else:
        rabbitmq, redis = (request.getfixturevalue(name) for name in ("rabbitmq", "redis_server"))
        made = serving.stack(folder, rabbitmq, redis, f"t{secrets.token_hex(6)}", smtp_url=smtp_url)
    with made as board:
        yield board
    assert board.new_bugs() == []


@pytest.fixture
def board(running: Board) -> Iterator[Board]:
    """Callboard in both modes, one after the other; afterwards its logs tell of no bug."""
    yield running
    assert running.new_bugs() == []


@pytest.fixture(scope="session", params=("embedded", "without-c", "web"))
def untouched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """A Callboard that has never accepted a task.

    With gunicorn's parser in C, with the one in Python, and on real servers without a worker.
    """
    folder = tmp_path_factory.mktemp(f"untouched-{request.param}")
    if request.param == "embedded":
        made = serving.embedded(folder)
    elif request.param == "without-c":
        made = serving.without_c(folder)
    else:
        rabbitmq, redis = (request.getfixturevalue(name) for name in ("rabbitmq", "redis_server"))
        made = serving.web_only(folder, rabbitmq, redis, f"t{secrets.token_hex(6)}")
    with made as board:
        yield board
        assert _messages(request, board.namespace) == 0
    assert board.new_bugs() == []


def _messages(request: pytest.FixtureRequest, namespace: str) -> int:
    """Return how many messages lie in the queues of a namespace in RabbitMQ."""
    if not namespace:
        return 0
    lines = request.getfixturevalue("rabbitmq").ctl(
        "list_queues", "-q", "-p", "callboard", "name", "messages"
    )
    found = [line.split() for line in lines.splitlines() if namespace in line and ".marker" not in line]
    assert found
    return sum(int(number) for _, number in found)


@pytest.fixture
def still_empty(untouched: Board) -> Iterator[Board]:
    """Callboard for bad requests: after each one nothing is recorded, and nothing waits in a queue."""
    yield untouched
    assert untouched.client.get("/api/tasks").json() == {"tasks": [], "next": None}
    for queue in untouched.client.get("/api/queues").json()["queues"]:
        assert {queue[name] for name in ("ready", "unacked", "delayed", "dead")} == {0}, queue
    assert untouched.new_bugs() == []
