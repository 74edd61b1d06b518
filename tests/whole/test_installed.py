"""The kit installed from a wheel, used from an empty folder: no clone is in sight."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from daformer_lib.files import write_png

ROOT = Path(__file__).parents[2]
NEEDED = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "NOTICE")
FOLDERS = ("daformer_lib", "notebooks", "results")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy of the files: a build writes beside them."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in FOLDERS:
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / "copy" / name, ignore=ignore)
    for name in NEEDED:
        shutil.copy(ROOT / name, folder / "copy")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", folder, folder / "copy"], check=True, timeout=300)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory) -> Path:
    """An environment with the wheel, and with this one's other packages instead of a download."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=120)
    bare = folder / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", bare, "install", "--quiet", "--no-deps"]
    subprocess.run([*install, wheel], check=True, timeout=300)
    places = {sysconfig.get_path("purelib"), *filter(lambda p: "site-packages" in p, sys.path)}
    (next(folder.glob("lib/python*/site-packages")) / "others.pth").write_text("\n".join(places))
    return bare


@pytest.fixture
def away(tmp_path, monkeypatch):
    """An empty folder to work in, with nothing that leads back to the clone."""
    for name in ("PYTHONPATH", "DAFORMER_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def kit(python: Path, *arguments: str, seconds: int = 900) -> subprocess.CompletedProcess:
    return subprocess.run(
        [python, "-m", "daformer_lib", *arguments],
        capture_output=True, text=True, timeout=seconds, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_the_wheel_holds_what_commands_read(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("notebooks", "results"):
        committed = {p.relative_to(ROOT) for p in (ROOT / folder).glob("*.*") if kept(p)}
        assert committed
        assert {f"daformer_lib/with_the_kit/{path}" for path in committed} <= names
    assert {str(p.relative_to(ROOT)) for p in (ROOT / "daformer_lib").rglob("*.py")} <= names
    pages = {f"daformer_lib/compare/views/page.{kind}" for kind in ("html", "css")}
    assert pages | {"daformer_lib/weights/tiny_mit.safetensors"} <= names
    assert not [name for name in names if name.startswith(("tests", "data_scripts", "notebooks"))]
    assert wheel.stat().st_size < 60e6


def kept(path: Path) -> bool:
    return not path.name.startswith(".") and ".failed." not in path.name


def test_a_run_lies_in_the_working_folder_and_can_be_used(python, away):
    trained = kit(python, "train", "--row", "source_only", "--profile", "smoke")
    assert trained.returncode == 0, trained.stderr[-2000:]
    assert (away / "data" / "smoke" / "minigta").is_dir()
    run = next((away / "runs" / "train").glob("source_only-seed0-*"))
    scored = kit(python, "evaluate", "--run", str(run), "--split", "val")
    assert scored.returncode == 0 and "mean IoU" in scored.stdout, scored.stderr[-2000:]
    place = subprocess.run(
        [python, "-c", "import daformer_lib; print(daformer_lib.__file__)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert Path(place.stdout.strip()).is_relative_to(python.parents[1])  # not the clone's


def test_a_study_finds_its_notebook_and_the_committed_results(python, away):
    shown = kit(python, "study", "--show")
    assert shown.returncode == 0, shown.stderr[-2000:]
    assert "self_training" in shown.stdout
    asked = ("study", "--rows", "source_only", "--seeds", "0", "--profile", "smoke")
    made = kit(python, *asked, "--output-dir", "mine")
    assert made.returncode == 0, made.stderr[-2000:]
    book = next((away / "mine").glob("source_only-seed0-*/run.ipynb"))
    assert all(c.execution_count for c in nbformat.read(book, 4).cells if c.cell_type == "code")


def test_the_course_begins_in_the_working_folder(python, away):
    """Its first chapter's data, runs and notebook; the other chapters go the same way."""
    first = (
        "from pathlib import Path\n"
        "from daformer_lib.course import course\n"
        "first = course.chapters()[:1]\n"
        "course.ABLATION, course.OTHER_ROWS = course.FIRST_ROWS, ()\n"
        "course.PANELS = course.FIRST_ROWS\n"
        "course.chapters = lambda: first\n"
        "course.build_report = lambda *_: None\n"
        "course.write_report = lambda _, path: path\n"
        "print(course.run_course('smoke', 0, Path('runs/course')))\n"
    )
    done = subprocess.run([python, "-c", first], capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (away / "runs" / "course" / "notebooks" / "00_domain_gap.ipynb").is_file()
    assert (away / "runs" / "course" / "comparison.html").is_file()
    assert sorted(p.name for p in away.iterdir()) == ["data", "runs"]


def test_notebooks_are_copied_on_request_and_never_over_anything(python, away):
    (away / "notebooks").mkdir()
    mine = away / "notebooks" / "01_architecture_benchmark.ipynb"
    mine.write_text("mine")
    copied = kit(python, "notebooks")
    assert copied.returncode == 0, copied.stderr[-2000:]
    assert "left 1 as they were" in copied.stdout
    assert mine.read_text() == "mine"
    original = ROOT / "notebooks" / "00_domain_gap.ipynb"
    assert (away / "notebooks" / original.name).read_bytes() == original.read_bytes()
    assert (away / "results" / "mini_study.json").is_file()
    asked = "from daformer_lib.course import chapter; print(chapter.start('smoke').output_dir)"
    found = subprocess.run(
        [python, "-c", asked], capture_output=True, text=True, check=True, cwd=away / "notebooks"
    )
    assert found.stdout.strip() == str(away / "runs" / "course")


def test_labels_of_a_real_data_set_are_converted_by_the_command_that_is_named(python, away):
    """The scripts that a clone has for it are not there."""
    for folder in ("images", "labels"):
        write_png(away / "data" / "gta" / folder / "00001.png", np.full((16, 32), 7, np.uint8))
    missing = kit(python, "check-data", "--datasets", "gta")
    assert missing.returncode == 1
    command = "data gta --root data"
    assert f"python -m daformer_lib {command}" in missing.stdout
    converted = kit(python, *command.split())
    assert converted.returncode == 1  # one image is not all of GTA
    assert "gta/train: 1 usable pairs (1 converted" in converted.stdout, converted.stderr[-2000:]
    with Image.open(away / "data" / "gta" / "labels" / "00001_labelTrainIds.png") as ids:
        assert not np.asarray(ids).any()  # id 7 is road, the first class
