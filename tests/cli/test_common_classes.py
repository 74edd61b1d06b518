"""`train --classes common`: two made-up sets of different label sets, eight common classes."""

from __future__ import annotations

import numpy as np
import pytest

from daformer_lib import files
from daformer_lib.cli.main import main
from daformer_lib.cli.train import train
from daformer_lib.data.intake.convert import convert
from daformer_lib.runs import Run
from daformer_lib.specs import get_spec, save_spec
from daformer_lib.specs.common import common_classes

SIZE = (128, 96)  # (width, height)
EIGHT = ("sky", "building", "pole", "road", "sidewalk", "vegetation", "vehicle", "person")


def stripes(ids: list[int], seed: int) -> np.ndarray:
    """(96, 128) uint8: every id somewhere, and large."""
    order = np.random.default_rng(seed).permutation(ids)
    rows = [np.repeat(half, SIZE[0] // len(half)) for half in np.array_split(order, 2)]
    rows = [np.pad(row, (0, SIZE[0] - len(row)), mode="edge") for row in rows]
    return np.repeat(np.array(rows, np.uint8), SIZE[1] // 2, axis=0)


def write(spec, root, split: str, ids: list[int], count: int, red: bool) -> None:
    for i in range(count):
        label = stripes(ids, i)
        photo = np.repeat((label * 11)[..., None], 3, axis=2)
        own = np.stack([label, label * 0, label * 0], axis=-1) if red else label
        files.write_png(spec.image_path(root, split, f"{split}{i}"), photo)
        files.write_png(spec.label_path(root, split, f"{split}{i}"), own)


@pytest.fixture
def pair(tmp_path):
    """CARLA's tags 1-13 without traffic signs and fences, and CamVid's ids without those."""
    root = tmp_path / "data"
    carla, camvid = get_spec("carla23"), get_spec("camvid")
    write(carla, root, "train", [1, 4, 5, 7, 8, 9, 10, 11, 13], 4, red=True)
    for split, count in (("train", 4), ("val", 2), ("test", 1)):
        write(camvid, root, split, [0, 1, 2, 3, 4, 5, 8, 9, 10], count, red=False)
    return root


def run(root, out, *more: str, source: str = "carla23", target: str = "camvid") -> int:
    return main([
        "train", "--row", "daformer", "--profile", "smoke", "--source", source, "--target", target,
        "--data-root", str(root), "--output-dir", str(out), *more,
        "--set", "train.steps=2", "data.crop=64,64", "train.eval_every=2",
    ])  # fmt: skip


@pytest.mark.notebook
def test_a_pair_of_different_label_sets_trains_in_one_command(pair, tmp_path, capsys):
    out = tmp_path / "runs"
    assert run(pair, out, "--classes", "common") == 0
    text = capsys.readouterr().out
    assert "pavement" in text and "bicyclist" in text and "mIoU" in text
    (folder,) = (path.parent for path in out.glob("*/config.json"))
    finished = Run(folder)
    common = common_classes([get_spec("carla23")], get_spec("camvid"))
    assert finished.classes == common.classes and set(EIGHT) < set(finished.classes)
    assert finished.experiment.model.num_classes == len(common.classes)
    rows = finished.final("student", "val").confusion.sum(axis=1)
    shown = {name for name, pixels in zip(finished.classes, rows) if pixels}
    assert shown == set(EIGHT)  # bicyclist, and what the photos do not show, is not scored


@pytest.mark.notebook
def test_started_again_it_is_the_same_run_wherever_the_files_lie(pair, tmp_path, capsys):
    out = tmp_path / "runs"
    assert run(pair, out, "--classes", "common") == 0
    for path in (out / "specs").glob("*.yaml"):
        path.unlink()
    assert run(pair, out, "--classes", "common") == 0
    assert len(list(out.glob("*/config.json"))) == 1


def test_without_the_option_the_sets_differ_and_the_message_names_it(pair, tmp_path, capsys):
    assert run(pair, tmp_path / "runs") == 2
    text = capsys.readouterr().err
    assert "carla23 and camvid differ: class 0 'building' and 'sky'" in text
    assert "--classes common" in text
    with pytest.raises(ValueError, match="give --source and --target"):
        train(classes="common", source="camvid")


@pytest.mark.notebook
def test_the_users_own_file_meets_a_built_in_set(pair, tmp_path):
    """A set by its YAML file; its own train ids stay beside the common ones."""
    camvid, own = get_spec("camvid"), tmp_path / "own.yaml"
    save_spec(camvid, own)
    convert(camvid, pair, "train")
    before = files.read_gray(camvid.train_id_path(pair, "train", "train0"))
    assert run(pair, tmp_path / "runs", "--classes", "common", target=str(own)) == 0
    after = files.read_gray(camvid.train_id_path(pair, "train", "train0"))
    assert np.array_equal(before, after)
