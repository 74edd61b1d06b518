"""The course, and whether this machine can run it: course, notebooks, doctor."""

from __future__ import annotations

from pathlib import Path

from daformer_lib.cli.options import Profile


def course(
    profile: Profile = "demo", seed: int = 0, output_dir: Path = Path("runs/course")
) -> None:
    """Data, notebooks 00-06 and runs/course/report.html; interrupted, it goes on."""
    from daformer_lib.course.course import run_course

    print(f"report: {run_course(profile, seed, output_dir)}")


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
