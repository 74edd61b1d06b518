"""Near-duplicates between splits: found where frames are neighbours, not where scenes differ."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from daformer_lib import files
from daformer_lib.data.public import repeats
from daformer_lib.data.public.repeats import difference_hash, find_repeats
from tests.helpers.three_classes import THREE_CLASSES

SPEC = replace(
    THREE_CLASSES,
    image_pattern="{split}/{stem}.png",
    label_pattern="{split}_l/{stem}.png",
    train_id_pattern="{split}_t/{stem}.png",
    splits=("train", "val", "test"),
)


def scene(seed: int) -> np.ndarray:
    """(96, 160, 3) uint8 with structure: smooth noise."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return cv2.resize(small, (160, 96), interpolation=cv2.INTER_CUBIC)


def next_frame(image: np.ndarray, seed: int = 0) -> np.ndarray:
    """The same a moment later: driven on by 1 %, a little brighter, with the camera's noise."""
    nearer = cv2.resize(image[1:-1, 1:-1], image.shape[1::-1])
    noise = np.random.default_rng(seed).normal(4, 2, image.shape)
    return np.clip(nearer + noise, 0, 255).astype(np.uint8)


def write(root, split: str, images: dict[str, np.ndarray]) -> None:
    for stem, image in images.items():
        files.write_png(SPEC.image_path(root, split, stem), image)


def test_neighbours_are_near_and_other_scenes_far():
    def apart(a, b):
        return int(np.bitwise_count(difference_hash(a) ^ difference_hash(b)))

    for seed in range(20):
        assert apart(scene(seed), next_frame(scene(seed))) <= repeats.NEAR
        assert apart(scene(seed), scene(seed + 100)) > repeats.NEAR


def test_an_image_without_structure_has_no_hash():
    assert difference_hash(np.full((32, 48, 3), 90, np.uint8)) is None


def test_repeats_are_counted_with_an_example_and_said(tmp_path):
    write(tmp_path, "train", {f"f{i}": scene(i) for i in range(6)})
    write(tmp_path, "val", {"g0": next_frame(scene(0)), "g1": next_frame(scene(3)),
                            "g2": scene(50)})  # fmt: skip
    found = find_repeats(SPEC, tmp_path)
    assert [(r.first, r.second) for r in found] == [("train", "val")]
    (one,) = found
    assert one.repeated == 2 and one.images == (6, 3) and one.looked == (6, 3)
    assert one.example in (("f0", "g0"), ("f3", "g1"))
    assert "2 nearly repeat one of train (3 of 3 images of val looked at)" in one.text()
    assert "flatter" in one.text() and one.example[1] in one.text()


def test_nothing_is_said_to_repeat_where_nothing_does(tmp_path):
    write(tmp_path, "train", {f"f{i}": scene(i) for i in range(4)})
    write(tmp_path, "val", {f"f{i}": scene(i + 100) for i in range(4)})
    write(tmp_path, "test", {"flat": np.full((96, 160, 3), 90, np.uint8)})
    found = find_repeats(SPEC, tmp_path)
    assert [(r.first, r.second, r.repeated) for r in found] == [
        ("train", "val", 0), ("train", "test", 0), ("val", "test", 0),
    ]  # fmt: skip
    assert "no image of val repeats one of train" in found[0].text()


def test_of_large_splits_some_are_looked_at_and_their_neighbours_by_name(tmp_path, monkeypatch):
    """Every tenth frame of a drive went to val: with few images looked at, it is found out."""
    frames = {f"{i:04d}": next_frame(scene(i // 10), i) for i in range(60)}
    write(tmp_path, "train", {s: im for s, im in frames.items() if int(s) % 10})
    write(tmp_path, "val", {s: im for s, im in frames.items() if not int(s) % 10})
    read = []
    whole = files.read_image
    monkeypatch.setattr(files, "read_image", lambda path: read.append(path) or whole(path))
    (one,) = find_repeats(SPEC, tmp_path, limit=3)
    assert one.images == (54, 6) and one.looked[0] < 54
    assert len(read) <= 2 * (3 + 2 * 3) and one.repeated >= 3


def test_blocks_and_the_whole_agree(tmp_path, monkeypatch):
    write(tmp_path, "train", {f"f{i}": scene(i) for i in range(5)})
    write(tmp_path, "val", {f"g{i}": next_frame(scene(i), i) for i in range(5)})
    whole = find_repeats(SPEC, tmp_path)
    monkeypatch.setattr(repeats, "BLOCK", 7)
    assert find_repeats(SPEC, tmp_path) == whole and whole[0].repeated == 5


def test_a_broken_image_is_left_out_and_a_limit_of_none_refused(tmp_path):
    write(tmp_path, "train", {"a": scene(0)})
    write(tmp_path, "val", {"b": next_frame(scene(0))})
    SPEC.image_path(tmp_path, "val", "c").write_bytes(b"\x89PNG\r\n\x1a\n")
    (one,) = find_repeats(SPEC, tmp_path)
    assert one.looked == (1, 1) and one.repeated == 1
    with pytest.raises(ValueError, match="must be at least 1"):
        find_repeats(SPEC, tmp_path, limit=0)
