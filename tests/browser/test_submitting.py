"""Every task type from the form made of its schema, to the result on the page."""

import json
import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.home import Home

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def home(page: Page) -> Home:
    return Home(page)


@pytest.mark.parametrize(
    ("task_type", "result"),
    [
        ("reverse_text", '"desserts"'),
        ("sentiment", '"label": "positive"'),
        ("data_processing", '"sum": 25.5'),
        ("email_sending", '"ann@example.org"'),
    ],
)
async def test_the_example_of_a_type_runs_as_it_stands(home: Home, task_type: str, result: str) -> None:
    await home.open()
    await home.choose(task_type)
    await home.submit()
    await home.ends()
    await expect(home.result).to_contain_text(result)


async def test_a_text_may_have_several_lines(home: Home) -> None:
    await home.open()
    await home.field("text").fill("ab\n\U0001f469\u200d\U0001f680c")
    await home.submit()
    await home.ends()
    text = await home.result.inner_text()
    assert json.loads(text) == "c\U0001f469\u200d\U0001f680\nba"


async def test_one_field_takes_several_kinds_of_value(home: Home) -> None:
    await home.open()
    await home.choose("email_sending")
    kind = home.page.get_by_label("Kind of value").first
    await kind.select_option(label="list")
    await home.field("to").fill("ann@example.org\nbob@example.org")
    await home.submit()
    await home.ends()
    await home.fold_out("Parameters sent")
    sent = json.loads(await home.page.locator("#sent").inner_text())
    assert sent["to"] == ["ann@example.org", "bob@example.org"]
    assert "html" not in sent  # optional and empty
    await home.choose("data_processing")
    await kind.select_option(label="text")
    await home.field("data").fill("one two")
    await home.submit()
    await expect(home.result).to_contain_text('"words": 2')


async def test_an_uploaded_file_fills_in_its_id(home: Home, tmp_path: Path) -> None:
    table = tmp_path / "people.csv"
    table.write_text("name,age\nann,30\nbob,40\n", encoding="utf-8")
    await home.open()
    await home.choose("file_processing")
    await home.page.get_by_label("Upload a file").set_input_files(table)
    await expect(home.field("file_id")).not_to_have_value("")
    await expect(home.field("filename")).to_have_value("")
    await home.submit()
    await home.ends()
    await expect(home.result).to_contain_text('"rows": 2')


async def test_a_long_task_shows_how_far_it_is(home: Home) -> None:
    await home.open()
    await home.choose("long_running")
    await home.field("duration").fill("4")
    await home.submit()
    stages = ["PROCESSING", "CONCLUDING", "COMPLETED"]
    for at in range(3):  # a busy browser may show one of them too late to be seen
        await expect(home.page.locator("#stage")).to_have_text(re.compile("|".join(stages[at:])))
    await home.ends()
    await expect(home.page.locator("#percent")).to_have_text("100 %")


async def test_a_flaky_task_shows_its_attempts_and_can_be_retried(home: Home) -> None:
    await home.open()
    await home.choose("flaky")
    await home.field("fail_times").fill("1")
    await home.field("message").fill("not yet")
    await home.open_options()
    await home.field("Retries").fill("0")
    await home.submit()
    await home.ends("failed")
    await expect(home.page.locator("#error")).to_have_text("RuntimeError: not yet")
    await home.fold_out("Traceback")
    await expect(home.page.locator("#traceback")).to_contain_text("raise RuntimeError")
    await home.page.get_by_role("button", name="Retry").click()
    await home.ends()
    await expect(home.result).to_contain_text('"attempts": 2')


async def test_a_task_with_a_delay_and_tags_can_be_cancelled(home: Home) -> None:
    await home.open()
    await home.open_options()
    await home.field("Priority").select_option("high")
    await home.field("Delay").fill("3600")
    await home.field("Tags").fill("first, second ,")
    await home.submit()
    await expect(home.status).to_have_text("scheduled")
    await expect(home.page.locator("#submitted .chip")).to_have_text(["first", "second"])
    await home.page.get_by_role("button", name="Cancel").click()
    await home.ends("cancelled")
    newest = home.rows.first
    await expect(newest).to_contain_text("cancelled")
    await expect(newest).to_contain_text("high")


async def test_numbers_are_sent_and_shown_digit_by_digit(home: Home) -> None:
    await home.open()
    await home.choose("data_processing")
    await home.field("data").fill("[12345678901234567890123, 1.0, 9007199254740993]")
    await home.submit()
    await home.ends()
    await home.fold_out("Parameters sent")
    await expect(home.page.locator("#sent")).to_contain_text("12345678901234567890123,")
    await expect(home.page.locator("#sent")).to_contain_text("9007199254740993")
    await expect(home.page.locator("#sent")).to_contain_text("1.0,")


async def test_the_keyboard_is_enough(home: Home) -> None:
    await home.open()
    await home.type.focus()
    await home.page.keyboard.type("flaky")
    await expect(home.type).to_have_value("flaky")
    await home.page.keyboard.press("Tab")
    await expect(home.field("fail_times")).to_be_focused()
    await home.page.keyboard.press("Control+A")
    await home.page.keyboard.type("0")
    await home.page.keyboard.press("Enter")
    await home.ends()
