"""Signing in, keys and the audit trail in the browser, where authentication is required."""

import re
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from tests.browser.home import Home
from tests.browser.test_accessibility import violations
from tests.integration.api import serving
from tests.integration.api.serving import Board
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.asyncio(loop_scope="session")

ADMIN, READ = (f"cb_{role}_in_the_browser_{'x' * 20}" for role in ("admin", "read"))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """Callboard in one process, with two keys."""
    keys = f"boss:admin:{ADMIN},guest:read:{READ}"
    folder = tmp_path_factory.mktemp("guarded-browser")
    with serving.embedded(folder, key=ADMIN, auth="required", api_keys=keys) as running:
        yield running
        assert running.new_bugs() == []


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(browser: Browser, guarded: Board) -> AsyncIterator[BrowserContext]:
    """A fresh profile."""
    made = await browser.new_context(
        base_url=guarded.url, viewport={"width": 1280, "height": 900}, locale="en"
    )
    made.set_default_timeout(PATIENCE_S * 1000)
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="session")
async def visit(visitor: BrowserContext) -> AsyncIterator[Page]:
    """A page; what it logs beside refusals fails the test."""
    troubles: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if (
            message.type in ("error", "warning")
            and "the server responded with a status of 4" not in message.text
        ):
            troubles.append(message.text)

    page = await visitor.new_page()
    page.on("console", listen)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    yield page
    assert troubles == []


async def sign_in(page: Page, key: str, address: str = "/") -> None:
    await page.goto(address)
    await expect(page).to_have_url(re.compile("/sign-in"))
    await page.get_by_label("API key").fill(key)
    await page.get_by_role("button", name="Sign in").click()


async def test_signing_in_leads_back_and_the_page_shows_who_one_is(visit: Page) -> None:
    await sign_in(visit, "cb_wrong", "/tasks?status=failed")
    await expect(visit.get_by_role("alert").filter(has_text="This key is not known")).to_be_visible()
    await visit.get_by_label("API key").fill(READ)
    await visit.keyboard.press("Enter")
    await expect(visit).to_have_url(re.compile(r"/tasks\?status=failed$"))
    await expect(visit.get_by_title("Signed in with the key guest, role read")).to_be_visible()
    await expect(visit.get_by_role("link", name="Keys")).to_have_count(0)
    await visit.goto("/keys")
    await expect(visit.get_by_role("heading", name="This page needs the role admin")).to_be_visible()
    await visit.get_by_role("button", name="Sign out").click()
    await expect(visit).to_have_url(re.compile("/sign-in$"))
    assert await visit.context.cookies() == []


async def test_a_signed_in_browser_submits_and_follows_a_task(visit: Page) -> None:
    await sign_in(visit, ADMIN)
    home = Home(visit)
    await expect(visit.locator("#sign-out")).to_be_visible()
    await home.open()
    await home.choose("reverse_text")
    await home.field("text").fill("stressed")
    await home.submit()
    await home.ends("succeeded")


async def test_a_key_is_shown_once_works_and_is_revoked(visit: Page, guarded: Board) -> None:
    await sign_in(visit, ADMIN, "/keys")
    await visit.get_by_label("Name").fill("a b")
    await visit.get_by_label("Requests").fill("often")
    await visit.locator("#make").evaluate("form => (form.noValidate = true)")
    await visit.get_by_role("button", name="Make a key").click()
    await expect(visit.get_by_text("takes 1 to 64 letters")).to_be_visible()
    await expect(visit.get_by_text("'often' is no rate")).to_be_visible()
    await visit.get_by_label("Name").fill("billing")
    await visit.get_by_label("Requests").fill("100/s")
    await visit.get_by_label("operate").check()
    await visit.get_by_role("button", name="Make a key").click()
    dialog = visit.get_by_role("dialog")
    key = await dialog.locator("code").inner_text()
    headers = {"X-API-Key": key}
    assert guarded.client.get("/api/whoami", headers=headers).json()["name"] == "billing"
    await dialog.get_by_role("button", name="I have kept it").click()
    row = visit.get_by_role("row").filter(has_text="billing")
    await expect(row).to_contain_text("100/s")
    assert key not in await visit.content()
    await row.get_by_role("button", name="Revoke").click()
    await visit.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    await expect(row).to_have_count(0)
    await expect(visit.get_by_role("row").filter(has_text="boss")).to_contain_text("in the settings")


async def test_the_audit_trail_is_filtered_by_links_and_by_words(visit: Page, guarded: Board) -> None:
    task = guarded.submit("reverse_text", {"text": "a"})["task_id"]
    guarded.client.post(f"/api/tasks/{task}/cancel", headers={"X-API-Key": READ})
    await sign_in(visit, ADMIN, "/audit")
    newest = visit.locator("tbody tr").filter(has_text=task)
    await expect(newest).to_have_count(2)
    await expect(newest.first).to_contain_text("guest")
    await expect(newest.first).to_contain_text("403")
    await newest.first.get_by_role("link", name="guest").click()
    await expect(visit.locator("tbody tr").filter(has_text="boss")).to_have_count(0)
    await visit.get_by_label("Who").fill("")
    await visit.get_by_label("What", exact=True).fill("task.submit")
    await visit.get_by_label("To what").fill(task)
    await visit.get_by_role("button", name="Show").click()
    await expect(visit.locator("tbody tr")).to_have_count(1)
    await visit.get_by_role("link", name=task).click()
    await expect(visit).to_have_url(re.compile(f"/tasks/{task}$"))


async def test_the_audit_trail_leads_to_what_was_changed(visit: Page, guarded: Board) -> None:
    task = {"task_type": "reverse_text", "parameters": {"text": "a"}}
    order = {"name": "yearly", "cron": "0 0 1 1 *", "task": task}
    schedule = guarded.client.post("/api/schedules", json=order).json()["schedule_id"]
    guarded.client.post("/api/queues/email/pause")
    guarded.client.post("/api/queues/email/resume")
    await sign_in(visit, ADMIN, "/audit?actor=boss")
    queue = visit.get_by_role("row").filter(has_text="queue.pause").get_by_role("link", name="email")
    await expect(queue.first).to_have_attribute("href", "/tasks?queue=email")
    await visit.get_by_role("link", name=schedule).first.click()
    await expect(visit.get_by_role("heading", name="yearly")).to_be_visible()


async def test_on_a_narrow_screen_a_key_can_be_revoked_without_looking_for_the_button(visit: Page) -> None:
    await visit.set_viewport_size({"width": 390, "height": 900})
    name = "a-name-of-some-length"
    await sign_in(visit, ADMIN, "/keys")
    await visit.get_by_label("Name").fill(name)
    await visit.get_by_role("button", name="Make a key").click()
    await visit.get_by_role("dialog").get_by_role("button", name="I have kept it").click()
    revoke = visit.get_by_role("button", name=f"Revoke the key {name}")
    box = await revoke.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= 390


async def test_an_open_page_goes_to_sign_in_when_its_key_is_revoked(visit: Page, guarded: Board) -> None:
    body = {"name": "leaving", "role": "read"}
    made = guarded.client.post("/api/keys", json=body).json()
    await sign_in(visit, made["key"], "/tasks")
    await expect(visit.locator("#live")).to_have_attribute("data-state", "live")
    guarded.client.delete(f"/api/keys/{made['id']}")
    await expect(visit).to_have_url(re.compile(r"/sign-in\?next=%2Ftasks"))


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
async def test_no_page_for_signed_in_people_has_a_violation(visit: Page, scheme: str, width: int) -> None:
    await visit.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    await visit.set_viewport_size({"width": width, "height": 900})
    found = {}
    await visit.goto("/sign-in")
    found["/sign-in"] = await violations(visit)
    for key, addresses in ((READ, ["/keys"]), (ADMIN, ["/keys", "/audit"])):
        await sign_in(visit, key)
        for address in addresses:
            await visit.goto(address)
            await expect(visit.locator("#sign-out")).to_be_visible()
            await visit.wait_for_load_state("load")
            found[f"{address} {key[:6]}"] = await violations(visit)
            assert await visit.evaluate("document.documentElement.scrollWidth") <= width, address
        await visit.locator("#sign-out").click()
        await expect(visit).to_have_url(re.compile("/sign-in$"))
    assert {address: each for address, each in found.items() if each} == {}
