"""The page of one task: its course live, its attempts, its log, and what can be done with it."""

import asyncio
import json
import re

import pytest
from playwright.async_api import BrowserContext, Locator, Page, expect

from tests.browser.home import Home
from tests.integration.api.serving import Board
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.asyncio(loop_scope="session")

MAIL = {"to": "a@example.org", "subject": "s", "body": "b"}
UNKNOWN = "01993b5e-7c1a-7d52-8f3e-0a9b8c7d6e5f"


class TaskPage:
    """The page as tests see it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.status = page.locator("#status .badge")
        self.percent = page.locator(".how .percent")
        self.stages = page.locator("#stages li")
        self.lines = page.locator("#log .line")
        self.path = page.locator("#path li[data-reached] .name")

    async def open(self, task_id: object) -> None:
        await self.page.goto(f"/tasks/{task_id}")
        await expect(self.page.locator("#parameters .json")).to_be_visible()

    def button(self, name: str) -> Locator:
        return self.page.locator("#actions").get_by_role("button", name=name, exact=True)

    async def ends(self, status: str) -> None:
        await expect(self.status).to_have_text(status)


async def comes_true(place: Locator, script: str) -> None:
    """Wait until something is true in the page."""
    async with asyncio.timeout(PATIENCE_S):
        while not await place.evaluate(script):
            pass


@pytest.fixture
def task(page: Page) -> TaskPage:
    return TaskPage(page)


async def test_a_long_task_is_seen_at_every_quarter_also_from_a_second_tab(
    task: TaskPage, context: BrowserContext, board: Board
) -> None:
    made = board.submit("long_running", {"duration": 8})
    await task.open(made["task_id"])
    other = TaskPage(await context.new_page())
    quarters = {"STARTED": 25, "PROCESSING": 50, "CONCLUDING": 75, "COMPLETED": 100}
    for at, (name, percent) in enumerate(quarters.items()):
        await expect(task.stages.nth(at)).to_have_text(re.compile(f"{name}\\s+{percent} %"))
        # A busy browser may show a quarter only when the next one is there.
        so_far = "|".join(map(str, list(quarters.values())[at:]))
        await expect(task.percent).to_have_text(re.compile(f"^({so_far}) %$"))
        if percent == 50:
            await other.open(made["task_id"])
            await task.page.bring_to_front()
    for each in (task, other):
        await each.ends("succeeded")
        await expect(each.stages).to_have_count(4)
        await expect(each.lines).to_have_count(4)
        await expect(each.path).to_have_text(["queued", "running", "succeeded"])
        await expect(each.page.locator("#outcome")).to_contain_text('"COMPLETED"')
        await expect(each.page.locator("#course-sum")).to_contain_text("in all")


async def test_retries_are_shown_with_their_errors_and_tracebacks(task: TaskPage, board: Board) -> None:
    made = board.submit("flaky", {"fail_times": 2, "message": "not yet"}, max_retries=3)
    await task.open(made["task_id"])
    await task.ends("succeeded")
    attempts = task.page.locator(".attempt-entry")
    await expect(attempts).to_have_count(3)
    await expect(task.path).to_have_text(["queued", "running", "retrying", "succeeded"])
    await expect(task.page.locator("#log .attempt")).to_have_text(["Attempt 1", "Attempt 2"])
    await attempts.last.locator("> summary").click()
    await expect(attempts.last).to_contain_text("RuntimeError")
    await expect(attempts.last.locator("pre")).to_contain_text("Traceback (most recent call last)")
    await expect(task.page.locator("#gantt svg")).to_have_attribute(
        "aria-label", re.compile("attempt 1 retrying.*attempt 3 succeeded")
    )
    await task.page.get_by_label("Level").select_option("error")
    await expect(task.lines.first).to_be_hidden()
    await task.page.get_by_label("Level").select_option("warning")
    await expect(task.lines.first).to_be_visible()


async def test_a_failed_task_is_retried_and_seen_to_its_new_end(task: TaskPage, board: Board) -> None:
    made = board.run("flaky", {"fail_times": 1}, max_retries=0)
    await task.open(made["task_id"])
    await task.ends("failed")
    await expect(task.page.locator("#outcome")).to_contain_text("failing on purpose")
    await task.button("Retry").click()
    await task.ends("succeeded")
    await expect(task.page.locator("#outcome")).to_contain_text('"attempts": 2')
    await expect(task.button("Retry")).to_be_hidden()
    await task.page.reload()
    await task.ends("succeeded")
    await expect(task.page.locator("#outcome")).to_contain_text('"attempts": 2')
    await expect(task.lines).to_have_count(1)


async def test_a_task_is_cancelled_and_deleted(task: TaskPage, context: BrowserContext, board: Board) -> None:
    made = board.submit("long_running", {"duration": 60})
    await task.open(made["task_id"])
    other = TaskPage(await context.new_page())
    await other.open(made["task_id"])
    await task.page.bring_to_front()  # the frames of a tab behind another one are rare
    await task.button("Cancel").click()
    dialog = task.page.get_by_role("dialog")
    await expect(dialog).to_contain_text("It is asked to stop.")
    await dialog.get_by_role("button", name="Cancel task").click()
    for each in (task, other):
        await each.ends("cancelled")
    await task.button("Delete").click()
    await dialog.get_by_role("button", name="Delete task").click()
    await expect(task.page).to_have_url(re.compile("/tasks$"))
    await task.page.goto(f"/tasks/{made['task_id']}")
    await expect(task.page.get_by_role("heading", name="There is no task with this id")).to_be_visible()


@pytest.mark.parametrize(
    ("task_type", "parameters", "label", "typed", "result"),
    [
        ("reverse_text", {"text": "drawer"}, "text", "live", '"evil"'),
        ("sentiment", {"text": "bad"}, "text", "I love it", '"positive"'),
        ("email_sending", MAIL, "subject", "t", '"a@example.org"'),
        ("data_processing", {"data": [1, 2]}, "data", "[4, 5]", '"sum": 9'),
        ("file_processing", {"filename": "again.txt"}, "filename", "other.txt", '"size": 5'),
        ("long_running", {"duration": 0}, "duration", "0.1", '"duration": 0.1'),
        ("flaky", {"fail_times": 0, "message": "m"}, "message", "n", '"attempts": 1'),
    ],
)
async def test_every_type_runs_again_with_changes(
    task: TaskPage,
    board: Board,
    task_type: str,
    parameters: dict[str, object],
    label: str,
    typed: str,
    result: str,
) -> None:
    (board.files / "again.txt").write_text("abc", encoding="utf-8")
    (board.files / "other.txt").write_text("hello", encoding="utf-8")
    made = board.run(task_type, parameters, priority="high", tags=["one", "two"])
    await task.open(made["task_id"])
    await task.page.get_by_role("link", name="Run again with changes").click()
    home = Home(task.page)
    await expect(home.type).to_have_value(task_type)
    await expect(home.field("Priority")).to_have_value('"high"')
    await expect(home.field("Tags")).to_have_value("one, two")
    given = parameters[label]
    await expect(home.field(label)).to_have_value(
        given if isinstance(given, str) else json.dumps(given, separators=(",", ":"))
    )
    await home.field(label).fill(typed)
    await home.submit()
    await home.ends()
    await expect(home.result).to_contain_text(result)


async def test_numbers_stay_digit_by_digit(task: TaskPage, context: BrowserContext, board: Board) -> None:
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    exact = '{"task_type": "data_processing", "parameters": {"data": [12345678901234567890123, 1.50]}}'
    answer = board.client.post("/api/tasks", content=exact, headers={"Content-Type": "application/json"})
    task_id = answer.json()["task_id"]
    board.ended(task_id)
    await task.open(task_id)
    await expect(task.page.locator("#parameters")).to_contain_text("12345678901234567890123")
    await task.button("Copy as curl").click()
    await expect(task.page.locator(".toast")).to_contain_text("Copied")
    command = await task.page.evaluate("navigator.clipboard.readText()")
    assert "12345678901234567890123" in command
    assert command.startswith(f"curl -sS '{board.url}/api/tasks'")
    await task.page.get_by_role("link", name="Run again with changes").click()
    await expect(Home(task.page).field("data")).to_have_value(re.compile("12345678901234567890123"))


async def test_the_log_follows_unless_somebody_scrolled_up(task: TaskPage, board: Board) -> None:
    stages = [f"stage number {n} {'and so on ' * 8}" for n in range(20)]
    made = board.submit("long_running", {"duration": 2, "stages": stages})
    await task.page.set_viewport_size({"width": 390, "height": 700})
    await task.open(made["task_id"])
    log = task.page.locator("#log")
    at_end = "it => it.scrollTop > 0 && it.scrollTop + it.clientHeight >= it.scrollHeight - 24"
    await expect(task.lines.nth(9)).to_be_attached()
    await comes_true(log, at_end)
    await log.evaluate("it => { it.scrollTop = 0; }")
    await expect(task.lines).to_have_count(20)
    assert await log.evaluate("it => it.scrollTop") == 0
    await task.page.get_by_role("button", name="Newest lines").click()
    await comes_true(log, at_end)
    numbers = [re.findall(r"stage number (\d+)", text) for text in await task.lines.all_inner_texts()]
    assert numbers == [[str(n)] for n in range(20)]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (f"/tasks/{UNKNOWN}", "There is no task with this id"),
        ("/tasks/nonsense", "This is no task id"),
        ("/tasks/%3Cimg src=x onerror=alert(1)%3E", "This is no task id"),
        ("/no-such-page", "There is nothing at this address"),
    ],
)
async def test_what_is_not_there_says_what_to_do(page: Page, address: str, words: str) -> None:
    answer = await page.goto(address)
    assert answer is not None
    assert answer.status == 404
    await expect(page.get_by_role("heading", name=words)).to_be_visible()
    await expect(page.get_by_role("link", name="All tasks")).to_have_attribute("href", "/tasks")
    await expect(page.locator("main :is(script, img)")).to_have_count(0)


async def test_an_id_in_capitals_is_the_same_task(page: Page, board: Board) -> None:
    made = board.run("reverse_text", {"text": "a"})
    await page.goto(f"/tasks/{made['task_id'].upper()}")
    await expect(page).to_have_url(re.compile(made["task_id"]))


async def test_programs_get_a_problem_and_not_a_page(board: Board) -> None:
    answer = board.client.get("/no-such-page")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
