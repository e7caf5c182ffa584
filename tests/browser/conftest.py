"""A real Chromium, started once, and a Callboard for it. A page that logs an error fails its test."""

import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright, expect

from tests.integration.api import serving
from tests.integration.api.serving import Board
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: A name for 127.0.0.1 that browsers do not trust as they trust localhost: plain HTTP on a network.
PLAIN_HOST = "callboard.test"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--host-resolver-rules=MAP {PLAIN_HOST} 127.0.0.1",
]
#: Chromium logs these itself for answers that a page asked for and shows.
EXPECTED = (
    "status of 404",
    "status of 409",
    "status of 412",
    "status of 422",
    "status of 503",
    "net::ERR_INTERNET_DISCONNECTED",
    "net::ERR_CONNECTION_RESET",
    "net::ERR_NETWORK_CHANGED",  # an interface of this machine came or went: a container beside us
)


@cache
def chromium() -> str | None:
    """Return the browser's program, installed if it is missing; None is playwright's own."""
    script = ROOT / "scripts/install-system.sh"
    done = subprocess.run(["bash", script, "browser"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.fail(f"Chromium is needed:\n{done.stderr}", pytrace=False)
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        expect.set_options(timeout=PATIENCE_S * 1000)
        yield started
        await started.close()


@pytest.fixture(scope="session")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """Callboard in one process; mails are printed."""
    with serving.embedded(tmp_path_factory.mktemp("browser"), host_names=PLAIN_HOST) as running:
        yield running
        assert running.new_bugs() == []


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser, board: Board) -> AsyncIterator[BrowserContext]:
    """A fresh profile, as wide as a desk; `page.goto("/")` is the home page."""
    made = await browser.new_context(base_url=board.url, viewport={"width": 1280, "height": 900}, locale="en")
    made.set_default_timeout(PATIENCE_S * 1000)
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext) -> AsyncIterator[Page]:
    """A page; the test fails if it logs an error, breaks its policy or opens a dialog."""
    troubles: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(part in message.text for part in EXPECTED):
            troubles.append(message.text)

    page = await context.new_page()
    page.on("console", listen)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("dialog", lambda dialog: troubles.append(f"dialog: {dialog.message}"))
    yield page
    assert troubles == []
