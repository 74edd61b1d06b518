"""The prepared cache: the same samples, made again when a file changes, refused without room."""

from __future__ import annotations

import dataclasses
import os
import shutil

import numpy as np
import pytest
import torch

from daformer_lib import files
from daformer_lib.config import DataConfig
from daformer_lib.data import prepared
from daformer_lib.data.datasets import SegmentationDataset
from daformer_lib.data.loaders import training_stream
from daformer_lib.data.prepared import PreparedSplit, prepare_split


def open_set(root, spec, **options):
    return SegmentationDataset(spec, root, "train", **options)


def assert_same_samples(dataset, other):
    for i in range(len(dataset)):
        for one, two in zip(dataset.load(i), other.load(i)):
            np.testing.assert_array_equal(one, two)


def test_samples_are_equal_and_nothing_is_decoded(tiny_pair, monkeypatch):
    root, *specs = tiny_pair
    for spec in specs:
        plain = open_set(root, spec)
        summary = prepare_split(plain)
        assert (summary.made, summary.kept) == (4, 0)
        assert_same_samples(open_set(root, spec, prepared=True), plain)
        assert spec.stems(root, "train") == plain.stems  # not taken for images of the set
    monkeypatch.setattr(SegmentationDataset, "decode", None)
    ready = open_set(root, specs[0], prepared=True).load(0)
    assert isinstance(ready[0], np.memmap) and isinstance(ready[1], np.memmap)


def test_batches_are_equal(tiny_pair):
    root, *specs = tiny_pair
    config = DataConfig(
        source="minigta", target="minicityscapes", data_root=str(root), crop=(64, 96), workers=0,
        rcs_temperature=0.01, rcs_min_pixels=50, rcs_min_crop_pixels=400, photometric=True,
    )  # fmt: skip
    plain = training_stream(config, *specs, seed=0)
    for spec in specs:
        prepare_split(open_set(root, spec))
    fast = training_stream(dataclasses.replace(config, prepared=True), *specs, seed=0)
    for step in range(3):
        one, two = plain[step], fast[step]
        assert one.files == two.files and torch.equal(one.target.image, two.target.image)
        assert all(torch.equal(a, b) for a, b in zip(one.source, two.source))


@pytest.mark.parametrize("which", ["image", "label"])
def test_a_changed_file_is_read_again(tiny_pair, which):
    root, spec, _ = tiny_pair
    dataset = open_set(root, spec)
    prepare_split(dataset)
    stem = dataset.stems[0]
    path = spec.image_path(root, "train", stem)
    if which == "label":
        path = spec.train_id_path(root, "train", stem)
        files.write_png(path, np.full_like(files.read_gray(path), 7))
    else:
        files.write_png(path, np.full_like(files.read_image(path), 7))
    os.utime(path, ns=(1, 1))  # older than what was prepared: any other time counts as a change
    changed = open_set(root, spec, prepared=True)
    assert (changed.load(0)[which == "label"] == 7).all()
    assert prepare_split(dataset)[:2] == (1, 3)
    assert (open_set(root, spec, prepared=True).load(0)[which == "label"] == 7).all()


def test_killed_halfway_it_goes_on(tiny_pair, monkeypatch):
    root, spec, _ = tiny_pair
    dataset = open_set(root, spec)
    decode = SegmentationDataset.decode

    def killed(self, index):
        if index == 2:
            raise KeyboardInterrupt
        return decode(self, index)

    monkeypatch.setattr(SegmentationDataset, "decode", killed)
    with pytest.raises(KeyboardInterrupt):
        prepare_split(dataset, workers=1)
    monkeypatch.undo()
    made, kept, _ = prepare_split(dataset)
    assert made + kept == 4 and kept >= 2
    truncated = PreparedSplit(spec, root, "train").folder / f"{dataset.stems[1]}.npy"
    source = os.stat(spec.image_path(root, "train", dataset.stems[1])).st_mtime_ns
    truncated.write_bytes(truncated.read_bytes()[:200])
    os.utime(truncated, ns=(source, source))
    assert_same_samples(open_set(root, spec, prepared=True), dataset)


def test_another_training_size_is_another_cache(tiny_pair):
    root, spec, _ = tiny_pair
    prepare_split(open_set(root, spec))
    other = dataclasses.replace(spec, size=(96, 64))
    assert PreparedSplit(other, root, "train").image(open_set(root, spec).stems[0]) is None


def test_too_little_room_is_said_before_anything_is_written(tiny_pair, monkeypatch):
    root, spec, _ = tiny_pair
    usage = shutil.disk_usage(root)._replace(free=prepared.SPARE)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(OSError, match=r"need 0.0 GB, and 1.1 GB are free"):
        prepare_split(open_set(root, spec))
    assert not (spec.root(root) / ".prepared").exists()


def test_the_stated_size_is_the_size_on_disk(tiny_pair):
    root, spec, _ = tiny_pair
    dataset = open_set(root, spec)
    prepare_split(dataset)
    written = sum(
        p.stat().st_size for p in PreparedSplit(spec, root, "train").folder.rglob("*.npy")
    )
    assert written == pytest.approx(prepared.needed_bytes(dataset, 4), rel=0.01)
