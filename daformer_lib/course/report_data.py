"""What the course's report says: scores of its runs beside the study's and the paper's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np

from daformer_lib.course.chapter import TITLES, Kit, Scene, label_scenes
from daformer_lib.course.conclusions import NOISE
from daformer_lib.course.report import (
    FULL,
    SOURCE_ONLY,
    AblationRow,
    CourseReport,
    PanelRow,
    RunDetail,
    StepTime,
    Way,
    places,
    right_share,
)
from daformer_lib.data.changes import run_data
from daformer_lib.files import read_if_there
from daformer_lib.inference.finished import open_finished
from daformer_lib.machine import machine
from daformer_lib.runs import Run, recipes
from daformer_lib.runs.folder import run_folder, runs_in
from daformer_lib.runs.papers import paper_row
from daformer_lib.runs.results import absent_classes
from daformer_lib.viz import denormalise

ABLATION = ("source_only", "self_training", "rcs", "fd", "daformer", "oracle")
PANELS = ("source_only", "self_training", "daformer", "oracle")
SHIPPED = "daformer"  # of the finished networks that come with the kit
SHIPPED_TITLE = f"{TITLES[SHIPPED]}, finished (comes with the kit)"
MOST = 60  # images that are put in order; of a larger split that many, evenly spaced
COMPARISON, NOTEBOOKS = "comparison.html", "notebooks"  # beside the report
# Where the paper has the number of a row: table, name there, column.
PAPER_ROWS = {
    "source_only": (1, "SegFormer", "source_only"),
    "self_training": (5, "SegFormer", "uda"),
    "rcs": (5, "RCS, T = 0.01", "uda"),
    "fd": (5, "FD, things", "uda"),
    "daformer": (7, "DAFormer", "uda"),
    "oracle": (7, "DAFormer", "oracle"),
}
SPLIT, CURVE_SPLIT = "test", "val"


def build_report(kit: Kit, seconds: Mapping[str, float]) -> CourseReport:
    """The report of a course whose runs are all there.

    Args:
        seconds: of each step of the course, by name.
    """
    runs = {row: Run(run_folder(kit.experiment(row), kit.output_dir)) for row in ABLATION}
    seen = machine()
    panels, rule = _panels(kit, {row: runs[row] for row in PANELS})
    return CourseReport(
        title="DAFormer course: your run",
        spec=kit.spec,
        profile=kit.profile,
        seed=kit.seed,
        split=SPLIT,
        created=datetime.now().strftime("%Y-%m-%d %H:%M"),
        command=f"make course PROFILE={kit.profile} SEED={kit.seed}",
        machine={key: str(value) for key, value in seen.items() if value is not None},
        rows=[_ablation_row(kit, row, run) for row, run in runs.items()],
        more=[_other_row(kit, run) for run in _other_runs(kit)],
        panels=panels,
        rule=rule,
        shipped=SHIPPED_TITLE if any(SHIPPED_TITLE in row.labels for row in panels) else "",
        class_iou={TITLES[row]: run.final("student", SPLIT).iou for row, run in runs.items()},
        runs=[_detail(kit, row, run) for row, run in runs.items()],
        curve_split=CURVE_SPLIT,
        ways=_ways(kit),
        steps=[
            StepTime(name, spent, link=_beside(kit, f"{NOTEBOOKS}/{name}.ipynb"))
            for name, spent in seconds.items()
        ],
        notes=_notes(kit, runs),
    )


def _ablation_row(kit: Kit, row: str, run: Run) -> AblationRow:
    table, name, column = PAPER_ROWS[row]
    paper = getattr(paper_row(table, name), column)
    return replace(_other_row(kit, run), paper=paper, paper_table=f"Table {table}")


def _other_runs(kit: Kit) -> list[Run]:
    """Of any row that the course does not report on, in the order of the rows: of the same domains,
    images and seed."""
    known = [row for row in TITLES if row not in ABLATION]
    course = kit.experiment("daformer")
    images = _scored_images(run_folder(course, kit.output_dir), course.data.target)
    found = [
        run
        for run in runs_in(kit.output_dir)
        if run.name in known
        and run.is_complete
        and run.experiment.data.source == course.data.source
        and run.experiment.data.target == course.data.target
        and run.experiment.train.seed == course.train.seed
        and SPLIT in run.experiment.train.final_splits
        and _scored_images(run.folder, course.data.target) in (None, images)
    ]
    return sorted(found, key=lambda run: known.index(run.name))


def _scored_images(folder: Path, target: str) -> str | None:
    """A run's own note of which images its scores are on: those of `smoke` are others."""
    return read_if_there(folder / run_data.FILE).get(f"{target}/{SPLIT}")


def _other_row(kit: Kit, run: Run) -> AblationRow:
    scores, study = run.final("student", SPLIT), kit.study.get(run.name)
    steps, usual = run.experiment.train.steps, recipes.PROFILES[kit.profile].train.steps
    return AblationRow(
        name=TITLES[run.name] + (f", {steps} steps" if steps != usual else ""),
        live=100 * scores.miou(),
        study=None if study is None else study.miou.tolist(),
        live_rare=100 * scores.miou(kit.spec.rare),
        live_right=100 * scores.accuracy,
    )


def _panels(kit: Kit, runs: dict[str, Run]) -> tuple[list[PanelRow], str]:
    """The images that the rule of `places` picks, and the rule in words."""
    count = len(kit.dataset("target", SPLIT))
    wanted = sorted({int(i) for i in np.linspace(0, count - 1, min(count, MOST))})
    scenes = kit.scenes("target", SPLIT, wanted)
    before, after = (_right(kit, runs[row], scenes) for row in ("source_only", "daformer"))
    shown = places(after - before)
    chosen = [scenes[i] for i in shown]
    labels = {TITLES[row]: kit.predict(run, chosen) for row, run in runs.items()} if shown else {}
    labels |= _shipped_labels(kit, chosen) if shown else {}
    panels = [
        PanelRow(
            scene.stem.split("/")[-1],
            denormalise(scene.image),
            scene.label,
            {name: found[i] for name, found in labels.items()},
            why,
        )
        for i, (scene, why) in enumerate(zip(chosen, shown.values(), strict=True))
    ]
    which = f"All {count} images" if count <= MOST else f"{MOST} images, evenly spaced in {count},"
    return panels, (
        f"{which} were put in order by how much more of their pixels {FULL} has right than "
        f"{SOURCE_ONLY}; shown are the first, the last, the one in the middle and the two at the "
        "quarters. Nobody picked them."
    )


def _shipped_labels(kit: Kit, scenes: list[Scene]) -> dict[str, np.ndarray]:
    """By the network that comes with the kit, where the course's domains are its own."""
    shipped, data = open_finished(SHIPPED), kit.experiment(SHIPPED).data
    if (data.source, data.target) != ("minigta", shipped.spec.name):
        return {}
    return {SHIPPED_TITLE: label_scenes(shipped.network, scenes)}


def _right(kit: Kit, run: Run, scenes: list[Scene], at_once: int = 10) -> np.ndarray:
    """Percent of right pixels of each scene, by a run's network."""
    parts = [scenes[i : i + at_once] for i in range(0, len(scenes), at_once)]
    return np.array([
        right_share(label, scene.label, kit.spec.ignore)
        for part in parts
        for scene, label in zip(part, kit.predict(run, part), strict=True)
    ])  # fmt: skip


def _detail(kit: Kit, row: str, run: Run) -> RunDetail:
    steps, miou = run.curve("student", CURVE_SPLIT)
    return RunDetail(
        name=TITLES[row],
        folder=f"{run.folder.name}/",
        command=f"python -m daformer_lib train --row {row} --profile {kit.profile} "
        f"--seed {kit.seed}",
        settings=json.dumps(run.experiment.to_dict(), indent=1),
        steps=steps,
        miou=miou,
    )


def _beside(kit: Kit, name: str) -> str:
    """The name, where there is such a file beside the report."""
    return name if (kit.output_dir / name).is_file() else ""


def _ways(kit: Kit) -> list[Way]:
    """What is there to open, and what to try next."""
    done = sorted(p.name for p in (kit.output_dir / NOTEBOOKS).glob("[0-9]*.ipynb"))
    place = Path(kit.output_dir.name) / NOTEBOOKS
    opened = [Way(Path(name).stem, link=f"{NOTEBOOKS}/{name}") for name in done]
    if opened:
        opened.insert(
            0, Way("the chapters as they ran here, in JupyterLab", command=f"jupyter lab {place}")
        )
    if _beside(kit, COMPARISON):
        opened.insert(0, Way("every image, run, step and class side by side", link=COMPARISON))
    return [
        *opened,
        Way(
            "what another seed gives",
            command=f"make course PROFILE={kit.profile} SEED={kit.seed + 1}",
        ),
        Way(
            "whether a difference is more than noise", command="python -m daformer_lib study --help"
        ),
        Way(
            "labels for your own images",
            command="python -m daformer_lib predict --model study:daformer --images FOLDER",
        ),
        Way("two data sets of your own: chapter 09, and docs/start/your-own-data.md"),
    ]


def _notes(kit: Kit, runs: dict[str, Run]) -> list[str]:
    """What a reader must know about these numbers, and what did not show."""
    steps = recipes.PROFILES[kit.profile].train.steps
    notes = [
        f"One seed of {steps} steps with a tiny network: differences under {NOISE:.0f} points are "
        "noise between seeds, with source-only in them those under 5.",
        "All images were drawn by this kit; no pixel comes from a real data set.",
    ]
    miou = {row: run.final("student", SPLIT).miou() for row, run in runs.items()}
    order = ("source_only", "self_training", "daformer", "oracle")
    for low, high in pairwise(order):
        if miou[low] >= miou[high]:
            notes.append(
                f"Here {TITLES[high]} did not beat {TITLES[low]}: expected the other way round."
            )
    notes += absent_classes(runs.values(), split=SPLIT)
    notes += [
        f"{TITLES[row]}, seen without labels: {found['name']}: {found['evidence']}."
        for row, run in runs.items()
        for found in run.findings
    ]
    if not kit.study:
        notes.append("There is no committed multi-seed study yet.")
    return notes
