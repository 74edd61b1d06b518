"""ONNX export: the same logits at other sizes and batches, and nothing about this machine."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from daformer_lib.cli import main
from daformer_lib.config import ModelConfig
from daformer_lib.exchange import TrainedModel, save_model
from daformer_lib.models import build_segmentor
from daformer_lib.onnx_export import export_onnx
from daformer_lib.specs import MINICITYSCAPES

ort = pytest.importorskip("onnxruntime")


def make_model(encoder="tiny_mit", decoder="daformer"):
    torch.manual_seed(0)
    config = ModelConfig(encoder, decoder)
    return TrainedModel(build_segmentor(config).eval(), config, MINICITYSCAPES)


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    """A file with free sizes, written by the command."""
    folder = tmp_path_factory.mktemp("onnx")
    save_model(model, folder / "model.safetensors")
    words = ["--model", str(folder / "model.safetensors"), "--output", str(folder / "model.onnx")]
    assert main(["export-onnx", *words]) == 0
    return folder / "model.onnx"


@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (2, 3, 96, 64), (1, 3, 77, 131)])
def test_any_size_and_batch_give_torchs_logits(model, exported, shape):
    image = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    found = ort.InferenceSession(exported).run(["logits"], {"image": image.numpy()})[0]
    with torch.no_grad():
        wanted = model.network(image)[0]
    size = shape[-2:]
    wanted = torch.nn.functional.interpolate(wanted, size, mode="bilinear").numpy()
    assert found.shape == (shape[0], 19, *size)
    np.testing.assert_allclose(found, wanted, atol=1e-3 * wanted.std())
    assert (found.argmax(1) == wanted.argmax(1)).mean() > 0.999


def test_the_file_says_what_it_means_and_not_where_it_was_made(exported):
    metadata = ort.InferenceSession(exported).get_modelmeta().custom_metadata_map
    assert json.loads(metadata["classes"]) == list(MINICITYSCAPES.classes)
    assert json.loads(metadata["mean"]) == [0.485, 0.456, 0.406]
    data = exported.read_bytes()
    for trace in (b"site-packages", b"daformer_lib", str(Path(__file__).parent).encode()):
        assert trace not in data


def test_a_fixed_size(model, tmp_path):
    assert export_onnx(model, tmp_path / "fixed.onnx", size=(64, 96)) < 1e-3
    shape = ort.InferenceSession(tmp_path / "fixed.onnx").get_inputs()[0].shape
    assert shape[1:] == [3, 64, 96] and isinstance(shape[0], str)


def test_a_difference_over_the_tolerance_writes_nothing(model, tmp_path, monkeypatch):
    monkeypatch.setattr("daformer_lib.onnx_export._exported", lambda network, size: Nothing())
    monkeypatch.setattr("daformer_lib.onnx_export._clean", lambda proto: None)
    monkeypatch.setattr("daformer_lib.onnx_export._describe", lambda proto, spec: None)
    monkeypatch.setattr("daformer_lib.onnx_export._difference", lambda *arguments: 0.5)
    with pytest.raises(RuntimeError, match=r"differs from PyTorch by 5\.0e-01"):
        export_onnx(model, tmp_path / "bad.onnx")
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
