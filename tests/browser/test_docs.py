"""The reference of the API in the browser: found from any page, and its commands are copied whole."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.test_accessibility import violations
from tests.integration.api.serving import Board

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_command_is_copied_whole(page: Page, board: Board) -> None:
    await page.goto("/tasks")
    await page.get_by_role("link", name="API reference").click()
    await (
        page.get_by_role("navigation", name="Addresses")
        .get_by_role("link", name="POST /api/tasks/batch")
        .click()
    )
    await expect(page).to_have_url(re.compile(r"/docs#post_tasks_batch$"))
    section = page.locator("#post_tasks_batch")
    button = section.get_by_role("button", name="Copy as curl")
    await button.click()
    await expect(button).to_have_attribute("data-copied", "yes")
    command = await section.locator(".command pre").inner_text()
    assert await button.get_attribute("data-copy") == command
    assert command.startswith(f'curl -s "{board.url.rstrip("/")}/api/tasks/batch"')
    await expect(page.locator(".method[data-method=WS]").first).to_be_visible()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
async def test_it_can_be_read_by_everybody(page: Page, scheme: str, width: int) -> None:
    await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    await page.set_viewport_size({"width": width, "height": 900})
    await page.goto("/docs")
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    # All sections are made the same way, and axe takes its time over each of them.
    await page.evaluate(
        "document.querySelectorAll('.stack > section:nth-of-type(n + 5)').forEach((e) => e.remove())"
    )
    assert await violations(page) == []
