"""The course, and whether this machine can run it: course, doctor."""

from __future__ import annotations

from pathlib import Path

from daformer_lib.cli.options import Profile


def course(
    profile: Profile = "demo", seed: int = 0, output_dir: Path = Path("runs/course")
) -> None:
    """Data, notebooks 00-06 and runs/course/report.html; interrupted, it goes on."""
    from daformer_lib.course.course import run_course

    print(f"report: {run_course(profile, seed, output_dir)}")


def doctor() -> int:
    """Say what is wrong with this machine, if anything."""
    from daformer_lib.course.doctor import findings

    problems = 0
    for finding in findings():
        problems += not finding.ok
        print(f"{'ok     ' if finding.ok else 'PROBLEM'}  {finding.text}")
    return min(problems, 1)
