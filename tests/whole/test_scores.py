"""One score has one meaning wherever it stands, and one that does not exist is nowhere a number.

The run is real: three classes of which the spec evaluates the last two, a `test` split whose labels
are void throughout. What is written about runs without any score is read as strict JSON.
"""

import json
import re

import numpy as np
import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from daformer_lib.cli import main
from daformer_lib.cli.train import print_scores
from daformer_lib.data.intake.prepare import prepare
from daformer_lib.evaluate import Scores, confusion_matrix
from daformer_lib.files import read_json, write_json, write_png
from daformer_lib.runs import Evaluation, Run, RunWriter, recipes
from daformer_lib.runs.results import (
    absent_classes,
    class_curve,
    collect,
    gain_table,
    markdown_table,
    read_results,
    write_results,
)
from daformer_lib.specs import get_spec
from daformer_lib.studies.tables import study_page
from daformer_lib.train import train
from daformer_lib.train.loop import summary
from tests.helpers import own_set

EVALUATED = [1, 2]
SPEC = {**own_set.SPEC, "evaluated": EVALUATED}
LABEL = own_set.STRIPES
NO_LABEL = "no labelled pixel, so there is no score"


def experiment_on(root, row="source_only", seed=0, **train_changes):
    """On own.yaml of a folder: two images a split, of which `test` has no labelled pixel."""
    path = root / "own.yaml"
    path.write_text(yaml.safe_dump(SPEC, sort_keys=False))
    for split in SPEC["splits"]:
        for i in range(2):
            picture = np.random.default_rng(i).integers(0, 255, (32, 64, 3), np.uint8)
            write_png(root / "own" / split / f"img/p{i}.png", picture)
            shown = np.full_like(LABEL, 255) if split == "test" else LABEL
            write_png(root / "own" / split / f"lab/p{i}.png", shown)
    found = recipes.experiment(row, "smoke", seed, str(path), str(path), str(root))
    return found.changed(data={"crop": (32, 64)}, train=train_changes)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("own")
    experiment = experiment_on(
        root, steps=4, log_every=2, eval_every=2, snapshot_every=4, final_splits=("val", "test")
    )
    prepare(experiment.data, "smoke")
    with pytest.warns(UserWarning, match="no labelled pixel in own/test: .* null in JSON"):
        return train(experiment, root / "run")


@pytest.fixture(scope="module")
def expected(run):
    """From the pixels in evals.json, by hand."""
    *_, last = (e for e in read_json(run.folder / "evals.json") if e["split"] == "val")
    pixels = np.array(last["confusion"])
    hits = np.diag(pixels)
    iou = hits / (pixels.sum(0) + pixels.sum(1) - hits)
    assert iou[EVALUATED].mean() != pytest.approx(iou.mean(), abs=0.01)  # else nothing is shown
    return iou[EVALUATED].mean()


def test_training_scores_what_the_spec_evaluates(run, expected):
    assert run.result["miou"]["student/val"] == pytest.approx(expected, abs=1e-6)
    assert run.final().miou() == pytest.approx(expected)
    steps, curve = run.curve()
    assert steps == [2, 4] and curve[-1] == pytest.approx(100 * expected)
    last = [e for e in read_json(run.folder / "evals.json") if e["split"] == "val"][-1]
    assert last["miou"] == pytest.approx(expected, abs=1e-6)
    events = EventAccumulator(str(run.folder / "tb"))
    events.Reload()
    assert events.Scalars("score/val/miou_student")[-1].value == pytest.approx(expected, abs=1e-6)
    assert "score/test/miou_student" not in events.Tags()["scalars"]  # no score, no point


def test_so_does_every_table(run, expected, tmp_path, capsys):
    print_scores(run)
    shown = f"{100 * expected:.1f}"
    assert re.search(rf"student/val +mIoU +{shown}\n", capsys.readouterr().out)
    (row,) = collect([run], split="val")
    assert row.miou == pytest.approx([100 * expected])
    assert f"| source_only | 0 | {shown} |" in markdown_table([row])
    path = write_results([run], tmp_path / "results.json", "a command")
    entry = read_json(path)["runs"][0]
    assert entry["miou"]["student/val"] == pytest.approx(expected, abs=1e-6)
    assert entry["curves"]["student/val"][-1] == [4, pytest.approx(expected, abs=1e-4)]
    (read,) = read_results(path, "student/val")
    assert read.evaluated == (1, 2) and read.miou == pytest.approx(row.miou, abs=0.01)


def test_so_do_evaluate_and_the_comparison(run, expected, capsys):
    assert main(["evaluate", "--run", str(run.folder)]) == 0
    assert re.search(rf"mean IoU +{100 * expected:.1f}\n", capsys.readouterr().out)
    folder = str(run.folder)
    assert main(["compare", folder, "--output-dir", str(run.folder.parent / "compared")]) == 0
    pixels = sum(confusion_matrix(said, LABEL, 3) for said in run.snapshot(4).student_label)
    score = f"{100 * Scores(pixels).iou[EVALUATED].mean():.1f}"
    assert score != f"{100 * Scores(pixels).iou.mean():.1f}"
    assert f"| {score} |" in capsys.readouterr().out


@pytest.mark.parametrize("statistics", ["target", "image"])
def test_evaluate_with_other_statistics_leaves_the_run_as_it_is(run, capsys, statistics):
    command = ["evaluate", "--run", str(run.folder)]
    said = []
    for name in ("running", statistics, "running"):
        assert main([*command, "--statistics", name]) == 0
        said.append([line for line in capsys.readouterr().out.splitlines() if "own/" not in line])
    assert said[0] == said[2] and [line.split()[0] for line in said[1]][:2] == ["soil", "crop"]


def test_a_run_of_before_is_scored_by_its_pixels(run, expected, tmp_path):
    """evals.json and result.json once held the mean over all classes."""
    for name in ("config.json", "specs", "evals.json"):
        source, place = run.folder / name, tmp_path / "old" / name
        place.parent.mkdir(exist_ok=True)
        if name == "evals.json":
            write_json(place, [e | {"miou": 0.5} for e in read_json(source)])
        else:
            place.symlink_to(source)
    result = run.result | {"miou": {"student/val": 0.5, "student/test": 0.5}}
    write_json(tmp_path / "old/result.json", result)
    old = Run(tmp_path / "old")
    assert old.final().miou() == pytest.approx(expected)
    entry = read_json(write_results([old], tmp_path / "r.json", ""))["runs"][0]
    assert entry["miou"] == {"student/val": pytest.approx(expected, abs=1e-6), "student/test": None}


def test_a_run_that_goes_on_writes_its_old_scores_anew(tmp_path):
    experiment = experiment_on(tmp_path, steps=4)
    writer = RunWriter(tmp_path / "run", experiment)
    pixels = np.array([[9, 0, 0], [0, 1, 1], [0, 1, 1]])
    writer.add_evaluation(Evaluation(2, "student", "val", Scores(pixels, (1, 2))))
    writer.flush()
    path = tmp_path / "run/evals.json"
    (kept,) = read_json(path)
    write_json(path, [kept | {"miou": 0.9}])
    again = RunWriter(tmp_path / "run", experiment)
    again.rewind(2)
    assert read_json(path) == [kept] and kept["miou"] == pytest.approx(1 / 3, abs=1e-6)


def test_a_void_split_is_said_and_null(run, capsys):
    assert run.result["miou"]["student/test"] is None
    assert run.result["no_score"] == [f"student/test: {NO_LABEL}"]
    assert np.isnan(run.final(split="test").miou())
    print_scores(run)
    assert re.search(rf"student/test +mIoU +–  \({NO_LABEL}\)", capsys.readouterr().out)
    assert main(["evaluate", "--run", str(run.folder), "--split", "test"]) == 0
    shown = capsys.readouterr().out
    assert NO_LABEL in shown and re.search(r"mean IoU +–", shown) and "nan" not in shown


def test_a_split_without_the_evaluated_classes_is_said_at_the_start(tmp_path):
    experiment = experiment_on(tmp_path, steps=1)
    for i in range(2):
        path = tmp_path / "own/val/lab" / f"p{i}.png"
        write_png(path, np.zeros((32, 64), np.uint8))
    prepare(experiment.data, "smoke")
    experiment = experiment.changed(train={"final_splits": ("val",), "snapshot_every": 0})
    with pytest.warns(UserWarning, match=r"evaluates \(crop, road\) in own/val: its mean IoU will"):
        train(experiment, tmp_path / "run", stop_after=1)


# --- every file that is written about runs without a score ----------------------------------


@pytest.fixture
def scoreless(tmp_path):
    """Runs of two rows with two seeds; no pixel of `test` is labelled, no evaluated one of val."""
    runs = []
    for row in ("source_only", "daformer"):
        for seed in (0, 1):
            experiment = experiment_on(tmp_path, row, seed, steps=4)
            folder = tmp_path / f"{row}{seed}"
            writer = RunWriter(folder, experiment)
            void, other = np.zeros((3, 3), int), np.diag([8, 0, 0])
            for split, pixels in (("test", void), ("val", other)):
                for model in ("student", "teacher"):
                    writer.add_evaluation(Evaluation(4, model, split, Scores(pixels, (1, 2))))
            writer.flush()
            writer.finish(summary(Run(folder), 1.0))
            runs.append(Run(folder))
    return runs


def strict(path):
    """Its value, as a reader takes it that knows JSON and no more."""

    def refuse(constant):
        raise AssertionError(f"{path.name} holds {constant}, which is no JSON")

    return json.loads(path.read_text(), parse_constant=refuse)


@pytest.mark.filterwarnings("error")
def test_what_is_written_about_them_is_json(scoreless, tmp_path):
    for run in scoreless:
        assert all(e["miou"] is None for e in strict(run.folder / "evals.json"))
        result = strict(run.folder / "result.json")
        assert set(result["miou"].values()) == {None} and len(result["no_score"]) == 4
        assert "student/val: no evaluated class is in truth" in " ".join(result["no_score"])
    path = write_results(scoreless, tmp_path / "results.json", "a command")
    for entry in strict(path)["runs"]:
        assert set(entry["miou"].values()) == {None}
        assert entry["iou"]["student/test"] == [None] * 3
        assert entry["curves"]["student/val"] == [[4, None]]
    assert np.isnan(read_results(path)[0].miou).all()
    assert np.isnan(class_curve(path, "daformer", EVALUATED)[1]).all()
    page = study_page(path, "main", ("source_only", "daformer"), "test", "a command")
    assert "| source_only | 2 | – | – | – | – | – | – |" in page
    assert "| daformer | 2 | – | source_only | – | – | – | – |" in page
    assert "in no true or predicted pixel (source_only, daformer)" in page
    assert not re.search(r"\bnan\b", page, re.IGNORECASE)


@pytest.mark.filterwarnings("error")
def test_seeds_without_a_score_are_left_out_and_that_is_said(scoreless):
    low, high = collect(scoreless, split="val")
    low.iou[:, 1], high.iou[:, 1] = (0.2, 0.4), (0.5, np.nan)
    assert "| daformer | 0, 1 | 50.0 (1 of 2 seeds) | – |" in markdown_table([low, high])
    assert "| source_only | daformer | +30.0 | – |" in gain_table([low, high])


def test_a_class_that_is_not_evaluated_is_not_called_absent(scoreless):
    notes = absent_classes(scoreless[:1], split="val")
    assert notes == [
        "in neither truth nor prediction, left out of the mean: crop, road (source_only seed 0)"
    ]
    assert get_spec(scoreless[0].experiment.data.target).mean_ids == (1, 2)
