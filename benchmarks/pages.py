"""The web UI in a real browser: how soon the first page can be used, and whether the list stays smooth."""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.rig import Rig, free_port, post_json

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
LOADS = 10
#: Updates a second of the list: each task is queued, runs and ends.
UPDATES, PER_TASK, BATCHES_S = 200, 3, 4
WATCHED_S = 8
#: The form can be used once the chosen type's fields are there, made by a script from its schema.
USABLE = """
  const look = new MutationObserver(() => {
    if (!document.querySelector("#parameters textarea, #parameters input")) return;
    window.usable = performance.now();
    look.disconnect();
  });
  look.observe(document, { childList: true, subtree: true });
"""
FRAMES = """() => {
  window.gaps = []; let last = performance.now();
  const frame = () => { const now = performance.now(); window.gaps.push(now - last); last = now;
    requestAnimationFrame(frame) };
  requestAnimationFrame(frame);
}"""


@contextmanager
def _browser() -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield browser
        browser.close()


def first_page_ms(rig: Rig, rounds: int, say: Callable[[str], None]) -> dict[str, list[float]]:
    """Measure ms from asking for the first page, nothing cached, until its form is usable (median of 10)."""
    found = []
    env = {**rig.environment(free_port()), "CALLBOARD_ACTORS": "actors"}
    with rig.callboard_web(env) as address, _browser() as browser:
        for number in range(rounds):
            times = sorted(_load(browser, address) for _ in range(LOADS))
            found.append(times[LOADS // 2])
            say(f"round {number + 1}: median {found[-1]:.0f} ms, slowest {times[-1]:.0f} ms")
    return {"callboard": found}


def _load(browser: Browser, address: str) -> float:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    try:
        page = context.new_page()
        page.add_init_script(USABLE)
        page.goto(f"{address}/", wait_until="commit")
        page.wait_for_selector("#parameters textarea, #parameters input")
        return float(page.evaluate("window.usable"))
    finally:
        context.close()


def list_slow_frames_pct(rig: Rig, rounds: int, say: Callable[[str], None]) -> dict[str, list[float]]:
    """Measure the share of frames over 50 ms while the list of tasks shows 200 updates a second."""
    found = []
    env = rig.environment(free_port())
    with (
        rig.callboard_web(env) as address,
        rig.process("worker", "callboard", "worker", env=env),
        _browser() as browser,
    ):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        for number in range(rounds):
            page.goto(f"{address}/tasks")
            found.append(_slow(page, address, say, number))
    return {"callboard": found}


def _slow(page: Page, address: str, say: Callable[[str], None], number: int) -> float:
    ended = threading.Event()

    def submit() -> None:
        tasks = [{"task_type": "noop"}] * (UPDATES // PER_TASK // BATCHES_S)
        while not ended.wait(1 / BATCHES_S):
            post_json(f"{address}/api/tasks/batch", {"tasks": tasks})

    load = threading.Thread(target=submit)
    load.start()
    try:
        page.wait_for_selector("tbody tr")
        page.evaluate(FRAMES)
        page.wait_for_timeout(WATCHED_S * 1000)
        gaps: Any = page.evaluate("window.gaps")
    finally:
        ended.set()
        load.join()
    slow = 100 * sum(gap > 50 for gap in gaps) / len(gaps)
    say(
        f"round {number + 1}: {len(gaps) / WATCHED_S:.0f} frames/s, {slow:.1f} % over 50 ms, "
        f"longest {max(gaps):.0f} ms"
    )
    return slow
