"""axe-core (npm, see package.json) finds nothing on any page, in light and in dark, wide and narrow."""

import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.home import Home
from tests.integration.api.serving import Board

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROOT = Path(__file__).parents[2]
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
#: Every page without an id in its address.
PAGES = [
    "/", "/tasks", "/observe", "/failed", "/schedules", "/schedules/new", "/queues", "/workers", "/keys",
    "/audit",
]  # fmt: skip
LOOKS: list[tuple[Any, int]] = [("light", 1280), ("dark", 1280), ("light", 390)]
#: What the page of one task is looked at in.
STATES = ["succeeded", "failed", "scheduled", "retrying", "running", "cancelled"]


@cache
def axe() -> str:
    """Return axe-core's source, installed if it is missing."""
    script = ROOT / "scripts/install-system.sh"
    done = subprocess.run(["bash", script, "axe"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.fail(f"axe-core is needed:\n{done.stderr}", pytrace=False)
    return (ROOT / "node_modules/axe-core/axe.min.js").read_text("utf-8")


async def violations(page: Page) -> list[dict[str, Any]]:
    """Return what axe finds, in short."""
    await page.evaluate(axe())
    found = await page.evaluate("tags => axe.run({ runOnly: { type: 'tag', values: tags } })", TAGS)
    return [
        {"rule": each["id"], "help": each["help"], "where": [node["html"][:200] for node in each["nodes"]]}
        for each in found["violations"]
    ]


@pytest.fixture(scope="module")
def filled(board: Board) -> Iterator[dict[str, str]]:
    """A task of every state: the ids by state. None of them changes while a later test counts."""
    made = {
        "succeeded": board.run("data_processing", {"data": [1, 2, 3]}, tags=["axe"]),
        "failed": board.run("flaky", {"fail_times": 1}, max_retries=0),
        "scheduled": board.submit("reverse_text", {"text": "a"}, delay=3600),
        "retrying": board.submit("flaky", {"fail_times": 20}, max_retries=20, priority="high"),
        "running": board.submit("long_running", {"duration": 600}, priority="low"),
        "cancelled": board.submit("reverse_text", {"text": "b"}, delay=3600),
    }
    board.client.post(made["cancelled"]["links"]["cancel"])
    yield {state: str(task["task_id"]) for state, task in made.items()}
    for state in ("scheduled", "retrying", "running"):
        board.client.post(made[state]["links"]["cancel"])
        board.ended(str(made[state]["task_id"]))


@pytest.mark.parametrize("shown", [*PAGES, *STATES])
async def test_no_page_has_a_violation(page: Page, filled: dict[str, str], shown: str) -> None:
    found = {}
    for scheme, width in LOOKS:
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        await page.set_viewport_size({"width": width, "height": 900})
        await page.goto(f"/tasks/{filled[shown]}" if shown in STATES else shown)
        await expect(page.locator("#theme")).to_be_visible()
        await page.wait_for_load_state("load")
        found[scheme, width] = await violations(page)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, scheme
    assert {look: each for look, each in found.items() if each} == {}


async def test_the_form_and_its_result_have_no_violation(page: Page) -> None:
    home = Home(page)
    await home.open()
    await home.choose("flaky")
    await home.open_options()
    await home.field("Retries").fill("0")
    await home.submit()
    await home.ends("failed")
    await home.fold_out("Traceback")
    await home.field("Retries").fill("many")
    await home.submit()
    await expect(home.error("Retries")).to_be_visible()
    assert await violations(page) == []
