"""`make screenshots`: every page with the data of a busy afternoon, wide and narrow, light and dark.

Runs a real stack of its own (RabbitMQ, Redis, web, worker), fills it, and writes docs/images/*.png.
Usage: python -m tests.browser.screenshots [NAME…]; without names, every page.
"""

import base64
import contextlib
import random
import struct
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import redis
from playwright.sync_api import Browser, Page, sync_playwright

from callboard.local.ports import free_ports
from tests.browser.conftest import ARGUMENTS, chromium
from tests.integration.api import serving
from tests.integration.api.serving import Board
from tests.servers import ROOT, running_rabbitmq, running_redis

IMAGES = ROOT / "docs/images"
NAMESPACE = "demo"
WIDTHS = {1280: 860, 390: 844}
THEMES = ("light", "dark")
#: Pixels of the highest image: what comes below says nothing new.
HIGHEST = 1500


@dataclass(frozen=True)
class Shot:
    """One page: its address (made from the board), and what is done on it before it is taken."""

    name: str
    #: A path, or the whole address of a page that another program serves.
    address: Callable[[Board], str]
    prepare: Callable[[Page], None] = lambda _page: None


def submit_one(page: Page) -> None:
    """Submit the form's example and wait for its result."""
    page.click("#send")
    page.wait_for_selector("#result")
    page.evaluate("scrollTo(0, 0)")


def newest(board: Board, task_type: str, status: str) -> str:
    """Return the id of the newest task of a type and state."""
    found = board.client.get("/api/tasks", params={"type": task_type, "status": status, "limit": 1}).json()
    return str(found["tasks"][0]["task_id"])


def observed(board: Board) -> str:
    """Return the address that observes two tasks that run, one that waits and one that has ended."""
    running = board.client.get("/api/tasks", params={"status": "running"}).json()["tasks"]
    ids = [each["task_id"] for each in running]
    ids += [newest(board, "flaky", "retrying"), newest(board, "data_processing", "succeeded")]
    return "/observe?" + "&".join(f"id={each}" for each in ids)


def first_schedule(board: Board) -> str:
    """Return the id of a schedule."""
    return str(board.client.get("/api/schedules").json()["schedules"][0]["schedule_id"])


#: Every page; add one here and `make screenshots` takes it.
SHOTS = [
    Shot("home", lambda _board: "/", submit_one),
    Shot("tasks", lambda _board: "/tasks"),
    Shot("task", lambda board: f"/tasks/{newest(board, 'long_running', 'running')}"),
    Shot("task-failed", lambda board: f"/tasks/{newest(board, 'flaky', 'failed')}"),
    Shot("observe", observed),
    Shot("failed", lambda _board: "/failed"),
    Shot("queues", lambda _board: "/queues"),
    Shot("workers", lambda _board: "/workers"),
    Shot("schedules", lambda _board: "/schedules"),
    Shot("schedule", lambda board: f"/schedules/{first_schedule(board)}"),
    Shot("keys", lambda _board: "/keys"),
    Shot("audit", lambda _board: "/audit"),
    Shot("docs", lambda _board: "/docs"),
    Shot("dashboard", lambda board: f"http://127.0.0.1:{board.dashboard_port}/"),
]


def fill(board: Board, url: str) -> None:
    """Submit tasks of every type and state, and put an hour of statistics behind them."""
    drawn = random.Random(7)
    board.run("data_processing", {"data": [1.5, 2, 3, 5, 8, 13]}, tags=["report", "june"])
    for text in ("Great service, thank you!", "The parcel never came.", "It is a table."):
        board.run("sentiment", {"text": text}, tags=["feedback"])
    board.run("email_sending", {"to": "ann@example.org", "subject": "Your report", "body": "It is ready."})
    for message, times in (
        ("the printer is on fire", 3),
        ("invoice 4711 has no address", 2),
        ("timed out", 1),
    ):
        for _ in range(times):
            board.run("flaky", {"fail_times": 9, "message": message}, max_retries=0)
    board.run("file_processing", {"filename": "june.csv"})
    board.run("flaky", {"fail_times": 1, "message": "connection refused"}, max_retries=1)
    for wait in (900, 7200):
        board.submit("reverse_text", {"text": "good morning"}, delay=wait, tags=["greeting"])
    cancelled = board.submit("sentiment", {"text": "never mind"}, delay=600)
    board.client.post(cancelled["links"]["cancel"])
    for text in ("stressed", "drawer", "live"):
        board.run("reverse_text", {"text": text}, priority="high")
    board.submit("flaky", {"fail_times": 9, "message": "the upstream answers 502"}, max_retries=8)
    for duration, priority in ((1800, "high"), (90, "normal"), (45, "low")):
        board.submit("long_running", {"duration": duration}, priority=priority, tags=["nightly"])
    plan(board)
    for name, role in (("shop", "submit"), ("grafana", "read"), ("ann", "operate")):
        board.client.post("/api/keys", json={"name": name, "role": role}).raise_for_status()
    history(redis.Redis.from_url(url), drawn)


def plan(board: Board) -> None:
    """Save schedules, one of them paused and one that has run."""
    for name, cron, zone, task_type, parameters in (
        ("Nightly report", "30 6 * * 1-5", "Europe/Berlin", "data_processing", {"data": [3, 5, 8]}),
        ("Weekly mail", "0 9 * * mon", "America/New_York", "email_sending",
         {"to": "team@example.org", "subject": "This week", "body": "What happened."}),
        ("Check the feed", "*/15 * * * *", "UTC", "sentiment", {"text": "Steady."}),
    ):  # fmt: skip
        task = {"task_type": task_type, "parameters": parameters}
        made = board.client.post(
            "/api/schedules", json={"name": name, "cron": cron, "time_zone": zone, "task": task}
        )
        made.raise_for_status()
        address = f"/api/schedules/{made.json()['schedule_id']}"
        board.client.post(f"{address}/{'pause' if name == 'Weekly mail' else 'run'}").raise_for_status()


def history(client: Any, drawn: random.Random) -> None:
    """Write an hour as conclude.lua counts it (callboard/store/stats.py says what the fields are)."""
    current = int(time.time() // 60)
    shape = {
        "reverse_text": (60, 4),
        "sentiment": (35, 9),
        "email_sending": (14, 17),
        "data_processing": (8, 20),
    }
    for ago in range(1, 60):
        key = f"{NAMESPACE}:stats:{current - ago}"
        busy = 0.55 + 0.45 * abs((ago % 34) - 17) / 17
        for task_type, (per_minute, bucket) in shape.items():
            for _ in range(round(per_minute * busy * drawn.uniform(0.7, 1.2))):
                failed = drawn.random() < (0.09 if 20 < ago < 25 else 0.008)
                client.hincrby(key, f"{task_type}|{'failed' if failed else 'succeeded'}", 1)
                client.hincrby(key, f"{task_type}|run|{round(drawn.gauss(bucket, 1.4))}", 1)
                client.hincrby(key, f"{task_type}|wait|{max(0, round(drawn.gauss(5, 2)))}", 1)
            if 18 < ago < 27:
                client.hincrby(key, f"{task_type}|retrying", drawn.randint(0, 6))
        client.expire(key, 90_000)


@contextlib.contextmanager
def demo() -> Iterator[Board]:
    """Run the stack and fill it."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        rabbitmq = stack.enter_context(running_rabbitmq(folder / "rabbitmq"))
        server = stack.enter_context(running_redis(folder / "redis"))
        (port,) = free_ports(1)
        board = stack.enter_context(
            serving.stack(
                folder, rabbitmq, server, NAMESPACE, smtp_url="console://", dashboard_port=port,
                beside=("scheduler", "dashboard"),
            )
        )  # fmt: skip
        board.dashboard_port = port
        fill(board, server.url)
        yield board


def small(page: Page, png: bytes) -> bytes:
    """Return the image in 256 colours, which is a third of its size."""
    script = Path(__file__).with_name("palette.js").read_text("utf-8")
    found = page.evaluate(script[script.index("async") :], base64.b64encode(png).decode())

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", found["width"], found["height"], 8, 3, 0, 0, 0)
    parts = [(b"IHDR", header), (b"PLTE", base64.b64decode(found["palette"]))]
    parts += [(b"IDAT", base64.b64decode(found["data"])), (b"IEND", b"")]
    return png[:8] + b"".join(part(kind, data) for kind, data in parts)


def take(browser: Browser, board: Board, shot: Shot, width: int, theme: Any) -> None:
    """Take one image."""
    page = browser.new_page(
        viewport={"width": width, "height": WIDTHS[width]},
        color_scheme=theme,
        reduced_motion="reduce",
        locale="en",
    )
    page.goto(urljoin(board.url, shot.address(board)))
    page.wait_for_selector("#live[data-state=live], main")
    shot.prepare(page)
    page.wait_for_timeout(700)
    height = min(HIGHEST, page.evaluate("document.documentElement.scrollHeight"))
    path = IMAGES / f"{shot.name}-{width}-{theme}.png"
    page.set_viewport_size({"width": width, "height": height})
    path.write_bytes(small(page, page.screenshot()))
    print(f"{path.relative_to(ROOT)}  {path.stat().st_size // 1024} KB")
    page.close()


def main(names: list[str]) -> None:
    """Take the images of these pages."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    wanted = [shot for shot in SHOTS if not names or shot.name in names]
    with demo() as board, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        for shot in wanted:
            for width in WIDTHS:
                for theme in THEMES:
                    take(browser, board, shot, width, theme)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
