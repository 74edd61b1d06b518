"""The prepared cache: the same samples, made again when a file changes, refused without room."""

from __future__ import annotations

import dataclasses
import os
import shutil
import time
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from daformer_lib import files
from daformer_lib.config import DataConfig
from daformer_lib.data import prepared
from daformer_lib.data.changes import inputs
from daformer_lib.data.datasets import SegmentationDataset
from daformer_lib.data.intake import prepare_cache
from daformer_lib.data.intake.convert import convert
from daformer_lib.data.intake.prepare_cache import prepare_split
from daformer_lib.data.loaders import training_stream
from daformer_lib.data.prepared import PreparedSplit
from daformer_lib.image_rules import ORIENTATION


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
        assert one.stems == two.stems and torch.equal(one.target.image, two.target.image)
        assert all(torch.equal(a, b) for a, b in zip(one.source, two.source))


@pytest.mark.parametrize("orientation", [3, 5, 6, 8])
def test_turned_photos_are_prepared_as_they_are_read(tiny_pair, orientation):
    root, spec, _ = tiny_pair
    path = spec.image_path(root, "train", open_set(root, spec).stems[0])
    with Image.open(path) as image:
        exif = image.getexif()
        exif[ORIENTATION] = orientation
        stored = image.copy()
    stored.save(path, exif=exif)
    convert(spec, root, "train")
    plain = open_set(root, dataclasses.replace(spec, keep_ratio=True))
    prepare_split(plain)
    ready = open_set(root, plain.spec, prepared=True)
    assert_same_samples(ready, plain)
    assert isinstance(ready.load(0)[0], np.memmap)
    on_its_side = ready.load(0)[0].shape[0] > ready.load(0)[0].shape[1]
    assert on_its_side == (orientation > 4)


@pytest.mark.parametrize("hidden", [False, True], ids=["written", "same size and time"])
@pytest.mark.parametrize("which", ["image", "label"])
def test_a_changed_file_is_read_again(tiny_pair, monkeypatch, which, hidden):
    monkeypatch.setattr(inputs, "UNSETTLED_NS", 0)
    root, spec, _ = tiny_pair
    dataset = open_set(root, spec)
    stem = dataset.stems[0]
    path = spec.image_path(root, "train", stem)
    sevens = np.full_like(files.read_image(path), 7)
    if which == "label":
        path = spec.train_id_path(root, "train", stem)
        sevens = sevens[..., 0]
    files.write_png(path, sevens * 0, level=0)
    prepare_split(dataset)
    before = path.stat()
    time.sleep(0.02)  # the clock of a file system ticks every few ms
    files.write_png(path, sevens, level=0)
    if hidden:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert path.stat().st_size == before.st_size
    changed = open_set(root, spec, prepared=True)
    assert (changed.load(0)[which == "label"] == 7).all()
    assert prepare_split(dataset)[:2] == (1, 3) and prepare_split(dataset)[:2] == (0, 4)
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
    for keep in (200, -48, 20, 0):  # of the array, all of it, hardly anything, nothing
        truncated.write_bytes(truncated.read_bytes()[:keep])
        assert_same_samples(open_set(root, spec, prepared=True), dataset)
    assert_same_samples(open_set(root, spec, prepared=True), dataset)


def test_files_that_only_look_changed_are_not_decoded(tiny_pair, monkeypatch):
    """Copied with their prepared images, or touched; hashed once by each process."""
    monkeypatch.setattr(inputs, "UNSETTLED_NS", 0)
    root, spec, _ = tiny_pair
    prepare_split(open_set(root, spec))
    shutil.copytree(root / spec.name, root / "copy" / spec.name)
    root = root / "copy"
    hashed = []
    content = inputs.content
    for module in (inputs, prepared):
        monkeypatch.setattr(module, "content", lambda p: hashed.append(p) or content(p))
    monkeypatch.setattr(SegmentationDataset, "decode", None)
    dataset = open_set(root, spec, prepared=True)
    for _ in range(2):
        assert all(len(dataset.load(i)) == 2 for i in range(4))
    assert len(hashed) == 2 * 4
    assert prepare_split(dataset)[:2] == (0, 4)  # keeps their looks
    hashed.clear()
    assert open_set(root, spec, prepared=True).load(0) and hashed == []
    assert prepare_split(dataset)[:2] == (0, 4) and hashed == []
    assert prepare_split(dataset, recheck=True)[:2] == (0, 4) and len(hashed) == 2 * 4


def test_arrays_of_an_earlier_version_are_made_again(tiny_pair):
    """They ended with the array, and their time was that of the original."""
    root, spec, _ = tiny_pair
    dataset = open_set(root, spec)
    prepare_split(dataset)
    place = PreparedSplit(spec, root, "train")
    for path in place.folder.rglob("*.npy"):
        path.write_bytes(path.read_bytes()[: -prepared.MADE_FROM.size])
    assert place.image(dataset.stems[0]) is None
    with pytest.warns(
        UserWarning, match="no current prepared image.*prepare-cache --datasets mini"
    ):
        open_set(root, spec, prepared=True)
    assert prepare_split(dataset)[:2] == (4, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_set(root, spec, prepared=True)


def test_specs_that_share_photos_do_not_share_labels(tiny_pair):
    """Two sets of train ids, one folder of prepared arrays: the content tells which is meant."""
    root, spec, _ = tiny_pair
    other = dataclasses.replace(spec, train_id_pattern="other/{stem}.png")
    for stem in open_set(root, spec).stems:
        path = other.train_id_path(root, "train", stem)
        files.write_png(path, np.full((32, 64), 5, np.uint8))
        of_spec = spec.train_id_path(root, "train", stem).stat()
        os.utime(path, ns=(of_spec.st_atime_ns, of_spec.st_mtime_ns))
    prepare_split(open_set(root, spec))
    assert (open_set(root, other, prepared=True).load(0)[1] == 5).all()


def test_another_training_size_is_another_cache(tiny_pair):
    root, spec, _ = tiny_pair
    prepare_split(open_set(root, spec))
    other = dataclasses.replace(spec, size=(96, 64))
    assert PreparedSplit(other, root, "train").image(open_set(root, spec).stems[0]) is None


def test_too_little_room_is_said_before_anything_is_written(tiny_pair, monkeypatch):
    root, spec, _ = tiny_pair
    usage = shutil.disk_usage(root)._replace(free=prepare_cache.SPARE)
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
    assert written == pytest.approx(prepare_cache.needed_bytes(dataset, 4), rel=0.01)
