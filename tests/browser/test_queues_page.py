"""The queues' buttons, the task that waits in a paused queue, and the problems on the first page."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, Route, expect

from tests.browser.test_accessibility import violations
from tests.browser.test_fleet import MADE
from tests.browser.test_problems import HOSTILE, SHOWN
from tests.integration.api.serving import Board

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAME = "email"
MAIL = {"to": "ann@example.org", "subject": "s", "body": "b"}


@pytest_asyncio.fixture(loop_scope="session")
async def queue(page: Page, board: Board) -> AsyncIterator[Locator]:
    """The card of a queue that is left running and empty."""
    await page.goto("/queues")
    card = page.locator(f"section.queue[data-name={NAME}]")
    await expect(card.get_by_role("button", name=f"Pause {NAME}")).to_be_visible()
    yield card
    board.client.post(f"/api/queues/{NAME}/resume")
    found = board.client.get(f"/api/queues/{NAME}").json()
    order = {"expect": found["delayed"] + found["ready"], "include_delayed": True}
    board.client.post(f"/api/queues/{NAME}/purge", json=order)


async def pause(queue: Locator) -> None:
    await queue.get_by_role("button", name=f"Pause {NAME}").click()
    await expect(queue.locator(".badge", has_text="paused")).to_be_visible()


async def test_a_queue_is_paused_and_resumed(page: Page, board: Board, queue: Locator) -> None:
    await pause(queue)
    assert board.client.get(f"/api/queues/{NAME}").json()["paused"] is True
    await expect(page.locator("#sum")).to_contain_text("1 paused")
    task = board.submit("email_sending", MAIL)
    await expect(queue.locator(".big strong")).to_have_text("1")
    other = await page.context.new_page()
    await other.goto(f"/tasks/{task['task_id']}")
    await expect(other.locator("#paused")).to_have_text(f"Waits: the queue {NAME} is paused.")
    await other.close()
    await page.goto("/")
    problem = page.locator(f"#problem-list li[data-key='queue-paused:{NAME}']")
    await expect(problem).to_contain_text(f"The queue {NAME} is paused")
    await problem.get_by_role("link", name="Queues").click()
    await queue.get_by_role("button", name=f"Resume {NAME}").click()
    await expect(queue.locator(".badge", has_text="paused")).to_have_count(0)
    assert board.ended(task["task_id"])["status"] == "succeeded"
    await page.goto("/")
    await expect(problem).to_have_count(0)


async def test_a_queue_is_purged_with_its_number(page: Page, board: Board, queue: Locator) -> None:
    await pause(queue)
    waiting = [board.submit("email_sending", MAIL) for _ in range(3)]
    delayed = board.submit("email_sending", MAIL, delay=3600)
    await queue.get_by_role("button", name=f"Purge {NAME}…").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("button", name="Cancel 3 tasks")).to_be_visible()
    await dialog.get_by_label("Also 1 delayed task").check()
    assert await violations(page) == []
    await dialog.get_by_role("button", name="Keep them").click()
    assert board.get(delayed["task_id"])["status"] == "scheduled"
    await queue.get_by_role("button", name=f"Purge {NAME}…").click()
    await dialog.get_by_label("Also 1 delayed task").check()
    await dialog.get_by_role("button", name="Cancel 4 tasks").click()
    await expect(page.locator("#operation .words")).to_have_text("4 of 4 tasks cancelled")
    assert {board.get(each["task_id"])["status"] for each in (*waiting, delayed)} == {"cancelled"}
    await expect(queue.get_by_role("button", name=f"Purge {NAME}…")).to_be_hidden()


async def test_a_number_that_has_changed_is_asked_again(page: Page, board: Board, queue: Locator) -> None:
    await pause(queue)
    board.submit("email_sending", MAIL)
    await queue.get_by_role("button", name=f"Purge {NAME}…").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("button", name="Cancel 1 task")).to_be_visible()
    late = board.submit("email_sending", MAIL)
    await dialog.get_by_role("button", name="Cancel 1 task").click()
    await expect(dialog).to_contain_text("Their number has just changed.")
    assert board.get(late["task_id"])["status"] == "queued"
    await dialog.get_by_role("button", name="Cancel 2 tasks").click()
    await expect(page.locator("#operation .words")).to_have_text("2 of 2 tasks cancelled")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
async def test_problems_are_only_text_and_have_no_violation(page: Page, scheme: Any, width: int) -> None:
    shown = [
        {
            "id": f"{each}:{HOSTILE}", "severity": each, "title": HOSTILE, "detail": HOSTILE,
            "what_to_do": f"Start `{HOSTILE}`.", "since": "2026-01-01T00:00:00.000Z",
        }
        for each in ("critical", "warning", "info")
    ]  # fmt: skip
    answers = [{"status": "critical", "checked_at": None, "problems": shown, "not_checked": ["workers"]}]

    async def answer(route: Route) -> None:
        await route.fulfill(content_type="application/json", body=json.dumps(answers[0]))

    await page.route("**/api/health", answer)
    await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    await page.set_viewport_size({"width": width, "height": 900})
    await page.goto("/")
    items = page.locator("#problem-list li")
    await expect(items).to_have_count(3)
    await expect(items.first).to_contain_text(SHOWN)
    await expect(page.locator("#problems-sum")).to_have_text(
        re.compile("1 critical, 1 warning, 1 note; not looked at: workers")
    )
    await expect(page.locator(MADE)).to_have_count(0)
    assert await violations(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    answers[0] = {"status": "ok", "checked_at": None, "problems": [], "not_checked": []}
    await expect(page.locator("#problems")).to_be_hidden()
