"""The page of `mien live` in Chromium, and what the browser tells of it.

Playwright and Chromium are there after `make setup` and `make servers`, and not in an installation.
"""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec

from streams.errors import ServiceUnavailable

if TYPE_CHECKING:
    from playwright.async_api import CDPSession, Page

PATH: Final = "?measure#/wall?size=small"
SIZE_PX: Final = (2560, 1600)
"""Shows 52 small tiles, also where an alert makes a row higher."""
TILES_TIMEOUT_MS: Final = 60_000.0
_MEASURES: Final = """(() => {
  const taken = { delays_ms: [], frames_ms: [], long_tasks_ms: [] };
  const epoch_ms = Date.now() - performance.now();
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { entryType, name, startTime, duration, detail } = entry;
      if (entryType === "longtask") taken.long_tasks_ms.push(duration);
      else if (name === "mien-face") taken.delays_ms.push(epoch_ms + startTime - Date.parse(detail));
    }
    performance.clearMarks();
  }).observe({ entryTypes: ["mark", "longtask"] });
  let before_ms = performance.now();
  const frame = (now_ms) => {
    taken.frames_ms.push(now_ms - before_ms);
    before_ms = now_ms;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  globalThis.mienTake = () => {
    const all = structuredClone(taken);
    for (const one of Object.values(taken)) one.length = 0;
    return all;
  };
})();"""
_VISIBLE: Final = """() => [...document.querySelectorAll(".tile")].filter((tile) => {
  const { top, bottom } = tile.getBoundingClientRect();
  return top >= 0 && bottom <= innerHeight && tile.querySelector("[data-emotion]");
}).length"""

_ARE_THERE: Final = """(cameras) => document.querySelectorAll(".tile").length >= cameras
  && document.querySelector(".tile [data-emotion]")"""


class PageTaken(msgspec.Struct, frozen=True):
    """What the browser counted since it was asked last."""

    delays_ms: list[float]
    """Of each face that was drawn: from `captured_at` until it was on the screen."""
    frames_ms: list[float]
    """Between two pictures of the screen."""
    long_tasks_ms: list[float]
    """Tasks that kept the page from answering for 50 ms or more (W3C, Long Tasks API)."""


class OpenPage:
    """The wall, open in a browser."""

    def __init__(self, page: "Page", devtools: "CDPSession") -> None:
        self._page = page
        self._devtools = devtools

    async def take(self) -> PageTaken:
        """What was counted since the last time."""
        return msgspec.convert(await self._page.evaluate("mienTake()"), PageTaken, strict=False)

    async def visible_tiles(self) -> int:
        """Tiles that are wholly on the screen, with a face in them."""
        count: int = await self._page.evaluate(_VISIBLE)
        return count

    async def heap_mib(self) -> float:
        """What JavaScript holds once its garbage is collected, in MiB."""
        await self._devtools.send("HeapProfiler.collectGarbage")
        used: dict[str, Any] = await self._devtools.send("Runtime.getHeapUsage")
        return round(float(used["usedSize"]) / 2**20, 2)


def lacks() -> str:
    """Why there can be no page; empty where there can."""
    try:
        import playwright.async_api  # noqa: F401
    except ModuleNotFoundError:
        return "Playwright is not installed: `make setup` in a checkout brings it"
    return "" if shutil.which("chromium") else "chromium is not installed: `make servers` brings it"


@asynccontextmanager
async def open_page(address: str, cameras: int) -> AsyncIterator[OpenPage]:
    """The wall in headless Chromium, once it has a tile of each camera and shows a face.

    Raises:
        ServiceUnavailable: if it does not get there, or the browser fails later.
    """
    from playwright.async_api import Error, async_playwright

    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            page = await browser.new_page(viewport={"width": SIZE_PX[0], "height": SIZE_PX[1]})
            page.set_default_timeout(TILES_TIMEOUT_MS)
            await page.add_init_script(_MEASURES)
            await page.goto(f"{address}/{PATH}")
            await page.wait_for_function(_ARE_THERE, arg=cameras)
            yield OpenPage(page, await page.context.new_cdp_session(page))
            await browser.close()
    except Error as exc:
        raise ServiceUnavailable(f"The page of `mien live` cannot be measured: {exc}") from exc
