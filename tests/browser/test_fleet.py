"""Failed, Queues, Workers; and on every page: nothing sticks out, and what is hostile is only text."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, Route, expect

from callboard.local.ports import free_ports
from tests.browser.test_problems import HOSTILE, SHOWN
from tests.browser.test_task_page import UNKNOWN
from tests.integration.api import serving
from tests.integration.api.serving import Board

pytestmark = pytest.mark.asyncio(loop_scope="session")

CORPUS = [
    HOSTILE,
    "<svg/onload=alert(1)>",
    "javascript:alert(1)",
    "{{7*7}}${7*7}<%= 7*7 %>",
    "</script><script>alert(1)</script>",
    "</textarea></title><iframe srcdoc='<script>alert(1)</script>'>",
    '" onmouseover="alert(1)',
    "\u202eevil\u2066 \u200b hidden",
]
#: Elements that only hostile text would make.
MADE = "main :is(img, script, iframe, object, b, [onerror], [onload], [onmouseover])"


async def test_what_failed_is_grouped_and_retried_with_its_number(page: Page, board: Board) -> None:
    for n in range(3):
        board.run("flaky", {"fail_times": 1, "message": f"group {n}"}, max_retries=0)
    missing = board.run("file_processing", {"filename": "nowhere.csv"})
    await page.goto("/failed")
    group = page.locator("section.group[data-type=flaky]")
    row = group.locator("li").first
    await expect(row).to_contain_text("RuntimeError")
    files = page.locator("section.group[data-type=file_processing]")
    await expect(files).to_contain_text("nowhere.csv")
    await expect(files.get_by_role("link", name="Newest")).to_have_attribute(
        "href", f"/tasks/{missing['task_id']}"
    )
    number = board.client.get("/api/dead-letters?type=flaky").json()["failed"]
    await group.get_by_role("button", name=f"Retry all {number}").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text(f"Retry {number} tasks?")
    await dialog.get_by_role("button", name=f"Retry {number} tasks").click()
    await expect(page.locator("#operation .words")).to_have_text(f"{number} of {number} tasks retried")
    await page.locator("section.group h2 a", has_text="file_processing").click()
    await expect(page).to_have_url(re.compile(r"/tasks\?status=failed&type=file_processing"))


async def test_queues_and_workers_show_what_goes_on(page: Page, board: Board) -> None:
    task = board.submit("long_running", {"duration": 600})
    await page.goto("/queues")
    queue = page.locator("section.queue[data-name=default]")
    await expect(queue).to_contain_text(re.compile(r"[1-9]\d* of \d+ threads? busy"))
    await expect(queue.locator(".types")).to_contain_text("long_running")
    await page.goto("/workers")
    worker = page.locator("section.worker")
    await expect(worker.locator(f"a[href='/tasks/{task['task_id']}']")).to_have_text("long_running")
    await expect(worker).to_contain_text("MiB")
    board.client.post(task["links"]["cancel"])
    await expect(worker.locator(f"a[href='/tasks/{task['task_id']}']")).to_have_count(0)


async def test_hostile_tasks_are_only_text_everywhere(page: Page, board: Board) -> None:
    stages = [text[:100] for text in CORPUS]
    tags = [text[:60].replace(",", "") for text in CORPUS[:7]]
    long = board.run("long_running", {"duration": 0.1, "stages": stages}, tags=tags)
    failed = board.run("flaky", {"fail_times": 1, "message": HOSTILE}, max_retries=0, tags=tags)
    result = board.run("reverse_text", {"text": " ".join(CORPUS)[::-1]}, tags=tags)
    for address in (
        f"/tasks/{long['task_id']}",
        f"/tasks/{failed['task_id']}",
        f"/tasks/{result['task_id']}",
        "/tasks",
        f"/tasks?tag={HOSTILE}",
        f"/observe?id={long['task_id']}&id={failed['task_id']}&id=<script>alert(1)</script>",
        "/failed",
    ):
        await page.goto(address)
        await expect(page.locator("#theme")).to_be_visible()
        await expect(page.locator(MADE)).to_have_count(0)
    await page.goto(f"/tasks/{long['task_id']}")
    await expect(page.locator("#log .line")).to_have_count(len(stages))
    await expect(page.locator("#log .line").first).to_contain_text(f"stage {SHOWN}")
    await expect(page.locator("#facts .tag").nth(1)).to_have_text("<svg/onload=alert(1)>")
    await page.goto(f"/tasks/{failed['task_id']}")
    await expect(page.locator("#outcome")).to_contain_text(SHOWN)
    await page.locator(".attempt-entry > summary").click()
    await expect(page.locator(".attempt-entry pre")).to_contain_text(SHOWN)
    await expect(page.locator(MADE)).to_have_count(0)
    board.client.delete(failed["links"]["self"])


async def test_a_megabyte_is_shown_in_part_and_on_demand(page: Page, board: Board) -> None:
    text = "<b>word</b> " * 80_000
    task = board.run("data_processing", {"data": text})
    await page.goto(f"/tasks/{task['task_id']}")
    view = page.locator("#parameters .json")
    await expect(view.get_by_role("button", name="more characters")).to_be_visible()
    assert len(await view.inner_text()) < 10_000
    await expect(page.locator("#outcome")).to_contain_text('"words": 240,000'.replace(",", ""))
    await expect(page.locator(MADE)).to_have_count(0)
    board.client.delete(task["links"]["self"])


async def test_hostile_names_are_only_text(page: Page) -> None:
    """Task types, queues and workers have names of this installation; even these are not trusted."""
    now = "2026-01-01T00:00:00.000Z"
    newest = {"task_id": HOSTILE, "failed_at": now, "message": HOSTILE, "links": {"self": HOSTILE}}
    group = {"task_type": HOSTILE, "queue": HOSTILE, "error_type": HOSTILE, "count": 2, "newest": newest}
    queue = {
        "name": HOSTILE, "task_types": [HOSTILE], "ready": 1,
        "by_priority": {"high": 1, "normal": 0, "low": 0}, "unacked": 1, "delayed": 0,
        "dead": 1, "consumers": 0, "threads": 0, "oldest_waiting_seconds": 5, "paused": True,
        "paused_since": now, "rates": {"in": 1.5, "out": 0}, "history": [{"minute": now, "in": 1, "out": 2}],
    }  # fmt: skip
    worker = {
        "id": HOSTILE, "host": HOSTILE, "pid": 1, "queues": [HOSTILE], "threads": 2, "running": [HOSTILE],
        "started_at": now, "last_heartbeat": now, "cpu_percent": 1.5, "memory_bytes": 1,
        "done": 1, "failed": 1,
    }  # fmt: skip
    answers: dict[str, dict[str, Any]] = {
        "/failed": {"failed": 2, "complete": True, "groups": [group, {**group, "error_type": None}]},
        "/queues": {"queues": [queue]},
        "/workers": {"workers": [worker]},
    }

    async def answer(route: Route) -> None:
        body = answers[urlsplit(page.url).path]
        await route.fulfill(content_type="application/json", body=json.dumps(body))

    for address, path in (("/failed", "dead-letters"), ("/queues", "queues"), ("/workers", "workers")):
        await page.route(re.compile(rf"/api/{path}(\?|$)"), answer)
        await page.goto(address)
        await expect(page.locator("main")).to_contain_text(SHOWN)
        await expect(page.locator(MADE)).to_have_count(0)


async def test_nothing_sticks_out_of_a_narrow_page(page: Page, board: Board) -> None:
    wide = "W" * 60
    task = board.run(
        "flaky", {"fail_times": 1, "message": "word" * 100}, max_retries=0, tags=[wide, "x" * 60]
    )
    addresses = [
        "/tasks", f"/tasks?tag={wide}&type={'y' * 80}", f"/tasks?tag={wide}", f"/tasks/{task['task_id']}",
        f"/observe?id={task['task_id']}", "/observe", "/failed", "/queues", "/workers",
        "/tasks/none", "/none",
    ]  # fmt: skip
    for address in addresses:
        await page.goto(address)
        await expect(page.locator("#theme")).to_be_visible()
        if task["task_id"] in address:
            await expect(page.locator(".json, .card .alert").first).to_be_visible()
        if address.endswith(wide):
            await page.locator("#all").click()
            await expect(page.get_by_role("region", name="Selected tasks")).to_be_visible()
        for width in (390, 320):
            await page.set_viewport_size({"width": width, "height": 800})
            assert await page.evaluate("document.documentElement.scrollWidth") <= width, address
    board.client.delete(task["links"]["self"])


async def test_every_page_waits_while_redis_is_away(page: Page, tmp_path: Path) -> None:
    broker, redis = free_ports(2)  # nobody listens there
    away = serving.unready(tmp_path, f"amqp://127.0.0.1:{broker}/", f"redis://127.0.0.1:{redis}/0")
    with away as board:
        for address in ("/tasks", f"/tasks/{UNKNOWN}", "/failed", "/queues", "/workers"):
            answer = await page.goto(board.url + address)
            assert answer is not None
            assert answer.status == (503 if UNKNOWN in address else 200)
            await expect(page.locator("#trouble")).to_contain_text("Callboard is not ready")
            await expect(page.locator("#waiting, #later")).to_be_visible()
        await page.goto(f"{board.url}/observe?id={UNKNOWN}")
        await expect(page.locator("article.card")).to_contain_text("Disconnected… Reconnecting…")
