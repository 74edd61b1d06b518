"""Several runs side by side: runs, compare, choose."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from rich.console import Console

from daformer_lib.cli.options import Recheck, runs_at
from daformer_lib.means import percent
from daformer_lib.progress import Progress
from daformer_lib.runs import Run
from daformer_lib.runs.folder import runs_in
from daformer_lib.texts import complaint

if TYPE_CHECKING:  # the rest of the command line starts faster without these
    from daformer_lib.compare import Comparison, Survey
    from daformer_lib.compare.views.page_data import Limits
    from daformer_lib.viz.tables import Table

THRESHOLD = 0.968  # the authors'; a run's own comes first
EVIDENCE_COMMAND = "python -m daformer_lib choose runs/study/* --evidence"
EVOLUTION_WIDTH = 1032  # pixels: in two columns the mini domains at twice their size


def runs(folder: Annotated[Path, tyro.conf.Positional] = Path("runs")) -> None:
    """List the runs below a folder: how far each one is, and its last score."""
    found = runs_in(folder)
    for run in found:
        print(f"{run.folder!s:56s} {run_line(run)}")
    if not found:
        print(f"no runs below {folder}; one to begin with: python -m daformer_lib train")


def run_line(run: Run) -> str:
    """How far a run is, and the student's last mIoU; what is wrong with a folder that is none."""
    try:
        scores = [one for one in run.evaluations if one.model == "student"]
        steps = run.experiment.train.steps
    except (KeyError, OSError, ValueError) as error:
        return complaint(error)
    last = scores[-1] if scores else None
    state = f"{steps} steps" if run.is_complete else f"unfinished, {steps} steps wanted"
    if last is None:
        return f"{state}; not scored yet"
    return f"{state}; mIoU {percent(last.scores.miou())} on {last.split} at step {last.step}"


def compare(
    sources: Annotated[tuple[str, ...], tyro.conf.Positional] = (),
    output_dir: Path = Path("runs/compare"),
    step: int | None = None,
    threshold: float | None = None,
    images: int = 12,
    width: int = 512,
    page_megabytes: float = 24,
    max_images: int | None = None,
    spec: str | None = None,
    data_root: Path | None = None,
    split: str | None = None,
    model: Literal["pseudo-label", "student"] = "pseudo-label",
    ids: Literal["auto", "train", "own"] = "auto",
    suffix: str | None = None,
    size: tuple[int, int] | None = None,
    animation: Literal["gif", "png", "webp"] = "gif",
    recheck: Recheck = False,
) -> None:
    """Compare pseudo-labels: tables here; a page, panels and an animation in --output-dir.

    The tables are drawn in a terminal, and Markdown where the output goes to a file or a program.

    Args:
        sources: folders of runs, or of PNG label maps of any tool; "name=folder" names one.
            Without any, the runs that there are get listed.
        output_dir: gets the page, the panels and the animation.
        step: that tables and panels show, or the last one before it; by default the last.
        threshold: of the confidence; by default that of the first run, else 0.968.
        images: how many images go into comparison.html, those with most disagreement.
        width: largest width of a map in the page, in pixels.
        page_megabytes: the page takes up no further image beyond this many MB.
        max_images: count only this many of the common images, evenly spaced.
        spec: data set whose classes the label maps have; by default the first run's target.
        data_root: folder of the data sets with truth and images; by default the first run's.
        split: of truth and images; by default the one on which the first run was evaluated.
        model: of a run: the pseudo-labels (its teacher's), or its student.
        ids: in label maps: train ids, or the data set's own; told apart where they can be.
        suffix: what the other tool adds to the image's name: "_mine" for a_mine.png.
        size: width and height to bring all to, where sizes differ.
        animation: format of the evolution, written where there is more than one step.
    """
    from daformer_lib.compare import missing, open_comparison, survey
    from daformer_lib.compare.tally import sure_from
    from daformer_lib.compare.views import class_wins_table, scores_table
    from daformer_lib.compare.views.page_data import Limits
    from daformer_lib.compare.views.tables import verdict

    if not sources:
        runs()
        print("compare some of them: python -m daformer_lib compare RUN_A RUN_B")
        return
    inputs = named_inputs(sources)
    if threshold is not None:
        sure_from(threshold)  # refuses what is no probability, before the long pass
    comparison = open_comparison(
        inputs, spec=spec, data_root=data_root, split=split, model=model, ids=ids,
        suffix=suffix, size=size, max_images=max_images,
    )  # fmt: skip
    bring_truth_up_to_date(comparison, recheck)
    if threshold is None:
        threshold = own_threshold(comparison)
    with Progress(len(comparison.stems), "compare") as bar:
        found = survey(comparison, step, bar)
    for text in missing(comparison, found):
        print(f"note: {text}", file=sys.stderr)
    show(scores_table(found, comparison.spec, threshold))
    show(class_wins_table(found, comparison.spec, threshold))
    print(verdict(found, comparison.spec))
    for text in own_findings(comparison):
        print(text)
    limits = Limits(images, page_megabytes, width)
    for path in write_all(comparison, found, output_dir, threshold, limits, animation):
        print(f"wrote {path}")


def show(table: Table) -> None:
    """A table and an empty line: drawn in a terminal, Markdown in a file or another program."""
    console = Console()
    if console.is_terminal:
        console.print(table)
    else:
        print(table, end="\n\n")


def own_findings(comparison: Comparison) -> list[str]:
    """What complete runs among the sources found wrong with themselves, without labels."""
    from daformer_lib.compare import RunSource

    runs = {s.name: s.run for s in comparison.sources if isinstance(s, RunSource)}
    return [
        f"finding of {name}: {one['name']}: {one['evidence']}"
        for name, run in runs.items()
        if run.is_complete
        for one in run.findings
    ]


def bring_truth_up_to_date(comparison: Comparison, recheck: bool) -> None:
    """Labels that were converted once are converted again where they have changed."""
    from daformer_lib.data.intake.prepare import bring_up_to_date

    ground = comparison.ground
    if ground and any(ground.path("train_id_path", stem).is_file() for stem in comparison.stems):
        with Progress(None, "data") as bar:
            place = (ground.spec, ground.data_root, ground.split)
            bring_up_to_date(*place, report=bar, recheck=recheck)


def named_inputs(sources: Sequence[str]) -> dict[str, str]:
    """Folder by the name to show: given, else a row's title, else made by `open_comparison`."""
    from daformer_lib.runs.recipes import TITLES

    found: dict[str, str] = {}
    for source in sources:
        name, equals, folder = source.partition("=")
        if not equals or Path(source).exists():
            name, folder = "", source
        path = Path(folder)
        if not path.is_dir():
            raise FileNotFoundError(f"no folder {path}; name a run, or a folder of label maps")
        if not name and (path / "config.json").is_file():
            run = Run(path).experiment
            name = TITLES.get(run.name, run.name)
            name = f"{name}, seed {run.train.seed}" if name in found else name
        name = name or path.name
        found[name if name not in found else f"{name} ({path.parent.name}/{path.name})"] = folder
    return found


def own_threshold(comparison: Comparison) -> float:
    from daformer_lib.compare import RunSource

    runs = [source.run for source in comparison.sources if isinstance(source, RunSource)]
    return runs[0].experiment.uda.threshold if runs else THRESHOLD


def write_all(
    comparison: Comparison,
    found: Survey,
    output_dir: Path,
    threshold: float,
    limits: Limits,
    animation: str,
) -> list[Path]:
    """The page, a panel picture per image, and the evolution of the first one."""
    from daformer_lib.compare import ranking
    from daformer_lib.compare.views import (
        Look,
        comparison_panels,
        evolution_frames,
        write_animation,
        write_page,
    )
    from daformer_lib.files import write_atomic
    from daformer_lib.viz import figure_png

    order = "disagreement" if len(comparison.sources) > 1 else "error"
    stems, look = ranking(found, order)[: limits.images], Look(threshold=threshold)
    with Progress(len(stems), "page") as bar:
        written = [
            write_page(
                comparison, output_dir / "comparison.html", threshold, found=found,
                command=shlex.join(["python", "-m", "daformer_lib", *sys.argv[1:]]),
                limits=limits, report=bar,
            )
        ]  # fmt: skip
    with Progress(len(stems), "panels") as bar:
        for done, stem in enumerate(stems, 1):
            png = figure_png(comparison_panels(comparison, stem, found.step, look))
            path = output_dir / "panels" / f"{stem.replace('/', '_')}.png"
            written.append(write_atomic(path, png))
            bar(done, len(stems), stem)
    if len(comparison.steps) > 1:
        # Of two sources, image and truth above them: in one row of four they would be too small.
        columns = 2 if len(comparison.sources) == 2 else None
        frames = evolution_frames(comparison, stems[0], look, EVOLUTION_WIDTH, columns)
        written.append(write_animation(frames, output_dir / f"evolution.{animation}"))
    return written


def choose(
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional] = (),
    by: str | None = None,
    steps: bool = False,
    images: int = 50,
    truth: bool = False,
    evidence: Path | None = None,
    data_root: str | None = None,
) -> None:
    """Which run to take when the target has no labels: students and teachers, best first.

    Args:
        runs: folders of finished runs with one target.
        by: the criterion to order by; by default the one that was worth most where labels could
            tell (results/choose.md).
        steps: order the evaluations of each run instead: where training should have ended.
        images: of the target's training split; their labels are not read.
        truth: show the true mIoU beside, where there are labels.
        evidence: measure every criterion against the labels, and add the numbers to this file,
            with a page beside it; the runs may have several sets and lengths.
        data_root: where the data lie, if not where the runs found them.
    """
    from daformer_lib.choosing.alarms import alarms
    from daformer_lib.choosing.candidates import (
        grouped,
        of_runs,
        of_steps,
        require_one_target,
        setting,
    )
    from daformer_lib.choosing.record import Record, read_record
    from daformer_lib.choosing.report import chosen_by, ranking, write_evidence

    named = runs_at(runs)
    opened = [run for run in named if run.experiment.mode != "oracle"]
    for run in named:
        if run not in opened:
            print(f"left out: {run.folder} learned from the target's labels", file=sys.stderr)
    best, said = chosen_by()
    if evidence is not None:
        record = read_record(evidence)
        for group in grouped(opened, setting):
            with Progress(len(group), "choose") as bar:
                found = tuple(of_runs(group, images, data_root, bar))
            steps = (one for run in group if run.health for one in of_steps(run))
            judged = (found for run in group if (found := alarms(run)) is not None)
            record = record.joined(Record(found, tuple(steps), tuple(judged)))
        for path in write_evidence(record, evidence, f"{EVIDENCE_COMMAND} {evidence}"):
            print(f"wrote {path}")
        return
    require_one_target(opened)
    if steps:
        for run in opened:
            print(ranking(of_steps(run), by or best, truth) + "\n")
    else:
        with Progress(len(opened), "choose") as bar:
            found = of_runs(opened, images, data_root, bar)
        print(ranking(found, by or best, truth))
    print(said)
