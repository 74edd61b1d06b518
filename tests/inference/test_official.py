"""A checkpoint in the authors' format, from file to scores and to files for the servers."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from daformer_lib import specs
from daformer_lib.cli import main
from daformer_lib.cli.inference import OfficialNetwork
from daformer_lib.config import ModelConfig
from daformer_lib.evaluate import Scores
from daformer_lib.files import read_gray, write_png
from daformer_lib.inference import official
from daformer_lib.models import build_segmentor
from daformer_lib.models.checkpoints import load_official
from daformer_lib.models.checkpoints.official_names import official_names
from daformer_lib.specs import ACDC, CITYSCAPES, SYNTHIA_13, SYNTHIA_16
from tests.helpers.rounding import assert_same_confusion, assert_same_labels, near_ties

pytestmark = pytest.mark.numeric


SMALL = (128, 64)  # (width, height) in the place of 1024x512
OWN = (150, 90)  # of the images and labels, in the place of 2048x1024
NETWORK = ("--encoder", "mit_b0", "--decoder", "daformer")


@pytest.fixture(scope="module")
def checkpoint(det, tmp_path_factory):
    """A UDA training of deterministic weights; the student's and the teacher's differ."""
    segmentor = build_segmentor(ModelConfig("mit_b0", "daformer"))
    shapes = {o: segmentor.state_dict()[n].shape for n, o in official_names(segmentor).items()}
    state = {
        f"{part}.{name}": torch.from_numpy(np.asarray(det.det_weights(prefix + name, shape)))
        for part, prefix in (("model", ""), ("ema_model", "ema_model."))
        for name, shape in shapes.items()
    }
    path = tmp_path_factory.mktemp("official") / "latest.pth"
    torch.save({"meta": {"iter": 40_000}, "state_dict": state}, path)
    return path


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """data_root of a small Cityscapes: two images with labels in val, three in test."""
    spec = replace(CITYSCAPES, size=SMALL)
    monkeypatch.setitem(specs.SPECS, "cityscapes", spec)
    monkeypatch.setitem(specs.SPECS, "acdc", replace(ACDC, size=SMALL))
    rng = np.random.default_rng(0)
    for split, count in (("val", 2), ("test", 3)):
        for i in range(count):
            stem = f"town{i}/town{i}_{i:06d}_000019"
            image = rng.integers(0, 256, (OWN[1], OWN[0], 3), dtype=np.uint8)
            write_png(spec.image_path(tmp_path, split, stem), image)
            if split == "val":
                values = np.array([*range(19), 255], dtype=np.uint8)
                label = rng.choice(values, (9, 15)).repeat(10, 0).repeat(10, 1)
                write_png(spec.train_id_path(tmp_path, split, stem), label)
    return tmp_path


def by_hand(checkpoint, part, path):
    """Train ids of one image, without the library's evaluation, and where rounding may decide."""
    network = build_segmentor(ModelConfig("mit_b0", "daformer")).eval()
    load_official(network, checkpoint, part)
    rgb = cv2.cvtColor(cv2.resize(cv2.imread(str(path)), SMALL), cv2.COLOR_BGR2RGB)
    mean, std = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])
    image = torch.from_numpy(((rgb - mean) / std).astype(np.float32)).permute(2, 0, 1)[None]
    with torch.no_grad():
        logits = network(image)[0]
    for size in (SMALL[::-1], OWN[::-1]):
        logits = F.interpolate(logits, size, mode="bilinear", align_corners=False)
    return logits.softmax(1).argmax(1)[0].numpy(), near_ties(logits, network)[0]


def confusion_by_hand(checkpoint, part, tree):
    """The matrix, and of how many pixels rounding may decide the label."""
    confusion, ties = np.zeros((19, 19), dtype=np.int64), 0
    for path in sorted((tree / "cityscapes" / "leftImg8bit" / "val").rglob("*.png")):
        name = str(path).replace("leftImg8bit.png", "gtFine_labelTrainIds.png")
        truth = cv2.imread(name.replace("leftImg8bit", "gtFine"), cv2.IMREAD_UNCHANGED)
        known = truth != 255
        label, near = by_hand(checkpoint, part, path)
        np.add.at(confusion, (truth[known], label[known]), 1)
        ties += int(near[known].sum())
    return confusion, ties


@pytest.mark.notebook  # not in make check: takes seconds
@pytest.mark.parametrize("part", ["model", "ema_model"])
def test_a_checkpoint_scores_as_by_hand(checkpoint, tree, part, capsys):
    arguments = ["evaluate-official", "--checkpoint", str(checkpoint), *NETWORK]
    assert main([*arguments, "--part", part, "--data-root", str(tree)]) == 0
    text = capsys.readouterr().out
    wanted, ties = confusion_by_hand(checkpoint, part, tree)
    network = official.network_from_checkpoint(checkpoint, "mit_b0", "daformer", part)
    scores = official.evaluate_official(network, specs.SPECS["cityscapes"], tree)
    assert_same_confusion(scores.confusion, wanted, ties)
    assert len(np.unique(np.nonzero(wanted)[1])) > 3  # several classes are predicted
    shown = next(line for line in text.splitlines() if line.startswith("mean of 19"))
    assert shown.split() == ["mean", "of", "19", f"{100 * scores.miou():.2f}", "68.3"]
    road = next(line for line in text.splitlines() if line.startswith("road"))
    assert road.split() == ["road", f"{100 * scores.iou[0]:.2f}", "95.7"]


def test_a_recipe_says_how_a_network_is_built_and_looks(checkpoint, monkeypatch):
    monkeypatch.setattr(official, "network_from_checkpoint", lambda path, *how: how)
    known = OfficialNetwork(checkpoint, recipe="hrda_ablation_fixed_attention").open(19, "cpu")
    assert known[:2] == ("mit_b5", "daformer") and known[-1].fixed_attention == 0.5
    known = OfficialNetwork(checkpoint, recipe="hrda_table2_daformer").open(19, "cpu")
    assert known[:2] == ("resnet101_v1c", "deeplabv2") and known[-1].window is None
    assert OfficialNetwork(checkpoint, recipe="table6_daformer_uda").open(19, "cpu")[-1] is None
    with pytest.raises(KeyError, match="hrda_table2_daformer"):
        OfficialNetwork(checkpoint, recipe="hrda_table2_daformr").open(19, "cpu")


def test_means_of_16_and_13_classes_by_hand():
    confusion = np.diag(np.arange(1, 20)).astype(np.int64)
    confusion[0, 9] = 3  # road taken for terrain, which SYNTHIA does not have
    scores = Scores(confusion)
    iou = [1 / 4, *[1.0] * 8, 10 / 13, *[1.0] * 9]
    for classes, ids in ((16, SYNTHIA_16), (13, SYNTHIA_13)):
        assert len(ids) == classes and 9 not in ids
        assert scores.miou(ids) == pytest.approx((1 / 4 + (classes - 1)) / classes)
    text = official.score_table(scores, CITYSCAPES, 16)
    lines = {line.rsplit(maxsplit=2)[0]: line.split()[-2:] for line in text.splitlines()}
    assert lines["mean of 19"] == [f"{100 * sum(iou) / 19:.2f}", "-"]
    assert lines["mean of 16"] == [f"{100 * 15.25 / 16:.2f}", "60.9"]
    assert lines["mean of 13"] == [f"{100 * 12.25 / 13:.2f}", "67.4"]
    assert "terrain" not in lines and lines["fence"] == ["100.00", "6.5"]
    assert "fence" not in official.score_table(scores, CITYSCAPES, 13)
    acdc = official.score_table(scores, ACDC)
    assert "55.4" in acdc.splitlines()[-2] and "test split" in acdc


@pytest.mark.notebook  # not in make check: takes seconds
def test_export_round_trip(checkpoint, tree, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["export-test", "--checkpoint", str(checkpoint), *NETWORK, "--data-root", str(tree)]
    assert main([*arguments, "--output-dir", str(out)]) == 0
    assert "wrote 3 files" in capsys.readouterr().out
    images = sorted((tree / "cityscapes" / "leftImg8bit" / "test").rglob("*.png"))
    assert sorted(p.name for p in out.iterdir()) == sorted(p.name for p in images)
    table = np.full(256, 255)
    table[list(CITYSCAPES.id_map)] = list(CITYSCAPES.id_map.values())
    for path in images:
        ids = read_gray(out / path.name)
        assert ids.shape == OWN[::-1] and set(np.unique(ids)) <= set(CITYSCAPES.id_map)
        assert_same_labels(table[ids], *by_hand(checkpoint, "model", path))
    assert main([*arguments, "--output-dir", str(out), "--ids", "train"]) == 0
    trained = read_gray(out / images[0].name)
    assert_same_labels(trained, *by_hand(checkpoint, "model", images[0]))


def test_ids_of_the_servers():
    assert [official.server_ids(s) for s in (CITYSCAPES, ACDC)] == ["label", "train"]
    label = np.array([[0, 13, 18, 255]], dtype=np.uint8)
    assert official.to_server_ids(label, "label").tolist() == [[7, 26, 33, 0]]
    assert official.to_server_ids(label, "train").tolist() == label.tolist()


def test_one_file_name_in_two_folders_is_refused(checkpoint, tree):
    spec = specs.SPECS["acdc"]
    image = np.zeros((OWN[1], OWN[0], 3), dtype=np.uint8)
    for folder in ("fog", "night"):
        write_png(spec.image_path(tree, "test", f"{folder}/frame_1"), image)
    with pytest.raises(ValueError, match="frame_1_rgb_anon"):
        official.export_labels(torch.nn.Identity(), spec, tree, tree / "out")


def one_error_line(capsys, arguments):
    assert main(arguments) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ")
    return lines[0]


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (("--checkpoint", "nowhere.pth"), "no weight file at nowhere.pth"),
        (("--encoder", "mit_b1"), "does not fit this network"),
        (("--encoder", "mit_b9"), "unknown encoder 'mit_b9'"),
        (("--decoder", "segformer"), "missing"),
        (("--target", "cityscape"), "unknown data set 'cityscape'"),
        (("--data-root", "nowhere"), "no images of cityscapes"),
        (("--split", "vol"), "no split 'vol'"),
    ],
)
def test_errors_are_one_line_and_status_2(checkpoint, tree, capsys, change, part):
    options = {
        "--checkpoint": str(checkpoint), "--encoder": "mit_b0", "--decoder": "daformer",
        "--data-root": str(tree), change[0]: change[1],
    }  # fmt: skip
    for command in ("evaluate-official", "export-test"):
        words = [command, *(word for pair in options.items() for word in pair)]
        assert part in one_error_line(capsys, words)


@pytest.mark.parametrize("kind", ["empty.pth", "text.pth", "cut.pth", "empty.safetensors"])
def test_a_damaged_file_is_one_line(checkpoint, tmp_path, capsys, kind):
    path = tmp_path / kind
    content = {"text": b"<html>", "cut": checkpoint.read_bytes()[:100_000]}
    path.write_bytes(content.get(path.stem, b""))
    arguments = ["evaluate-official", "--checkpoint", str(path), *NETWORK]
    assert str(path) in one_error_line(capsys, arguments)


def test_an_encoder_alone_is_refused(checkpoint, tmp_path, capsys):
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    prefix = "model.backbone."
    encoder = {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}
    torch.save(encoder, tmp_path / "mit_b0.pth")
    arguments = ["evaluate-official", "--checkpoint", str(tmp_path / "mit_b0.pth"), *NETWORK]
    assert "an encoder without a decoder" in one_error_line(capsys, arguments)
