"""Where things lie: what comes with the kit (notebooks, results), and what it makes (data, runs).

In a clone everything lies in the clone. Where the package alone is installed (`pip install .`),
`data`, `runs` and new results lie in the working folder; the notebooks and the committed results
are in the package, where commands read them, and `copy_course` puts them into a folder to be
opened and changed. Notebooks in subfolders of such a folder find it from where they are.
"""

from __future__ import annotations

import shutil
from pathlib import Path

CLONE = Path(__file__).parents[2]
IN_PACKAGE = Path(__file__).parents[1] / "with_the_kit"  # made with the wheel, by setup.py
FIRST_CHAPTER = "notebooks/00_domain_gap.ipynb"
FIRST_RESULT = "results/mini_study.json"
COPIED = ("notebooks/**/*.ipynb", "results/*")


def project_root() -> Path:
    """The folder that data and runs lie in.

    The clone that this package is of; else the nearest folder, from the working folder up, that
    holds the course's notebooks; else the working folder.
    """
    here = Path.cwd()
    around = (CLONE, here, *here.parents)
    return next((folder for folder in around if (folder / FIRST_CHAPTER).is_file()), here)


def notebooks() -> Path:
    """The folder of notebooks."""
    return course() / "notebooks"


def results() -> Path:
    """The folder of committed results; before the first study, where they will be."""
    return (_holder(FIRST_RESULT) or project_root()) / "results"


def course() -> Path:
    """The folder that holds notebooks and results: the project's root, or one in the package.

    Raises:
        FileNotFoundError: there is neither.
    """
    if found := _holder(FIRST_CHAPTER):
        return found
    raise FileNotFoundError(
        f"no {FIRST_CHAPTER} in {project_root()}, nor in the package: install it from a clone of "
        "the repository (pip install .), or run in the clone (make course)"
    )


def _holder(file: str) -> Path | None:
    return next((f for f in (project_root(), IN_PACKAGE) if (f / file).is_file()), None)


def copy_course(folder: Path) -> tuple[list[Path], list[Path]]:
    """Notebooks and results as they come with the kit, copied; (written, left as they were)."""
    source = course()
    written, kept = [], []
    for path in sorted(p for pattern in COPIED for p in source.glob(pattern) if p.is_file()):
        target = folder / path.relative_to(source)
        (kept if target.exists() else written).append(target)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    return written, kept
