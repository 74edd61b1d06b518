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
    StepTime,
    headline,
    render,
    write_report,
)
from daformer_lib.specs import get_spec

SPEC = get_spec("minicityscapes")
ROWS = (
    AblationRow("source-only", 27.3, [30.1, 28.4, 31.0], 45.6, "Table 1", 4.1),
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
        PanelRow("aachen_2", image, label(0), {"source-only": label(13)}),
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
    assert len(pictures) == 4 + 3 + 1  # two rows of panels, one of them with a gap, and the bars
    assert all(picture["alt"].strip() for picture in pictures)


def test_the_three_kinds_of_numbers_have_their_own_columns(page):
    row = re.search(r'<th scope="row">source-only</th>(.*?)</tr>', page, re.DOTALL).group(1)
    cells = re.findall(r"<td>(.*?)</td>", row, re.DOTALL)
    assert cells == ["45.6 <small>Table 1</small>", "29.8 ± 1.3 (3 seeds)", "27.3", "4.1"]
    heads = re.findall(r'<th scope="col" class="stripe"[^>]*>(.*?)\n', page)
    assert heads == ["The paper", "Our study", "This run", "This run, rare classes"]


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


def test_panels_carry_their_scores_and_say_what_is_missing(page):
    assert page.count('<span class="note">mIoU 100</span>') == 1
    assert page.count('<span class="note">mIoU 33</span>') == 2
    assert page.count("not trained yet") == 1
    assert "#804080" in page  # the legend has road's colour


def test_an_empty_report_says_so_everywhere():
    empty = CourseReport("T", SPEC, "smoke", 0, "val", "now", "make course")
    page = render(empty)
    tags(page)
    for text in (
        "No run is finished yet",
        "no labels to show",
        "No scores yet",
        "Nothing has been",
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
    assert "void: mean –" in page and "DAFormer: mean 25.0" in page
    assert not re.search(r"\bnan\b", page)
