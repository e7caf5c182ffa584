"""What goes wrong is said, at its place, in words; and what is hostile is only text."""

import asyncio
import json
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, Route, expect

from tests.browser.conftest import PLAIN_HOST
from tests.browser.home import Home
from tests.integration.api.serving import Board
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>\"'&lt; \u202egnp.exe\u2066"
SHOWN = "<img src=x onerror=alert(1)><script>alert(2)</script>\"'&lt; \\u202egnp.exe\\u2066"


@pytest.fixture
def home(page: Page) -> Home:
    return Home(page)


@pytest.mark.parametrize(
    ("task_type", "label", "typed", "words"),
    [
        ("email_sending", "to", "nobody", "is no address"),
        ("long_running", "duration", "soon", "Expected `float`"),
        ("long_running", "duration", "-1", ">= 0"),
        ("long_running", "stages", "x" * 101, "0: Expected `str` of length <= 100"),
        ("flaky", "fail_times", "1.5", "Expected `int`"),
        ("data_processing", "data", "[1, 2", "is not JSON"),
        ("data_processing", "data", "[1, [2]]", "1: Expected"),
        ("flaky", "Retries", "many", "Expected `int"),
        ("flaky", "Delay", "-1", ">= 0"),
        ("flaky", "Tags", "a" * 65, "0: Expected `str` of length <= 64"),
    ],
)
async def test_a_problem_is_shown_at_its_field(
    home: Home, task_type: str, label: str, typed: str, words: str
) -> None:
    await home.open()
    await home.choose(task_type)
    await home.open_options()
    await home.field(label).fill(typed)
    await home.submit()
    await expect(home.error(label)).to_contain_text(words)
    await expect(home.field(label)).to_have_attribute("aria-invalid", "true")
    await expect(home.field(label)).to_be_focused()
    described = await home.field(label).get_attribute("aria-describedby")
    assert await home.error(label).get_attribute("id") in (described or "").split()


async def test_a_problem_goes_away_with_its_cause(home: Home) -> None:
    await home.open()
    await home.choose("flaky")
    await home.field("fail_times").fill("x")
    await home.submit()
    await expect(home.error("fail_times")).to_be_visible()
    await home.field("fail_times").fill("0")
    await home.submit()
    await home.ends()
    await expect(home.error("fail_times")).to_be_hidden()


async def test_a_problem_without_a_field_is_an_alert(home: Home) -> None:
    async def refuse(route: Route) -> None:
        problem = {"title": "Not now", "status": 409, "detail": HOSTILE}
        await route.fulfill(status=409, content_type="application/problem+json", body=json.dumps(problem))

    await home.open()
    await home.page.route("**/api/tasks", refuse)
    await home.submit()
    await expect(home.alert).to_be_visible()
    await expect(home.alert).to_contain_text("Not now")
    await expect(home.alert.locator("img, script")).to_have_count(0)


async def test_a_server_that_is_not_ready_or_not_there_is_said_and_waited_for(
    home: Home, context: BrowserContext
) -> None:
    async def unready(route: Route) -> None:
        problem = {"title": "Not ready", "status": 503, "detail": "RabbitMQ does not answer"}
        await route.fulfill(status=503, content_type="application/problem+json", body=json.dumps(problem))

    banner = home.page.locator("#trouble")
    await home.open()
    await home.page.route("**/api/tasks*", unready)
    await home.submit()
    await expect(home.alert).to_contain_text("RabbitMQ does not answer")
    await expect(banner).to_contain_text("RabbitMQ does not answer")
    await home.page.unroute("**/api/tasks*")
    await expect(banner).to_be_hidden()
    await context.set_offline(True)
    await expect(banner).to_contain_text("cannot be reached")
    await context.set_offline(False)
    await expect(banner).to_be_hidden()
    await home.submit()
    await home.ends()


async def test_a_server_that_vanished_without_a_word_is_said_and_found_again(page: Page) -> None:
    async def never_answer(_route: Route) -> None:
        return

    banner = page.locator("#trouble")
    await page.clock.install()
    await page.goto("/workers")
    await expect(page.locator("#live")).to_have_text("Live")
    await page.route("**/*", never_answer)
    async with page.expect_request("**/api/workers"):
        await page.clock.fast_forward(20_000)
    await expect(banner).to_be_hidden()
    await page.clock.fast_forward(31_000)
    await expect(banner).to_contain_text("cannot be reached")
    await page.unroute_all()
    await page.clock.fast_forward(20_000)
    await expect(banner).to_be_hidden()
    await expect(page.locator("#live")).to_have_text("Live")


async def test_an_answer_that_got_lost_does_not_run_a_task_twice(home: Home, board: Board) -> None:
    """The request arrives, its answer does not; the user presses the button again."""

    async def lose(route: Route) -> None:
        await route.fetch()
        await route.abort("connectionreset")

    await home.open()
    await home.open_options()
    await home.field("Tags").fill("only-once")
    await home.page.route("**/api/tasks", lose, times=1)
    await home.submit()
    await expect(home.alert).to_contain_text("cannot be reached")
    await home.submit()
    await home.ends()
    assert len(board.client.get("/api/tasks", params={"tag": "only-once"}).json()["tasks"]) == 1


async def test_hostile_text_is_only_text(home: Home, tmp_path: Path) -> None:
    await home.open()
    await home.choose("flaky")
    await home.field("fail_times").fill("1")
    await home.field("message").fill(HOSTILE)
    await home.open_options()
    await home.field("Retries").fill("0")
    await home.field("Tags").fill(HOSTILE[:40])
    await home.submit()
    await home.ends("failed")
    await expect(home.page.locator("#error")).to_contain_text(SHOWN)
    await expect(home.page.locator("#submitted .chip")).to_have_text(HOSTILE[:40])
    await home.fold_out("Parameters sent")
    await expect(home.page.locator("#sent")).to_contain_text("<script>alert(2)</script>")
    await home.choose("long_running")
    await home.field("duration").fill("0")
    await home.field("stages").fill(HOSTILE)
    await home.submit()
    await home.ends()
    await expect(home.page.locator("#stage")).to_have_text(SHOWN)
    evil = tmp_path / "<b>\u202egnp.csv"
    evil.write_text("a,b\n1,2\n", encoding="utf-8")
    await home.choose("file_processing")
    await home.page.get_by_label("Upload a file").set_input_files(evil)
    await expect(home.page.get_by_text("Uploaded <b>")).to_be_visible()
    await expect(home.page.locator("main :is(img, script, b, iframe)")).to_have_count(0)


async def test_a_curl_command_is_copied_and_does_the_same(
    home: Home, context: BrowserContext, board: Board
) -> None:
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    await home.open()
    await home.field("text").fill("it's $HOME `id` \\ !")
    await home.page.get_by_role("button", name="Copy as curl").click()
    await expect(home.page.locator("#said")).to_have_text("Copied")
    command = await home.page.evaluate("navigator.clipboard.readText()")
    assert command.startswith(f"curl -sS '{board.url}/api/tasks'")
    assert "it'\\''s $HOME `id` \\\\ !" in command


async def test_a_curl_command_can_be_copied_without_https(home: Home, board: Board) -> None:
    await home.open(f"http://{PLAIN_HOST}:{board.port}/")
    assert not await home.page.evaluate("isSecureContext")
    await home.page.get_by_role("button", name="Copy as curl").click()
    await expect(home.page.locator("#said")).to_have_text("Copied")
    await home.field("text").fill("")
    await home.field("text").press("Control+V")
    assert (await home.field("text").input_value()).startswith(
        f"curl -sS 'http://{PLAIN_HOST}:{board.port}/api/tasks'"
    )
    await home.submit()
    await home.ends()


async def test_a_page_that_lost_a_script_is_loaded_again(page: Page) -> None:
    """Nothing on it moved any more, and nothing said so."""
    lost: list[str] = []

    async def lose_the_first(route: Route) -> None:
        if lost:
            await route.continue_()
            return
        lost.append(route.request.url)
        await route.abort("connectionreset")

    await page.route("**/static/badges.js*", lose_the_first)
    await page.goto("/tasks")
    await expect(page.locator("#live")).to_have_text("Live")
    assert len(lost) == 1
    assert await page.evaluate("sessionStorage.length") == 0


async def test_a_page_whose_script_is_missing_for_good_is_left_alone(page: Page) -> None:
    last, loads = asyncio.Event(), 0

    def loaded(_: Page) -> None:
        nonlocal loads
        loads += 1
        if loads == 6:
            last.set()

    page.on("load", loaded)
    await page.route("**/static/badges.js*", lambda route: route.abort("connectionreset"))
    await page.goto("/tasks")
    await asyncio.wait_for(last.wait(), PATIENCE_S)
    assert await page.evaluate("sessionStorage.getItem('reloads')") == "5"
