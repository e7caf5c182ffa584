"""The home page as tests see it: what a person finds there, and where."""

import re

from playwright.async_api import Locator, Page, expect


class Home:
    """The form, and the task that it submitted."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.type = page.get_by_label("Task type")
        self.send = page.get_by_role("button", name="Submit")
        self.alert = page.locator("#alert")
        self.status = page.locator("#status")
        self.result = page.locator("#result")
        self.rows = page.locator("#rows tr")

    async def open(self, address: str = "/") -> None:
        await self.page.goto(address)
        await expect(self.page.locator("#parameters .field").first).to_be_visible()

    def field(self, label: str) -> Locator:
        """The input of a parameter or option, by its label."""
        return self._labelled(label).locator("[data-main]")

    def error(self, label: str) -> Locator:
        """What is wrong with a field, below it."""
        return self._labelled(label).locator(".error")

    def _labelled(self, label: str) -> Locator:
        words = re.compile(rf"^{re.escape(label)}( optional)?$")
        return self.page.locator(".field", has=self.page.locator("label", has_text=words))

    async def choose(self, task_type: str) -> None:
        await self.type.select_option(task_type)

    async def open_options(self) -> None:
        if not await self.field("Tags").is_visible():
            await self.page.get_by_text("Priority, delay, retries, tags").click()

    async def submit(self) -> None:
        await self.send.click()

    async def ends(self, status: str = "succeeded") -> None:
        """Wait until the submitted task has ended like this."""
        await expect(self.status).to_have_text(status)

    async def fold_out(self, title: str) -> None:
        await self.page.get_by_text(title, exact=True).click()
