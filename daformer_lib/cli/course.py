"""The course, and whether this machine can run it: course, notebooks, doctor."""

from __future__ import annotations

import json
from pathlib import Path

from daformer_lib.cli.options import Profile


def course(
    profile: Profile | None = None, seed: int | None = None, output_dir: Path = Path("runs/course")
) -> None:
    """Data, notebooks 00-06 and runs/course/report.html; interrupted, it goes on.

    Without a profile and a seed nothing is started: the chapters are listed.

    Args:
        profile: demo, the course itself, or smoke: does it run here? With a seed alone it is demo.
        seed: of the runs; by default 0.
        output_dir: gets runs, executed notebooks and report.html.
    """
    if profile is None and seed is None:
        print(chapter_list(output_dir))
        return
    from daformer_lib.course.course import run_course

    print(f"report: {run_course(profile or 'demo', seed or 0, output_dir)}")


def chapter_list(output_dir: Path) -> str:
    """Each chapter with its title, whether the course has executed it, and how to go on."""
    from daformer_lib.runs import places

    lines = []
    for path in sorted(places.notebooks().glob("[0-9][0-9]_*.ipynb")):
        cells = json.loads(path.read_text())["cells"]
        title = "".join(cells[0]["source"]).partition("\n")[0].lstrip("# ")
        executed = places.project_root() / output_dir / "notebooks" / path.name
        lines.append(f"{path.name:34s} {title}" + ("  (executed)" if executed.exists() else ""))
    return "\n".join([
        *lines, "",
        "make or go on: python -m daformer_lib course --profile demo (or smoke)",
        f"executed notebooks, runs and report: {places.project_root() / output_dir}",
    ])  # fmt: skip


def notebooks(output_dir: Path = Path(".")) -> None:
    """Put the notebooks and committed results into a folder, to be opened there in Jupyter.

    What is there already stays as it is. In a clone they are there; this is for `pip install .`.

    Args:
        output_dir: gets the folders notebooks and results; data and runs will lie beside them.
    """
    from daformer_lib.runs.places import copy_course

    written, kept = copy_course(output_dir)
    print(f"copied {len(written)} files to {output_dir.resolve()}")
    if kept:
        print(f"left {len(kept)} as they were, such as {kept[0]}; to have them anew, move them")


def doctor() -> int:
    """Say what is wrong with this machine, if anything."""
    from daformer_lib.course.doctor import findings

    problems = 0
    for finding in findings():
        problems += not finding.ok
        print(f"{'ok     ' if finding.ok else 'PROBLEM'}  {finding.text}")
    return min(problems, 1)
