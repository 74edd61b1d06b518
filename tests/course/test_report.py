"""The course's page: complete, self-contained, escaped, honest when a run failed."""

import dataclasses
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from daformer_lib.course.report import (
    AblationRow,
    CourseReport,
    PanelRow,
    RunDetail,
    StepTime,
    Way,
    headline,
    picture_ious,
    places,
    right_share,
)
from daformer_lib.course.report_page import HERE, render, write_report
from daformer_lib.specs import get_spec
from daformer_lib.viz.safe_colours import THEMES

SPEC = get_spec("minicityscapes")
ROWS = (
    AblationRow("source-only", 27.3, [30.1, 28.4, 31.0], 45.6, "Table 1", 4.1, 71.2),
    AblationRow("self-training", 31.0),
    AblationRow("DAFormer", 35.3, [42.0, 43.0], 68.3, "Table 6", 19.9),
    AblationRow("oracle", 47.3, None, 77.6, "Table 7"),
)


def label(first: int) -> np.ndarray:
    ids = np.full((8, 16), first, np.uint8)
    ids[4:] = 10
    return ids


def full_report() -> CourseReport:
    image = np.random.default_rng(0).integers(0, 255, (8, 16, 3), dtype=np.uint8)
    panels = [
        PanelRow("aachen_1", image, label(0), {"source-only": label(13), "DAFormer": label(0)}),
        PanelRow("aachen_2", image, label(0), {"source-only": label(13)}, "typical: +1.0 points"),
    ]
    return CourseReport(
        "What your machine learnt",
        SPEC,
        "demo",
        3,
        "test",
        "2026-11-22 17:03",
        "make course",
        machine={"CPU": "2 cores"},
        rows=ROWS,
        panels=panels,
        rule="Put in order by their gain.",
        runs=[
            RunDetail(
                "source-only", "a-seed3/", "train --row a", '{"seed": 3}', [6, 12], [9.0, 27.3]
            ),
            RunDetail("oracle", "o-seed3/", "train --row o", "{}", [6, 12], [float("nan")] * 2),
        ],
        curve_split="minicityscapes val",
        ways=[Way("side by side", "comparison.html"), Way("another seed", command="make <x>")],
        class_iou={"source-only": np.full(19, 0.3), "DAFormer": np.full(19, 0.5)},
        steps=[StepTime("data", 63.0), StepTime("00", 212.0, "reused", "00.ipynb")],
        notes=["Chapter 5 was not reached."],
    )


@pytest.fixture(scope="module")
def page() -> str:
    return render(full_report())


class Tags(HTMLParser):
    """Collects every start tag with its attributes, and checks that tags close in order."""

    VOID = ("meta", "img", "br", "link", "hr")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def tags(page: str) -> list[tuple[str, dict]]:
    parser = Tags()
    parser.feed(page)
    assert parser.open == []
    return parser.found


def test_the_page_needs_nothing_from_outside(page):
    for tag, attributes in tags(page):
        assert tag not in ("script", "link", "iframe")
        if "src" in attributes:
            assert attributes["src"].startswith("data:image/png;base64,")
    assert "url(" not in page and "http" not in page


def test_every_picture_has_a_text(page):
    pictures = [attributes for tag, attributes in tags(page) if tag == "img"]
    assert len(pictures) == 4 + 3  # two rows of panels, one of them with a gap
    assert all(picture["alt"].strip() for picture in pictures)
    assert len({picture["alt"] for picture in pictures}) == 7
    drawn = [a for tag, a in tags(page) if tag == "svg" and a.get("role") == "img"]
    assert [a["aria-label"] for a in drawn] == [
        "mIoU over training. source-only: 27.3 at the end; oracle: no score at the end"
    ]


def test_all_colours_are_those_of_the_themes():
    """Their contrast is tested in tests/viz/test_safe_colours.py, light and dark."""
    for name in ("report.css", "report.html"):
        text = (HERE / name).read_text()
        assert not re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[;\s])", text), name
        named = {n for n in re.findall(r"var\(--([\w-]+)\)", text) if not n.startswith("share")}
        assert named <= set(THEMES["light"]) | {"kind-live"}, name


def test_the_three_kinds_of_numbers_have_their_own_columns(page):
    row = re.search(r'<th scope="row">source-only</th>(.*?)</tr>', page, re.DOTALL).group(1)
    cells = re.findall(r"<td>(.*?)</td>", row, re.DOTALL)
    assert cells == ["45.6 <small>Table 1</small>", "29.8 ± 1.3 (3 seeds)", "27.3", "4.1", "71.2"]
    heads = re.findall(r'<th scope="col" class="stripe"[^>]*>(.*?)\n', page)
    mine = ["This run", "This run, rare classes", "This run, pixels right"]
    assert heads == ["The paper", "Our study", *mine]


def test_profile_seed_machine_command_and_times_are_told(page):
    told = [
        "demo",
        "<dd>3</dd>",
        "minicityscapes, test",
        "2 cores",
        "make course",
        "2026-11-22 17:03",
    ]
    told += ["3 min 32 s", "4 min 35 s", 'href="00.ipynb"', "Chapter 5 was not reached."]
    assert [text for text in told if text not in page] == []


def test_panels_carry_what_can_be_compared_and_say_what_is_missing(page):
    assert page.count('<span class="note">100.0 % right</span>') == 1
    assert page.count('<span class="note">50.0 % right</span>') == 2
    assert "mIoU 100" not in page and "Put in order by their gain." in page
    assert "<small>typical: +1.0 points</small>" in page
    assert page.count("not trained yet") == 1
    road = re.search(r"IoU of the classes in this picture.*?road</th>(.*?)</tr>", page, re.DOTALL)
    assert re.findall(r"<td>(\d+)</td>", road[1]) == ["0", "100"]
    assert "#804080" in page  # the legend has road's colour


def test_the_report_leads_on(page):
    assert '<a href="comparison.html">side by side</a>' in page
    assert "<code>make &lt;x&gt;</code>" in page
    assert "<details><summary>oracle</summary>" in page and "{&#34;seed&#34;: 3}" in page
    assert '<a href="a-seed3/">' in page
    inside = {a["href"][1:] for tag, a in tags(page) if tag == "a" and a["href"][0] == "#"}
    assert inside and inside <= {a["id"] for _, a in tags(page) if "id" in a}


def test_the_curves_stand_at_their_scores(page):
    line = re.findall(r'<polyline[^>]*points="([^"]*)"', page)
    (first, last), none = [[tuple(map(float, p.split(","))) for p in each.split()] for each in line]
    assert none == []  # no score, no line; the key says so
    assert first[0] < last[0] == 420 - 18 and last[1] < first[1]
    top, bottom = 8, 250 - 34  # 0 to 30 percent
    assert last[1] == pytest.approx(bottom - 27.3 / 30 * (bottom - top), abs=0.06)


def test_images_are_chosen_by_their_place_in_the_order():
    gains = [1.0, 5.0, float("nan"), -3.0, 2.0, 0.5]
    found = places(gains)
    assert list(found) == [1, 4, 0, 5, 3]
    assert found[1] == "the best gain: +5.0 points"
    assert found[0] == "typical: the median: +1.0 points"
    assert found[3] == "the largest loss: -3.0 points"
    assert places([4.0, 3.0])[1].startswith("lower quarter, the smallest gain, no image lost")
    assert set(places([2.0])) == {0} and places([float("nan")]) == {} == places([])


def test_scores_of_a_picture():
    truth = np.array([[0, 0, 255, 13]])
    said = np.array([[0, 13, 0, 13]])
    assert right_share(said, truth, 255) == pytest.approx(100 * 2 / 3)
    assert picture_ious(said, truth, SPEC) == {0: 50.0, 13: 50.0}
    assert np.isnan(right_share(said, np.full((1, 4), 255), 255))


def test_an_empty_report_says_so_everywhere():
    empty = CourseReport("T", SPEC, "smoke", 0, "val", "now", "make course")
    page = render(empty)
    tags(page)
    for text in (
        "No run is finished yet",
        "no labels to show",
        "No scores yet",
        "No scores over training",
        "No run has been configured",
        "Nothing has been",
        "Finish the course first",
    ):
        assert text in page


def test_texts_are_escaped():
    report = dataclasses.replace(full_report(), title="<script>x</script>", notes=["a & <b>"])
    page = render(report)
    assert "<script>" not in page and "&lt;script&gt;" in page
    assert "a &amp; &lt;b&gt;" in page


def test_the_headline_tells_how_much_of_the_gap_is_closed():
    assert headline(ROWS).endswith("40 % of the gap to the oracle (47.3) is closed.")
    assert "+8.0 points" in headline(ROWS[:3])


def test_the_headline_does_not_hide_a_failure():
    worse = [AblationRow("source-only", 30.0), AblationRow("DAFormer", 27.3)]
    assert "did not help" in headline(worse)
    assert "not finished" in headline([AblationRow("DAFormer", 27.3)])
    assert "not finished" in headline([])


def test_the_file_is_written_whole(tmp_path):
    path = write_report(full_report(), tmp_path / "course" / "report.html")
    assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


@pytest.mark.filterwarnings("error")
def test_a_score_that_does_not_exist_is_a_dash():
    none = float("nan")
    rows = [AblationRow("source-only", none), AblationRow("DAFormer", 44.0, [none])]
    assert headline(rows) == "No score of source-only: there is no headline."
    bars = {"void": np.full(19, none), "DAFormer": np.full(19, 0.25)}
    page = render(dataclasses.replace(full_report(), rows=rows, class_iou=bars))
    mean = re.search(r'<tr class="mean">(.*?)</tr>', page, re.DOTALL)[1]
    assert re.findall(r">([^<>\n]+)</td>", mean) == ["–", "25.0"]
    assert not re.search(r"\bnan\b", page)
