"""Pages offer what the role of the key may do, and nothing that the server would refuse."""

import re
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.test_accessibility import violations
from tests.integration.api import serving
from tests.integration.api.serving import Board, body
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEYS = {role: f"cb_{role}_sees_its_buttons_{'x' * 20}" for role in ("submit", "read", "operate", "admin")}
#: What changes something, by the words of its button or link.
CHANGES = re.compile(
    "^(Pause|Resume|Purge|Retry|Cancel|Delete|Run now|Save|Create|Submit|Submit a task|Submit one|Select"
    "|New schedule|Make one|Run again with changes|Revoke|Make a key)"
)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """Callboard with a key of every role."""
    keys = ",".join(f"{role}er:{role}:{key}" for role, key in KEYS.items())
    folder = tmp_path_factory.mktemp("roles-browser")
    with serving.embedded(folder, key=KEYS["admin"], auth="required", api_keys=keys) as running:
        yield running
        assert running.new_bugs() == []


@pytest.fixture(scope="module")
def pages(guarded: Board) -> dict[str, int]:
    """Every page that there is something to do on, and how many things at least."""
    failed = guarded.submit("flaky", {"fail_times": 3}, max_retries=0)["task_id"]
    guarded.ended(failed)
    guarded.submit("reverse_text", {"text": "a"}, delay=3600)
    order = {"name": "nightly", "cron": "30 6 * * *", "task": body("reverse_text", {"text": "a"})}
    schedule = guarded.client.post("/api/schedules", json=order).json()["schedule_id"]
    return {
        "/": 1,
        "/tasks": 3,
        f"/tasks/{failed}": 3,
        "/failed": 1,
        "/schedules": 4,
        f"/schedules/{schedule}": 4,
        "/queues": 5,
    }


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser, guarded: Board) -> AsyncIterator[Page]:
    """A page of a fresh profile; what fails in it fails the test."""
    context = await browser.new_context(base_url=guarded.url, locale="en")
    context.set_default_timeout(PATIENCE_S * 1000)
    page = await context.new_page()
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on(
        "response",
        lambda found: troubles.append(f"{found.status} {found.url}") if found.status >= 400 else None,
    )
    yield page
    await context.close()
    assert troubles == []


async def sign_in(page: Page, role: str, address: str) -> None:
    await page.goto(address)
    await page.get_by_label("API key").fill(KEYS[role])
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**{address}")


async def offered(page: Page) -> list[str]:
    """Return the names of what changes something on this page, once it stands."""
    await page.wait_for_load_state("networkidle" if "/schedules/" in page.url else "load")
    found = []
    for role in ("button", "link", "checkbox"):
        for each in await page.get_by_role(role, name=CHANGES, disabled=False).all():  # type: ignore[arg-type]
            found.append((await each.get_attribute("aria-label")) or await each.inner_text())
    return found


#: What shows that a page's scripts have done their first round.
STANDS = {
    "/": "#throughput svg",
    "/tasks": "#rows tr[data-id] .brief",
    "/failed": "#groups .share",
    "/schedules": "#schedules .plan .buttons",
    "/queues": "#queues .numbers",
}


async def stand(page: Page, address: str) -> None:
    await page.goto(address)
    if address.startswith("/tasks/"):
        await expect(page.locator("#attempts > *")).not_to_have_count(0)
    elif address.startswith("/schedules/"):
        await expect(page.locator("#preview ol")).to_be_visible()
        await expect(page.locator("#task-type option")).not_to_have_count(0)
        await expect(page.locator("#state dl a")).not_to_have_count(0)
    else:
        await expect(page.locator(STANDS[address]).first).to_be_attached()


async def test_a_reader_is_offered_nothing_that_would_be_refused(visit: Page, pages: dict[str, int]) -> None:
    await sign_in(visit, "read", "/workers")
    found = {}
    for address in pages:
        await stand(visit, address)
        if names := await offered(visit):
            found[address] = names
        assert await violations(visit) == []
    assert found == {}
    schedule = next(address for address in pages if address.startswith("/schedules/"))
    await visit.goto(schedule)
    await expect(visit.get_by_text("To change it takes a key with the role operate.")).to_be_visible()
    await expect(visit.get_by_label("Cron")).to_be_disabled()


async def test_an_operator_is_offered_all_of_it(visit: Page, pages: dict[str, int]) -> None:
    await sign_in(visit, "operate", "/workers")
    for address, least in pages.items():
        await stand(visit, address)
        await expect(visit.locator("meta[name=may]")).to_have_attribute("content", re.compile("queue.purge"))
        names = await offered(visit)
        assert len(names) >= least, (address, names)


async def test_who_only_submits_sees_their_task_and_no_links_that_are_closed_to_them(
    visit: Page, guarded: Board
) -> None:
    own = {"X-API-Key": KEYS["submit"]}
    task = guarded.client.post("/api/tasks", json=body("reverse_text", {"text": "a"}), headers=own).json()
    address = f"/tasks/{task['task_id']}"
    await sign_in(visit, "submit", address)
    await stand(visit, address)
    assert await offered(visit) == []
    await expect(visit.get_by_role("navigation", name="Pages").get_by_role("link")).to_have_count(0)
    links = visit.get_by_role("contentinfo").get_by_role("link")
    assert await links.all_inner_texts() == ["API reference", "Task types"]
    await visit.goto("/docs")
    await visit.get_by_role("heading", name="HTTP API").wait_for()
