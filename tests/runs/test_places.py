"""Where data, runs, notebooks and results lie: in a clone, and without one."""

import pytest

from daformer_lib.runs import places


@pytest.fixture
def no_clone(tmp_path, monkeypatch):
    """An empty working folder, and a package of no clone; yields what lies in the package."""
    monkeypatch.setattr(places, "CLONE", tmp_path / "site-packages")
    monkeypatch.setattr(places, "IN_PACKAGE", tmp_path / "package")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "package"


def put(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def test_in_a_clone_all_lies_in_the_clone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert places.project_root() == places.CLONE
    assert places.notebooks() == places.CLONE / "notebooks"
    assert places.results() == places.CLONE / "results"


def test_without_a_clone_runs_lie_in_the_working_folder_and_the_course_in_the_package(no_clone):
    put(no_clone, places.FIRST_CHAPTER, places.FIRST_RESULT)
    work = no_clone.parent / "work"
    assert places.project_root() == work
    assert places.notebooks() == no_clone / "notebooks"
    put(work, "results/mine.json")  # a study's own file does not hide the committed ones
    assert places.results() == no_clone / "results"


def test_copied_notebooks_make_a_project_that_is_found_from_below(no_clone, monkeypatch):
    put(no_clone, places.FIRST_CHAPTER, places.FIRST_RESULT, "notebooks/solutions/s.ipynb")
    work = no_clone.parent / "work"
    put(work, places.FIRST_RESULT)
    written, kept = places.copy_course(work)
    assert [p.name for p in written] == ["00_domain_gap.ipynb", "s.ipynb"]
    assert kept == [work / places.FIRST_RESULT]
    monkeypatch.chdir(work / "notebooks" / "solutions")
    assert places.project_root() == work and places.notebooks() == work / "notebooks"


def test_a_package_without_the_course_says_what_to_do(no_clone):
    with pytest.raises(FileNotFoundError, match=r"no notebooks/00_domain_gap.*\(pip install \."):
        places.notebooks()
    assert places.results() == no_clone.parent / "work" / "results"
