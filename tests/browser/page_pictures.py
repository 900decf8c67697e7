"""Takes the pictures of the page for the docs, while a chain runs: `make page-pictures`."""

import io
import sys
import tempfile
from pathlib import Path
from typing import Final

from PIL import Image
from playwright.sync_api import Page, sync_playwright

sys.path += [str(Path(__file__).parents[1] / "integration")]  # tests are no package
from page_site import TOKENS, Site, running_site

OUT: Final = Path("docs/live")
CAMERAS: Final = {
    "hall-1": "demo:smile",
    "hall-2": "demo:cycle",
    "hall-3": "demo:surprise",
    "door-1": "demo:frown",
    "door-2": "demo:crowd",
}
COLOURS: Final = 256
"""Of a picture's palette: a page needs no more, and files stay small."""
STEP_MS: Final = 4_000.0
ALERT: Final = "() => document.querySelector('.tile[data-alert] [data-emotion=happiness]')"
HIDDEN: Final = """() => [...document.querySelectorAll('.tile')].filter((tile) =>
  /^Faces hidden/.test(tile.querySelector('.about-picture').innerText)).length >= 5"""
EVIDENCE: Final = """() => document.querySelector("[data-precision=rule]")
  && /Happiness/.test(document.querySelector(".detail canvas + p").innerText)"""


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_site(Path(folder), CAMERAS) as site,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 960}, color_scheme="light")
        page.set_default_timeout(120_000)
        _sign_in(page, site)
        _wait_for_alerts(page, site, 6)
        _take(page, site, "wall", "#/wall?columns=3", ALERT)
        href = page.locator('[data-camera="hall-1"] .faces a').first.get_attribute("href")
        _take(
            page,
            site,
            "subject",
            str(href),
            "() => /^Happiness/.test(document.querySelector('.says').innerText)",
        )
        _take(page, site, "review", "#/review", EVIDENCE)
        page.goto(site.address + "#/wall?columns=3")
        page.get_by_label("Pictures").check()
        _take(page, site, "pictures", "#/wall?columns=3", HIDDEN)
        page.emulate_media(color_scheme="dark")
        _take(page, site, "timeline", "#/timeline", "() => document.querySelectorAll('.mark').length > 4")
        browser.close()


def _sign_in(page: Page, site: Site) -> None:
    page.goto(site.address)
    page.get_by_label("Your token").fill(TOKENS["root"])
    page.get_by_role("button", name="Sign in").click()
    page.locator(".tile").first.wait_for()


def _wait_for_alerts(page: Page, site: Site, count: int) -> None:
    """Until so many have come; gives a word on some, and lets a camera freeze for a while."""
    page.goto(site.address + "#/review")
    site.truth("door-3", "ok")
    page.locator(".alert").nth(count // 2).wait_for()
    site.truth("door-3", "frozen")
    page.locator(".alert").nth(count - 1).wait_for()
    for key in "ccrc":
        page.keyboard.press(key)
        page.wait_for_timeout(500)


def _take(page: Page, site: Site, name: str, path: str, ready: str) -> None:
    page.goto(site.address + path)
    page.wait_for_timeout(STEP_MS)  # something is to be seen in plots
    page.wait_for_function(ready)
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(OUT / f"{name}.png", "PNG", optimize=True)
    print(OUT / f"{name}.png", (OUT / f"{name}.png").stat().st_size // 1024, "KiB")


if __name__ == "__main__":
    main()
