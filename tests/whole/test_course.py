"""The whole course at smoke size, as `make course PROFILE=smoke` runs it: over 20 s, for it trains
eleven runs and executes every notebook by papermill."""

import re

import pytest

from daformer_lib.course import course

pytestmark = pytest.mark.slow
MOST_RUNS = 11  # distinct live runs of the whole course, the budget of `make course`


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("course")
    return course.run_course("smoke", 0, folder)


@pytest.mark.timeout(1800)
def test_the_course_ends_in_a_self_contained_report(report):
    page = report.read_text()
    assert not re.search(r"""(src|href)=["']https?://""", page), "something is loaded from the web"
    for name in ("source-only", "self-training", "DAFormer", "oracle"):
        assert name in page
    assert page.count("data:image/png") > 10
    assert "smoke" in page


def test_the_report_leads_to_what_lies_beside_it(report):
    links = [a for a in re.findall(r'href="([^"]+)"', report.read_text()) if a[0] != "#"]
    assert "comparison.html" in links and "notebooks/00_domain_gap.ipynb" in links
    assert [a for a in links if not (report.parent / a).exists()] == []


def test_every_chapter_was_executed(report):
    executed = {p.stem for p in (report.parent / "notebooks").glob("0[0-6]_*.ipynb")}
    assert executed == {p.stem for p in course.chapters()} and len(executed) == 7


def test_the_course_trains_no_more_runs_than_agreed(report):
    """Eleven rows; chapter 08 has data of its own and is no part of it."""
    trained = sorted(folder.parent.name for folder in report.parent.glob("*/config.json"))
    assert 5 <= len(trained) <= MOST_RUNS, trained


def test_a_second_start_only_writes_the_report(report, monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("a finished step ran again")

    monkeypatch.setattr(course, "run_notebook", fail)
    monkeypatch.setattr("daformer_lib.runs.batch.subprocess.Popen", fail)
    assert course.run_course("smoke", 0, report.parent) == report
