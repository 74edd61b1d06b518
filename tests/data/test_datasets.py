"""Datasets: sizes, labels, errors that say what to do, and the cache."""

from __future__ import annotations

import dataclasses
import json
import re

import cv2
import numpy as np
import pytest
import torch

from daformer_lib import files
from daformer_lib.data.class_stats import ClassStats, read_class_stats, stats_path
from daformer_lib.data.datasets import SegmentationDataset
from daformer_lib.specs import get_spec

SIZE = (64, 32)


def test_loads_image_and_label_at_training_size(tiny_pair):
    root, source, _ = tiny_pair
    dataset = SegmentationDataset(source, root, "train")
    image, label = dataset.load(0)
    assert image.shape == (128, 256, 3) and label.shape == (128, 256)
    assert image.dtype == label.dtype == np.uint8
    raw = files.read_image(source.image_path(root, "train", dataset.stems[0]))
    assert np.array_equal(image, cv2.resize(raw, (256, 128), interpolation=cv2.INTER_LINEAR))
    ids = files.read_gray(source.train_id_path(root, "train", dataset.stems[0]))
    assert np.array_equal(label, ids.repeat(4, axis=0).repeat(4, axis=1)), "labels are not mixed"


def test_keep_ratio_fits_gta_into_its_size(tiny_pair):
    root, source, _ = tiny_pair
    spec = dataclasses.replace(source, size=(40, 39), keep_ratio=True)
    assert SegmentationDataset(spec, root, "train").load(0)[0].shape == (20, 40, 3)


def test_unlabelled_sets_look_at_no_label(tiny_pair):
    root, _, target = tiny_pair
    for path in (target.root(root) / "gtFine").rglob("*.png"):
        path.unlink()
    dataset = SegmentationDataset(target, root, "train", labelled=False)
    image, label = dataset.load(3)
    assert len(dataset) == 4 and image.shape == (128, 256, 3) and label is None


def test_evaluation_sample_has_the_label_at_its_own_size(tiny_pair):
    root, _, target = tiny_pair
    image, label = SegmentationDataset(target, root, "train").load_for_evaluation(1)
    assert image.shape == (3, 128, 256) and image.dtype == torch.float32
    assert label.shape == (32, 64) and label.dtype == np.uint8


def test_a_file_that_the_conversion_skipped_is_not_there(tiny_pair):
    root, source, _ = tiny_pair
    path = stats_path(source, root, "train")
    entries = [e for e in json.loads(path.read_text()) if e["file"] != "00002"]
    path.write_text(json.dumps(entries))
    assert SegmentationDataset(source, root, "train").stems == ["00001", "00003", "00004"]


def test_without_statistics_the_label_files_decide(tiny_pair):
    root, _, target = tiny_pair
    stats_path(target, root, "train").unlink()
    dataset = SegmentationDataset(target, root, "train")
    assert len(dataset) == 4
    command = re.escape(f"convert_cityscapes.py --data-root {root} --spec minicityscapes")
    with pytest.raises(FileNotFoundError, match=f"no class statistics for minicit.*{command}"):
        dataset.class_stats()
    target.train_id_path(root, "train", dataset.stems[2]).unlink()
    with pytest.raises(FileNotFoundError, match="1 of 4 images of minicityscapes/train have no"):
        SegmentationDataset(target, root, "train")


def test_the_authors_statistics_are_read(tiny_pair):
    root, source, target = tiny_pair
    for spec, name in ((source, "data/gta/labels/{}_labelTrainIds.png"),
                       (target, "/d/gtFine/train/{}_gtFine_labelTrainIds.png")):  # fmt: skip
        ours = stats_path(spec, root, "train")
        expected = read_class_stats(spec, root, "train")
        entries = json.loads(ours.read_text())
        for entry in entries:
            entry["file"] = name.format(entry["file"])
        ours.unlink()
        (spec.root(root) / "sample_class_stats.json").write_text(json.dumps(entries[::-1]))
        read = read_class_stats(spec, root, "train")
        assert read.stems == expected.stems and np.array_equal(read.counts, expected.counts)


def test_statistics_of_another_data_set_are_refused(tiny_pair):
    root, source, _ = tiny_pair
    stats_path(source, root, "train").write_text('[{"file": "00001", "19": 4}]')
    with pytest.raises(ValueError, match="class '19' of 00001 is not a train id of minigta"):
        SegmentationDataset(source, root, "train")


def test_empty_statistics_are_an_error(tiny_pair):
    root, source, _ = tiny_pair
    stats_path(source, root, "train").write_text("[]")
    with pytest.raises(ValueError, match="name no file"):
        SegmentationDataset(source, root, "train")


def test_rows_of_the_statistics_follow_the_chosen_stems(tiny_pair):
    root, source, _ = tiny_pair
    dataset = SegmentationDataset(source, root, "train", max_images=2)
    assert dataset.stems == ["00001", "00003"], "evenly spaced"
    everything = read_class_stats(source, root, "train")
    assert isinstance(dataset.class_stats(), ClassStats)
    assert np.array_equal(dataset.class_stats().counts, everything.counts[[0, 2]])
    with pytest.raises(ValueError, match="max_images 0 must be at least 1"):
        SegmentationDataset(source, root, "train", max_images=0)


@pytest.mark.parametrize(
    ("name", "remedy"), [("minigta", "make-mini"), ("cityscapes", r"docs/start/real-data\.md")]
)
def test_a_missing_folder_says_what_is_expected(tmp_path, name, remedy):
    spec = get_spec(name)
    expected = re.escape(str(spec.image_path(tmp_path, "train", "<name>")))
    with pytest.raises(FileNotFoundError, match=f"no images of {name}/train.*{expected}.*{remedy}"):
        SegmentationDataset(spec, tmp_path, "train")


def test_an_unknown_split_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"minigta has no split 'val'; known: train"):
        SegmentationDataset(get_spec("minigta"), tmp_path, "val")


def test_different_sizes_are_named(tiny_pair):
    root, source, _ = tiny_pair
    image = np.zeros((32, 60, 3), np.uint8)
    files.write_png(source.image_path(root, "train", "00003"), image)
    with pytest.raises(ValueError, match="minigta 00003: image 60x32 and label 64x32 differ"):
        SegmentationDataset(source, root, "train").load(2)


def test_cache_returns_the_same_arrays_within_its_budget(tiny_pair, monkeypatch):
    root, source, _ = tiny_pair
    one = 256 * 128 * 4
    dataset = SegmentationDataset(source, root, "train", cache_bytes=2 * one)
    first = [dataset.load(i) for i in range(4)]
    read = []
    plain = files.read_image
    monkeypatch.setattr(files, "read_image", lambda path: read.append(path) or plain(path))
    again = [dataset.load(i) for i in range(4)]
    assert len(read) == 2, "two of four fit"
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(first, again, strict=True))
    assert again[0][0] is first[0][0] and again[3][0] is not first[3][0]


def test_no_cache_by_default(tiny_pair):
    root, source, _ = tiny_pair
    dataset = SegmentationDataset(source, root, "train")
    assert dataset.load(0)[0] is not dataset.load(0)[0]


def test_an_image_that_is_gone_is_named(tiny_pair):
    root, source, _ = tiny_pair
    source.image_path(root, "train", "00002").unlink()
    with pytest.raises(FileNotFoundError, match=r"00002\.png is gone.*convert_gta"):
        SegmentationDataset(source, root, "train").load(1)
