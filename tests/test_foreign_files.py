"""Files that should hold weights and do not, wherever weights are read: said as what they are."""

from __future__ import annotations

import io
import json
import re
import struct
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save

from daformer_lib.config import ModelConfig
from daformer_lib.files import write_json, write_png
from daformer_lib.foreign_files import not_weights
from daformer_lib.inference.exchange import load_model
from daformer_lib.models import build_segmentor
from daformer_lib.models.checkpoints import load_official, load_pretrained
from daformer_lib.models.checkpoints.huggingface import read_folder
from daformer_lib.models.checkpoints.weight_files import extract_tensors, read_weights
from daformer_lib.runs import Run
from daformer_lib.runs.checkpoint_files import load_checkpoint

WARNING = b"""<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title></head>
<body>Google Drive can't scan this file for viruses.</body></html>"""
POINTER = b"""version https://git-lfs.github.com/spec/v1
oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
size 338503232
"""


def torch_file(**content) -> bytes:
    data = io.BytesIO()
    torch.save(content or {"a.weight": torch.zeros(40, 30)}, data)
    return data.getvalue()


def zipped(*names: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return data.getvalue()


def tarred() -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("w.pth"))
    return data.getvalue()


def png(folder) -> bytes:
    return write_png(folder / "made.png", np.zeros((4, 4), np.uint8)).read_bytes()


SAFE = save({"a.weight": torch.zeros(40, 30)})
LFS = r"is a Git LFS pointer of a file of 338,503,232 bytes, not .*; run `git lfs pull`"
PAGE = r"is a web page \('Google Drive - Virus scan warning'\), not .*; fetch it again"
# Name, bytes, what is said. What is said of every file, whatever its ending.
ANY_ENDING = [
    ("nothing", b"", r"is empty \(0 bytes\)"),
    ("zeros", bytes(5000), "holds nothing but zeros"),
    ("a page", WARNING, PAGE),
    ("a page in capitals after blank lines", b"\n\n <HTML><BODY>404</BODY>", "is a web page"),
    ("a page of two bytes a letter", "<!doctype html>".encode("utf-16"), "is a web page"),
    ("a page with a byte order mark", b"\xef\xbb\xbf" + WARNING, PAGE),
    ("an error in XML", b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
     "is a server's answer in XML .*AccessDenied"),
    ("a pointer of LFS", POINTER, LFS),
    ("a pointer of git-annex", b"/annex/objects/SHA256E-s10--4d7a.pth\n",
     "is a git-annex pointer, not .*; run `git annex get`"),
    ("a message", b"Entry not found", r"is text \('Entry not found'\)"),
    ("a message in JSON", b'{"error": "Repository not found"}', "is text .*Repository not found"),
    ("a message with other letters", "Zugriff für Gäste gesperrt".encode(), "is text .*Gäste"),
]  # fmt: skip
OF_WEIGHTS = [
    ("gzip", b"\x1f\x8b\x08\0abc", r"is a gzip archive, not weights; unpack it"),
    ("7z", b"7z\xbc\xaf\x27\x1c\0\4", "is a 7z archive"),
    ("tar", tarred(), "is a tar archive, not weights; unpack it"),
    ("zip", zipped("weights/readme.txt", "b"), r"is a zip archive of 2 files \(first: 'weights/re"),
    ("an empty zip", zipped(), r"is a zip archive of 0 files \(first: nothing\)"),
    ("HDF5", b"\x89HDF\r\n\x1a\n\0\0", "is an HDF5 file"),
    ("NumPy", b"\x93NUMPY\1\0v\0", "is a NumPy array"),
    ("PDF", b"%PDF-1.7\n\xff\xfe", "is a PDF document"),
    ("ONNX", b"\x08\x08\x12\x07pytorch\x1a\x052.1.0", "is an ONNX graph, .* and does not read"),
]
CUT = [
    ("torch.save, cut", "w.pth", torch_file()[:-300], "is cut short: .* the last ones are missing"),
    ("safetensors, cut in its header", "w.safetensors", SAFE[:30], "is cut short: 30 of "),
    ("safetensors, cut in a tensor", "w.safetensors", SAFE[:-7],
     f"is cut short: {len(SAFE) - 7:,} of {len(SAFE):,} bytes; fetch it again"),
    ("safetensors, called .pth", "w.pth", SAFE, r"is a safetensors .*rename it to w\.safetensors"),
    ("torch.save, called .safetensors", "w.safetensors", torch_file(),
     r"is a file of torch.*; rename it to w\.pth"),
    ("anything called .onnx", "w.onnx", torch_file(), "is an ONNX graph"),
]  # fmt: skip


def rows(table):
    return [pytest.param(*row, id=name) for name, *row in table]


def refused(read, path, says: str) -> None:
    with pytest.raises(ValueError, match=rf"{re.escape(path.name)} {says}") as caught:
        read(path)
    told = str(caught.value)
    assert "\n" not in told and "could run code" not in told and "; " in told


def pretrained(path):
    load_pretrained(build_segmentor(ModelConfig("tiny_mit")), str(path), "tiny_mit")


def official(path):
    load_official(build_segmentor(ModelConfig("tiny_mit")), path)


def hub(path):
    read_folder(path.parent)


def extracted(path):
    extract_tensors(path, path.with_name("out.safetensors"))


def snapshot(path):
    write_json(path.parents[1] / "config.json", {})
    Run(path.parents[1]).snapshot(4)


READERS = {
    "weights": (read_weights, "w.pth"),
    "weights, safetensors": (read_weights, "w.safetensors"),
    "weights of another tool, extracted": (extracted, "w.pth"),
    "pretrained": (pretrained, "w.pth"),
    "pretrained, safetensors": (pretrained, "w.safetensors"),
    "of the authors": (official, "w.pth"),
    "a Hugging Face folder": (hub, "model.safetensors"),
    "an older Hugging Face folder": (hub, "pytorch_model.bin"),
    "a model file": (load_model, "model.safetensors"),
    "a run's checkpoint": (load_checkpoint, "last.pt"),
    "a run's snapshot": (snapshot, "snapshots/step_000004.npz"),
}


@pytest.mark.parametrize(
    ("data", "says"), [k[1:] for k in ANY_ENDING], ids=[k[0] for k in ANY_ENDING]
)
@pytest.mark.parametrize(("read", "name"), READERS.values(), ids=READERS)
def test_every_reader_says_what_a_file_is(tmp_path, read, name, data, says):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    refused(read, path, says)


@pytest.mark.parametrize(
    ("data", "says"), [k[1:] for k in OF_WEIGHTS], ids=[k[0] for k in OF_WEIGHTS]
)
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors", "w"])
def test_files_of_other_programs(tmp_path, name, data, says):
    (tmp_path / name).write_bytes(data)
    refused(read_weights, tmp_path / name, says)


@pytest.mark.parametrize(("name", "data", "says"), rows(CUT))
def test_cut_and_misnamed_files(tmp_path, name, data, says):
    (tmp_path / name).write_bytes(data)
    refused(read_weights, tmp_path / name, says)


def test_an_image_is_no_weights(tmp_path):
    (tmp_path / "w.pth").write_bytes(png(tmp_path))
    refused(read_weights, tmp_path / "w.pth", "is a PNG image, not weights")


@pytest.mark.parametrize("name", ["w.pth", "w", "last.pt", "w.bin", "w.pth.tar"])
@pytest.mark.parametrize("new", [True, False], ids=["zip", "pickle"])
def test_real_weights_pass(tmp_path, name, new):
    path = tmp_path / name
    torch.save({"a": torch.zeros(3)}, path, _use_new_zipfile_serialization=new)
    assert not_weights(path) is None
    assert list(read_weights(path)) == ["a"]


@pytest.mark.parametrize(
    "state", [{}, {"a": torch.zeros(0)}, {"b": torch.zeros(2, dtype=torch.bool)}]
)
def test_real_safetensors_pass(tmp_path, state):
    path = tmp_path / "w.safetensors"
    path.write_bytes(save(state, {"note": "<html>"}))
    assert not_weights(path) is None


def test_a_header_that_lies_about_its_size_is_not_read_into_memory(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", 2**40) + json.dumps({"a": 1}).encode())
    refused(read_weights, path, "is cut short: 16 of 1,099,511,627,784 bytes")


@pytest.mark.parametrize("length", [0x80, 0x0280, 0x8880, 0x1208])
def test_weights_whose_header_has_any_length_are_weights(tmp_path, length):
    """Its low byte comes first: 0x80 begins torch.save's old format, 8 an ONNX graph."""
    tensor, path = torch.zeros(2), tmp_path / "w.safetensors"
    plain = len(save({"a": tensor}, {"note": ""})) - 16  # length, and the tensor's bytes
    path.write_bytes(save({"a": tensor}, {"note": "x" * (length - plain)}))
    assert int.from_bytes(path.read_bytes()[:8], "little") == length
    assert not_weights(path) is None
    assert torch.equal(read_weights(path)["a"], tensor)
