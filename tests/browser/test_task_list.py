"""The list: filters in the address, pages, selection, and orders for many tasks with their number."""

import re

import pytest
from playwright.async_api import Locator, Page, expect

from tests.integration.api.serving import Board

pytestmark = pytest.mark.asyncio(loop_scope="session")


def fails(board: Board, tag: str, number: int) -> list[str]:
    """Submit tasks that fail at once; returns their ids, newest first."""
    made = [
        board.run("flaky", {"fail_times": 1, "message": f"number {n}"}, max_retries=0, tags=[tag])
        for n in range(number)
    ]
    return [str(each["task_id"]) for each in reversed(made)]


def later(board: Board, tag: str, number: int) -> None:
    """Submit tasks that wait for an hour."""
    tasks = [
        {"task_type": "reverse_text", "parameters": {"text": str(n)}, "delay": 3600, "tags": [tag]}
        for n in range(number)
    ]
    assert board.client.post("/api/tasks/batch", json={"tasks": tasks}).status_code == 207


class List:
    """The page as tests see it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.rows = page.locator("#rows tr")
        self.chips = page.locator("#chips .chip")
        self.bar = page.get_by_role("region", name="Selected tasks")
        self.dialog = page.get_by_role("dialog")
        self.freshness = page.locator("#freshness")
        self.operation = page.locator("#operation .words")

    async def open(self, query: str = "") -> None:
        await self.page.goto(f"/tasks{query}")
        await expect(self.page.locator("#all")).to_be_enabled()
        await expect(self.page.locator("#live")).to_have_text("Live")

    def box(self, at: int) -> Locator:
        return self.rows.nth(at).get_by_role("checkbox")

    def act(self, name: str) -> Locator:
        return self.bar.get_by_role("button", name=re.compile(f"^{name}"))


@pytest.fixture
def tasks(page: Page) -> List:
    return List(page)


async def test_filters_are_chips_and_live_in_the_address(tasks: List, board: Board) -> None:
    fails(board, "chips", 2)
    later(board, "chips", 1)
    page = tasks.page
    await tasks.open()
    await page.get_by_label("Filter by tag").fill("chips")
    await page.get_by_label("Filter by tag").press("Enter")
    await expect(tasks.rows).to_have_count(3)
    await page.locator("#filters a.state", has_text="failed").click()
    await expect(tasks.rows).to_have_count(2)
    await page.get_by_label("Filter by type").select_option("flaky")
    await page.get_by_label("Filter by time of creation").select_option("3600")
    await expect(tasks.chips).to_have_count(3)
    assert re.search(r"\?tag=chips&status=failed&type=flaky&created_after=20[^&]+Z$", page.url)
    await page.reload()
    await expect(tasks.rows).to_have_count(2)
    await expect(tasks.chips).to_have_count(3)
    await expect(page.locator("#filters a.state.on")).to_have_text("failed")
    await tasks.chips.filter(has_text="tag").click()
    await expect(tasks.chips).to_have_count(2)
    assert "tag=" not in page.url
    await page.go_back()
    await expect(tasks.chips).to_have_count(3)
    await expect(tasks.rows).to_have_count(2)
    await page.get_by_text("Clear all").click()
    await expect(tasks.chips).to_have_count(0)
    assert page.url.endswith("/tasks")


async def test_a_filter_that_cannot_be_used_says_so(tasks: List) -> None:
    await tasks.page.goto("/tasks?status=wrong&created_after=soon")
    await expect(tasks.page.locator("#problem")).to_contain_text("status 'wrong' is none of")
    await tasks.page.get_by_role("link", name="Show all tasks").click()
    await expect(tasks.page.locator("#problem")).to_be_hidden()
    await tasks.page.goto("/tasks?tag=nobody-has-this")
    await expect(tasks.page.get_by_text("No task fits these filters")).to_be_visible()


async def test_pages_go_on_and_back(tasks: List, board: Board) -> None:
    later(board, "pages", 120)
    await tasks.open("?tag=pages")
    first = await tasks.rows.first.get_attribute("data-id")
    for count in (50, 20):
        await tasks.page.get_by_role("link", name="Older").click()
        await expect(tasks.rows).to_have_count(count)
    await expect(tasks.page.get_by_role("link", name="Older")).to_be_hidden()
    await tasks.page.reload()
    await expect(tasks.rows).to_have_count(20)
    await tasks.page.get_by_role("link", name="Newer").click()
    await expect(tasks.rows).to_have_count(50)
    await tasks.page.go_back()
    await expect(tasks.rows.first).to_have_attribute("data-id", str(first))


async def test_rows_change_as_tasks_do(tasks: List, board: Board) -> None:
    await tasks.open("?tag=alive")
    long = board.submit("long_running", {"duration": 600}, tags=["alive"])
    await expect(tasks.rows).to_have_count(1)
    await expect(tasks.rows.first).to_contain_text("running")
    board.client.post(long["links"]["cancel"])
    await expect(tasks.rows.first).to_contain_text("cancelled")
    short = board.submit("long_running", {"duration": 0.5}, tags=["alive"])
    await expect(tasks.rows).to_have_count(2)
    await expect(tasks.rows.first).to_contain_text("succeeded")
    await expect(tasks.rows.first).to_contain_text("100 %")
    for task in (long, short):
        board.client.delete(task["links"]["self"])


async def test_shift_selects_a_range_and_a_retry_says_how_many(tasks: List, board: Board) -> None:
    ids = fails(board, "range", 6)
    await tasks.open("?tag=range")
    await expect(tasks.rows).to_have_count(6)
    await tasks.box(1).click()
    await tasks.box(4).click(modifiers=["Shift"])
    await expect(tasks.bar).to_contain_text("4 selected")
    await expect(tasks.freshness).to_contain_text("paused: 4 selected")
    later(board, "range", 1)
    await expect(tasks.freshness).to_contain_text("1 change waiting")
    await expect(tasks.rows).to_have_count(6)
    await tasks.box(2).click()
    await expect(tasks.bar).to_contain_text("3 selected")
    await tasks.act("Retry").click()
    await expect(tasks.dialog).to_contain_text("Retry 3 tasks?")
    await tasks.dialog.get_by_role("button", name="Retry 3 tasks").click()
    await expect(tasks.operation).to_have_text("3 of 3 tasks retried")
    await expect(tasks.bar).to_be_hidden()
    await expect(tasks.freshness).to_have_text("")
    await expect(tasks.rows).to_have_count(7)
    for at in (1, 3, 4):
        assert board.ended(ids[at])["status"] == "succeeded"
    assert board.get(ids[2])["status"] == "failed"


async def test_all_that_match_are_retried_with_their_number(tasks: List, board: Board) -> None:
    bad = [
        {"task_type": "flaky", "parameters": {"fail_times": 1}, "max_retries": 0, "tags": ["many"]}
        for _ in range(60)
    ]
    answer = board.client.post("/api/tasks/batch", json={"tasks": bad})
    assert answer.status_code == 207
    for each in answer.json()["tasks"]:
        assert board.ended(each["task"]["task_id"])["status"] == "failed"
    await tasks.open("?tag=many&status=failed")
    await expect(tasks.page.get_by_role("link", name="Older")).to_be_visible()
    await expect(tasks.rows).to_have_count(50)
    await tasks.page.locator("#all").click()
    await tasks.bar.get_by_role("button", name="Select all 60 matching").click()
    await expect(tasks.bar).to_contain_text("All 60 matching tasks selected")
    await expect(tasks.act("Cancel")).to_be_disabled()
    await tasks.act("Retry").click()
    await expect(tasks.dialog).to_contain_text("Retry 60 tasks?")
    await tasks.dialog.get_by_role("button", name="Retry 60 tasks").click()
    await expect(tasks.operation).to_have_text("60 of 60 tasks retried")
    await expect(tasks.page.get_by_text("No task fits these filters")).to_be_visible()


async def test_cancel_and_delete_ask_first_and_skip_what_cannot(tasks: List, board: Board) -> None:
    fails(board, "mixed", 1)
    later(board, "mixed", 2)
    await tasks.open("?tag=mixed")
    await tasks.page.locator("#all").click()
    await tasks.act("Cancel").click()
    await expect(tasks.dialog).to_contain_text("1 other selected task cannot be cancelled")
    await expect(tasks.dialog.get_by_role("button", name="Let them run")).to_be_focused()
    await tasks.page.keyboard.press("Escape")
    await expect(tasks.dialog).to_have_count(0)
    await tasks.act("Cancel").click()
    await tasks.dialog.get_by_role("button", name="Cancel 2 tasks").click()
    await expect(tasks.page.locator("#rows .badge[data-status=cancelled]")).to_have_count(2)
    await tasks.page.locator("#all").click()
    await tasks.act("Delete").click()
    await tasks.dialog.get_by_role("button", name="Delete 3 tasks").click()
    await expect(tasks.rows).to_have_count(0)


async def test_the_keyboard_is_enough_for_a_bulk_retry(tasks: List, board: Board) -> None:
    fails(board, "keys", 3)
    keyboard = tasks.page.keyboard
    await tasks.open("?tag=keys")
    await tasks.box(0).focus()
    await keyboard.press("Space")
    for _ in range(4):
        await keyboard.press("Tab")
    await expect(tasks.box(2)).to_be_focused()
    await keyboard.press("Shift+Space")
    await expect(tasks.bar).to_contain_text("3 selected")
    await keyboard.press("Escape")
    await expect(tasks.bar).to_be_hidden()
    await keyboard.press("Space")
    await tasks.act("Retry").focus()
    await keyboard.press("Enter")
    await tasks.dialog.get_by_role("button", name="Retry 1 task").focus()
    await keyboard.press("Enter")
    await expect(tasks.operation).to_have_text("1 of 1 task retried")


async def test_many_events_touch_the_page_ten_times_a_second_at_most(tasks: List, board: Board) -> None:
    await tasks.open("?type=reverse_text")
    await tasks.page.evaluate(
        """() => {
          window.ticks = new Set();
          new MutationObserver(() => window.ticks.add(Math.floor(performance.now() / 1000) + ":" +
            Math.floor(performance.now() / 16))).observe(document.getElementById("rows"),
            { subtree: true, childList: true, attributes: true });
        }"""
    )
    many = [{"task_type": "reverse_text", "parameters": {"text": "a"}, "tags": ["storm"]}] * 200
    for _ in range(3):
        board.client.post("/api/tasks/batch", json={"tasks": many})
    await expect(tasks.rows.first).to_contain_text("succeeded")
    seconds = await tasks.page.evaluate(
        """() => Object.values([...window.ticks].reduce((found, tick) => {
          const second = tick.split(":")[0];
          found[second] = (found[second] || 0) + 1;
          return found;
        }, {}))"""
    )
    assert seconds
    assert max(seconds) <= 14  # ten, the list read anew, and times that pass
