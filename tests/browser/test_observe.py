"""Tasks side by side, also while the web process is begun anew: no line is lost, none comes twice."""

import asyncio
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from playwright.async_api import Browser, Locator, Page, expect

from callboard.local.ports import accepts
from callboard.local.rabbitmq import RabbitNode
from callboard.local.redis import RedisServer
from tests.browser.test_task_page import UNKNOWN
from tests.integration.api import serving
from tests.integration.api.serving import ROOT, Board
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.asyncio(loop_scope="session")

STAGES = [f"step {n}" for n in range(1, 13)]


class Observe:
    """The page as tests see it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.cards = page.locator("article.card")
        self.field = page.get_by_label("Task ids")
        self.error = page.locator("#id-error")

    async def open(self, *ids: object) -> None:
        await self.page.goto("/observe?" + "&".join(f"id={quote(str(each))}" for each in ids))

    async def add(self, text: object) -> None:
        await self.field.fill(str(text))
        await self.page.get_by_role("button", name="Observe", exact=True).click()

    def card(self, task_id: object) -> Locator:
        return self.page.locator(f"article.card[data-id='{task_id}']")


@pytest.fixture
def observe(page: Page) -> Observe:
    return Observe(page)


async def test_ids_are_pasted_kept_in_the_address_and_closed(observe: Observe, board: Board) -> None:
    first, second = (board.run("reverse_text", {"text": text})["task_id"] for text in ("ab", "cd"))
    await observe.open()
    await expect(observe.page.get_by_text("Nothing is observed yet")).to_be_visible()
    await observe.add("not an id")
    await expect(observe.error).to_contain_text("This is no task id")
    await expect(observe.field).to_have_attribute("aria-invalid", "true")
    await observe.add(f"see {board.url}/tasks/{first} and {second.upper()}")
    await expect(observe.error).to_be_hidden()
    await expect(observe.cards).to_have_count(2)
    await expect(observe.card(second)).to_contain_text('"dc"')
    assert observe.page.url.endswith(f"?id={first}&id={second}")
    await observe.page.reload()
    await expect(observe.card(first)).to_contain_text('"ba"')
    await observe.page.get_by_role("button", name=f"Stop observing {first}").click()
    await expect(observe.cards).to_have_count(1)
    assert observe.page.url.endswith(f"/observe?id={second}")


async def test_an_unknown_id_is_a_card_that_says_so(observe: Observe) -> None:
    await observe.open(UNKNOWN)
    await expect(observe.card(UNKNOWN)).to_contain_text("There is no task with this id")


async def test_a_task_is_followed_by_its_quarters(observe: Observe, board: Board) -> None:
    task = board.submit("long_running", {"duration": 2.4})
    await observe.open(task["task_id"])
    card = observe.card(task["task_id"])
    for at, percent in enumerate((25, 50, 75, 100)):
        await expect(card.locator(".stages li").nth(at)).to_contain_text(f"{percent} %")
    await expect(card.locator(".badge")).to_have_text("succeeded")
    await expect(card.locator(".line")).to_have_count(4)


@pytest.fixture
def real(
    tmp_path: Path, rabbitmq: RabbitNode, redis_server: RedisServer, namespace: str
) -> Iterator["Restartable"]:
    """`callboard web` and `callboard worker` on real servers; the web process can be ended and begun."""
    with serving.stack(tmp_path, rabbitmq, redis_server, namespace) as board:
        given = {"BROKER_URL": rabbitmq.url, "REDIS_URL": redis_server.url, "NAMESPACE": namespace}
        given |= {"PORT": str(board.port), "FILES_URL": (tmp_path / "files").as_uri()}
        ours = {f"CALLBOARD_{name}": value for name, value in given.items()}
        path = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
        yield Restartable(board, {**os.environ, "PYTHONPATH": path, **ours})


class Restartable:
    """A stack whose web process can be ended and begun again on its port."""

    def __init__(self, board: Board, env: dict[str, str]) -> None:
        self.board = board
        self._env = env

    async def end_web(self) -> None:
        """Send SIGTERM and wait."""
        await asyncio.to_thread(self.board.processes[0].stop, PATIENCE_S)

    async def begin_web(self) -> None:
        web = self.board.processes[0]
        web.start([sys.executable, "-m", "callboard", "web"], self._env)
        listens = {"timeout_s": PATIENCE_S, "what": "the web process listens"}
        await asyncio.to_thread(web.wait_until, lambda: accepts(self.board.port), **listens)

    def logged(self, task_id: str) -> list[str]:
        """Return the messages the task logged, as the API has them."""
        with httpx.Client(base_url=self.board.url, timeout=PATIENCE_S) as client:
            found = client.get(f"/api/tasks/{task_id}/logs").json()
        return [line["message"] for attempt in found["attempts"] for line in attempt["lines"]]


async def test_a_restart_of_web_in_the_middle_loses_and_repeats_nothing(
    browser: Browser, real: Restartable
) -> None:
    context = await browser.new_context(base_url=real.board.url, viewport={"width": 1280, "height": 900})
    page, other = await context.new_page(), await context.new_page()
    ids = [
        str(real.board.submit("long_running", {"duration": 9 + n, "stages": STAGES})["task_id"])
        for n in range(2)
    ]
    observe = Observe(page)
    await observe.open(*ids)
    await other.goto(f"/tasks/{ids[0]}")
    for task_id in ids:
        await expect(observe.card(task_id).locator(".line")).not_to_have_count(0)
    await real.end_web()
    for task_id in ids:
        await expect(observe.card(task_id).locator(".live")).to_have_text("Disconnected… Reconnecting…")
    await expect(other.locator("#live")).to_have_text("Disconnected… Reconnecting…")
    await expect(page.locator("#live")).to_have_text("Disconnected… Reconnecting…")
    await real.begin_web()
    for task_id in ids:
        card = observe.card(task_id)
        await expect(card.locator(".percent")).to_have_text("100 %")
        await expect(card.locator(".badge")).to_have_text("succeeded")
        await complete(card, real.logged(task_id))
        await expect(card.locator(".live")).to_have_text("")
    await expect(other.locator("#status")).to_have_text("succeeded")
    await complete(other.locator("#log"), real.logged(ids[0]))
    await context.close()


async def complete(place: Locator, logged: list[str]) -> None:
    """Check that each line that was logged is shown once, in order."""
    assert len(logged) == len(STAGES)
    await expect(place.locator(".line")).to_have_count(len(logged))
    shown = [re.sub(r"\s+", " ", text) for text in await place.locator(".line").all_inner_texts()]
    assert [line.split(" ", 1)[1].removeprefix("info ") for line in shown] == logged
    versions = [
        int(await each.get_attribute("data-version") or 0) for each in await place.locator(".line").all()
    ]
    assert versions == sorted(set(versions))
