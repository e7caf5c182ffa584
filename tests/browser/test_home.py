"""The first page: what is on it without scripts, and how it follows what happens."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, CDPSession, Page, expect

from callboard.tasks.states import State
from tests.browser.home import Home
from tests.integration.api.serving import Board, body

pytestmark = pytest.mark.asyncio(loop_scope="session")

#: Bytes of everything the first page loads, as they travel.
MOST_BYTES = 100_000


@pytest.fixture
def home(page: Page) -> Home:
    return Home(page)


@pytest_asyncio.fixture(loop_scope="session")
async def plain(browser: Browser, board: Board) -> AsyncIterator[Page]:
    """A page in a browser that runs no scripts."""
    context = await browser.new_context(base_url=board.url, java_script_enabled=False)
    yield await context.new_page()
    await context.close()


async def count(page: Page, state: str) -> int:
    text = await page.locator(f"#counts [data-status={state}] strong").inner_text()
    return int(text.replace(",", ""))


async def test_without_scripts_it_shows_counts_and_the_newest_tasks(plain: Page, board: Board) -> None:
    task = board.run("reverse_text", {"text": "a"}, priority="high")
    await plain.goto("/")
    counts = board.client.get("/api/stats").json()["counts"]
    assert {state: await count(plain, state) for state in counts} == counts
    assert list(counts) == [state.value for state in State]
    row = plain.locator("#rows tr").first
    await expect(row).to_contain_text(re.compile(r"reverse_text.*succeeded.*high.*100 %", re.DOTALL))
    assert await row.get_by_role("link").get_attribute("href") == f"/tasks/{task['task_id']}"
    await expect(plain.locator(".banner.calm")).to_contain_text("Without JavaScript")


async def test_a_task_appears_and_its_row_follows_it(home: Home, board: Board) -> None:
    await home.open()
    await expect(home.page.locator("#live")).to_have_text("Live")
    running = await count(home.page, "running")
    task = board.submit("long_running", {"duration": 600}, priority="low")
    row = home.page.locator(f"#rows tr[data-id='{task['task_id']}']")
    await expect(row).to_contain_text("running")
    await expect(row).to_contain_text("low")
    await expect(row.locator("progress")).to_have_js_property("value", 0.25)
    await expect(home.page.locator("#counts [data-status=running] strong")).to_have_text(str(running + 1))
    board.client.post(task["links"]["cancel"])
    await expect(row).to_contain_text("cancelled")
    await expect(home.page.locator("#counts [data-status=running] strong")).to_have_text(str(running))
    assert board.ended(task["task_id"])["status"] == "cancelled"


async def test_only_the_newest_are_shown_newest_first(home: Home, board: Board) -> None:
    await home.open()
    await expect(home.page.locator("#live")).to_have_text("Live")
    answer = board.client.post("/api/tasks/batch", json={"tasks": [body("reverse_text", {"text": "a"})] * 40})
    ids = [each["task"]["task_id"] for each in answer.json()["tasks"]]
    newest = sorted(ids, reverse=True)[:15]
    await expect(home.rows).to_have_count(15)
    await expect(home.rows.first).to_have_attribute("data-id", newest[0])
    for at, task_id in enumerate(newest):
        await expect(home.rows.nth(at)).to_have_attribute("data-id", task_id)
        await expect(home.rows.nth(at)).to_contain_text("succeeded")


async def test_a_flood_of_updates_leaves_the_page_smooth(home: Home, board: Board) -> None:
    """1,000 tasks with 3,000 updates: at most ten paints a second, and the page is idle most of the time."""
    await home.open()
    await expect(home.page.locator("#live")).to_have_text("Live")
    client = await home.page.context.new_cdp_session(home.page)
    await client.send("Performance.enable")
    await home.page.evaluate("""() => {
      window.paints = [];
      new MutationObserver(() => window.paints.push(performance.now()))
        .observe(document.getElementById("rows"), { subtree: true, childList: true, characterData: true });
    }""")
    before = await busy_seconds(client)
    tasks = {"tasks": [body("reverse_text", {"text": "a"})] * 500}
    for _ in range(2):
        answer = await asyncio.to_thread(board.client.post, "/api/tasks/batch", json=tasks)
    last = max(each["task"]["task_id"] for each in answer.json()["tasks"])
    await expect(home.rows.first).to_have_attribute("data-id", last)
    await expect(home.rows.first).to_contain_text("succeeded")
    paints = await home.page.evaluate("window.paints")
    seconds = max(1.0, (paints[-1] - paints[0]) / 1000)
    assert len(paints) <= 11 * seconds + 2  # ten, and one of the clock that counts the ages
    assert await busy_seconds(client) - before < seconds / 2


async def busy_seconds(client: CDPSession) -> float:
    """Return the seconds that scripts, styles and layout have taken so far."""
    found = {each["name"]: each["value"] for each in (await client.send("Performance.getMetrics"))["metrics"]}
    return float(found["ScriptDuration"] + found["LayoutDuration"] + found["RecalcStyleDuration"])


async def test_the_charts_show_what_ended_and_say_it(home: Home, board: Board) -> None:
    board.run("reverse_text", {"text": "a"})
    await home.open()
    for chart in ("throughput", "latency"):
        picture = home.page.locator(f"#{chart} svg")
        await expect(picture).to_be_visible()
        assert await picture.get_attribute("role") == "img"
        assert await picture.get_attribute("aria-label")
    await expect(home.page.locator("#throughput .bar[data-series=succeeded]").first).to_be_visible()
    await expect(home.page.locator("#throughput-sum")).to_contain_text(re.compile(r"\d+ succeeded"))
    cells = home.page.locator("#throughput table tbody tr").last
    assert int((await cells.locator("td").first.inner_text()).replace(",", "")) >= 1
    box = await home.page.locator("#throughput svg").bounding_box()
    assert box is not None
    await home.page.mouse.move(box["x"] + box["width"] - 10, box["y"] + 60)
    await expect(home.page.locator("#throughput-sum")).to_contain_text(re.compile(r"^\d\d:\d\d · "))


async def test_the_theme_is_chosen_and_remembered(home: Home, context: BrowserContext) -> None:
    page = home.page
    dark = "getComputedStyle(document.documentElement).colorScheme"
    await page.emulate_media(color_scheme="light")
    await home.open()
    button = page.get_by_role("button", name=re.compile("^Theme"))
    await expect(button).to_have_attribute("title", "Theme: auto")
    await button.click()
    await button.click()
    await expect(button).to_have_attribute("title", "Theme: dark")
    assert await page.evaluate(dark) == "dark"
    other = await context.new_page()
    await other.goto("/")
    assert await other.evaluate("document.documentElement.dataset.theme") == "dark"
    await other.close()
    await button.click()
    await expect(button).to_have_attribute("title", "Theme: auto")
    await page.reload()
    assert await page.evaluate("document.documentElement.dataset.theme") is None


async def test_the_first_page_is_small(context: BrowserContext, board: Board) -> None:
    page = await context.new_page()
    client = await context.new_cdp_session(page)
    await client.send("Network.enable")
    sizes: list[float] = []
    client.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    await Home(page).open()
    await expect(page.locator("#throughput svg")).to_be_visible()
    assert sum(sizes) < MOST_BYTES
    assert len(sizes) > 5
    await page.close()


async def test_the_keyboard_reaches_everything_in_order(home: Home) -> None:
    await home.open()
    reached: list[str] = []
    for _ in range(200):
        await home.page.keyboard.press("Tab")
        where = await home.page.evaluate(
            "[document.activeElement.id || document.activeElement.textContent.trim(),"
            " document.activeElement === document.body || document.activeElement.matches(':focus-visible')]"
        )
        assert where[1], f"{where[0]} has focus and does not show it"
        reached.append(where[0])
        if where[0] == "Health":
            break
    wanted = [
        "Skip to the content",
        "Home",
        "Workers",
        "theme",
        "All tasks",
        "task-type",
        "send",
        "curl",
        "Health",
    ]
    assert [each for each in reached if each in wanted] == wanted


async def test_the_skip_link_leads_to_the_content(home: Home) -> None:
    await home.open()
    await home.page.keyboard.press("Tab")
    await home.page.keyboard.press("Enter")
    assert await home.page.evaluate("document.activeElement.id") == "main"
