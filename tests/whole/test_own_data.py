"""From YAML files to a trained network: two classes, two joined sources, and a run's own copies."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import daformer_lib
from daformer_lib import viz
from daformer_lib.course import chapter
from daformer_lib.data.class_stats import stats_path
from daformer_lib.data.drawn.fields import FIELD_SPECS, FieldCounts, make_fields
from daformer_lib.data.intake.prepare import prepare
from daformer_lib.evaluate import Scores
from daformer_lib.files import write_png
from daformer_lib.runs import Run, recipes
from daformer_lib.runs.results import collect, markdown_table, read_results, write_results
from daformer_lib.specs import get_spec, save_spec
from daformer_lib.studies.tables import study_page
from daformer_lib.train import train
from daformer_lib.uda.classmix import draw_classes

PACKAGE = Path(daformer_lib.__file__).parent


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A data root with the fields; their spec files lie in fields/."""
    root = tmp_path_factory.mktemp("own")
    make_fields(root, FieldCounts(4, 3, 2), workers=1)
    return root


@pytest.fixture
def own(root, monkeypatch):
    """own("trees"): an experiment of three steps on summer -> autumn."""
    monkeypatch.setattr("daformer_lib.data.intake.prepare.SMOKE_FIELDS", FieldCounts(4, 3, 2))
    folder = root / "fields"

    def make(kind="trees", source=None, row="daformer"):
        experiment = recipes.experiment(
            row, "smoke", 0, source or str(folder / f"summer_{kind}.yaml"),
            str(folder / f"autumn_{kind}.yaml"), str(root),
        ).changed(
            data={"crop": (64, 64)},
            train={"steps": 3, "log_every": 1, "eval_every": 3, "snapshot_every": 3},
        )  # fmt: skip
        prepare(experiment.data, "smoke")
        return experiment

    return make


def test_own_data_take_nothing_for_granted_that_holds_for_street_scenes(own):
    experiment = own()
    assert (experiment.uda.ignore_top, experiment.uda.ignore_bottom) == (0, 0)
    assert experiment.train.final_splits == ("val",)  # there is no `test`
    assert experiment.model.num_classes == 2
    assert experiment.data.rcs_min_pixels is None
    street = recipes.experiment("daformer", "smoke")
    assert street.uda.ignore_bottom > 0 and street.train.final_splits == ("val", "test")


@pytest.mark.parametrize("kind", ["trees", "land"])
@pytest.mark.notebook
def test_it_trains_end_to_end(own, kind, tmp_path):
    run = train(own(kind), tmp_path / "run")
    classes = FIELD_SPECS[f"autumn_{kind}"].num_classes
    assert run.final().iou.shape == (classes,)
    assert run.metrics()["mixed"].size and np.isfinite(run.metrics()["fd"]).all()
    assert run.snapshot(3).teacher_label.max() < classes
    dash = "– |" in markdown_table(collect([run], split="val"))
    assert dash == (kind == "trees")  # which names no rare classes


@pytest.mark.notebook
def test_photos_of_several_shapes_train_and_are_watched(own, tmp_path):
    """Scored each at its own size; a snapshot keeps those that have the shape of the first."""
    folder = tmp_path / "mixed"
    rng = np.random.default_rng(0)
    for split, count in (("train", 4), ("val", 3)):
        for i in range(count):
            shape = (96, 128) if i % 2 else (128, 96)
            write_png(folder / split / "img" / f"{i}.png", rng.integers(0, 255, (*shape, 3), "u1"))
            write_png(folder / split / "ids" / f"{i}.png", rng.integers(0, 2, shape, "u1"))
    mixed = dataclasses.replace(
        FIELD_SPECS["autumn_trees"], name="mixed", folder="mixed", size=(128, 128),
        keep_ratio=True, id_map={0: 0, 1: 1}, image_pattern="{split}/img/{stem}.png",
        label_pattern="{split}/ids/{stem}.png", train_id_pattern="{split}/train_ids/{stem}.png",
    )  # fmt: skip
    path = str(save_spec(mixed, tmp_path / "mixed.yaml"))
    experiment = own().changed(
        data={"source": path, "target": path, "data_root": str(tmp_path)},
        train={"snapshot_images": 3},
    )
    prepare(experiment.data, "demo")
    run = train(experiment, tmp_path / "run")
    assert run.final().confusion.sum() == 3 * 96 * 128
    kept = run.snapshot(3)
    assert kept.stems == ("0", "2") and kept.teacher_label.shape == (2, 128, 96)


@pytest.mark.notebook
def test_results_name_the_data_and_no_place(own, root, tmp_path):
    run = train(own("land"), tmp_path / "run")
    path = write_results([run], tmp_path / "results.json", "a command")
    text = path.read_text() + study_page(path, "main", (run.name,), "val", "a command")
    assert str(root) not in text and str(tmp_path) not in text
    assert '"target": "autumn_land"' in text
    (live,), (read,) = collect([run], split="val"), read_results(path, "student/val")
    assert (read.classes, read.rare_ids) == (live.classes, live.rare_ids)
    np.testing.assert_allclose(read.miou, live.miou, atol=0.01)


@pytest.mark.notebook
def test_two_sources_train_as_one(own, root, tmp_path):
    folder = root / "fields"
    again = dataclasses.replace(FIELD_SPECS["summer_trees"], name="more", include="*_000[01]")
    more = save_spec(again, root / "more.yaml")
    joined = own(source=f"{folder / 'summer_trees.yaml'}+{more}")
    run = train(joined, tmp_path / "run")
    assert run.final().confusion.sum() > 0
    kit = chapter.Kit(
        "smoke", 0, joined.data.source, joined.data.target, str(root), tmp_path / "runs"
    )
    assert len(kit.dataset("source")) == 4 + 2
    assert len(kit.scenes("source", "train", [5])) == 1


def test_a_run_keeps_its_specs(own, tmp_path):
    files = {}
    for season in ("summer", "autumn"):
        spec = FIELD_SPECS[f"{season}_trees"]
        files[season] = save_spec(spec, tmp_path / f"{season}.yaml")
    experiment = own().changed(
        data={"source": str(files["summer"]), "target": str(files["autumn"])},
        train={"steps": 2, "snapshot_every": 0},
    )
    key = experiment.key
    train(experiment, tmp_path / "run", stop_after=1)
    files["summer"].unlink()  # moved away: the run goes on with its copy
    changed = dataclasses.replace(FIELD_SPECS["autumn_trees"], id_map={0: 1, 255: 0})
    save_spec(changed, files["autumn"])  # edited: that is another run
    assert Run(tmp_path / "run").experiment.key == key
    run = train(Run(tmp_path / "run").experiment, tmp_path / "run")
    assert run.is_complete and run.spec == FIELD_SPECS["autumn_trees"]
    save_spec(FIELD_SPECS["summer_trees"], files["summer"])
    with pytest.raises(ValueError, match=r"holds another run.*has changed makes another run"):
        train(experiment, tmp_path / "run")


def test_val_labels_that_are_missing_in_part_are_named_before_training(own, root, tmp_path):
    bare = dataclasses.replace(
        FIELD_SPECS["autumn_trees"], name="bare", label_pattern="none/{split}/{stem}.png",
        train_id_pattern="none_ids/{split}/{stem}.png",
    )  # fmt: skip
    path = save_spec(bare, root / "bare.yaml")
    stem = bare.stems(root, "val")[0]
    write_png(bare.train_id_path(root, "val", stem), np.zeros((128, 128), np.uint8))
    with pytest.raises(FileNotFoundError, match="bare/val have no train-id label"):
        train(own().changed(data={"target": str(path)}), tmp_path / "run")
    assert not (tmp_path / "run" / "metrics.csv").exists() or not Run(tmp_path / "run").metrics()


def test_two_specs_of_the_same_photos_keep_their_statistics_apart(own, root):
    own("trees"), own("land")
    folder = root / "fields"
    trees, land = (get_spec(folder / f"summer_{kind}.yaml") for kind in ("trees", "land"))
    paths = {stats_path(spec, root, "train") for spec in (trees, land)}
    assert len(paths) == 2 and all(path.is_file() for path in paths)
    stamps = {path: path.stat().st_mtime_ns for path in paths}
    own("trees"), own("land")  # nothing is converted again
    assert stamps == {path: path.stat().st_mtime_ns for path in paths}


def test_with_two_classes_one_is_pasted():
    label = torch.tensor([[[0, 0], [1, 1]]])
    for seed in range(5):
        (chosen,) = draw_classes(label, np.random.default_rng(seed))
        assert len(chosen) == 1
    (chosen,) = draw_classes(torch.zeros(1, 2, 2, dtype=torch.int64), np.random.default_rng(0))
    assert chosen == (0,)  # one class alone: the whole source image


def test_every_figure_takes_two_classes():
    spec = FIELD_SPECS["autumn_trees"]
    count = spec.num_classes
    rng = np.random.default_rng(0)
    label = rng.integers(0, count, (32, 32)).astype(np.uint8)
    image = rng.integers(0, 255, (32, 32, 3)).astype(np.uint8)
    iou = rng.random(count)
    confusion = rng.integers(1, 9, (count, count))
    assert Scores(confusion).iou.shape == (count,)
    figures = [
        viz.class_bars({"a": iou, "b": iou}, spec, bold=spec.rare),
        viz.gain_bars(iou, iou[::-1], spec, bold=spec.rare),
        viz.share_bars({"a": iou / iou.sum()}, spec, bold=spec.rare),
        viz.confusion_heatmap(confusion, spec),
        viz.prediction_panels([image], [label], {"a": [label]}, spec),
        viz.pseudo_label_panels([image], [label], [rng.random((32, 32))], 0.9, spec),
        viz.evolution_strip(image, label, {"a": {1: label}}, spec),
        viz.class_curves([1, 2], np.stack([iou, iou]), spec, list(range(count))),
        viz.class_legend(spec),
    ]
    assert all(viz.figure_png(figure)[:4] == b"\x89PNG" for figure in figures)


def test_only_the_street_scene_specs_know_the_number_of_their_classes():
    """Elsewhere 19 is `spec.num_classes`, and RARE is `spec.rare`; drawing counts in metres."""
    number = re.compile(r"(?<![\w.])19(?![\w.%-])")
    for path in PACKAGE.rglob("*.py"):
        text = re.sub(r'""".*?"""', "", path.read_text(), flags=re.DOTALL)
        text = "\n".join(line.split("#")[0] for line in text.splitlines())
        if path.name != "builtin.py" and path.parent.parent.name != "drawn":
            assert not number.search(text), f"{path} knows the number 19"
        if path.relative_to(PACKAGE).as_posix() not in ("specs/__init__.py", "specs/builtin.py"):
            assert not re.search(r"\bRARE\b", text), f"{path} uses RARE; take spec.rare"
