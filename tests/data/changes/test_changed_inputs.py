"""Whatever train ids and statistics were made from: when it changes, they are made again, and else
nothing is read."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import threading
import time

import numpy as np
import pytest

from daformer_lib import files
from daformer_lib.data.changes import inputs
from daformer_lib.data.changes.conversion_record import read_record, record_path
from daformer_lib.data.class_stats import read_class_stats, stats_path
from daformer_lib.data.intake import convert as module
from daformer_lib.data.intake.check import check_split
from daformer_lib.data.intake.convert import convert, outdated
from daformer_lib.specs import DatasetSpec

SPEC = DatasetSpec(
    name="own",
    classes=("ground", "box", "ball"),
    palette=((60, 90, 140), (40, 160, 60), (200, 50, 50)),
    things=(2,),
    id_map={0: 0, 1: 1, 2: 2},
    image_pattern="{split}/img/{stem}.png",
    label_pattern="{split}/lab/{stem}.png",
    train_id_pattern="{split}/ids/{stem}.png",
    splits=("train", "val"),
    size=(64, 32),
)
PIXELS = 64 * 32


def write_label(root, stem, value, split="train"):
    path = SPEC.label_path(root, split, stem)
    return files.write_png(path, np.full((32, 64), value, np.uint8), level=0)


def write_pair(root, stem, value, split="train"):
    image = np.full((32, 64, 3), 50, np.uint8)
    files.write_png(SPEC.image_path(root, split, stem), image)
    write_label(root, stem, value, split)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Pairs a and b of classes 0 and 1, converted; files count as settled at once."""
    monkeypatch.setattr(inputs, "UNSETTLED_NS", 0)
    for stem, value in (("a", 0), ("b", 1)):
        write_pair(tmp_path, stem, value)
    convert(SPEC, tmp_path, "train")
    return tmp_path


@pytest.fixture
def nothing_is_read(monkeypatch):
    def refuse(path, *_):
        raise AssertionError(f"{path} was read")

    for name in ("verify_image", "read_gray", "write_label_png"):
        monkeypatch.setattr(files, name, refuse)
    return lambda: monkeypatch.setattr(inputs, "content", refuse)


def totals(root, spec=SPEC):
    return read_class_stats(spec, root, "train").totals.tolist()


def done(root, spec=SPEC, **options):
    summary = convert(spec, root, "train", **options)
    return summary.converted, summary.kept


def edit_in_place(path, data):
    """As a program may that keeps size and modification time, and the file's place on the disk."""
    before = path.stat()
    time.sleep(0.02)  # the clock of a file system ticks every few ms
    with open(path, "r+b") as file:
        file.write(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    same = ("st_size", "st_mtime_ns", "st_ino")
    assert [getattr(before, n) for n in same] == [getattr(after, n) for n in same]


def other_label(root):
    """The bytes of b's label file, were it of class 2; as many as it has."""
    data = write_label(root / "elsewhere", "b", 2).read_bytes()
    shutil.rmtree(root / "elsewhere")
    return data


def test_where_nothing_has_changed_nothing_is_read(root, nothing_is_read):
    nothing_is_read()
    paths = (stats_path(SPEC, root, "train"), record_path(SPEC, root, "train"))
    before = [inputs.stamp(path) for path in paths]
    assert done(root) == (0, 2) and outdated(SPEC, root, "train") == []
    assert [inputs.stamp(path) for path in paths] == before


def test_names_in_another_spelling_are_known_as_well(root, nothing_is_read):
    for kind in (SPEC.image_path, SPEC.label_path):
        path = kind(root, "train", "b")
        path.rename(path.with_suffix(".PNG"))
    assert done(root) == (0, 2)
    nothing_is_read()
    assert done(root) == (0, 2)


@pytest.mark.parametrize("hidden", [False, True], ids=["written", "same size and time"])
def test_an_edited_label_is_converted_again(root, hidden):
    path = SPEC.label_path(root, "train", "b")
    if hidden:
        edit_in_place(path, other_label(root))
    else:
        write_label(root, "b", 2)
    assert outdated(SPEC, root, "train") == ["b"]
    (problem,) = check_split(SPEC, root, "train").problems
    assert "1 pairs have changed since they were converted" in problem and str(path) in problem
    assert done(root) == (1, 1) and totals(root) == [PIXELS, 0, PIXELS]
    assert (files.read_gray(SPEC.train_id_path(root, "train", "b")) == 2).all()
    assert check_split(SPEC, root, "train").ok and done(root) == (0, 2)


def test_a_label_edited_just_after_its_conversion_is_seen(root, monkeypatch):
    """Within one tick of the clock the stamp stays: a file so young is asked for its content."""
    monkeypatch.setattr(inputs, "UNSETTLED_NS", 60 * 10**9)
    path = SPEC.label_path(root, "train", "b")
    write_label(root, "b", 1)
    done(root)
    found = inputs.stamp(path)
    for user in (inputs, module):
        seen = user.stamp
        monkeypatch.setattr(
            user, "stamp", lambda p, seen=seen: found if str(p) == str(path) else seen(p)
        )
    edit_in_place(path, other_label(root))
    assert done(root) == (1, 1) and totals(root) == [PIXELS, 0, PIXELS]


@pytest.mark.parametrize("how", ["touched", "copied", "checked out"])
def test_other_times_of_the_same_content_convert_nothing(root, nothing_is_read, how):
    if how == "touched":
        for path in root.rglob("*.png"):
            os.utime(path, ns=(1, time.time_ns()))
    elif how == "copied":
        (root / "copy").mkdir()
        shutil.copytree(root / "own", root / "copy" / "own")  # with the times, as rsync -a
        root = root / "copy"
    else:
        for path in (root / "own").rglob("*.png"):
            files.write_atomic(path, path.read_bytes())
    assert done(root) == (0, 2)  # hashed, not decoded
    nothing_is_read()
    assert done(root) == (0, 2)  # and known by its stamp from then on


def test_recheck_sees_what_a_disk_without_such_times_hides(root, monkeypatch):
    def poor(path):
        found = os.stat(path)
        return found.st_size, found.st_mtime_ns, 0, 0

    for user in (inputs, module):
        monkeypatch.setattr(user, "stamp", poor)
    assert done(root) == (0, 2)
    edit_in_place(SPEC.label_path(root, "train", "b"), other_label(root))
    assert done(root) == (0, 2) and check_split(SPEC, root, "train").ok
    assert not check_split(SPEC, root, "train", recheck=True).ok
    assert done(root, recheck=True) == (1, 1) and totals(root) == [PIXELS, 0, PIXELS]


def test_a_replaced_image_is_looked_at_again(root):
    path = SPEC.image_path(root, "train", "b")
    before = read_record(SPEC, root, "train").fingerprint
    files.write_png(path, np.full((32, 64, 3), 80, np.uint8))
    assert done(root) == (0, 2)
    assert read_record(SPEC, root, "train").fingerprint != before
    files.write_png(path, np.full((16, 64, 3), 80, np.uint8))
    summary = convert(SPEC, root, "train")
    assert summary.problems == (("b", "sizes differ: image 64x16, label 64x32"),)
    assert totals(root) == [PIXELS, 0, 0]
    write_pair(root, "b", 1)  # mended
    assert done(root) == (0, 2) and totals(root) == [PIXELS, PIXELS, 0]


def test_files_that_come_and_go(root):
    write_pair(root, "c", 2)
    assert done(root) == (1, 2) and totals(root) == [PIXELS, PIXELS, PIXELS]
    SPEC.label_path(root, "train", "a").unlink()
    SPEC.image_path(root, "train", "b").unlink()
    problems = dict(convert(SPEC, root, "train").problems)
    assert "the image has no label" in problems["a"] and problems["b"] == "the label has no image"
    assert read_class_stats(SPEC, root, "train").stems == ("c",)
    assert done(root) == (0, 1)


def test_pairs_that_move_to_another_split(root):
    for kind in ("img", "lab"):
        (root / "own" / "val" / kind).mkdir(parents=True)
        os.rename(root / f"own/train/{kind}/b.png", root / f"own/val/{kind}/b.png")
    assert done(root) == (0, 1) and totals(root) == [PIXELS, 0, 0]
    assert convert(SPEC, root, "val").converted == 1
    assert read_class_stats(SPEC, root, "val").stems == ("b",)


CHANGES = {
    "id map": ({"id_map": {0: 0, 1: 2}}, (1, 1), [PIXELS, 0, PIXELS]),
    "an id left out": ({"id_map": {0: 0, 2: 2}}, (1, 1), [PIXELS, 0, 0]),
    "a class more": (
        {"classes": (*SPEC.classes, "x"), "palette": (*SPEC.palette, (9, 9, 9))},
        (0, 2),
        [PIXELS, PIXELS, 0, 0],
    ),
    "a class less": (
        {"classes": SPEC.classes[:2], "palette": SPEC.palette[:2], "things": (),
         "id_map": {0: 1, 1: 0}},
        (2, 0),
        [PIXELS, PIXELS],
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_spec_converts_what_comes_out_otherwise(root, change):
    """Compared by what comes out: labels without the changed id stay as they are."""
    values, expected, sums = CHANGES[change]
    other = dataclasses.replace(SPEC, **values)
    assert outdated(other, root, "train") is None
    assert any(
        "another id map" in problem for problem in check_split(other, root, "train").problems
    )
    assert done(root, other) == expected and totals(root, other) == sums
    assert done(root, other) == (0, 2)
    assert done(root)[0] == expected[0] and totals(root) == [PIXELS, PIXELS, 0]  # and back


def test_statistics_of_more_classes_than_there_are_now_are_made_again(root):
    write_label(root, "b", 2)
    done(root)
    fewer = dataclasses.replace(
        SPEC, classes=SPEC.classes[:2], palette=SPEC.palette[:2], things=(), id_map={0: 0, 2: 1}
    )
    with pytest.raises(ValueError, match="class '2' of b is not a train id"):
        read_class_stats(fewer, root, "train")
    assert done(root, fewer) == (1, 1) and totals(root, fewer) == [PIXELS, PIXELS]


def test_other_label_files_by_another_pattern(root):
    files.write_png(root / "own" / "train" / "second" / "a.png", np.full((32, 64), 0, np.uint8))
    files.write_png(root / "own" / "train" / "second" / "b.png", np.full((32, 64), 2, np.uint8))
    other = dataclasses.replace(SPEC, label_pattern="{split}/second/{stem}.png")
    assert done(root, other) == (1, 1) and totals(root) == [PIXELS, 0, PIXELS]


@pytest.mark.parametrize(
    "written",
    ["[", "{}", '[{"file": "a", "7": 1}]', '[{"file": "../x", "0": 1}]', '[{"file": "a", "1": 9}]'],
)
def test_statistics_that_say_something_else_are_made_again(root, written):
    stats_path(SPEC, root, "train").write_text(written)
    assert done(root) == (0, 2) and totals(root) == [PIXELS, PIXELS, 0]


def test_train_ids_that_were_overwritten_are_made_again(root):
    path = SPEC.train_id_path(root, "train", "b")
    files.write_png(path, np.full((32, 64), 0, np.uint8))
    assert outdated(SPEC, root, "train") == ["b"]
    assert done(root) == (1, 1) and (files.read_gray(path) == 1).all()


def test_what_an_earlier_version_converted_is_compared_once(root):
    """It left no record, perhaps after labels were edited: what is right is not written again."""
    record_path(SPEC, root, "train").unlink()
    write_label(root, "b", 2)
    newest = time.time_ns() + 10**10
    for stem in "ab":
        os.utime(SPEC.train_id_path(root, "train", stem), ns=(newest, newest))
    right = inputs.stamp(SPEC.train_id_path(root, "train", "a"))
    (problem,) = check_split(SPEC, root, "train").problems
    assert "by an earlier version" in problem and "not compared with the labels yet" in problem
    assert done(root) == (1, 1) and totals(root) == [PIXELS, 0, PIXELS]
    assert inputs.stamp(SPEC.train_id_path(root, "train", "a")) == right
    assert check_split(SPEC, root, "train").ok


@pytest.mark.parametrize("damage", [b"", b"PK\3\4", None], ids=["empty", "cut", "older form"])
def test_a_damaged_record_is_made_again(root, damage):
    path = record_path(SPEC, root, "train")
    if damage is None:
        with open(path, "wb") as file:
            np.savez(file, stems=np.zeros(3, np.uint8))
    else:
        path.write_bytes(damage)
    write_label(root, "b", 2)
    assert done(root) == (1, 1) and done(root) == (0, 2)


def test_a_disk_that_is_read_only_is_used_all_the_same(root, monkeypatch):
    for path in (root / "own").rglob("*.png"):
        os.utime(path, ns=(1, 2))

    def refuse(*_):
        raise OSError(30, "Read-only file system")

    label, data = SPEC.label_path(root, "train", "b"), other_label(root)
    monkeypatch.setattr(os, "replace", refuse)
    assert done(root) == (0, 2)
    label.write_bytes(data)
    with pytest.raises(OSError, match="Read-only"):  # but never with other labels than it has
        done(root)


def test_two_at_once_end_in_one_state(root):
    for stem in "abcdef":
        write_pair(root, stem, 2)
    summaries = []
    both = [
        threading.Thread(target=lambda: summaries.append(convert(SPEC, root, "train")))
        for _ in range(2)
    ]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert sorted(s.converted for s in summaries) == [0, 6]
    assert totals(root) == [0, 0, 6 * PIXELS] and done(root) == (0, 6)
    assert len(json.loads(stats_path(SPEC, root, "train").read_text())) == 6
