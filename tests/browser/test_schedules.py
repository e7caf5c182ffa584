"""Schedules in the browser: made with a preview, run, paused, changed and deleted."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.test_accessibility import violations
from tests.integration.api.serving import Board

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOSTILE = "<img src=x onerror=alert(1)>\"'&\u202e"


@pytest.fixture(autouse=True)
def _none_left(board: Board) -> Iterator[None]:
    """No test leaves a schedule behind."""
    yield
    for each in board.client.get("/api/schedules").json()["schedules"]:
        board.client.delete(each["links"]["self"])


def make(board: Board, **fields: Any) -> dict[str, Any]:
    task = {"task_type": "reverse_text", "parameters": {"text": "stressed"}}
    body = {"name": "Nightly", "cron": "30 6 29 2 *", "time_zone": "Europe/Berlin", "task": task, **fields}
    answer = board.client.post("/api/schedules", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def read(board: Board, schedule: dict[str, Any]) -> dict[str, Any]:
    return dict(board.client.get(schedule["links"]["self"]).json())


def plan(page: Page, name: str) -> Locator:
    return page.locator("#schedules .plan", has=page.get_by_role("link", name=name, exact=True))


async def open_form(page: Page, address: str = "/schedules/new") -> None:
    await page.goto(address)
    await expect(page.locator("#parameters .field").first).to_be_visible()


async def test_from_nothing_to_a_schedule_that_runs(page: Page, board: Board) -> None:
    await page.goto("/schedules")
    await expect(page.get_by_text("Nothing is scheduled")).to_be_visible()
    await page.get_by_role("link", name="New schedule").click()
    await expect(page.locator("#parameters .field").first).to_be_visible()
    await page.get_by_label("Name").fill("Morning mail")
    await page.get_by_role("button", name="weekdays at 09:00").click()
    await page.get_by_label("Time zone").fill("America/New_York")
    preview = page.locator("#preview")
    await expect(preview).to_contain_text("at 09:00 on Monday through Friday, America/New_York")
    await expect(preview.locator("li")).to_have_count(5)
    await expect(preview.locator("li").first).to_contain_text("09:00")
    await page.get_by_label("Task type").select_option("sentiment")
    await page.locator("#parameters textarea").fill("I love it")
    await page.get_by_role("button", name="Create").click()

    row = plan(page, "Morning mail")
    await expect(row).to_contain_text("at 09:00 on Monday through Friday, America/New_York")
    await expect(row.locator("dd").first).to_contain_text(re.compile(r"in \d+ (d|h|min|s)"))
    await expect(row.locator("dd").first.locator("time")).to_have_attribute("title", re.compile(r"\d\d:00"))
    await expect(row).to_contain_text("never")
    await row.get_by_role("button", name="Run now").click()
    await expect(page.locator(".toast")).to_contain_text("Morning mail has submitted its task")
    await expect(row.locator(".badge")).to_have_text("succeeded")
    (made,) = board.client.get("/api/schedules").json()["schedules"]
    await expect(row.locator("dd a")).to_have_attribute("href", f"/tasks/{made['last_run']['task_id']}")

    await row.get_by_role("button", name="Pause").click()
    await expect(row.locator(".line .badge")).to_have_text("paused")
    await expect(row.get_by_role("button", name="Resume")).to_be_visible()
    assert read(board, made)["enabled"] is False
    await row.get_by_role("button", name="Resume").click()
    await expect(row.get_by_role("button", name="Pause")).to_be_visible()

    for answer in ("Cancel", "Delete"):
        await row.get_by_role("button", name="Delete").click()
        dialog = page.get_by_role("dialog", name="Delete the schedule Morning mail?")
        await dialog.get_by_role("button", name=answer).click()
        await expect(dialog).to_have_count(0)
        await expect(row).to_have_count(0 if answer == "Delete" else 1)
    await expect(page.get_by_text("Nothing is scheduled")).to_be_visible()


async def test_what_is_wrong_is_said_at_its_field(page: Page, board: Board) -> None:
    await open_form(page)
    await page.get_by_label("Cron").fill("0 25 * * *")
    await expect(page.locator("#cron-error")).to_have_text("hour field: 25 is more than 23")
    await page.get_by_label("Time zone").fill("Berlin")
    await expect(page.locator("#zone-error")).to_contain_text("did you mean Europe/Berlin?")
    await expect(page.locator("#preview li")).to_have_count(0)
    await page.get_by_label("Task type").select_option("long_running")
    duration = page.locator("#parameters .field", has_text="duration")
    await duration.locator("[data-main]").fill("many")
    await page.get_by_role("button", name="Create").click()
    await expect(page.locator("#name-error")).to_contain_text("length >= 1")
    await expect(page.get_by_label("Name")).to_be_focused()
    await page.get_by_label("Name").fill("n")
    await page.get_by_role("button", name="Create").click()
    await expect(duration.locator(".error")).to_contain_text("Expected")
    await expect(page.locator("#name-error")).to_be_hidden()
    await expect(page.locator("#cron-error")).to_be_visible()
    await expect(page.locator("#zone-error")).to_be_visible()
    assert await violations(page) == []
    assert board.client.get("/api/schedules").json() == {"schedules": []}


async def test_a_schedule_is_changed_and_nothing_of_it_is_lost(page: Page, board: Board) -> None:
    task = {
        "task_type": "data_processing", "parameters": {"data": [1, 2.5, 12345678901234567]},
        "priority": "low", "max_retries": 1, "time_limit": 12.5, "tags": ["a", "b"],
    }  # fmt: skip
    made = make(board, name=HOSTILE, missed="all", task=task)
    await open_form(page, f"/schedules/{made['schedule_id']}")
    await expect(page.locator("h1")).to_contain_text("<img src=x")
    await expect(page.locator("#state")).to_contain_text("active")
    await expect(page.locator("#preview")).to_contain_text("at 06:30 on February 29, Europe/Berlin")
    await page.get_by_label("Cron").fill("0 7 29 2 *")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#schedules .plan")).to_contain_text("at 07:00 on February 29, Europe/Berlin")
    after = read(board, made)
    assert (after["cron"], after["version"], after["missed"]) == ("0 7 29 2 *", 2, "all")
    assert (after["task"], after["name"]) == (task, HOSTILE)


async def test_a_change_by_somebody_else_is_not_overwritten(page: Page, board: Board) -> None:
    made = make(board)
    await open_form(page, f"/schedules/{made['schedule_id']}")
    await expect(page.get_by_role("button", name="Pause")).to_be_visible()
    await page.get_by_role("button", name="Pause").click()  # one's own pause is no such change
    await expect(page.locator("#state .badge")).to_have_text("paused")
    body = {name: made[name] for name in ("cron", "time_zone", "task")}
    board.client.put(made["links"]["self"], json={**body, "name": "Theirs", "enabled": False})
    await page.get_by_label("Name").fill("Mine")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#alert")).to_contain_text("Somebody else has changed this schedule")
    assert read(board, made)["name"] == "Theirs"
    await page.reload()
    await expect(page.locator("#parameters .field").first).to_be_visible()
    await page.get_by_label("Name").fill("Mine")
    await page.get_by_role("button", name="Save").click()
    await expect(plan(page, "Mine").locator(".badge")).to_have_text("paused")
    assert (read(board, made)["name"], read(board, made)["enabled"]) == ("Mine", False)


async def test_a_schedule_that_is_gone_has_a_page_that_says_so(page: Page) -> None:
    for text in ("0199d2a0-0000-7000-8000-000000000000", "nonsense"):
        answer = await page.goto(f"/schedules/{text}")
        assert answer is not None
        assert answer.status == 404
        await expect(page.get_by_role("heading", name="There is no schedule with this id")).to_be_visible()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
async def test_pages_of_schedules_have_no_violation(
    page: Page, board: Board, scheme: str, width: int
) -> None:
    made = make(board, name="a long name " * 8)
    make(board, enabled=False)
    board.client.post(made["links"]["run"])
    await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    await page.set_viewport_size({"width": width, "height": 900})
    for address in ("/schedules", f"/schedules/{made['schedule_id']}"):
        await page.goto(address)
        await expect(page.get_by_role("button", name="Run now").first).to_be_visible()
        assert await violations(page) == [], address
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, address
