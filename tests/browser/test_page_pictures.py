"""Pictures on the page of `mien live --frames`: what the browser gets, and what is shown of it."""

import re
from collections.abc import Iterator

import pytest
from page_site import Open, Site
from playwright.sync_api import APIResponse, Page, Route, expect

from models.faces.engine import find_faces
from models.faces.litert_engine import LiteRtEngine
from models.faces.pictures import decode_jpeg

pytestmark = pytest.mark.alone

HAS_PICTURE = """(selector) => {
  const canvas = document.querySelector(selector);
  if (!canvas?.width || !canvas.height) return false;
  const { width } = canvas;
  const row = new OffscreenCanvas(width, 1).getContext("2d", { willReadFrequently: true });
  row.drawImage(canvas, 0, -Math.floor(canvas.height / 2));
  const { data } = row.getImageData(0, 0, width, 1);
  const colours = new Set();
  for (let at = 0; at < 4 * width; at += 4)
    if (data[at + 3] === 255) colours.add(data.slice(at, at + 3).join());
  return colours.size > 50;
}"""
"""A row of a photograph has many colours, and one of a face that is drawn has few."""
TILE = '[data-camera="hall-1"] canvas'
SHOW, HIDE = "Show faces: this is logged", "Hide faces"
SECONDS = 4


@pytest.fixture(scope="module")
def engine() -> Iterator[LiteRtEngine]:
    with LiteRtEngine() as made:
        yield made


class Got:
    """The pictures that a page gets."""

    def __init__(self, page: Page) -> None:
        self.answers: list[APIResponse] = []
        page.route(re.compile("/picture"), self._hand_on)

    def _hand_on(self, route: Route) -> None:
        answer = route.fetch()
        if answer.status == 200:
            self.answers.append(answer)
        route.fulfill(response=answer)

    def faces(self, engine: LiteRtEngine, faces: str) -> list[int]:
        """In each of the last pictures of a kind, how many faces are found."""
        chosen = [one for one in self.answers if one.headers["x-mien-faces"] == faces][-3:]
        pictures = [decode_jpeg(one.body(), max_bytes=10**7, max_pixels=10**7) for one in chosen]
        return [len(find_faces(engine, picture)) for picture in pictures]


def turn_on(page: Page) -> None:
    """By keyboard."""
    box = page.get_by_label("Pictures")
    box.focus()
    page.keyboard.press("Space")
    expect(box).to_be_checked()


def test_pictures_come_with_faces_hidden_until_an_admin_asks_for_them(
    open_page: Open, site: Site, engine: LiteRtEngine
) -> None:
    page = open_page("root")
    got = Got(page)
    page.locator(TILE).wait_for()
    assert got.answers == []
    expect(page.get_by_role("button", name=SHOW)).to_be_hidden()
    turn_on(page)
    about = page.locator('[data-camera="hall-1"] .about-picture')
    expect(about).to_contain_text("Faces hidden")
    page.wait_for_function(HAS_PICTURE, arg=TILE)
    seen = got.faces(engine, "hidden")
    assert seen
    assert not any(seen)
    assert "faces=shown" not in site.chain.log_tail("live", 200)

    button = page.get_by_role("button", name=SHOW)
    expect(button).to_have_attribute("aria-pressed", "false")
    button.press("Enter")
    expect(about).to_contain_text("Faces shown, which is logged")
    expect(page.get_by_role("button", name=HIDE)).to_have_attribute("aria-pressed", "true")
    assert all(one == 1 for one in got.faces(engine, "shown"))
    assert re.search(
        r"picture .*camera=hall-1 .*faces=shown .*who=root",
        re.sub(r"\x1b\[[0-9;]*m", "", site.chain.log_tail("live", 200)),
    )

    page.reload()
    expect(about).to_contain_text("Faces hidden")  # it is not kept that they were shown
    page.get_by_label("Pictures").uncheck()
    expect(about).to_be_hidden()
    page.wait_for_function(f"(selector) => !({HAS_PICTURE})(selector)", arg=TILE)


def test_who_may_not_see_faces_is_not_asked(open_page: Open) -> None:
    page = open_page("anna")
    got = Got(page)
    turn_on(page)
    expect(page.locator('[data-camera="hall-1"] .about-picture')).to_contain_text("Faces hidden")
    expect(page.get_by_role("button", name=SHOW)).to_be_hidden()
    before = len(got.answers)
    page.wait_for_timeout(SECONDS * 1000)

    assert 0 < len(got.answers) - before <= 2 * SECONDS + 1
    assert not [one for one in got.answers if "shown" in one.url]
    page.goto(page.url.partition("#")[0] + "#/review")
    page.wait_for_timeout(500)  # what was on its way has come
    before = len(got.answers)
    page.wait_for_timeout(SECONDS * 500)
    assert len(got.answers) == before  # only what is looked at is asked for


def test_a_subject_has_the_picture_of_its_camera_beside_it(open_page: Open) -> None:
    page = open_page("anna")
    link = page.locator('[data-camera="hall-1"] .faces a').first
    link.wait_for()
    page.goto(page.url.partition("#")[0] + str(link.get_attribute("href")))
    turn_on(page)
    card = page.get_by_role("region", name="Picture")
    expect(card).to_contain_text("Faces hidden")
    page.wait_for_function(HAS_PICTURE, arg=".picture-canvas")
    page.get_by_role("button", name="Play", exact=True).click()

    expect(card).to_contain_text("Pictures are of now alone.")
    expect(page.locator(".picture-canvas")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_fit_a_phone_and_axe_finds_nothing_serious(open_page: Open, axe: str, scheme: str) -> None:
    page = open_page("root", viewport={"width": 360, "height": 740}, color_scheme=scheme)
    turn_on(page)
    page.get_by_role("button", name=SHOW).click()
    page.wait_for_function(HAS_PICTURE, arg=TILE)
    link = page.locator('[data-camera="hall-1"] .faces a').first
    link.wait_for()
    for path in ("#/wall", str(link.get_attribute("href"))):
        page.goto(page.url.partition("#")[0] + path)
        page.wait_for_function("() => document.querySelector('.tile a, .says:not(:empty)')")
        assert not page.evaluate(
            "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"
        )
        page.evaluate(axe)
        found = page.evaluate("() => axe.run()")["violations"]
        serious = [one for one in found if one["impact"] in ("serious", "critical")]
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in serious] == [], path
