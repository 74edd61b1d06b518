"""What the course's report says: scores of its runs beside the study's and the paper's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise

from daformer_lib.course.chapter import TITLES, Kit
from daformer_lib.course.report import AblationRow, CourseReport, PanelRow, StepTime
from daformer_lib.machine import machine
from daformer_lib.runs import Run, recipes
from daformer_lib.runs.folder import run_folder
from daformer_lib.runs.papers import paper_row
from daformer_lib.runs.results import absent_classes
from daformer_lib.viz import denormalise

ABLATION = ("source_only", "self_training", "rcs", "fd", "daformer", "oracle")
PANELS = ("source_only", "self_training", "daformer")
# Where the paper has the number of a row: table, name there, column.
PAPER_ROWS = {
    "source_only": (1, "SegFormer", "source_only"),
    "self_training": (5, "SegFormer", "uda"),
    "rcs": (5, "RCS, T = 0.01", "uda"),
    "fd": (5, "FD, things", "uda"),
    "daformer": (7, "DAFormer", "uda"),
    "oracle": (7, "DAFormer", "oracle"),
}
SPLIT = "test"


def build_report(kit: Kit, seconds: Mapping[str, float]) -> CourseReport:
    """The report of a course whose runs are all there.

    Args:
        seconds: of each step of the course, by name.
    """
    runs = {row: Run(run_folder(kit.experiment(row), kit.output_dir)) for row in ABLATION}
    seen = machine()
    return CourseReport(
        title="DAFormer course: your run",
        spec=kit.spec,
        profile=kit.profile,
        seed=kit.seed,
        split=f"{kit.target} {SPLIT}",
        created=datetime.now().strftime("%Y-%m-%d %H:%M"),
        command=f"make course PROFILE={kit.profile} SEED={kit.seed}",
        machine={key: str(value) for key, value in seen.items() if value is not None},
        rows=[_ablation_row(kit, row, run) for row, run in runs.items()],
        panels=_panels(kit, {row: runs[row] for row in PANELS}),
        class_iou={TITLES[row]: run.final("student", SPLIT).iou for row, run in runs.items()},
        steps=[StepTime(name, spent) for name, spent in seconds.items()],
        notes=_notes(kit, runs),
    )


def _ablation_row(kit: Kit, row: str, run: Run) -> AblationRow:
    scores = run.final("student", SPLIT)
    study = kit.study.get(row)
    table, name, column = PAPER_ROWS[row]
    return AblationRow(
        name=TITLES[row],
        live=100 * scores.miou(),
        study=None if study is None else study.miou.tolist(),
        paper=getattr(paper_row(table, name), column),
        paper_table=f"Table {table}",
        live_rare=100 * scores.miou(kit.spec.rare),
    )


def _panels(kit: Kit, runs: dict[str, Run]) -> list[PanelRow]:
    dataset = kit.dataset("target", SPLIT)
    scenes = kit.scenes("target", SPLIT, [int(i * len(dataset) / 6) for i in range(6)])
    labels = {TITLES[row]: kit.predict(run, scenes) for row, run in runs.items()}
    return [
        PanelRow(
            scene.stem.split("/")[-1],
            denormalise(scene.image),
            scene.label,
            {name: found[i] for name, found in labels.items()},
        )
        for i, scene in enumerate(scenes)
    ]


def _notes(kit: Kit, runs: dict[str, Run]) -> list[str]:
    """What a reader must know about these numbers, and what did not show."""
    steps = recipes.PROFILES[kit.profile].train.steps
    notes = [
        f"One seed of {steps} steps with a tiny network: differences under about 3 points are "
        "noise between seeds.",
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
