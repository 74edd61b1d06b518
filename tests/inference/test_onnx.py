"""ONNX export: the same logits at other sizes and batches, and nothing about this machine."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from daformer_lib.cli import main
from daformer_lib.config import ModelConfig
from daformer_lib.inference.exchange import TrainedModel, save_model
from daformer_lib.inference.onnx import export_onnx
from daformer_lib.models import build_segmentor
from daformer_lib.specs import MINICITYSCAPES

ort = pytest.importorskip("onnxruntime")


class Small(torch.nn.Module):
    """A network that is exported in a second: two convolutions, logits at half the size."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.last = torch.nn.Conv2d(8, 19, 1)

    def forward(self, image):
        feature = self.first(image).relu()
        return self.last(feature), [feature]


CONFIG = ModelConfig("tiny_mit", "daformer")


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return TrainedModel(Small().eval(), CONFIG, MINICITYSCAPES)


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "small.onnx"
    assert export_onnx(model, path) < 1e-3
    return path


def assert_agrees(path, network, shape):
    image = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    found = ort.InferenceSession(path).run(["logits"], {"image": image.numpy()})[0]
    with torch.no_grad():
        wanted = network(image)[0]
    size = shape[-2:]
    wanted = torch.nn.functional.interpolate(wanted, size, mode="bilinear").numpy()
    assert found.shape == (shape[0], 19, *size)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-3 * wanted.std())
    assert (found.argmax(1) == wanted.argmax(1)).mean() > 0.999


@pytest.mark.numeric
@pytest.mark.notebook  # not in make check: takes seconds
@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (2, 3, 96, 64), (1, 3, 77, 131)])
def test_any_size_and_batch_give_torchs_logits(model, exported, shape):
    assert_agrees(exported, model.network, shape)


@pytest.mark.notebook  # not in make check: takes seconds
def test_the_file_says_what_it_means_and_not_where_it_was_made(exported):
    session = ort.InferenceSession(exported)
    assert session.get_inputs()[0].shape == ["batch", 3, "height", "width"]
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["classes"]) == list(MINICITYSCAPES.classes)
    assert json.loads(metadata["mean"]) == [0.485, 0.456, 0.406]
    data = exported.read_bytes()
    for trace in (b"site-packages", b"daformer_lib", str(Path(__file__).parent).encode()):
        assert trace not in data


@pytest.mark.notebook  # not in make check: takes seconds
def test_a_fixed_size(model, tmp_path):
    assert export_onnx(model, tmp_path / "fixed.onnx", size=(64, 96)) < 1e-3
    shape = ort.InferenceSession(tmp_path / "fixed.onnx").get_inputs()[0].shape
    assert shape == ["batch", 3, 64, 96]


@pytest.mark.notebook
def test_the_command_exports_a_transformer(tmp_path, capsys):
    network = build_segmentor(CONFIG).eval()
    save_model(TrainedModel(network, CONFIG, MINICITYSCAPES), tmp_path / "model.safetensors")
    file = tmp_path / "model.onnx"
    words = ["--model", str(tmp_path / "model.safetensors"), "--output", str(file)]
    assert main(["export-onnx", *words]) == 0
    assert "largest difference from PyTorch" in capsys.readouterr().out
    assert_agrees(file, network, (1, 3, 77, 131))


@pytest.mark.notebook
@pytest.mark.parametrize("tune", ["frozen", "rein"])
def test_a_plain_vit_of_a_fixed_size_that_is_no_multiple_of_its_patch(tune, tmp_path):
    config = ModelConfig("tiny_vit", "segformer", tune=tune)
    network = build_segmentor(config).eval()
    model = TrainedModel(network, config, MINICITYSCAPES)
    export_onnx(model, tmp_path / "vit.onnx", size=(77, 131))
    assert_agrees(tmp_path / "vit.onnx", network, (2, 3, 77, 131))


def test_a_difference_over_the_tolerance_writes_nothing(model, tmp_path, monkeypatch):
    monkeypatch.setattr("daformer_lib.inference.onnx._exported", lambda network, size: Nothing())
    monkeypatch.setattr("daformer_lib.inference.onnx._clean", lambda proto: None)
    monkeypatch.setattr("daformer_lib.inference.onnx._describe", lambda proto, spec: None)
    monkeypatch.setattr("daformer_lib.inference.onnx._difference", lambda *arguments: 0.5)
    with pytest.raises(
        RuntimeError, match=r"differs from PyTorch by 5\.0e-01.*; fix the size: --size"
    ):
        export_onnx(model, tmp_path / "bad.onnx")
    with pytest.raises(RuntimeError, match="not written; use `export-model`"):
        export_onnx(model, tmp_path / "bad.onnx", size=(64, 64))
    assert not (tmp_path / "bad.onnx").exists()


class Nothing:
    """Stands for an exported graph."""

    def SerializeToString(self):
        return b""


def test_a_missing_package_is_named_with_the_remedy(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(RuntimeError, match=r"needs onnxscript.*\[onnx\]"):
        export_onnx(model, tmp_path / "model.onnx")


def test_a_size_below_the_stride_is_refused(model, tmp_path):
    with pytest.raises(ValueError, match="size 16x64 must be at least 32x32"):
        export_onnx(model, tmp_path / "model.onnx", size=(16, 64))
