"""Folders of label maps: ids told apart, names cut, and what is refused; runs without snapshots."""

from dataclasses import replace

import numpy as np
import pytest

from daformer_lib.compare import PngFolder, RunSource
from daformer_lib.compare.sources import step_at
from daformer_lib.files import write_palette_png, write_png
from daformer_lib.runs import Run, RunWriter, Snapshot
from daformer_lib.specs import CITYSCAPES

LABEL = np.array([[0, 1, 18], [255, 10, 5]], np.uint8)


def own(label):
    table = np.full(256, 0, np.uint8)
    for value, train in CITYSCAPES.id_map.items():
        table[train] = value
    return table[label]


def test_train_ids_and_own_ids_are_told_apart(tmp_path):
    write_png(tmp_path / "train" / "a.png", LABEL)
    write_png(tmp_path / "own" / "a_gtFine_labelIds.png", own(LABEL))
    for name in ("train", "own"):
        source = PngFolder(tmp_path / name, CITYSCAPES)
        assert source.ids == name and source.stems == ("a",) and source.name == name
        assert source.label(0, "a").tolist() == LABEL.tolist()
        assert source.confidence(0, "a") is None and not source.has_confidence


def test_ambiguous_ids_must_be_said(tmp_path):
    write_png(tmp_path / "a.png", np.array([[7, 8, 11]], np.uint8))
    with pytest.raises(ValueError, match=r"can be train ids or cityscapes's own.*'train' or 'own'"):
        PngFolder(tmp_path, CITYSCAPES)
    assert PngFolder(tmp_path, CITYSCAPES, ids="own").label(0, "a").tolist() == [[0, 1, 2]]
    assert PngFolder(tmp_path, CITYSCAPES, ids="train").label(0, "a").tolist() == [[7, 8, 11]]


def test_unknown_ids_are_named(tmp_path):
    write_png(tmp_path / "far" / "a.png", np.array([[0, 200]], np.uint8))
    with pytest.raises(ValueError, match=r"holds \[0, 200\]: neither train ids of cityscapes"):
        PngFolder(tmp_path / "far", CITYSCAPES)
    write_png(tmp_path / "one" / "a.png", np.array([[0, 40]], np.uint8))
    source = PngFolder(tmp_path / "one", CITYSCAPES, ids="train")
    with pytest.raises(ValueError, match=r"a.png holds \[40\]; read as train ids .* 0..18"):
        source.label(0, "a")


def test_own_ids_that_the_data_set_leaves_out_are_ignored(tmp_path):
    write_png(tmp_path / "a.png", np.array([[0, 7, 33]], np.uint8))  # 0: unlabeled
    assert PngFolder(tmp_path, CITYSCAPES).label(0, "a").tolist() == [[255, 0, 18]]


def test_palette_files_give_their_indices(tmp_path):
    write_palette_png(tmp_path / "a.png", LABEL, np.zeros((256, 3)))
    assert PngFolder(tmp_path, CITYSCAPES).label(0, "a").tolist() == LABEL.tolist()


def test_coloured_previews_are_refused(tmp_path):
    write_png(tmp_path / "a.png", np.full((2, 3, 3), (128, 64, 128), np.uint8))
    with pytest.raises(ValueError, match="coloured preview"):
        PngFolder(tmp_path, CITYSCAPES)


def test_names_lose_the_endings_of_data_set_and_tools(tmp_path):
    for name in ("x/a_leftImg8bit", "x/b_gtFine_labelTrainIds", "x/c_labels", "d_pred", "e"):
        write_png(tmp_path / f"{name}.png", LABEL)
    write_png(tmp_path / "x" / "c_confidence.png", np.full((2, 3), 9, np.uint8))
    source = PngFolder(tmp_path, CITYSCAPES)
    assert source.stems == ("d", "e", "x/a", "x/b", "x/c")
    assert PngFolder(tmp_path / "x", CITYSCAPES, suffix="_labels").stems == (
        "a_leftImg8bit", "b_gtFine_labelTrainIds", "c"
    )  # fmt: skip


def test_two_files_of_one_image_are_refused(tmp_path):
    for name in ("a_labelIds", "a_labelTrainIds"):
        write_png(tmp_path / f"{name}.png", LABEL)
    with pytest.raises(ValueError, match="would both be the label map of a"):
        PngFolder(tmp_path, CITYSCAPES)


def test_confidence_beside_or_elsewhere(tmp_path):
    sure = np.full((2, 3), 77, np.uint8)
    write_png(tmp_path / "a" / "i_labels.png", LABEL)
    write_png(tmp_path / "a" / "i_confidence.png", sure)
    assert (PngFolder(tmp_path / "a", CITYSCAPES).confidence(0, "i") == 77).all()
    write_png(tmp_path / "b" / "i.png", LABEL)
    write_png(tmp_path / "sure" / "i.png", sure)
    source = PngFolder(tmp_path / "b", CITYSCAPES, confidence=tmp_path / "sure")
    assert source.has_confidence and (source.confidence(0, "i") == 77).all()


def test_label_maps_behind_links_and_with_other_spellings(tmp_path):
    store = tmp_path / "store"
    write_png(store / "a.png", np.zeros((4, 8), np.uint8)).rename(store / "a_labels.PNG")
    (tmp_path / "maps" / ".hidden").mkdir(parents=True)
    (tmp_path / "maps" / "city").symlink_to(store)
    write_png(tmp_path / "maps" / ".hidden" / "b.png", np.zeros((4, 8), np.uint8))
    (tmp_path / "maps" / "c.png").symlink_to("gone")
    with pytest.warns(UserWarning, match=r"not read: 1 links that lead nowhere \(c\.png\)"):
        source = PngFolder(tmp_path / "maps", CITYSCAPES, ids="train")
    assert source.stems == ("city/a",)


def test_folders_named_step_are_steps(tmp_path):
    for step, value in ((100, 0), (200, 3)):
        write_png(tmp_path / f"step_{step:06d}" / "i.png", np.full((2, 2), value, np.uint8))
    source = PngFolder(tmp_path, CITYSCAPES, ids="train")
    assert source.steps == (100, 200) and source.label(200, "i").max() == 3
    assert [step_at(source, s) for s in (50, 100, 150, 900)] == [100, 100, 100, 200]


def test_wrong_folders_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder"):
        PngFolder(tmp_path / "nowhere", CITYSCAPES)
    with pytest.raises(FileNotFoundError, match=r"neither a run .* nor does it hold PNG"):
        PngFolder(tmp_path, CITYSCAPES)


def test_a_run_gives_its_pseudo_labels_or_its_student(tmp_path, smoke):
    writer = RunWriter(tmp_path / "run", smoke())
    with pytest.raises(ValueError, match=r"no snapshots.*predict --run"):
        RunSource(tmp_path / "run")
    teacher, student = np.full((1, 4, 4), 2, np.uint8), np.full((1, 4, 4), 1, np.uint8)
    writer.save_snapshot(Snapshot(5, ("t/i",), student, teacher, teacher + 7, student + 7))
    source = RunSource(tmp_path / "run")
    assert (source.name, source.steps, source.stems) == ("daformer", (5,), ("t/i",))
    assert (source.label(5, "t/i") == 2).all() and (source.confidence(5, "t/i") == 9).all()
    source = RunSource(Run(tmp_path / "run"), model="student")
    assert source.name == "daformer (student)" and source.has_confidence
    assert (source.label(5, "t/i") == 1).all() and (source.confidence(5, "t/i") == 8).all()
    with pytest.raises(KeyError, match="has no x at step 5"):
        source.label(5, "x")


def test_an_old_run_has_no_confidence_of_its_student(tmp_path, smoke):
    one = np.ones((1, 4, 4), np.uint8)
    RunWriter(tmp_path / "run", smoke()).save_snapshot(Snapshot(5, ("i",), one, one, one))
    source = RunSource(tmp_path / "run", model="student")
    assert not source.has_confidence and source.confidence(5, "i") is None


def test_identical_ids_need_no_telling(tmp_path):
    spec = replace(CITYSCAPES, name="same", id_map={i: i for i in range(19)})
    write_png(tmp_path / "a.png", np.array([[7, 8, 11]], np.uint8))
    assert PngFolder(tmp_path, spec).ids == "train"
