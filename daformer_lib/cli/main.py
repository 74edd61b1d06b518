"""The command line: each command is a function, its options are the function's arguments."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Literal

import cv2
import torch
import tyro

from daformer_lib.cli import compare as compare_commands
from daformer_lib.cli import data as data_commands
from daformer_lib.cli import inference as model_commands
from daformer_lib.cli import train as speed_commands
from daformer_lib.data.drawn.mini import MINI_NAMES, make_mini
from daformer_lib.data.intake.prepare import WORKERS, bring_up_to_date, mini_counts, prepare
from daformer_lib.files import require_writable
from daformer_lib.means import percent
from daformer_lib.progress import Progress
from daformer_lib.ranks import Ranks
from daformer_lib.runs import Run, recipes
from daformer_lib.runs.recipes.settings import with_settings
from daformer_lib.specs import CITYSCAPES
from daformer_lib.stopping import end_with_parent, exit_status, sigterm_raises
from daformer_lib.texts import complaint, nearest

# Errors that a user can mend; where memory runs out inside OpenCV, it is one of its own.
MENDED = (KeyError, ValueError, OSError, RuntimeError, MemoryError, ModuleNotFoundError, cv2.error)
Profile = Literal["smoke", "demo", "study", "full"]
app = tyro.extras.SubcommandApp()
app.command(name="check-data")(data_commands.check_data_command)
app.command(name="inspect-data")(data_commands.inspect_data_command)
app.command(name="probe")(speed_commands.probe_command)
app.command(name="prepare-cache")(speed_commands.prepare_cache_command)
app.command(name="make-fields")(data_commands.make_fields_command)


@app.command(name="doctor")
def doctor() -> int:
    """Say what is wrong with this machine, if anything."""
    from daformer_lib.course.doctor import findings

    problems = 0
    for finding in findings():
        problems += not finding.ok
        print(f"{'ok     ' if finding.ok else 'PROBLEM'}  {finding.text}")
    return min(problems, 1)


@app.command(name="make-mini")
def make_mini_command(
    data_root: str | None = None, profile: Profile = "demo", names: tuple[str, ...] = MINI_NAMES
) -> None:
    """Draw the mini domains to disk, in the layouts of GTA, SYNTHIA and Cityscapes."""
    with Progress(None, "draw") as bar:
        make_mini(
            data_root or recipes.default_root(profile),
            names,
            mini_counts(profile),
            workers=WORKERS,
            progress=bar,
        )


@app.command(name="pretrain-mini")
def pretrain_mini(
    encoder: Literal["tiny_mit", "tiny_resnet"],
    steps: int = 2500,
    seed: int = 0,
    folder: Path = Path("daformer_lib/weights"),
) -> None:
    """Pretrain a tiny encoder on drawn objects: the stand-in for ImageNet."""
    from daformer_lib.train.pretrain import PretrainConfig, pretrain, save_pretrained

    config = PretrainConfig(encoder=encoder, steps=steps, seed=seed)
    with Progress(steps, "pretrain") as bar:
        network, log = pretrain(config, bar)
    print(f"held-out accuracy {log[-1]['held_out_accuracy']:.1%}")
    print(f"wrote {save_pretrained(network, config, log, folder)}")


@app.command(name="train")
def train_command(
    row: str = "daformer",
    profile: Profile = "demo",
    seed: int = 0,
    source: str | None = None,
    target: str | None = None,
    data_root: str | None = None,
    output_dir: Path = Path("runs/train"),
    stop_after: int | None = None,
    devices: int | None = None,
    nodes: int | None = None,
    recheck: bool = False,
    settings: speed_commands.Settings = (),
) -> None:
    """Train one row of the course or the paper; started again, it goes on where it stopped.

    Args:
        devices, nodes: GPUs (without one: processes) on each machine, and machines; by default what
            torchrun says, else one. See docs/scaling.md.
        recheck: read every image and label to see whether it has changed since it was converted,
            not only those whose size or times differ.
        settings: part.field=value of the configuration, such as train.precision=bf16-mixed.
    """
    from daformer_lib.runs.folder import is_finished, run_folder
    from daformer_lib.train import train
    from daformer_lib.train.engine import (
        default_fabric,
        prepare_lock,
        require_even_parts,
        start_processes,
    )
    from daformer_lib.train.loop import require_steps
    from daformer_lib.train.trainable import require_trainable

    experiment = recipes.experiment(row, profile, seed, source, target, data_root)
    experiment = with_settings(experiment, settings)
    # All that can be wrong is looked at before data are drawn or converted, which may take hours.
    require_steps(stop_after)
    if not is_finished(experiment, output_dir):
        require_trainable(experiment)
    fabric = default_fabric(experiment, devices, nodes)
    # Before the start a launcher's environment knows the number of processes, or the options do.
    world = max(fabric.world_size, (devices or 1) * (nodes or 1))
    require_even_parts(experiment, Ranks(0, world))
    with prepare_lock(output_dir):
        prepare_with_bar(experiment, profile, recheck)
    folder = run_folder(experiment, output_dir)
    start_processes(fabric)
    with Progress(experiment.train.steps, row, look="quiet" if fabric.global_rank else None) as bar:
        run = train(experiment, folder, stop_after=stop_after, report=bar, fabric=fabric)
    if fabric.global_rank == 0:
        print_scores(run)


@app.command(name="train-run")
def train_run(folder: Path, with_parent: bool = False) -> None:
    """Train the run that a folder's config.json describes (what studies start).

    Args:
        with_parent: end when standard input does, which is a pipe that the parent holds open.
    """
    from daformer_lib.runs.batch import progress_file
    from daformer_lib.train import train

    if with_parent:
        end_with_parent()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    train(Run(folder).experiment, folder, report=progress_file(folder))


@app.command(name="study")
def study(
    rows: tuple[str, ...] = ("source_only", "self_training", "rcs", "daformer", "oracle"),
    seeds: tuple[int, ...] = (0, 1, 2),
    profile: Profile = "study",
    output_dir: Path = Path("runs/study"),
    results: Path | None = None,
    source: str | None = None,
    target: str | None = None,
    data_root: str | None = None,
    jobs: int = 2,
    recheck: bool = False,
) -> None:
    """Rows x seeds as separate processes; finished runs are skipped; prints a table.

    Args:
        recheck: read every image and label to see whether it has changed since it was converted,
            not only those whose size or times differ.
    """
    from daformer_lib.data.run_data import note_data
    from daformer_lib.runs.batch import require_jobs, run_all
    from daformer_lib.runs.folder import is_finished
    from daformer_lib.runs.results import absent_classes, collect, markdown_table, write_results
    from daformer_lib.train.trainable import require_trainable

    require_jobs(jobs)
    if not rows or not seeds:
        raise ValueError("a study needs at least one of --rows and one of --seeds")
    wanted = [
        recipes.experiment(row, profile, seed, source, target, data_root)
        for seed in seeds
        for row in rows
    ]
    for missing in {e.name: e for e in wanted if not is_finished(e, output_dir)}.values():
        require_trainable(missing)  # one of each row: seeds change nothing that could be wrong
    if results is not None:
        require_writable(results)
    prepare_with_bar(wanted[0], profile, recheck)
    with Progress(None, "study") as bar:
        runs = run_all(wanted, output_dir, jobs, bar, begun=note_data)
    if results is not None:
        command = "python -m daformer_lib study --rows " + " ".join(rows)
        command += f" --seeds {' '.join(map(str, seeds))} --profile {profile}"
        for option, value in {"source": source, "target": target}.items():
            command += f" --{option} {value}" if value else ""
        print(f"wrote {write_results(runs, results, command)}")
    split = runs[0].experiment.train.final_splits[-1]
    print(markdown_table(collect(runs, split=split)))
    for note in absent_classes(runs, split=split):
        print(note)


@app.command(name="evaluate")
def evaluate_command(
    run: Path, split: str = "val", model: Literal["student", "teacher"] = "student",
    target: str | None = None, data_root: str | None = None, recheck: bool = False,
) -> None:  # fmt: skip
    """Per-class IoU of a trained run on a split of its target, or of another set.

    Args:
        recheck: read every image and label to see whether it has changed since it was converted,
            not only those whose size or times differ.
    """
    from daformer_lib.data.datasets import evaluation_samples
    from daformer_lib.evaluate import absence_notes, evaluate
    from daformer_lib.inference import load_network, working_device
    from daformer_lib.specs import check_same_classes, get_spec

    opened = Run(run)
    experiment = opened.experiment
    if data_root is not None:
        experiment = experiment.changed(data={"data_root": data_root})
    if target is not None:
        check_same_classes([get_spec(experiment.data.target), get_spec(target)])
        experiment = experiment.changed(data={"target": target})
    spec, device = get_spec(experiment.data.target), working_device()
    with Progress(None, "data") as bar:
        bring_up_to_date(spec, experiment.data.data_root, split, report=bar, recheck=recheck)
    samples = evaluation_samples(experiment, split, None)
    network = load_network(opened, model).to(device)
    scores = evaluate(network, samples, spec.num_classes, device, evaluated=spec.mean_ids)
    for name, iou in zip(spec.classes, scores.iou):
        print(f"{name:15s} {percent(iou):>5s}")
    print(f"{'mean IoU':15s} {percent(scores.miou()):>5s}")
    for note in absence_notes(scores, spec.classes, spec.mean_ids):
        print(note)


@app.command(name="evaluate-official")
def evaluate_official_command(
    checkpoint: Path,
    encoder: str = "mit_b5",
    decoder: str = "daformer",
    part: Literal["model", "ema_model"] = "model",
    target: str = "cityscapes",
    split: str = "val",
    data_root: str = "data",
    classes: int = CITYSCAPES.num_classes,
    recheck: bool = False,
) -> None:
    """Score a checkpoint in the authors' format at their protocol, beside the paper's numbers.

    Args:
        checkpoint: their .pth, or a .safetensors file.
        part: the student (theirs is scored) or the teacher of a UDA training.
        classes: the mean is over all of them, or 16 or 13 for a network trained on SYNTHIA.
        recheck: read every image and label to see whether it has changed since it was converted,
            not only those whose size or times differ.
    """
    from daformer_lib.inference import official, working_device
    from daformer_lib.specs import get_spec

    spec, device = get_spec(target), working_device()
    official.require_mean(spec, classes)
    network = official.network_from_checkpoint(
        checkpoint, encoder, decoder, part, spec.num_classes, device
    )
    with Progress(None, "data") as bar:
        bring_up_to_date(spec, data_root, split, report=bar, recheck=recheck)
    with Progress(None, "evaluate") as bar:
        scores = official.evaluate_official(network, spec, data_root, split, device, bar)
    print(official.score_table(scores, spec, classes))


@app.command(name="export-test")
def export_test_command(
    checkpoint: Path,
    encoder: str = "mit_b5",
    decoder: str = "daformer",
    part: Literal["model", "ema_model"] = "model",
    target: str = "cityscapes",
    split: str = "test",
    data_root: str = "data",
    output_dir: Path = Path("runs/export"),
    ids: Literal["label", "train"] | None = None,
) -> None:
    """Label a test split for the benchmark server: PNGs at the images' own size, under their names.

    Args:
        ids: label ids or train ids; by default what the data set's server takes (ACDC and Dark
            Zurich: train ids).
    """
    from daformer_lib.inference import official, working_device
    from daformer_lib.specs import get_spec

    spec = get_spec(target)
    network = official.network_from_checkpoint(
        checkpoint, encoder, decoder, part, spec.num_classes, working_device()
    )
    with Progress(None, "export") as bar:
        written = official.export_labels(network, spec, data_root, output_dir, split, ids, bar)
    print(f"wrote {len(written)} files to {output_dir}")


@app.command(name="export-visda")
def export_visda_command(
    source_only: Path,
    uda: Path,
    archive: Path = Path("runs/visda/submission.zip"),
    split: str = "test",
    data_root: str | None = None,
) -> None:
    """Zip the VisDA-2022 submission: label maps of a run without and a run with adaptation.

    Args:
        source_only: folder of the run without adaptation.
        uda: folder of the run with it.
    """
    from daformer_lib.inference import load_network, working_device
    from daformer_lib.inference.submission import write_submission
    from daformer_lib.specs import get_spec

    runs = {"source_only": Run(source_only), "uda": Run(uda)}
    device = working_device()
    networks = {name: load_network(run).to(device) for name, run in runs.items()}
    data = runs["uda"].experiment.data
    spec, root = get_spec(data.target), data_root or data.data_root
    with Progress(None, "export") as bar:
        print(f"wrote {write_submission(networks, spec, root, archive, split, bar)}")


app.command(name="compare")(compare_commands.compare)
app.command(name="predict")(model_commands.predict)
app.command(name="export-model")(model_commands.export_model)
app.command(name="export-onnx")(model_commands.export_onnx)


@app.command(name="course")
def course(
    profile: Profile = "demo", seed: int = 0, output_dir: Path = Path("runs/course")
) -> None:
    """Data, notebooks 00-06 and runs/course/report.html; interrupted, it goes on."""
    from daformer_lib.course.course import run_course

    print(f"report: {run_course(profile, seed, output_dir)}")


def prepare_with_bar(experiment, profile: str, recheck: bool) -> None:
    with Progress(None, "data") as bar:
        prepare(experiment.data, profile, bar, recheck)


def print_scores(run: Run) -> None:
    if not run.is_complete:
        print(f"stopped; start again to go on: {run.folder}")
        return
    for where, scores in run.last_scores().items():
        why = f"  ({scores.reason})" if scores.reason else ""
        print(f"{where:16s} mIoU {percent(scores.miou()):>5s}{why}")
    print(f"run: {run.folder}")


def require_known(arguments: list[str]) -> None:
    """Raises ValueError for a command that there is not; options are looked at by tyro."""
    given = next(iter(arguments), "-")
    if not given.startswith("-") and given not in app._subcommands:
        raise ValueError(f"unknown command {given!r}; {nearest(given, app._subcommands)}")


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; what a user can mend is printed as one line, not as a traceback."""
    try:
        require_known(sys.argv[1:] if arguments is None else arguments)
        with sigterm_raises():
            return app.cli(args=arguments, prog="python -m daformer_lib") or 0
    except KeyboardInterrupt as error:
        print(f"{error}; the same command goes on from here".lstrip("; "), file=sys.stderr)
        return exit_status(error)
    except MENDED as error:
        if os.environ.get("DAFORMER_TRACEBACK"):
            raise
        print(f"error: {complaint(error)}", file=sys.stderr)
        return 2
