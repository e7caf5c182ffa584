"""Narrow and wide, light and dark: nothing sticks out, everything can be read."""

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.browser.home import Home

pytestmark = pytest.mark.asyncio(loop_scope="session")

#: Returns each text whose contrast is below WCAG AA, with its ratio.
CONTRAST = """() => {
  const channel = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const element of document.body.querySelectorAll("*")) {
    const own = [...element.childNodes].filter((node) => node.nodeType === 3);
    const text = own.map((node) => node.data.trim()).join("");
    if (!text || !element.checkVisibility() || element.matches(":disabled")) continue;
    const style = getComputedStyle(element);
    const [high, low] = [luminance(parse(style.color)), luminance(behind(element))].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    const large = parseFloat(style.fontSize) >= 24;
    if (ratio < (large ? 3 : 4.5)) poor.push(`${text.slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return poor;
}"""


async def busy(page: Page) -> Home:
    """Fill the page with all it can show: a field's problem, an error, a result, tasks of every kind."""
    home = Home(page)
    await home.open()
    await home.field("text").fill("unbroken" * 200)
    await home.submit()
    await home.ends()
    await home.choose("flaky")
    await home.open_options()
    await home.field("message").fill("word" * 100)
    await home.field("Retries").fill("0")
    await home.submit()
    await home.ends("failed")
    await home.fold_out("Traceback")
    await home.field("Retries").fill("x" * 100)
    await home.submit()
    await expect(home.error("Retries")).to_be_visible()
    return home


@pytest.mark.parametrize("width", [320, 390, 1280])
async def test_nothing_sticks_out(page: Page, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 800})
    home = await busy(page)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    await home.choose("file_processing")
    assert await page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_everything_can_be_read(page: Page, scheme: str) -> None:
    await page.emulate_media(color_scheme=scheme)
    await busy(page)
    assert await page.evaluate(CONTRAST) == []
    color = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, color[4:-1].split(","))) < 200) == (scheme == "dark")


async def test_every_control_has_a_name_and_every_id_is_used_once(page: Page) -> None:
    await busy(page)
    for control in await page.locator("input, select, textarea, button").all():
        if await control.is_visible():
            named = await control.evaluate(
                "it => it.labels?.length > 0 || it.ariaLabel || it.textContent.trim()"
            )
            assert named, await control.evaluate("it => it.outerHTML")
    ids = await page.evaluate("[...document.querySelectorAll('[id]')].map(it => it.id)")
    assert len(ids) == len(set(ids))


async def test_the_page_comes_from_here_alone(context: BrowserContext) -> None:
    page = await context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await busy(page)
    host = page.url.split("/")[2]
    assert {address.split("/")[2] for address in asked} == {host}
