"""The page opened from disk in a real browser: every control is moved, and the pixels follow."""

import os
import re
from urllib.parse import urlencode

import pytest

from daformer_lib.compare.views import write_page
from tests.whole.test_browser import FLAGS, chromium

__all__ = ["chromium"]  # a fixture, found by its name here

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def browser(chromium):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=FLAGS, timeout=120_000)
        yield started
        started.close()


class Page:
    """The open page, and what went wrong in it."""

    def __init__(self, browser, path):
        self.page = browser.new_page(viewport={"width": 1400, "height": 1000})
        self.page.set_default_timeout(60_000)
        self.troubles, self.requests = [], []
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("dialog", lambda dialog: self.troubles.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("body[data-ready]")

    def pixels(self, layer, run):
        """A panel's colours as text."""
        panel = self.page.locator(f'canvas[data-layer="{layer}"]').nth(run + 1)
        return panel.evaluate("c => c.toDataURL()")

    def move(self, control, value, event="input"):
        """Set a control, and wait until everything is drawn again."""
        before = self.page.evaluate("document.body.dataset.ready")
        self.page.locator(f"#{control}").evaluate(
            "(c, [value, event]) => { c.value = value; c.dispatchEvent(new Event(event)); }",
            [str(value), event],
        )
        self.drawn(before)

    def drawn(self, before):
        self.page.wait_for_function("b => document.body.dataset.ready !== b", arg=before)

    def text(self, id):
        return self.page.locator(f"#{id}").inner_text()


@pytest.fixture(scope="module")
def page(browser, opened, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "comparison.html"
    made = Page(browser, write_page(opened(), path, threshold=0.9))
    yield made
    assert made.troubles == []
    assert [u for u in made.requests if not u.startswith(("file:", "data:", "blob:"))] == []


def test_step_threshold_palette_and_opacity_change_the_pixels(page):
    for control, value, event, layer in (
        ("step", 0, "input", "label"),
        ("threshold", 0.2, "input", "confidence"),
        ("palette", "colour-blind safe", "change", "label"),
    ):
        before = page.pixels(layer, 0)
        page.move(control, value, event)
        assert page.pixels(layer, 0) != before, control
    before = page.pixels("label", 0)
    page.page.locator("#opacity").fill("0.3")
    assert page.pixels("label", 0) != before
    page.page.locator("#opacity").fill("1")
    page.move("palette", "data set", "change")
    page.move("threshold", 0.9)
    page.move("step", 1)


def test_numbers_are_those_of_the_library(page, opened):
    from daformer_lib.compare import class_table, reliability, survey

    comparison = opened()
    tallies = survey(comparison).tallies.values()
    cells = page.page.locator("#table tbody tr").first.locator("td").all_inner_texts()
    expected = []
    for tally in tallies:
        table = class_table(tally, 0.9)
        values = (table.iou[0], table.precision[0], table.recall[0], table.coverage[0])
        expected += [f"{100 * v:.1f}" for v in values]
    assert cells[1:9] == expected  # the first says who wins
    errors = re.findall(r"ECE ([\d.]+) %", page.text("reliability"))
    for place, tally in enumerate(tallies):
        weight = re.search(r"weight ([\d.]+) %", page.text(f"weight-{place}"))[1]
        assert float(weight) == pytest.approx(100 * tally.weight(0.9), abs=0.06)
        assert float(errors[place]) == pytest.approx(100 * reliability(tally).ece, abs=0.06)


def test_names_under_the_pointer_and_markup_stays_text(page, opened):
    comparison = opened()
    stem = page.page.locator("#image").input_value()
    canvas = page.page.locator('canvas[data-layer="label"]').nth(1)
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    x, y = 20, 20
    page.page.mouse.move(
        box["x"] + (x + 0.5) / 48 * box["width"], box["y"] + (y + 0.5) / 32 * box["height"]
    )
    tip = page.text("tip")
    assert f"x {x}, y {y}" in tip
    ids = comparison.truth(stem)[y, x], comparison.label(comparison.names[0], 20, stem)[y, x]
    for id in ids:
        assert comparison.spec.classes[id] in tip
    assert page.page.locator("body img").count() == 0  # no name became an element
    page.page.mouse.move(2, 2)


def test_a_class_in_the_legend_is_a_filter(page, opened):
    name = opened().spec.classes[1]
    before, ready = page.pixels("label", 0), page.page.evaluate("document.body.dataset.ready")
    page.page.locator("#legend button").nth(1).click()
    page.drawn(ready)
    assert page.pixels("label", 0) != before
    assert page.page.locator("#class").input_value() == "1"
    assert page.page.locator("#table tbody tr.off").count() == 2
    assert name in page.text("evolution-text")
    page.move("sort", "class error", "change")
    assert page.page.locator("#image option").count() == 2
    page.move("class", "", "change")
    page.move("sort", "disagreement", "change")
    assert page.pixels("label", 0) == before


def test_next_image_zoom_rows_and_flow(page):
    before, ready = page.pixels("label", 0), page.page.evaluate("document.body.dataset.ready")
    page.page.locator("#next").click()
    page.drawn(ready)
    changed = page.pixels("label", 0)
    assert changed != before
    page.page.locator("#zoom").fill("4")
    assert page.pixels("label", 0) != changed
    page.page.locator("#zoom").fill("1")
    assert page.pixels("label", 0) == changed
    assert page.page.locator('canvas[data-layer="disagreement"]').count() == 0
    page.page.locator('#rows input[name="disagreement"]').check()
    page.page.wait_for_selector('canvas[data-layer="disagreement"]')
    said = page.text("flow-text")
    page.page.locator("#from").select_option("0 0")
    page.page.wait_for_function(
        "t => document.getElementById('flow-text').innerText !== t", arg=said
    )
    assert page.page.locator("#flow .track").count() > 0
    assert page.page.locator("#evolution polyline").count() == 2
    assert page.page.locator("#reliability polyline").count() == 2


def pressed(page, key, drawn=True):
    before = page.page.evaluate("document.body.dataset.ready")
    page.page.keyboard.press(key)
    if drawn:
        page.drawn(before)


def test_keys_and_the_back_button(page):
    open_page, names = page.page, page.page.locator("#panels .head")
    open_page.evaluate("document.activeElement.blur()")
    pressed(page, "r")
    first, step = page.text("shown"), page.page.locator("#step").input_value()
    pressed(page, "ArrowRight")
    assert page.text("shown") != first and "image=town" in open_page.url
    ready = open_page.evaluate("document.body.dataset.ready")
    open_page.go_back()
    page.drawn(ready)
    assert page.text("shown") == first
    pressed(page, "Shift+ArrowLeft")
    assert open_page.locator("#step").input_value() == str(int(step) - 1)
    assert names.count() == 3  # the scene, two runs
    pressed(page, "2")
    assert names.count() == 2 and not open_page.locator("#runs input").nth(1).is_checked()
    pressed(page, "1")
    assert names.count() == 2  # one run stays
    pressed(page, "0")
    assert names.count() == 3
    pressed(page, "?", drawn=False)
    assert open_page.locator("#help").is_visible()
    pressed(page, "Escape", drawn=False)
    assert not open_page.locator("#help").is_visible()
    open_page.locator("#zoom").fill("4")
    pressed(page, "r")
    assert page.text("zoom-value") == "1×" and page.text("shown") == first


def test_keys_leave_a_field_its_own(page):
    page.page.locator("#image").focus()
    page.page.keyboard.press("2")
    assert page.page.locator("#panels .head").count() == 3
    page.page.evaluate("document.activeElement.blur()")


def test_the_filter_reaches_heads_and_captions(page, opened):
    from daformer_lib.compare import class_table, survey

    comparison = opened()
    page.move("class", "0", "change")
    stem = page.page.locator("#image").input_value()
    truth, label = comparison.truth(stem), comparison.label(comparison.names[0], 20, stem)
    hit, known = (truth == 0) & (label == 0), truth != 255
    here = hit.sum() / ((truth == 0) | (label == 0))[known].sum()
    caption = page.page.locator('figure:has(canvas[data-layer="label"]) figcaption').nth(1)
    assert f"IoU {100 * here:.1f}" in caption.inner_text()
    tally = next(iter(survey(comparison).tallies.values()))
    assert f"road IoU {100 * class_table(tally, 0.9).iou[0]:.1f}" in page.text("weight-0")
    assert "mIoU" not in page.text("weight-0") and "only road" in page.text("shown")
    assert page.page.locator('#sort option[value="class error"]').inner_text() == "error of road"
    page.move("class", "", "change")
    assert page.page.locator('#sort option[value="class error"]').is_disabled()
    assert "mIoU" in page.text("weight-0")


def test_the_address_can_be_shared(browser, opened, tmp_path):
    comparison = opened("one", "plain")
    path = write_page(comparison, tmp_path / "c.html")
    page, stem = Page(browser, path), comparison.stems[0]
    page.page.goto("about:blank")
    asked = {"image": stem, "run": comparison.names[1], "class": "road", "view": "sure", "step": 99}
    page.page.goto(f"{path.as_uri()}#{urlencode(asked)}")
    page.page.wait_for_selector("body[data-ready]")
    assert page.page.locator("#image").input_value() == stem
    assert page.page.locator("#class").input_value() == "0"
    heads = page.page.locator("#panels .head").all_inner_texts()
    assert len(heads) == 2 and "plain" in heads[1]
    assert {c.get_attribute("data-layer") for c in page.page.locator("canvas").all()} == {"sure"}
    assert "does not hold: step 99" in page.text("failure")
    why = page.page.locator(".why").nth(
        1
    )  # "plain" has no confidence, and says so at a size to read
    assert "came without confidence" in why.inner_text()
    assert why.evaluate("e => parseFloat(getComputedStyle(e).fontSize)") >= 12
    assert "no confidence" in page.text("weight-1") and page.troubles == []
    page.page.close()


@pytest.mark.parametrize("size", [(1280, 640), (400, 800)])
def test_there_is_room_for_the_pictures(browser, opened, tmp_path, size):
    page = Page(browser, write_page(opened(), tmp_path / "c.html"))
    width, height = size
    page.page.set_viewport_size({"width": width, "height": height})
    page.page.emulate_media(color_scheme="dark")
    box = page.page.locator("canvas").nth(1).bounding_box()
    assert box["y"] + box["height"] < 0.95 * height  # a whole picture without scrolling
    page.page.evaluate("scrollTo(0, document.getElementById('panels').offsetTop)")
    bar, legend = (page.page.locator(i).bounding_box() for i in ("#controls", "#legend"))
    assert legend["y"] - max(bar["y"] + bar["height"], 0) > 0.7 * height
    ground = page.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(20, 24, 29)"  # the dark theme's
    wide = page.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width  # only the panels scroll sideways
    page.page.close()


def test_the_legend_stays_in_sight(page):
    page.page.locator("footer").scroll_into_view_if_needed()
    box = page.page.locator("#legend").bounding_box()
    assert box["y"] + box["height"] == pytest.approx(1000, abs=2)
    if folder := os.environ.get("SCREENSHOTS"):
        page.page.screenshot(path=f"{folder}/comparison.png", full_page=True)


def test_without_truth_or_confidence_the_page_still_works(browser, opened, tmp_path):
    blind = opened("one", "plain", data_root=tmp_path / "none")
    page = Page(browser, write_page(blind, tmp_path / "c.html"))
    assert page.troubles == [] and not page.page.locator("#failure").is_visible()
    assert page.page.locator('canvas[data-layer="error"]').count() == 0
    assert page.page.locator('canvas[data-layer="disagreement"]').count() == 3
    assert "Calibration needs truth" in page.text("reliability-text")
    page.page.locator("#measure").select_option("coverage")
    page.page.wait_for_selector("#evolution polyline", state="attached")
    page.page.close()


def test_an_alert_in_a_name_does_not_run(browser, opened, tmp_path):
    page = Page(browser, write_page(opened("one", "two", "plain"), tmp_path / "c.html"))
    page.page.wait_for_timeout(300)
    assert page.troubles == []
    page.page.close()
