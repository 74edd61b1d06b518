"""Weights, checkpoints, runs and model files that are empty, damaged, foreign, or made to attack.

Wherever the kit reads such a file, a crafted pickle must not run: the table at the end has each
place.
"""

from __future__ import annotations

import json
import pickle
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from daformer_lib.config import ModelConfig
from daformer_lib.models import build_segmentor
from daformer_lib.models.checkpoints import load_official, load_pretrained
from daformer_lib.models.checkpoints.huggingface import read_folder
from daformer_lib.models.checkpoints.weight_files import read_weights
from daformer_lib.runs import Run
from daformer_lib.runs.checkpoint_files import load_checkpoint


class Attack:
    """Unpickling this creates the file `ran`."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))


def score(place, *changes):
    words = {"--checkpoint": place.official, "--encoder": "tiny_mit", "--data-root": "data"}
    words |= dict(zip(changes[::2], changes[1::2], strict=True))
    return ("evaluate-official", *(w for pair in words.items() for w in pair))


def written(content: bytes, name: str = "w.pth"):
    """evaluate-official on a file with these bytes."""

    def make(place):
        (place.root / name).write_bytes(content)
        return score(place, "--checkpoint", name)

    return make


def saved(change, name: str = "w.pth"):
    """The same on the authors' file with its weights changed."""

    def make(place):
        state = torch.load(place.official, weights_only=True)["state_dict"]
        torch.save(change(state), place.root / name)
        return score(place, "--checkpoint", name)

    return make


def spoilt(state):
    state["decode_head.conv_seg.bias"][0] = float("nan")
    return state


def predicting(change):
    """predict with a copy of the model file whose bytes are changed."""

    def make(place):
        (place.root / "m.safetensors").write_bytes(change(place.model.read_bytes()))
        photo = place.photo()
        return ("predict", "--model", "m.safetensors", "--images", photo)

    return make


def described(**changes):
    """The model file with other words in its metadata."""

    def change(data: bytes) -> bytes:
        size = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8 : 8 + size])
        for key, value in changes.items():
            told = json.loads(header["__metadata__"][key])
            header["__metadata__"][key] = json.dumps({**told, **value})
        text = json.dumps(header).encode()
        return struct.pack("<Q", len(text)) + text + data[8 + size :]

    return predicting(change)


def run_with(change, *command):
    """A copy of a run's folder with something changed; predict, or another command on it."""

    def make(place):
        shutil.copytree(place.run, place.root / "run")
        change(place.root / "run")
        words = command or ("predict", "--images", place.photo())
        return (*words, "--run", "run")

    return make


def other(name):
    def make(place):
        network = build_segmentor(ModelConfig("tiny_mit", "daformer", num_classes=7))
        torch.save(network.state_dict(), place.root / name)
        return score(place, "--checkpoint", name)

    return make


CHECKPOINT = "checkpoints/last.pt"
CASES = [
    ("weights that are not there", lambda p: score(p, "--checkpoint", "w.pth"),
     r"no weight file at w\.pth"),
    ("weights of 0 bytes", written(b""), r"w\.pth is empty \(0 bytes\); fetch it again"),
    ("safetensors of 0 bytes", written(b"", "w.safetensors"),
     r"w\.safetensors is empty \(0 bytes\); fetch it again"),
    ("a web page called .pth", written(b"<html>404</html>"), r"w\.pth is a web page, not weights"),
    ("a web page called .safetensors", written(b"<html>404</html>", "w.safetensors"),
     r"w\.safetensors is a web page, not weights; fetch it again, the file itself"),
    ("weights cut short", lambda p: written(p.official.read_bytes()[:5000])(p),
     r"w\.pth is cut short: 5,000 bytes, and the last ones are missing; fetch it again"),
    ("a list instead of weights", saved(lambda state: [1, 2]), "holds a list, not a dict"),
    ("weights with NaN in them", saved(spoilt),
     r"w\.pth is damaged: NaN or infinity in 1 tensors: decode_head\.conv_seg\.bias"),
    ("weights of another encoder", lambda p: score(p, "--encoder", "tiny_resnet"),
     r"official\.pth does not fit this network; is it another encoder, decoder or number"),
    ("weights of another decoder", lambda p: score(p, "--decoder", "segformer"),
     r"does not fit this network.*missing: decode_head"),
    ("weights of another number of classes", saved(lambda state: {
        **state, "decode_head.conv_seg.weight": torch.zeros(7, 48, 1, 1)}),
     r"1 of another shape: decode_head\.conv_seg\.weight \(7, 48, 1, 1\) instead of \(19,"),
    ("weights of our own names", other("own.pth"), r"own\.pth does not fit this network"),
    ("an unknown encoder", lambda p: score(p, "--encoder", "mit_b55"),
     r"unknown encoder 'mit_b55'.*did you mean mit_b5"),
    ("an unknown decoder", lambda p: score(p, "--decoder", "dafromer"),
     r"unknown decoder 'dafromer'; did you mean daformer"),
    ("an unknown timm model", lambda p: score(p, "--encoder", "timm:convnext_tinny"),
     r"unknown encoder timm:convnext_tinny; did you mean .*convnext_tiny"),
    ("a part that is not there", lambda p: score(p, "--part", "ema_model"),
     r"official\.pth holds one network, no 'ema_model'; leave `part` out"),
    ("a mean over 15 classes", lambda p: score(p, "--classes", "15"),
     r"classes 15 must be one of \[19, 16, 13\]"),
    ("a model file of 0 bytes", predicting(lambda data: b""),
     r"m\.safetensors is empty \(0 bytes\); fetch it again"),
    ("a model file cut short", predicting(lambda data: data[:100_000]),
     r"m\.safetensors is cut short: 100,000 of [\d,]+ bytes; fetch it again"),
    ("a model file with a byte changed", predicting(
        lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]),
     r"m\.safetensors is damaged: its tensors do not match its checksum"),
    ("weights without a description", lambda p: (
        "predict", "--model", p.encoder, "--images", p.photo()),
     r"is no model file of this kit: its metadata lack.*`export-model` writes one"),
    ("a model file with a billion classes", described(model={"num_classes": 10**9}),
     r"m\.safetensors describes its network or classes .*1000000000 classes"),
    ("a model file whose spec leads elsewhere", described(
        spec={"train_id_pattern": "{split}/../../{stem}.png"}),
     r"m\.safetensors describes .*'\.\.', which leads out"),
    ("a run that is not there", lambda p: ("predict", "--run", "none", "--images", p.photo()),
     r"none is no run: it has no config\.json; train one, or name another folder"),
    ("a run that is spelt wrongly", run_with(lambda run: run.rename(run.with_name("rum"))),
     r"run is no run: .*; did you mean rum\?"),
    ("a run without weights", run_with(lambda run: (run / CHECKPOINT).unlink()),
     r"last\.pt is missing: the run has not saved anything yet"),
    ("a run whose checkpoint has 0 bytes", run_with(
        lambda run: (run / CHECKPOINT).write_bytes(b"")),
     r"last\.pt is empty \(0 bytes\); fetch it again, or delete the run's folder"),
    ("a run whose checkpoint is cut short", run_with(lambda run: (run / CHECKPOINT).write_bytes(
        (run / CHECKPOINT).read_bytes()[:9000])), r"last\.pt is cut short"),
    ("a run's settings of another program", run_with(
        lambda run: (run / "config.json").write_text('{"name": "x", "mode": "uda"}')),
     r"config\.json is not what this version of the kit writes \(lacks 'model'\)"),
    ("a run's settings cut short", run_with(lambda run: (run / "config.json").write_text('{"na')),
     r"config\.json is not valid JSON .*delete it and make it again"),
    ("a run on a split that its target lacks", run_with(
        lambda run: None, "evaluate", "--split", "vall"),
     r"minicityscapes has no split 'vall'; did you mean val\?"),
    ("a run on a set of other classes", lambda p: (
        "evaluate", "--run", p.run, "--target", p.root / p.spec()),
     r"minicityscapes and own differ: class 0 'road' and 'soil'; one network needs the same"),
    ("both a run and a model file", lambda p: (
        "predict", "--run", p.run, "--model", p.model, "--images", p.photo()),
     r"must be student or teacher; leave out one"),
    ("neither a run nor a model file", lambda p: ("predict", "--images", p.photo()),
     r"name a trained network: --run FOLDER, or --model FILE\.safetensors"),
    ("a hub's branch instead of a commit", lambda p: (
        "predict", "--model", "hf:nvidia/mit-b5@main", "--images", p.photo()),
     r"must be hf:<owner>/<repository>@<40-digit commit>"),
    ("a model written as .pth", lambda p: ("export-model", "--run", p.run, "--output", "m.pth"),
     r"m\.pth must end in \.safetensors; try m\.safetensors"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "says"), [r[1:] for r in CASES], ids=[r[0] for r in CASES])
def test_bad_weights_are_named(judge, make, says):
    judge(make, says)


def test_every_network_of_the_run_must_fit_its_config(judge):
    def shrink(run):
        weights = torch.load(run / CHECKPOINT, weights_only=True)
        weights["student"]["decoder.conv_seg.bias"] = torch.zeros(7)
        torch.save(weights, run / CHECKPOINT)

    judge(run_with(shrink), r"run.*does not fit this network.*decoder\.conv_seg\.bias \(7,\)")


# Every place that reads weights or checkpoints, with a file that would run code if it were trusted.
READERS = {
    "weights by name": lambda f: read_weights(f / "crafted.pth"),
    "a pretrained encoder": lambda f: load_pretrained(
        build_segmentor(ModelConfig("tiny_mit")), str(f / "crafted.pth"), "tiny_mit"
    ),
    "a checkpoint of the authors": lambda f: load_official(
        build_segmentor(ModelConfig("tiny_mit")), f / "crafted.pth"
    ),
    "a Hugging Face folder": lambda f: read_folder(f),
    "a run's checkpoint": lambda f: load_checkpoint(f / "crafted.pth"),
}


@pytest.mark.parametrize("old", [False, True], ids=["zip", "pickle"])
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_crafted_checkpoint_does_not_run(tmp_path, read, old):
    ran = tmp_path / "ran"
    content = {"state_dict": {"a": torch.zeros(1)}, "student": Attack(ran), "meta": Attack(ran)}
    for name in ("crafted.pth", "pytorch_model.bin"):
        torch.save(content, tmp_path / name, _use_new_zipfile_serialization=not old)
    with pytest.raises(ValueError, match=r"(crafted\.pth|pytorch_model\.bin) (holds more|is dam)"):
        read(tmp_path)
    assert not ran.exists()
    torch.load(tmp_path / "crafted.pth", weights_only=False)  # it is dangerous indeed
    assert ran.exists()


def test_a_crafted_run_does_not_run_on_the_command_line(judge, tmp_path):
    def arm(run):
        torch.save({"student": Attack(tmp_path / "ran")}, run / CHECKPOINT)

    judge(run_with(arm), r"last\.pt (holds more than tensors|is damaged)")
    assert not (tmp_path / "ran").exists()


def test_a_crafted_snapshot_does_not_run(tmp_path, place):
    """A .npz may hold pickled objects; and a file that is no .npz at all is named."""
    shutil.copytree(place.run, tmp_path / "run")
    path = tmp_path / "run" / "snapshots" / "step_000004.npz"
    path.parent.mkdir()
    ran = tmp_path / "ran"
    crafted = np.array([Attack(ran)], dtype=object)
    np.savez(path, stems=crafted, student_label=crafted, confidence=crafted)
    with pytest.raises(ValueError, match=r"step_000004\.npz is damaged or no snapshot"):
        Run(tmp_path / "run").snapshot(4)
    path.write_bytes(pickle.dumps(Attack(ran)))
    with pytest.raises(ValueError, match=r"step_000004\.npz is damaged or no snapshot"):
        Run(tmp_path / "run").snapshot(4)
    assert not ran.exists()


def test_a_safetensors_file_is_tensors_only(tmp_path):
    """The format has no place for code: what is written comes back as tensors."""
    save_file({"a": torch.ones(2)}, tmp_path / "a.safetensors", metadata={"x": "__import__('os')"})
    assert list(load_file(tmp_path / "a.safetensors")) == ["a"]
