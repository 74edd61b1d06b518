"""Weight files are data: reading one never runs what is in it."""

import collections
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from daformer_lib.models.checkpoints.weight_files import extract_tensors, read_weights


class Attack:
    """Unpickling this would create the file `ran`."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))


class Settings(dict):
    """A class that only its author has, as in mmcv's configs."""


@pytest.fixture
def weights():
    torch.manual_seed(0)
    return {"a.weight": torch.randn(3, 4).t(), "a.bias": torch.randn(3), "count": torch.tensor(5)}


def assert_same(one, two):
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_plain_and_wrapped_files(tmp_path, weights):
    torch.save(weights, tmp_path / "plain.pth")
    wrapped = {"state_dict": collections.OrderedDict(weights), "meta": {"epoch": 1}}
    torch.save(wrapped, tmp_path / "wrapped.pth")
    assert_same(read_weights(tmp_path / "plain.pth"), weights)
    assert_same(read_weights(tmp_path / "wrapped.pth"), weights)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_crafted_file_does_not_run(tmp_path, weights, zipped):
    path, ran = tmp_path / "crafted.pth", tmp_path / "ran"
    content = {"state_dict": weights, "meta": Attack(ran)}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match=r"could run code; it was not read .*extract_tensors"):
        read_weights(path)
    assert not ran.exists()
    extract_tensors(path, tmp_path / "safe.safetensors")
    assert not ran.exists()
    assert_same(load_file(tmp_path / "safe.safetensors"), weights)
    torch.load(path, weights_only=False)  # the file is dangerous indeed
    assert ran.exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_foreign_objects_are_dropped_when_extracting(tmp_path, weights, zipped):
    path = tmp_path / "foreign.pth"
    meta = {"seed": np.float64(1.5), "config": Settings(lr=6e-5), "path": Path("x"), "set": {1, 2}}
    torch.save({"meta": meta, "state_dict": weights}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match="was not read"):
        read_weights(path)
    assert_same(extract_tensors(path, tmp_path / "safe.safetensors"), weights)
    assert_same(read_weights(tmp_path / "safe.safetensors"), weights)


def test_a_crafted_tensor_class_does_not_run(tmp_path, weights):
    """The stand-in takes the place of weights too; then nothing is left to load."""
    path, ran = tmp_path / "crafted.pth", tmp_path / "ran"
    torch.save({"a.weight": Attack(ran)}, path)
    with pytest.raises(ValueError, match=r"holds no weights: .*a\.weight"):
        extract_tensors(path, tmp_path / "safe.safetensors")
    assert not ran.exists()
    assert not (tmp_path / "safe.safetensors").exists()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_raw_pickle_does_not_run(tmp_path):
    path, ran = tmp_path / "raw.pth", tmp_path / "ran"
    path.write_bytes(pickle.dumps({"state_dict": Attack(ran)}))
    with pytest.raises(ValueError, match="was not read"):
        read_weights(path)
    with pytest.raises(Exception):  # noqa: B017 - it is no PyTorch file; any refusal will do
        extract_tensors(path, tmp_path / "safe.safetensors")
    assert not ran.exists()


@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_torchscript_is_refused(tmp_path):
    path = tmp_path / "program.pth"
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), path)
    with pytest.raises(ValueError, match="TorchScript program"):
        extract_tensors(path, tmp_path / "safe.safetensors")


def test_files_without_weights_are_named(tmp_path):
    torch.save({"state_dict": {"a": 1.0}}, tmp_path / "numbers.pth")
    with pytest.raises(ValueError, match=r"numbers\.pth holds no weights: .*found a without"):
        read_weights(tmp_path / "numbers.pth")
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    with pytest.raises(ValueError, match="holds a list, not a dict of tensors"):
        read_weights(tmp_path / "list.pth")
    with pytest.raises(FileNotFoundError, match="no weight file at"):
        read_weights(tmp_path / "absent.pth")
