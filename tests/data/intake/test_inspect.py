"""Inspection: what it counts, when it converts, and each usual mistake on files that have it."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
from PIL import Image

from daformer_lib import files
from daformer_lib.data.class_stats import ClassStats
from daformer_lib.data.intake import inspect as module
from daformer_lib.data.intake.inspect import (
    co_occurrence,
    contact_sheet,
    inspect_split,
    rcs_outlook,
)
from daformer_lib.data.intake.report import report_lines
from daformer_lib.data.rare_class import scaled_min_crop_pixels, scaled_min_pixels
from daformer_lib.image_rules import ORIENTATION
from daformer_lib.specs import DatasetSpec

SIZE = (64, 32)  # (width, height)
SPEC = DatasetSpec(
    name="own",
    classes=("soil", "crop", "road"),
    palette=((200, 40, 0), (0, 90, 30), (10, 20, 250)),
    things=(),
    id_map={0: 0, 1: 1, 2: 2},
    image_pattern="{split}/img/{stem}.jpg",
    label_pattern="{split}/lab/{stem}.png",
    train_id_pattern="{split}/ids/{stem}.png",
    splits=("train", "val"),
    size=SIZE,
)


def stripes(*values: int) -> np.ndarray:
    return np.repeat(np.array(values, np.uint8), SIZE[0] // len(values))[None].repeat(32, axis=0)


def write_set(root, labels: list[np.ndarray], spec: DatasetSpec = SPEC, write=files.write_png):
    for i, label in enumerate(labels):
        image = spec.image_path(root, "train", f"p{i}")
        files.write_png(image, np.full((32, 64, 3), 40 * i, np.uint8))
        write(spec.label_path(root, "train", f"p{i}"), label)


def whats(seen) -> str:
    return " | ".join(f"{m.what} -> {m.remedy}" for m in seen.mistakes)


def test_a_set_without_mistakes(tmp_path):
    write_set(tmp_path, [stripes(0, 1), stripes(0, 1, 2, 2), stripes(0, 2)])
    seen = inspect_split(SPEC, tmp_path, "train")
    assert (seen.images, seen.labels, seen.pairs) == (3, 3, ("p0", "p1", "p2"))
    assert seen.image_sizes == seen.label_sizes == {SIZE: 3} and seen.label_size == SIZE
    assert seen.values == {0: 1024 + 512 + 1024, 1: 1024 + 512, 2: 1024 + 1024}
    assert seen.problems == () and seen.mistakes == ()
    assert seen.stats.totals.tolist() == [2560, 1536, 2048]
    assert co_occurrence(seen.stats).tolist() == [[3, 2, 2], [2, 2, 1], [2, 1, 2]]


def test_statistics_are_cached_and_made_again_when_due(tmp_path, monkeypatch):
    write_set(tmp_path, [stripes(0, 1)])
    done = []
    convert = module.convert
    monkeypatch.setattr(module, "convert", lambda *a: done.append(convert(*a)) or done[-1])
    for _ in range(2):
        inspect_split(SPEC, tmp_path, "train")
    assert [(d.converted, d.kept) for d in done] == [(1, 0), (0, 1)]
    other = dataclasses.replace(SPEC, id_map={0: 2, 1: 1})
    assert inspect_split(other, tmp_path, "train").stats.totals.tolist() == [0, 1024, 1024]
    write_set(tmp_path, [stripes(0, 1), stripes(0, 2)])
    assert len(inspect_split(SPEC, tmp_path, "train").stats.stems) == 2
    write_set(tmp_path, [stripes(0, 1), stripes(2, 2)])
    seen = inspect_split(SPEC, tmp_path, "train")  # values and statistics are of the same files
    assert seen.stats.totals.tolist() == [1024, 1024, 2048]
    assert seen.values == {0: 1024, 1: 1024, 2: 2048}


def test_unlabelled_training_images_are_no_mistake(tmp_path):
    write_set(tmp_path, [stripes(0, 1)])
    SPEC.label_path(tmp_path, "train", "p0").unlink()
    seen = inspect_split(SPEC, tmp_path, "train")
    assert (seen.images, seen.labels, seen.stats) == (1, 0, None)
    assert (seen.problems, seen.mistakes) == ((), ())
    assert len(seen.remarks) == 1 and "Fine for a target's training images" in seen.remarks[0]


def test_images_that_are_there_to_be_scored_need_labels(tmp_path):
    spec = dataclasses.replace(SPEC, splits=("other", "train"))
    write_set(tmp_path, [stripes(0, 1)])
    spec.label_path(tmp_path, "train", "p0").unlink()
    seen = inspect_split(spec, tmp_path, "train")
    assert not seen.remarks and "no labels: expected files like" in seen.problems[0]


def test_no_images_and_the_ending_that_was_meant(tmp_path):
    files.write_png(tmp_path / "own/train/img/a.png", np.zeros((8, 8, 3), np.uint8))
    seen = inspect_split(SPEC, tmp_path, "train")
    assert "no images: expected files like" in seen.problems[0]
    assert "1 images with another ending than the pattern's (train/img/a.png)" in seen.problems[1]


def test_what_is_not_read_is_a_problem_if_it_may_be_meant_and_else_a_remark(tmp_path):
    write_set(tmp_path, [stripes(0, 1, 2, 2)])
    folder = tmp_path / "own/train/img"
    (folder / "p0.jpg").rename(folder / "p0.JPG")
    (folder / "._p0.jpg").write_bytes(b"")
    for labelled in (True, False):
        seen = inspect_split(SPEC, tmp_path, "train")
        assert seen.problems == () and (seen.images, seen.labels) == (1, labelled)
        assert "not read: 1 hidden or system files (train/img/._p0.jpg)" in seen.remarks[0]
        assert "read: 1 files whose names the patterns spell otherwise" in seen.remarks[1]
        SPEC.label_path(tmp_path, "train", "p0").unlink(missing_ok=True)
    (folder / "p1.jpg").symlink_to("gone")
    told = inspect_split(SPEC, tmp_path, "train").problems
    assert told == ("not read: 1 links that lead nowhere (train/img/p1.jpg): mend or remove them",)


def test_pairs_that_do_not_fit_are_named(tmp_path):
    write_set(tmp_path, [stripes(0, 1), stripes(0, 1)[:16], stripes(0, 2)])
    SPEC.label_path(tmp_path, "train", "p2").unlink()
    seen = inspect_split(SPEC, tmp_path, "train")
    problems = " | ".join(seen.problems)
    assert "skipped p1: sizes differ: image 64x32, label 64x16" in problems
    assert "1 images have no label" in problems


MISTAKES = {
    "ids from one": ([stripes(1, 2, 3, 3)], {}, "moved by 1 -> write id_map: {1: 0, 2: 1, 3: 2}"),
    "ids from one, 0 void": ([stripes(0, 1, 2, 3)], {}, "{1: 0, 2: 1, 3: 2}; 0 then means 'not"),
    "map from one": ([stripes(0, 1, 2, 2)], {"id_map": {1: 0, 2: 1, 3: 2}}, "{0: 0, 1: 1, 2: 2}"),
    "black and white": ([stripes(0, 255)], {}, "black and white mask, .* write id_map: {0: 0, 255"),
    "ignored 0": (
        [stripes(0, 5, 6, 7)],
        {"id_map": {5: 0, 6: 1, 7: 2}},
        "0 covers 25% .* is ignor",
    ),
    "hardly anything": (
        [stripes(9, 9, 9, 1)],
        {},
        "75% of the label pixels are ignored: 9 are not",
    ),
    "grey levels": ([stripes(83, 56, 43, 43)], {}, "56, 83 are the grey levels of the palette's"),
    "absent": ([stripes(0, 1)], {}, "no pixel of road in any label"),
    "void class": ([stripes(0, 1)], {"classes": ("soil", "crop", "void")}, "class 'void' is learn"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_in_values(tmp_path, name):
    labels, changes, says = MISTAKES[name]
    spec = dataclasses.replace(SPEC, **changes)
    write_set(tmp_path, labels, spec)
    with_text = whats(inspect_split(spec, tmp_path, "train"))
    assert says.split(" .* ")[0] in with_text and says.split(" .* ")[-1] in with_text, with_text


@pytest.mark.parametrize("values", [(0, 1, 2, 255), (0, 0, 1, 2), (2, 1, 0, 0)])
def test_no_false_alarm(tmp_path, values):
    write_set(tmp_path, [stripes(*values)])
    assert inspect_split(SPEC, tmp_path, "train").mistakes == ()


def colours(label: np.ndarray, order: int = 1) -> np.ndarray:
    return np.array(SPEC.palette, np.uint8)[label][..., ::order]


def test_jpeg_labels(tmp_path):
    def write(path, label):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".jpg", label)[1].tobytes())

    write_set(tmp_path, [stripes(0, 1, 2, 2)], write=write)
    said = whats(inspect_split(SPEC, tmp_path, "train"))
    assert "1 of 1 label files are JPEG (first: p0)" in said and "as PNG" in said


def test_a_palette_read_as_ids(tmp_path):
    def write(path, label):
        files.write_palette_png(path, label, SPEC.palette)

    write_set(tmp_path, [stripes(0, 1, 2, 2)], write=write)
    assert "set label_encoding: palette" in whats(inspect_split(SPEC, tmp_path, "train"))
    spec = dataclasses.replace(SPEC, label_encoding="palette")
    assert inspect_split(spec, tmp_path, "train").mistakes == ()


def test_colours_read_as_ids_and_colours_that_are_not_in_the_palette(tmp_path):
    write_set(tmp_path, [colours(stripes(0, 1, 2, 2))])
    assert "hold colours, the spec says label_encoding: id" in whats(
        inspect_split(SPEC, tmp_path, "train")
    )
    spec = dataclasses.replace(SPEC, label_encoding="palette")
    assert inspect_split(spec, tmp_path, "train").mistakes == ()
    write_set(tmp_path, [colours(stripes(0, 1, 2, 2), -1)], spec)
    assert "with red and blue exchanged" in whats(inspect_split(spec, tmp_path, "train"))
    odd = colours(stripes(0, 1, 2, 2)).copy()
    odd[:, :16] = (1, 2, 3)
    write_set(tmp_path, [odd], spec)
    said = whats(inspect_split(spec, tmp_path, "train"))
    assert "25% of the pixels have 1 colours that are not in the palette" in said


def test_raw_values_where_labels_are_used_as_they_are(tmp_path):
    spec = dataclasses.replace(SPEC, train_id_pattern=SPEC.label_pattern)
    write_set(tmp_path, [stripes(0, 1, 2, 7)], spec)
    assert "hold 7, which are no train ids" in whats(inspect_split(spec, tmp_path, "train"))


def test_thresholds_scale_with_the_area():
    assert scaled_min_pixels((1914, 1052)) == 3000 and scaled_min_crop_pixels((512, 512)) == 1500
    assert scaled_min_pixels((957, 526)) == 750 and scaled_min_crop_pixels((256, 256)) == 375
    assert scaled_min_pixels((4, 4)) == 1
    stats = ClassStats(("a", "b", "c"), np.array([[900, 4, 0], [900, 2, 0], [900, 0, 1]]))
    rcs = rcs_outlook(stats, (64, 32), (64, 64), 0.01)
    assert (rcs.min_pixels, rcs.min_crop_pixels) == (3, 23)
    assert rcs.images.tolist() == [3, 1, 0]
    assert rcs.probabilities[1] > 0.9 and rcs.probabilities[2] == 0
    assert rcs.probabilities.sum() == pytest.approx(1)


def test_things_too_small_for_the_feature_distance_are_told(tmp_path):
    """A cell is 32 px, so these labels of 64x32 have two."""
    spec = dataclasses.replace(SPEC, things=(1, 2))
    half = stripes(0, 1, 2, 2)  # 1 covers half of the left cell, 2 all of the right one
    write_set(tmp_path, [half, stripes(0, 1)], spec)
    seen = inspect_split(spec, tmp_path, "train")
    assert [(c.class_id, c.largest, c.labels) for c in seen.covers] == [(1, 1.0, 1), (2, 1.0, 1)]
    write_set(tmp_path, [half, half], spec)
    seen = inspect_split(spec, tmp_path, "train")
    assert [(c.class_id, c.largest, c.labels) for c in seen.covers] == [(1, 0.5, 0), (2, 1.0, 2)]
    lines = "\n".join(report_lines(seen, (64, 64)))
    assert "crop                     largest cover  50%, enough in 0" in lines
    assert "a smaller uda.fd_min_share" in lines
    assert inspect_split(SPEC, tmp_path, "train").covers == ()  # no things, no distance


def test_the_contact_sheet_shows_images_beside_their_labels(tmp_path):
    write_set(tmp_path, [stripes(0, 1), stripes(255, 2)])
    sheet = contact_sheet(SPEC, tmp_path, "train", ("p0", "p1"), columns=2)
    assert sheet.shape == (2 * 160 + 3 * 4, 2 * 320 + 3 * 4, 3)
    assert tuple(sheet[20, 4 + 320 + 4 + 10]) == SPEC.palette[0]
    assert tuple(sheet[20, -20]) == SPEC.palette[1]
    assert tuple(sheet[-20, 4 + 320 + 4 + 10]) == (0, 0, 0)  # ignored
    assert Image.fromarray(sheet).mode == "RGB"


def save_photo(root, stem: str, orientation: int, size=SIZE, **options):
    path = SPEC.image_path(root, "train", stem)
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.new("RGB", size, (50, 60, 70)).save(path, "JPEG", exif=exif, **options)


def test_photos_with_an_orientation_are_told_with_how_their_labels_are_taken(tmp_path):
    write_set(tmp_path, [stripes(0, 1, 2, 2), stripes(0, 1).T.copy(), stripes(0, 2), stripes(1)])
    for i, orientation in enumerate((6, 8, 1, 1)):
        save_photo(tmp_path, f"p{i}", orientation)
    seen = inspect_split(SPEC, tmp_path, "train")
    assert seen.problems == () and seen.mistakes == ()
    assert seen.image_sizes == {SIZE: 2, SIZE[::-1]: 2}
    (remark,) = seen.remarks
    assert remark.startswith("2 photos carry an orientation (EXIF; first: p0) and are read as a vi")
    assert "labels are taken as shown (1, as their shape says); as stored, and turned" in remark


@pytest.mark.parametrize("orientation", [2, 3, 4])
def test_labels_whose_shape_does_not_tell_are_taken_as_shown(tmp_path, orientation):
    write_set(tmp_path, [stripes(0, 1), stripes(2, 1)])
    save_photo(tmp_path, "p0", orientation)
    seen = inspect_split(SPEC, tmp_path, "train")
    assert "as shown (1, whose shape does not tell" in seen.remarks[0]
    assert "exiftool -Orientation= FILES" in seen.remarks[0] and not seen.mistakes
    save_photo(tmp_path, "p1", 6)  # its label lies as stored: so will the other
    seen = inspect_split(SPEC, tmp_path, "train")
    assert "labels of 1 photos lie as stored, so those of 1 others probably do" in whats(seen)


def test_unlabelled_photos_with_an_orientation_are_told(tmp_path):
    save_photo(tmp_path, "p0", 3)
    remarks = inspect_split(SPEC, tmp_path, "train").remarks
    assert remarks[0].endswith("(EXIF; first: p0) and are read as a viewer shows them")


def test_unusual_photos_are_named_with_what_reading_makes_of_them(tmp_path):
    """Without labels, so that no conversion has looked at them."""
    ramp = np.linspace(0, 65535, 64 * 32).reshape(32, 64).astype(np.uint16)
    for stem, image in (("deep", ramp), ("dark", ramp // 64), ("plain", (ramp // 256))):
        pixels = image.astype(np.uint8) if stem == "plain" else image
        files.write_png(SPEC.image_path(tmp_path, "train", stem), pixels)
    Image.new("LAB", SIZE).save(SPEC.image_path(tmp_path, "train", "lab"), "TIFF")
    Image.new("F", SIZE).save(SPEC.image_path(tmp_path, "train", "float"), "TIFF")
    Image.new("RGBA", SIZE).save(SPEC.image_path(tmp_path, "train", "hidden"), "PNG")
    Image.new("CMYK", SIZE).save(SPEC.image_path(tmp_path, "train", "cmyk"), "JPEG")
    seen = inspect_split(SPEC, tmp_path, "train")
    assert "image deep: 16 bits, its values 0..65535 of 0..65535 become 0..255 of" in str(
        seen.remarks
    )
    assert "image hidden: 100% of it transparent" in str(seen.remarks)
    assert "image cmyk: CMYK colours" in str(seen.remarks) and len(seen.remarks) == 4
    problems = " | ".join(seen.problems)
    assert "dark.jpg has 16 bits, its values 0..1023 of 0..65535 become 0..4" in problems
    assert "lab.jpg has colours of mode LAB" in problems and "float.jpg holds floating" in problems
    assert len(seen.problems) == 3


BAD_LABELS = {
    "sixteen bits": (lambda label: label.astype(np.uint16), "save the ids with 8 bits"),
    "three channels": (
        lambda label: np.dstack([label] * 3),
        "three equal channels: ids saved as R",
    ),
    "alpha": (None, "grey with an alpha channel"),
}


@pytest.mark.parametrize("name", BAD_LABELS)
def test_every_bad_label_is_named_and_left_out_of_the_contact_sheet(tmp_path, name):
    spoilt, says = BAD_LABELS[name]
    write_set(tmp_path, [stripes(0, 1, 2, 2)] * 5)
    for stem in ("p1", "p3", "p4"):
        path = SPEC.label_path(tmp_path, "train", stem)
        if spoilt is None:
            Image.open(path).convert("LA").save(path)
        else:
            files.write_png(path, spoilt(files.read_gray(path)))
    seen = inspect_split(SPEC, tmp_path, "train")
    named = [p for p in seen.problems if p.startswith("skipped") and says in p]
    assert [p.split(":")[0] for p in named] == ["skipped p1", "skipped p3", "skipped p4"]
    assert seen.stats.stems == ("p0", "p2")
    sheet = contact_sheet(SPEC, tmp_path, "train", [f"p{i}" for i in range(5)], columns=1)
    assert sheet.shape[0] == 7 * 160 + 8 * 4  # five photos, two labels


def test_ids_saved_as_rgb_are_no_coloured_preview(tmp_path):
    write_set(tmp_path, [np.dstack([stripes(0, 1, 2, 2)] * 3)])
    for encoding in ("id", "palette"):
        spec = dataclasses.replace(SPEC, label_encoding=encoding)
        said = whats(inspect_split(spec, tmp_path, "train"))
        assert "three equal channels: ids saved as RGB -> save one of the channels" in said
        assert "hold colours" not in said and "that are not in the palette" not in said
    grey = dataclasses.replace(SPEC, palette=((0, 0, 0), (1, 1, 1), (2, 2, 2)))
    grey = dataclasses.replace(grey, label_encoding="palette")
    assert inspect_split(grey, tmp_path, "train").mistakes == ()
