"""Conversion: encodings, statistics, broken pairs, going on after a kill, the command lines."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from daformer_lib import files
from daformer_lib.data.class_stats import count_pixels, read_class_stats, stats_path
from daformer_lib.data.datasets import SegmentationDataset
from daformer_lib.data.intake import convert as module
from daformer_lib.data.intake.convert import convert, id_table, main, train_ids
from daformer_lib.image_rules import ORIENTATION, turned
from daformer_lib.specs import CITYSCAPES_PALETTE, get_spec

ENCODINGS = ["gta", "synthia", "cityscapes", "minigta", "minisynthia", "minicityscapes"]
SCRIPTS = Path(__file__).parents[3] / "data_scripts"


def by_masks(ids: np.ndarray, id_map: dict[int, int]) -> np.ndarray:
    """The plain way: one mask per class."""
    out = np.full(ids.shape, 255, np.uint8)
    for own, train in id_map.items():
        out[ids == own] = train
    return out


@pytest.mark.parametrize("name", ENCODINGS)
def test_labels_become_train_ids_with_statistics(tmp_path, name, tiny):
    spec = tiny.make(tmp_path, name, count=3)
    summary = convert(spec, tmp_path, "train")
    assert (summary.converted, summary.kept, summary.problems) == (3, 0, ())
    stats = read_class_stats(spec, tmp_path, "train")
    assert list(stats.stems) == sorted(tiny.stems(spec, 3)) and summary.totals == tuple(
        stats.totals
    )
    for i, stem in enumerate(tiny.stems(spec, 3)):
        ids = files.read_gray(spec.train_id_path(tmp_path, "train", stem))
        assert np.array_equal(ids, by_masks(tiny.ids(spec, i), spec.id_map))
        row = stats.counts[stats.stems.index(stem)]
        assert row.tolist() == [(ids == c).sum() for c in range(19)]
    image, label = SegmentationDataset(spec, tmp_path, "train").load(0)
    assert image.shape[:2] == label.shape


def test_every_own_id_of_cityscapes_maps_as_published():
    table = id_table(get_spec("cityscapes"), 256)
    assert {i: t for i, t in enumerate(table) if t != 255} == {
        7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11,
        25: 12, 26: 13, 27: 14, 28: 15, 31: 16, 32: 17, 33: 18,
    }  # fmt: skip


def test_statistics_are_counted_at_the_label_files_own_size(tmp_path, tiny):
    spec = tiny.make(tmp_path, "gta", count=1)  # trained at 1280x720, here 64x32
    convert(spec, tmp_path, "train")
    assert read_class_stats(spec, tmp_path, "train").totals.sum() <= tiny.size[0] * tiny.size[1]


def test_gta_labels_saved_as_colours_map_through_the_palette(tmp_path, tiny):
    spec = tiny.make(tmp_path, "gta", count=1)
    path = spec.label_path(tmp_path, "train", "00001")
    expected = train_ids(spec, path)
    for mode in ("RGB", "RGBA"):
        Image.open(path).convert(mode).save(path)
        assert np.array_equal(train_ids(spec, path), expected)
    assert 255 in expected and CITYSCAPES_PALETTE[0] == spec.palette[0]


def test_gta_labels_saved_as_grey_ids_are_read(tmp_path, tiny):
    spec = tiny.make(tmp_path, "gta", count=1)
    path = spec.label_path(tmp_path, "train", "00001")
    expected = train_ids(spec, path)
    files.write_png(path, tiny.ids(spec, 0))
    assert np.array_equal(train_ids(spec, path), expected)


def test_synthia_looks_at_all_sixteen_bits(tmp_path):
    """256 + 3 is no road: eight bits would say it is."""
    spec = get_spec("synthia")
    red = np.array([[3, 259, 22, 65535]], dtype=np.uint16)
    path = files.write_png(tmp_path / "x.png", np.stack([red, red * 0, red * 0 + 4], axis=-1))
    assert train_ids(spec, path).tolist() == [[0, 255, 255, 255]]
    large = dataclasses.replace(spec, id_map={259: 5})
    assert train_ids(large, path).tolist() == [[255, 5, 255, 255]]


def test_counting_is_exact_beyond_float32(monkeypatch):
    ids = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)
    expected = np.bincount(ids.ravel(), minlength=256)
    assert np.array_equal(count_pixels(ids), expected)
    huge = np.broadcast_to(np.uint8(7), (2**12, 2**12 + 1))
    assert count_pixels(huge)[7] == huge.size


def spoil(root, spec, stems):
    """Six bad pairs among ten; returns the stems and what the summary must say of each."""

    def image(i):
        return spec.image_path(root, "train", stems[i])

    def label(i):
        return spec.label_path(root, "train", stems[i])

    files.write_png(image(0), np.zeros((32, 60, 3), np.uint8))
    label(1).write_bytes(label(1).read_bytes()[:-30])
    image(2).write_bytes(image(2).read_bytes()[:200])
    label(3).unlink()
    image(4).unlink()
    image(5).write_bytes(b"")
    says = [
        "sizes differ: image 60x32, label 64x32", "broken label: .* fetch it again",
        "broken image: .* truncated", "the image has no label: .* is missing",
        "the label has no image", "broken image: .* not a readable image",
    ]  # fmt: skip
    return dict(zip(stems, says, strict=False)), stems[6:]


@pytest.mark.parametrize("name", ["minigta", "synthia", "cityscapes"])
def test_bad_pairs_are_named_skipped_and_never_seen_in_training(tmp_path, name, tiny):
    spec = tiny.make(tmp_path, name, count=10)
    bad, good = spoil(tmp_path, spec, tiny.stems(spec, 10))
    summary = convert(spec, tmp_path, "train")
    problems = dict(summary.problems)
    assert problems.keys() == bad.keys() and summary.usable == 4
    for stem, says in bad.items():
        assert re.search(says, problems[stem]), (stem, problems[stem])
        assert f"skipped {stem}: " in summary.text()
    assert "4 usable pairs (4 converted, 0 kept), 6 skipped" in summary.text()
    dataset = SegmentationDataset(spec, tmp_path, "train")
    assert dataset.stems == sorted(good)
    assert all(dataset.load(i)[1] is not None for i in range(4))


def test_a_second_run_keeps_what_is_good_and_repairs_the_rest(tmp_path, tiny):
    spec = tiny.make(tmp_path, "minigta", count=6)
    convert(spec, tmp_path, "train")
    paths = [spec.train_id_path(tmp_path, "train", s) for s in tiny.stems(spec, 6)]
    whole = [p.read_bytes() for p in paths]
    before = stats_path(spec, tmp_path, "train").read_bytes()
    paths[0].unlink()
    paths[1].write_bytes(whole[1][:-10])
    summary = convert(spec, tmp_path, "train")
    assert (summary.converted, summary.kept) == (2, 4)
    assert [p.read_bytes() for p in paths] == whole
    assert stats_path(spec, tmp_path, "train").read_bytes() == before


def test_another_id_map_converts_everything_again(tmp_path, tiny):
    spec = tiny.make(tmp_path, "minigta", count=3)
    convert(spec, tmp_path, "train")
    swapped = dataclasses.replace(spec, id_map={7: 3})
    assert convert(swapped, tmp_path, "train").converted == 3
    assert convert(swapped, tmp_path, "train").kept == 3
    assert set(np.flatnonzero(read_class_stats(spec, tmp_path, "train").totals)) <= {3}


def test_a_killed_run_goes_on(tmp_path, monkeypatch, tiny):
    spec = tiny.make(tmp_path, "minigta", count=6)

    def stop(done, total, label):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(spec, tmp_path, "train", report=stop)
    assert not stats_path(spec, tmp_path, "train").exists()
    summary = convert(spec, tmp_path, "train")
    assert (summary.converted, summary.kept) == (2, 4)


def test_a_full_disk_is_not_a_broken_pair(tmp_path, monkeypatch, tiny):
    spec = tiny.make(tmp_path, "minigta", count=2)

    def fail(path, ids):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write_label_png", fail)
    with pytest.raises(OSError, match="No space left"):
        convert(spec, tmp_path, "train")


def test_workers_change_nothing(tmp_path, monkeypatch, tiny):
    monkeypatch.setattr(module, "WORTH_A_PROCESS", 1)
    results = []
    for workers in (1, 2):
        root = tmp_path / str(workers)
        spec = tiny.make(root, "synthia", count=5)
        files.write_png(spec.image_path(root, "train", "0000x"), np.zeros((32, 64, 3), np.uint8))
        seen = []
        summary = convert(spec, root, "train", workers, lambda *args, to=seen: to.append(args))
        assert [done for done, _, _ in seen] == list(range(6))
        assert seen[-1] == (5, 5, "convert synthia/train")
        assert [stem for stem, _ in summary.problems] == ["0000x"]
        data = {
            p.name: p.read_bytes()
            for p in (root / "synthia").rglob("*")
            if p.name.endswith(("_labelTrainIds.png", "stats_train.json"))
        }
        results.append((summary.converted, summary.totals, data))
    assert results[0] == results[1]


def test_labels_that_are_train_ids_are_only_counted(tmp_path, tiny):
    spec = get_spec("acdc")
    stem = "fog/GOPR0475/GOPR0475_frame_000041"
    files.write_png(spec.image_path(tmp_path, "train", stem), np.zeros((32, 64, 3), np.uint8))
    ids = np.random.default_rng(0).choice([0, 5, 18, 255], (32, 64)).astype(np.uint8)
    path = spec.label_path(tmp_path, "train", stem)
    tiny.write_label(path, spec, ids)
    before = path.read_bytes(), path.stat().st_mtime_ns
    summary = convert(spec, tmp_path, "train")
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert summary.usable == 1 and summary.totals[5] == (ids == 5).sum()


def test_missing_labels_as_a_whole_are_an_error(tmp_path, tiny):
    spec = tiny.make(tmp_path, "gta", count=2)
    for path in (spec.root(tmp_path) / "labels").iterdir():
        path.unlink()
    with pytest.raises(FileNotFoundError, match=r"no labels of gta/train: expected files like"):
        convert(spec, tmp_path, "train")


def run_script(name: str, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(SCRIPTS / f"convert_{name}.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("name", ["gta", "synthia", "cityscapes"])
def test_scripts_run_on_mini_sets(tmp_path, name, tiny):
    splits = ("train",) if name != "cityscapes" else ("train", "val", "test")
    for split in splits:
        tiny.make(tmp_path, f"mini{name}", split, count=2)
    done = run_script(name, "--data-root", str(tmp_path), "--spec", f"mini{name}")
    assert done.returncode == 0, done.stderr
    for split in splits:
        assert f"mini{name}/{split}: 2 usable pairs" in done.stdout
        assert stats_path(get_spec(f"mini{name}"), tmp_path, split).is_file()


def test_script_takes_chosen_splits(tmp_path, capsys, tiny):
    for split in ("train", "val"):
        tiny.make(tmp_path, "cityscapes", split, count=2)
    assert main("cityscapes", ["--data-root", str(tmp_path), "--split", "val"]) == 0
    assert "cityscapes/val: 2 usable" in capsys.readouterr().out
    assert not stats_path(get_spec("cityscapes"), tmp_path, "train").exists()


def test_script_errors_are_one_line(tmp_path, capsys):
    assert main("gta", ["--data-root", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("error: no images of gta/train: expected files like")
    assert main("gta", ["--data-root", str(tmp_path), "--spec", "gat"]) == 1
    assert (
        "error: unknown data set 'gat' (and no spec's .yaml file); did you mean gta?"
        in capsys.readouterr().err
    )
    assert main("gta", ["--data-root", str(tmp_path), "--split", "val"]) == 1
    assert "gta has no split 'val'" in capsys.readouterr().err


def test_one_look_up_is_a_mask_per_class(tiny):
    """The plain way, which `python -m benchmarks` compares the speed of the look-up with."""
    spec = get_spec("gta")
    ids = tiny.ids(spec, 0, (192, 104))
    plain = np.full(ids.shape, 255, np.uint8)
    for own, train in spec.id_map.items():
        plain[ids == own] = train
    np.testing.assert_array_equal(id_table(spec, 256)[ids], plain)


def write_turned(tmp_path, spec, orientation, kind="PNG", lies="stored", size=(64, 48)):
    """A photo with an orientation, and its label as stored in the file or as shown; the label."""
    label = np.zeros(size[::-1], np.uint8)
    label[: size[1] // 2, : size[0] // 2], label[: size[1] // 2, size[0] // 2 :] = 7, 11
    image, exif = Image.fromarray(np.dstack([label * 20] * 3)), Image.Exif()
    exif[ORIENTATION] = orientation
    path = spec.image_path(tmp_path, "train", "a/a_0")
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    own = turned(label, orientation) if lies == "shown" else label
    files.write_png(spec.label_path(tmp_path, "train", "a/a_0"), own)


@pytest.mark.parametrize("lies", ["stored", "shown"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_image_and_label_lie_the_same_way_in_training(tmp_path, orientation, kind, lies):
    spec = dataclasses.replace(get_spec("cityscapes"), size=(64, 48))
    write_turned(tmp_path, spec, orientation, kind, lies)
    assert convert(spec, tmp_path, "train").usable == 1
    image, label = SegmentationDataset(spec, tmp_path, "train").decode(0)
    agree = np.array([0, 7, 11])[np.rint(image[..., 0] / 110).astype(int).clip(0, 2)]
    same = (id_table(spec, 256)[agree] == label).mean() > 0.95
    # Where both shapes are one, labels are taken as shown: then those that lie as stored differ.
    assert same == (lies == "shown" or orientation in (1, 5, 6, 7, 8))


def test_a_photo_whose_orientation_is_edited_has_its_label_turned_anew(tmp_path):
    """Of one shape, so that the label's size tells nothing."""
    spec = dataclasses.replace(get_spec("cityscapes"), size=(64, 48))
    for orientation in (6, 8):
        write_turned(tmp_path, spec, orientation)
        convert(spec, tmp_path, "train")
    label = SegmentationDataset(spec, tmp_path, "train").full_label(0)
    write_turned(tmp_path / "new", spec, 8)
    convert(spec, tmp_path / "new", "train")
    new = SegmentationDataset(spec, tmp_path / "new", "train").full_label(0)
    np.testing.assert_array_equal(label, new)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_label_used_in_place_that_would_have_to_be_turned_is_named(tmp_path, orientation):
    spec = get_spec("acdc")  # whose label files are train ids
    write_turned(tmp_path, spec, orientation)
    why = dict(convert(spec, tmp_path, "train").problems)["a/a_0"]
    assert f"turned by its EXIF orientation {orientation}, its label " in why
    assert "give train_id_pattern another name" in why and "exiftool -Orientation=" in why


def test_photos_that_training_could_not_read_are_left_out(tmp_path, tiny):
    spec = tiny.make(tmp_path, "cityscapes", count=4)
    dark, deep, numbers = tiny.stems(spec, 4)[:3]
    ramp = np.linspace(0, 4095, 64 * 32).reshape(32, 64).astype(np.uint16)
    files.write_png(spec.image_path(tmp_path, "train", dark), np.dstack([ramp] * 3))
    files.write_png(spec.image_path(tmp_path, "train", deep), np.dstack([ramp * 16] * 3))
    Image.fromarray(ramp.astype(np.float32)).save(
        spec.image_path(tmp_path, "train", numbers), "TIFF"
    )
    problems = dict(convert(spec, tmp_path, "train").problems)
    assert problems.keys() == {dark, numbers}
    assert "16 bits, its values 0..4095 of 0..65535 become 0..16 of 0..255" in problems[dark]
    assert "floating point numbers; save it with 8 bits" in problems[numbers]
