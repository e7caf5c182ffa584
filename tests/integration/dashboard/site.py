"""The dashboard as a browser without a screen: it keeps the cookie and sends the forms of pages."""

import html
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

from callboard.local.ports import free_ports
from callboard.local.rabbitmq import RabbitNode
from callboard.local.redis import RedisServer
from tests.integration.worker.harness import Installation, Worker, installation
from tests.patience import PATIENCE_S


@dataclass(frozen=True)
class Answer:
    """One answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def title(self) -> str:
        """What the page is about."""
        return html.unescape(re.findall(r"<h1>(.*?)</h1>", self.text, re.DOTALL)[0].strip())

    def tasks(self) -> list[str]:
        """The ids of the tasks that a list links to, in order."""
        return re.findall(r'href="/queues/\w+/\w+/([0-9a-f-]{36})"', self.text)


@dataclass
class Site:
    """One dashboard process, as one visitor sees it."""

    process: Worker
    port: int
    cookie: str = ""
    #: Sent with every request.
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request and keep the cookie of the answer."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        sent = ({"Cookie": self.cookie} if self.cookie else {}) | self.headers | dict(headers or {})
        try:
            connection.request(method, path, body=body, headers=sent)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            answer = Answer(response.status, found, response.read().decode())
        finally:
            connection.close()
        if "set-cookie" in found:
            self.cookie = found["set-cookie"].split(";")[0]
        return answer

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Read a page."""
        return self.send("GET", path, headers=headers)

    def token(self) -> str:
        """The token of this visitor's forms."""
        if not self.cookie:
            self.get("/queues/default")
        return self.cookie.partition("=")[2]

    def post(
        self, path: str, headers: Mapping[str, str] | None = None, token: str | None = None, **form: str
    ) -> Answer:
        """Send a form as one of its pages does."""
        fields = {"__dd_csrf": self.token() if token is None else token} | form
        sent = {"Content-Type": "application/x-www-form-urlencoded", "Origin": self.url} | dict(headers or {})
        return self.send("POST", path, urlencode(fields).encode(), sent)

    def visitor(self, **headers: str) -> "Site":
        """Another visitor of the same process, who sends these headers."""
        return Site(self.process, self.port, headers=headers)


@contextmanager
def one_worker(folder: Path, rabbitmq: RabbitNode, redis: RedisServer) -> Iterator[Installation]:
    """A namespace of its own with one worker."""
    with installation(folder, rabbitmq.url, redis.url, f"t{secrets.token_hex(6)}") as made:
        made.worker(threads=4)
        yield made


def start(board: Installation, **settings: str) -> Site:
    """Start a dashboard process for an installation."""
    (port,) = free_ports(1)
    return Site(board.run("dashboard", DASHBOARD_PORT=str(port), **settings), port)
