"""The page of `mien live` in a browser, on a chain that runs."""

import re
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import pytest
from page_site import TOKENS, Open, Site, numbers
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.alone

SMILES_WITH_A_RED_MOUTH = """() => {
  const tile = document.querySelector('[data-camera="hall-1"]');
  if (!tile?.querySelector('[data-emotion="happiness"]')) return false;
  const canvas = tile.querySelector("canvas");
  const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let [mouth, above] = [0, 0];
  for (let at = 0; at < data.length; at += 4) {
    const isRed = data[at + 3] > 128 && data[at] > 150 && data[at + 1] < 90 && data[at + 2] < 90;
    if (isRed) Math.floor(at / 4 / width) > height * 0.55 ? mouth++ : above++;
  }
  return mouth > 100 && mouth > 2 * above;
}"""
IS_DRAWN = """(selector) => {
  const canvas = document.querySelector(selector);
  if (!canvas?.width || !canvas.height) return false;
  return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean);
}"""
BACKGROUND = "() => getComputedStyle(document.documentElement).backgroundColor"
SCROLLS_SIDEWAYS = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"
VIEWS = ("#/wall", "#/review", "#/timeline")


def tile(page: Page, camera: str) -> Any:
    return page.locator(f'.tile[data-camera="{camera}"]')


def subject_of(page: Page, camera: str) -> str:
    """The address of the subject that a camera sees."""
    link = tile(page, camera).locator(".faces a").first
    link.wait_for()
    return str(link.get_attribute("href"))


def first_alert(page: Page) -> str:
    """The id of the newest alert of rule `smile` that is over: one comes every six seconds."""
    page.goto(page.url.partition("#")[0] + "#/review?rule=smile&state=resolved&verdict=none")
    row = page.locator(".alert").first
    row.wait_for()
    return str(row.get_attribute("data-alert"))


def test_a_smile_becomes_happiness_with_the_mouth_coloured(open_page: Open) -> None:
    page = open_page("root")
    page.wait_for_function(SMILES_WITH_A_RED_MOUTH)

    expect(tile(page, "hall-1").locator(".state").last).to_have_text("Live")
    expect(tile(page, "hall-1").locator(".is-live")).to_contain_text(re.compile(r"Live: last face \d"))
    expect(page.locator('section[aria-label="hall"] .tile')).to_have_count(1)


def test_a_subject_says_what_and_why_and_can_be_scrubbed_back(open_page: Open) -> None:
    page = open_page("root")
    page.goto(page.url.partition("#")[0] + subject_of(page, "hall-1"))

    expect(page.locator(".says")).to_have_text(re.compile(r"^(Neutral|Happiness), \d+ %$|^No answer: "))
    expect(page.locator(".sentence")).not_to_be_empty()
    expect(
        page.get_by_text(re.compile("compared with (its own|the population's) neutral face"))
    ).to_be_visible()
    expect(page.get_by_role("region", name="Strongest points").locator("tbody tr")).to_have_count(8)
    page.wait_for_function(IS_DRAWN, arg=".face-canvas")
    page.get_by_label("Moment").press("Home")
    expect(page.get_by_text(re.compile(r"^Then: "))).to_be_visible()
    page.get_by_role("button", name="Live").click()
    expect(page.get_by_text(re.compile(r"^Now: "))).to_be_visible()


def test_an_alert_is_confirmed_by_a_key_and_precision_changes(open_page: Open) -> None:
    page = open_page("anna")
    alert_id = first_alert(page)
    page.goto(page.url.partition("#")[0] + f"#/review/{alert_id}")
    row = page.locator(f'[data-alert="{alert_id}"]')
    expect(row).to_have_attribute("aria-current", "true")
    page.wait_for_function(IS_DRAWN, arg=".detail canvas")  # the evidence
    page.keyboard.press("c")

    expect(row.locator(".verdict")).to_have_text("Confirmed")
    expect(row).to_contain_text("Seen by anna (confirmed)")
    of_rule = page.locator('[data-precision="rule"] tbody tr').filter(has_text="smile")
    expect(of_rule.locator("td").first).to_have_text("1 of 1")
    expect(page.locator('[data-precision="emotion"] tbody th')).to_have_text("happiness")

    row.get_by_role("checkbox").check()
    page.get_by_role("button", name="Reject").click()
    expect(row.locator(".verdict")).to_have_text("Rejected")
    expect(of_rule.locator("td").first).to_have_text("0 of 1")
    assert numbers(of_rule.locator("td").nth(2).inner_text()) == [0, 79]  # Wilson's


def test_a_frozen_camera_is_marked_on_the_wall_and_the_timeline(open_page: Open, site: Site) -> None:
    site.truth("door-1", "frozen")
    page = open_page("root")
    expect(tile(page, "door-1")).to_have_attribute("data-state", "frozen")
    expect(tile(page, "door-1").locator(".state").last).to_have_text("Picture frozen")
    page.get_by_role("link", name="Timeline").click()
    expect(page.locator('[data-camera="door-1"] .truth[data-state="frozen"]')).to_have_count(1)
    page.get_by_role("link", name="Wall").click()

    site.truth("door-1", "ok")  # while somebody looks
    expect(tile(page, "door-1")).to_have_attribute("data-state", "live")


def test_a_camera_says_what_is_true_of_it_and_where_its_faces_can_be_read(
    open_page: Open, site: Site
) -> None:
    truth = {"brightness": 12.34}
    site.truth("yard-1", "dark", **truth)
    site.coverage("yard-1", {"3,4,small-face,9": 60, "8,4,named,": 40})
    page = open_page("root")
    tile(page, "yard-1").get_by_role("link", name="yard-1").click()
    true_of_it = page.get_by_role("region", name="What is true of it")
    expect(true_of_it).to_contain_text("Picture dark")
    expect(true_of_it).to_contain_text(re.compile(r"Since \d\d:\d\d:\d\d, for \d+(\.\d)? s\."))
    expect(true_of_it).to_contain_text("In no group.")
    expect(true_of_it.get_by_role("row", name="Brightness 12.3")).to_be_visible()

    read = page.get_by_role("region", name="Where faces can be read")
    expect(read.get_by_role("status")).to_have_text(re.compile(r"40 of 100 faces could be read \(40 %\)"))
    expect(read.get_by_role("list", name="What would help")).to_contain_text("px across the eyes and need")
    expect(read.get_by_role("row", name="The face is too small 60 60 %")).to_be_visible()
    page.wait_for_function(IS_DRAWN, arg=".map")
    read.get_by_text("The map as a table").click()
    expect(read.get_by_role("row", name="4, 5 left, middle 60 0 % the face is too small")).to_be_visible()
    read.get_by_label("Counted in").select_option("1")
    expect(read.get_by_role("status")).to_have_text(re.compile(r", today\.$"))


def test_the_timeline_has_faces_from_before_the_page_was_opened(open_page: Open) -> None:
    everybody = open_page("root")
    subject_of(everybody, "hall-1")  # a face has been seen
    everybody.wait_for_timeout(3_000)  # longer than a part of the timeline
    opened = datetime.now()
    page = open_page("root")
    page.goto(page.url.partition("#")[0] + "#/timeline")
    lane = page.get_by_role("region", name="Camera hall-1").get_by_role("img").first
    expect(lane).to_have_attribute("aria-label", re.compile(r"Faces from [\d:]+ to [\d:]+: [\w ]+ \d+ %"))
    began = re.findall(r"from ([\d:]+)", str(lane.get_attribute("aria-label")))
    assert began < [f"{opened:%H:%M:%S}"]  # but for midnight


def test_an_alert_that_comes_is_told_and_leads_to_its_review(open_page: Open, site: Site) -> None:
    page = open_page("root")
    tile(page, "hall-1").wait_for()
    alert_id = site.alert("hall-1", "crowd-in-fear")
    expect(page.locator("[aria-live]").get_by_text("crowd-in-fear at hall-1")).to_be_visible()
    expect(tile(page, "hall-1")).to_have_attribute("data-alert", "")
    page.goto(page.url.partition("#")[0] + f"#/review/{alert_id}")
    expect(page.get_by_role("link", name="To the moment of hall-1:x")).to_be_visible()


def test_a_viewer_of_one_group_gets_nothing_of_another(open_page: Open, site: Site) -> None:
    everybody = open_page("root", errors=("status of 404",))
    subject = subject_of(everybody, "hall-1")
    asked_for = unquote(subject.rpartition("/")[2])
    alert_id = site.alert("hall-1", "secret")
    site.truth("door-1", "ok")
    page = open_page("ben")
    expect(tile(page, "door-1")).to_be_visible()
    expect(page.locator(".tile")).to_have_count(1)
    for path, answer in {
        "#/wall": "door-1",
        "#/timeline": "door-1",
        "#/camera/hall-1": "There is no such camera, or it is not yours to see.",
        "#/review": "No alert of this kind.",
        f"#/review/{alert_id}": "No alert of this kind.",
        subject: "There is no such subject, or it is not yours to see.",
    }.items():
        page.goto(page.url.partition("#")[0] + path)
        shown = page.locator("main > div")
        expect(shown).to_contain_text(answer)
        assert "hall-1" not in shown.inner_text().replace(asked_for, "")
    page.goto(page.url.partition("#")[0] + "#/review")
    expect(page.locator("button[data-verdict]")).to_have_count(0)


def test_signing_out_ends_it(open_page: Open) -> None:
    page = open_page("anna")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Your token")).to_be_visible()
    page.get_by_label("Your token").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("not in the access file")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_fits_a_phone_and_axe_finds_nothing_serious(
    open_page: Open, axe: str, scheme: str
) -> None:
    page = open_page("anna", viewport={"width": 360, "height": 740}, color_scheme=scheme)
    views = [*VIEWS, "#/camera/hall-1", subject_of(page, "hall-1")]
    backgrounds = {"light": "rgb(244, 245, 247)", "dark": "rgb(18, 22, 27)"}
    assert page.evaluate(BACKGROUND) == backgrounds[scheme]
    for path in views:
        page.goto(page.url.partition("#")[0] + path)
        expect(page.locator("main > div, main > h1")).to_have_count(2)
        page.wait_for_function(
            "() => document.querySelector('.tile a, .alert, .lane canvas, .says:not(:empty)')"
        )
        assert not page.evaluate(SCROLLS_SIDEWAYS), path
        page.evaluate(axe)
        found = page.evaluate("() => axe.run()")["violations"]
        serious = [one for one in found if one["impact"] in ("serious", "critical")]
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in serious] == [], path
    page.get_by_role("button", name={"light": "Dark", "dark": "Light"}[scheme]).click()
    assert page.evaluate(BACKGROUND) == backgrounds["dark" if scheme == "light" else "light"]


def test_the_layout_is_kept_and_stands_in_the_address(open_page: Open, site: Site) -> None:
    site.truth("door-2", "ok")  # and nobody before it
    page = open_page("root")
    expect(tile(page, "door-2")).to_be_visible()
    page.get_by_label("Hide idle cameras").check()
    page.get_by_label("Columns").select_option("3")
    expect(tile(page, "door-2")).to_be_hidden()
    expect(tile(page, "hall-1")).to_be_visible()
    assert "columns=3" in page.url
    assert "idle=hide" in page.url

    page.goto(site.address)
    expect(page.get_by_label("Columns")).to_have_value("3")
    expect(tile(page, "hall-1")).to_be_visible()
    expect(tile(page, "door-2")).to_be_hidden()


def test_the_page_recovers_when_server_and_redis_come_back(open_page: Open, site: Site) -> None:
    away = ("ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "status of 503", "status of 404")
    page = open_page("anna", errors=away)
    subject = subject_of(page, "hall-1")
    site.stop_page()
    site.redis.stop()
    expect(page.get_by_text("Reconnecting")).to_be_visible()
    expect(tile(page, "hall-1")).to_have_attribute("data-state", "stale")

    site.start_page()
    site.wait_ready("live")
    expect(page.get_by_text("Reconnecting")).to_be_hidden()
    expect(tile(page, "hall-1")).to_have_attribute("data-state", "live")
    page.goto(page.url.partition("#")[0] + subject)
    expect(page.get_by_text("Not in view now")).to_be_visible()
    site.redis.start()
    expect(page.get_by_text(re.compile(r"\d+ events, \d+ without an answer"))).to_be_visible()
    assert TOKENS["anna"] not in page.content()
