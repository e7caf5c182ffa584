"""dramatiq-dashboard in the browser, with real RabbitMQ, Redis and worker: what an operator sees and does."""

import json
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from callboard.dashboard.shown import visible
from callboard.local.rabbitmq import RabbitNode
from callboard.local.redis import RedisServer
from callboard.store import calls
from callboard.tasks.states import State
from tests.browser.test_accessibility import violations
from tests.browser.test_fleet import CORPUS, MADE
from tests.integration.dashboard import site as sites
from tests.integration.dashboard.site import Site
from tests.integration.worker.harness import Installation
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(scope="module")
def board(
    rabbitmq: RabbitNode, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """A namespace with one worker."""
    with sites.one_worker(tmp_path_factory.mktemp("dashboard"), rabbitmq, redis_server) as made:
        yield made


@pytest.fixture(scope="module")
def site(board: Installation) -> Site:
    """Its dashboard."""
    return sites.start(board)


@pytest.fixture(scope="module")
def tasks(board: Installation) -> dict[str, str]:
    """The ids of a delayed, a failed and a running task."""
    ledger = board.path("ledger")
    made = {
        "delayed": board.submit("echo", {"value": "later"}, delay=3600, tags=["dashboard"]),
        "failed": board.submit("boom", {"times": 1}, max_retries=0),
        "running": board.submit("gated", {"ledger": ledger, "gate": board.path("gate")}),
    }
    board.wait(made["failed"], State.FAILED)
    board.wait_ledger(ledger, "started")
    return made


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, site: Site) -> AsyncIterator[Page]:
    """A page of a fresh profile; the test fails if it logs anything or asks another host for anything."""
    context = await browser.new_context(base_url=site.url, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE_S * 1000)
    troubles: list[str] = []
    page = await context.new_page()
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("dialog", lambda dialog: troubles.append(f"dialog: {dialog.message}"))
    page.on("request", lambda asked: asked.url.startswith(site.url) or troubles.append(asked.url))
    yield page
    await context.close()
    assert troubles == []


async def test_an_operator_finds_what_waits_what_runs_and_what_failed(
    page: Page, tasks: dict[str, str]
) -> None:
    await page.goto("/")
    row = page.locator("tr", has=page.get_by_role("link", name="default"))
    await expect(row.locator("td")).to_have_text(["default", "1", "1", "1"])
    await page.get_by_role("link", name="default").click()
    await expect(page.get_by_role("link", name="running")).to_have_attribute(
        "href", f"/queues/default/standard/{tasks['running']}"
    )
    await page.get_by_role("link", name="Delayed (1)").click()
    await expect(page.get_by_role("link", name="scheduled")).to_contain_text("later")
    await page.get_by_role("link", name="Failed (1)").click()
    await page.get_by_role("link", name="ValueError: attempt 1 went wrong").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(f"Job {tasks['failed']} in default")
    await expect(page.get_by_role("row", name="Kwargs")).to_contain_text("times=")
    await expect(page.get_by_role("row", name="Traceback")).to_contain_text(
        "Traceback (most recent call last)"
    )


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
async def test_every_page_can_be_read_by_everybody(
    page: Page, tasks: dict[str, str], scheme: str, width: int
) -> None:
    await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    await page.set_viewport_size({"width": width, "height": 900})
    found = {}
    for address in (
        "/",
        "/queues/default",
        "/queues/default/delayed",
        "/queues/default/failed",
        "/queues/email",
        f"/queues/default/failed/{tasks['failed']}",
    ):
        await page.goto(address)
        found[address] = await violations(page)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, address
        assert await page.evaluate("getComputedStyle(document.body).margin") == "0px"  # it has its style
    assert {address: each for address, each in found.items() if each} == {}


async def test_requeue_runs_a_failed_task_to_success(page: Page, board: Installation) -> None:
    task_id = board.submit("boom", {"times": 1}, max_retries=0)
    board.wait(task_id, State.FAILED)
    await page.goto("/queues/default/failed")
    row = page.locator("tr", has=page.locator(f"a[href$='{task_id}']"))
    await row.get_by_role("button", name="Requeue").click()
    await expect(page.get_by_role("status")).to_have_text("The task is queued again, under the same id.")
    assert board.wait(task_id, State.SUCCEEDED)["attempts"] == 2
    await page.get_by_role("link", name="Reload").click()
    await expect(page.get_by_role("row", name="Status")).to_contain_text("succeeded")
    await expect(page.get_by_role("status")).to_have_count(0)


async def test_requeue_is_also_beside_the_traceback(page: Page, board: Installation) -> None:
    task_id = board.submit("boom", {"times": 1}, max_retries=0)
    board.wait(task_id, State.FAILED)
    await page.goto(f"/queues/default/failed/{task_id}")
    await page.get_by_role("button", name="Requeue").click()
    await expect(page).to_have_url(f"/queues/default/standard/{task_id}?done=queued")
    board.wait(task_id, State.SUCCEEDED)


async def test_delete_cancels_a_task_that_waits(page: Page, board: Installation) -> None:
    task_id = board.submit("echo", delay=3600)
    await page.goto("/queues/default/delayed")
    row = page.locator("tr", has=page.locator(f"a[href$='{task_id}']"))
    await row.get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("status")).to_have_text("The task was cancelled: it will not run.")
    await expect(row).to_have_count(0)
    assert board.status(task_id) == "cancelled"


async def test_hostile_text_is_shown_as_text(page: Page, board: Installation) -> None:
    made = []
    for text in CORPUS:
        value = {text: [text]}
        task_id = board.submit("echo", {"value": value}, delay=3600, tags=[text[:64]])
        error = {"type": text, "message": text, "traceback": f"Traceback\n{text}"}
        board.store.run(calls.fail_unclaimed(board.keys, task_id, json.dumps(error).encode(), 3600))
        board.store.run(calls.beat(board.keys, text, {"running": text, "last_heartbeat": 1}, []))
        made.append(task_id)
    for address in ("/", "/queues/default/failed", *(f"/queues/default/failed/{each}" for each in made)):
        await page.goto(address)
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert await page.locator(MADE).count() == 0, address
        shown = await page.locator("main").inner_text()
        assert not {"\u202e", "\u2066", "\u200b"} & set(shown), address
        if address[-36:] in made:
            text = CORPUS[made.index(address[-36:])]
            heading = page.get_by_role("rowheader", name="Error", exact=True)
            await expect(page.locator("tr", has=heading)).to_contain_text(visible(text))
    await page.goto(f"/queues/default/failed/{made[0]}")
    await page.get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("status")).to_have_text("The task was deleted.")
    assert board.record(made[0]) is None
