"""The files of a split: read, left out by name, or something else of the set; and any tree."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
from hypothesis import given, settings

from daformer_lib import files
from daformer_lib.data.datasets import SegmentationDataset
from daformer_lib.data.intake.convert import convert
from daformer_lib.data.intake.inspect import inspect_split
from daformer_lib.data.on_disk import image_stems, label_stems, reading_notes
from daformer_lib.folders import NO_IMAGE, NO_TARGET, SEEN, SYSTEM, contents
from daformer_lib.inference.predict_files import _expand
from daformer_lib.specs.listing import COPY, ENDING, NAME, TWICE
from tests.helpers.three_classes import THREE_CLASSES
from tests.test_folders import TREES, assert_covered, build, touch

SPEC = replace(
    THREE_CLASSES,
    name="own",
    image_pattern="img/{split}/{stem}.jpg",
    label_pattern="lab/{split}/{stem}.png",
    train_id_pattern="ids/{split}/{stem}.png",
    splits=("train", "val"),
    id_map={0: 0, 1: 1, 2: 2},
)
SIZE = (64, 32)  # (width, height)
NFC, NFD = (normalize(form, "Zürich/é") for form in ("NFC", "NFD"))


def write_image(path: Path, grey: int = 90) -> Path:
    """A PNG under any name: readers go by what is in a file."""
    png = files.write_png(path.with_name("tmp.png"), np.full((*SIZE[::-1], 3), grey, np.uint8))
    return png.rename(path)


def write_label(path: Path, value: int = 1) -> Path:
    return files.write_png(path.with_name("tmp.png"), np.full(SIZE[::-1], value, np.uint8)).rename(
        path
    )


def reasons(root: Path, spec=SPEC) -> dict:
    return {one.path: one.why for one in reading_notes(spec, root, "train").left_out}


@pytest.mark.parametrize(
    ("image", "label"),
    [("a.jpg", "a.png"), ("a.JPG", "a.PNG"), ("a.jpeg", "a.Png"), ("a.JPEG", "a.png"),
     (f"{NFC}.jpg", f"{NFD}.png"), (f"{NFD}.JPG", f"{NFC}.png"),
     (f"{NFD[:-2]}é.jpg", f"{NFC}.PNG")],
)  # fmt: skip
def test_an_image_and_its_label_pair_however_their_names_are_spelled(tmp_path, image, label):
    write_image(tmp_path / "own/img/train" / image, 40)
    write_label(tmp_path / "own/lab/train" / label, 2)
    assert image_stems(SPEC, tmp_path, "train") == label_stems(SPEC, tmp_path, "train")
    for kept in (0, 1):  # the second conversion finds the first one's result
        summary = convert(SPEC, tmp_path, "train")
        assert (summary.usable, summary.kept, summary.problems) == (1, kept, ())
    seen = inspect_split(SPEC, tmp_path, "train")
    assert (len(seen.pairs), seen.problems, reasons(tmp_path)) == (1, (), {})
    picture, truth = SegmentationDataset(SPEC, tmp_path, "train").load(0)
    assert (picture == 40).all() and (truth == 2).all()
    unlabelled = SegmentationDataset(SPEC, tmp_path, "train", labelled=False)
    assert (unlabelled.load(0)[0] == 40).all()


def test_results_of_a_mac_are_found_again(tmp_path):
    """Train ids under decomposed names are kept, not written a second time beside them."""
    write_image(tmp_path / "own/img/train" / f"{NFD}.jpg")
    write_label(tmp_path / "own/lab/train" / f"{NFD}.png")
    convert(SPEC, tmp_path, "train")
    ids = SPEC.train_id_path(tmp_path, "train", NFC)
    moved = SPEC.train_id_path(tmp_path, "train", NFD)
    moved.parent.mkdir(parents=True, exist_ok=True)
    ids.rename(moved)
    assert convert(SPEC, tmp_path, "train").kept == 1 and not ids.exists()


def test_two_files_of_one_stem_are_never_both_read(tmp_path):
    folder = tmp_path / "own/img/train"
    for name in ("a.JPG", "a.jpeg", "a.jpg", f"{NFC}.jpg", f"{NFD}.jpg", "b.JPEG", "b.JPG"):
        touch(folder / name)
    listing = SPEC.listing(tmp_path, "train")
    assert listing.files == {stem: f"img/train/{stem}.jpg" for stem in ("a", NFC)} | {
        "b": "img/train/b.JPG"
    }
    assert reasons(tmp_path) == {
        f"img/train/{name}": TWICE for name in ("a.JPG", "a.jpeg", f"{NFD}.jpg", "b.JPEG")
    }
    for stem, path in listing.files.items():
        assert SPEC.image_file(tmp_path, "train", stem) == tmp_path / "own" / path


def test_files_beside_the_images_are_named_by_what_they_are(tmp_path):
    spec = replace(SPEC, image_pattern="img/{split}/{stem}_cam.jpg", include="*a")
    folder = tmp_path / "own/img/train"
    for name in ("a_cam.jpg", "a_cam.png", "c_cam.webp", "a_view.jpg", "a.txt", "b_cam.jpg",
                 "e_cam.jPg", ".DS_Store"):  # fmt: skip
        touch(folder / name)
    (folder / "d_cam.jpg").symlink_to("gone")
    assert spec.stems(tmp_path, "train") == ["a"]
    named = reasons(tmp_path, spec)
    assert {path.removeprefix("img/train/"): why for path, why in named.items()} == {
        "a_cam.png": COPY, "c_cam.webp": ENDING, "a_view.jpg": NAME, "a.txt": NO_IMAGE,
        "e_cam.jPg": ENDING, ".DS_Store": SYSTEM, "d_cam.jpg": NO_TARGET,
    }  # fmt: skip
    assert spec.listing(tmp_path, "train").others == ("img/train/b_cam.jpg",)


def test_in_one_folder_labels_and_the_kits_own_files_are_not_named(tmp_path):
    spec = replace(
        SPEC, folder=".", splits=("train",), image_pattern="{stem}.jpg",
        label_pattern="{stem}_mask.png", train_id_pattern="{stem}_ids.png",
    )  # fmt: skip
    write_image(tmp_path / "a.jpg")
    write_label(tmp_path / "a_mask.png")
    for _ in range(2):
        assert convert(spec, tmp_path, "train").usable == 1
        assert reasons(tmp_path, spec) == {}
    touch(tmp_path / ".a.jpg.12345678.part")  # of a writer that was killed, or is at work
    touch(tmp_path / "._a.jpg")
    assert reasons(tmp_path, spec) == {"._a.jpg": SYSTEM}


def test_previews_beside_labels_are_not_named(tmp_path):
    touch(tmp_path / "own/img/train/a.jpg")
    for name in ("a.png", "a_color.png", "a_polygons.json"):
        touch(tmp_path / "own/lab/train" / name)
    assert label_stems(SPEC, tmp_path, "train") == ["a", "a_color"]  # it might be a label
    assert reasons(tmp_path) == {}


def test_linked_folders_of_images_and_labels_are_pairs(tmp_path):
    for kind, ending in (("img", "jpg"), ("lab", "png")):
        write = write_image if kind == "img" else write_label
        write(tmp_path / "store" / kind / f"a.{ending}")
        write(tmp_path / "own" / kind / "train" / "real" / f"b.{ending}")
        (tmp_path / "own" / kind / "train" / "city").symlink_to(tmp_path / "store" / kind)
        (tmp_path / "own" / kind / "train" / "up").symlink_to("..")
    assert convert(SPEC, tmp_path, "train").usable == 2
    seen = inspect_split(SPEC, tmp_path, "train")
    assert seen.pairs == ("city/a", "real/b") and seen.problems == ()
    assert reasons(tmp_path) == {"img/train/up/": SEEN, "lab/train/up/": SEEN}


def test_folders_of_images_may_share_the_labels_of_one(tmp_path):
    """The same scenes by day and in fog: two folders of images, one of labels and a link to it."""
    for weather in ("day", "fog"):
        write_image(tmp_path / "own/img/train" / weather / "a.jpg")
    write_label(tmp_path / "own/lab/train/day/a.png")
    (tmp_path / "own/lab/train/fog").symlink_to("day")
    assert label_stems(SPEC, tmp_path, "train") == ["day/a", "fog/a"]
    assert convert(SPEC, tmp_path, "train").usable == 2
    assert inspect_split(SPEC, tmp_path, "train").problems == ()


def test_the_folders_of_the_pattern_may_be_decomposed(tmp_path):
    spec = replace(SPEC, folder=normalize("NFC", "Straße é"), image_pattern="é/{split}/{stem}.jpg")
    touch(tmp_path / normalize("NFD", "Straße é") / normalize("NFD", "é") / "train" / "a.JPG")
    assert spec.stems(tmp_path, "train") == ["a"]
    assert spec.image_file(tmp_path, "train", "a").is_file()


def test_an_order_that_spellings_do_not_change(tmp_path):
    for name in ("b.JPG", "a-1.jpg", "a.jpeg", "a/z.jpg", "B.jpg"):
        touch(tmp_path / "own/img/train" / name)
    assert SPEC.stems(tmp_path, "train") == ["B", "a/z", "a-1", "a", "b"]


def test_no_images_says_what_is_there_instead(tmp_path):
    touch(tmp_path / "own/img/train/a.png")
    with pytest.raises(FileNotFoundError, match=r"expected files like .* Not read: 1 images with"):
        image_stems(SPEC, tmp_path, "train")


@settings(max_examples=60, deadline=None, database=None)
@given(TREES)
def test_of_any_tree_what_is_read_and_what_is_named_is_all_there_is(tree):
    """For the reader itself, for a data set, and for `predict` by folder and by glob."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "own"
        folder = root / "img" / "train"
        folder.mkdir(parents=True)
        build(folder, tree)
        touch(folder / "sure.jpg")  # predict takes an input without an image for a mistake

        found = contents(folder)
        assert_covered(folder, "", found.files, [one.path for one in found.left_out])
        parents = [os.path.realpath((folder / path).parent) for path in found.files]
        real = {os.path.join(p, Path(path).name) for p, path in zip(parents, found.files)}
        assert len(real) == len(found.files)  # no folder is read twice

        listing = SPEC.listing(place, "train")
        assert_covered(
            root, "img/train", listing.files.values(), [one.path for one in listing.left_out]
        )
        assert listing.others == ()
        for stem, path in listing.files.items():
            assert os.path.samefile(SPEC.image_file(place, "train", stem), root / path)

        seen = []
        for entry in (str(folder), f"{folder}/**/*"):
            left_out: dict = {}
            images = [image.path for image in _expand(entry, Path(place) / "out", left_out)]
            seen.append(({str(path.relative_to(folder)) for path in images},
                         {path.removeprefix(f"{folder}/") for path in left_out}))  # fmt: skip
            assert_covered(folder, "", *seen[-1])
            assert len({path.resolve() for path in images}) == len(images)
        assert seen[0] == seen[1]
