"""Opening and reading a comparison: common images, one size, what is missing, clear errors."""

import shutil

import numpy as np
import pytest

from daformer_lib.compare import open_comparison
from daformer_lib.files import write_png
from daformer_lib.runs import RunWriter, Snapshot


def opened(scene, tiny, *folders, **options):
    options = {"spec": tiny, "data_root": scene, "split": "val", "ids": "train"} | options
    return open_comparison([scene / folder for folder in folders or ("good", "bad")], **options)


def test_a_view_has_everything_at_one_size(scene, tiny):
    comparison = opened(scene, tiny)
    assert comparison.names == ("good", "bad") and comparison.stems == ("town/a", "town/b")
    assert comparison.size == (48, 32) and comparison.steps == (0,) and comparison.missing == ()
    view = comparison.view("town/a")
    assert view.image.shape == (32, 48, 3) and view.truth.shape == (32, 48)
    wrong = [(label != view.truth).mean() for label in view.labels]
    assert wrong == pytest.approx([4 / 32, 16 / 32])
    assert view.confidences[1].min() == 128
    assert comparison.view("town/a", images=False).image is None


def test_only_common_images_are_kept_and_matched_by_file_name(scene, tiny):
    write_png(scene / "flat" / "b_pred.png", np.zeros((32, 48), np.uint8))
    comparison = opened(scene, tiny, "flat", "good")
    assert comparison.stems == ("town/b",)  # named as the data set names it
    assert (comparison.label("flat", 0, "town/b") == 0).all()
    assert opened(scene, tiny, max_images=1).stems == ("town/a",)


def test_no_common_image(scene, tiny):
    write_png(scene / "other" / "z.png", np.zeros((32, 48), np.uint8))
    with pytest.raises(ValueError, match=r"no image that all have in common.*other: z.*suffix"):
        opened(scene, tiny, "good", "other")


def test_sizes_must_agree_or_be_asked_for(scene, tiny):
    write_png(scene / "large" / "a.png", np.ones((64, 96), np.uint8))
    comparison = opened(scene, tiny, "good", "large")
    with pytest.raises(ValueError, match=r"large's label of town/a is 96x64, but others are 48x32"):
        comparison.view("town/a")
    sized = opened(scene, tiny, "good", "large", size=(24, 16))
    assert {array.shape for array in sized.view("town/a").labels} == {(16, 24)}
    assert sized.view("town/a").truth.shape == (16, 24)


def test_without_truth_and_images_it_says_so(scene, tiny, tmp_path):
    comparison = opened(scene, tiny, data_root=tmp_path / "empty")
    assert not comparison.has_truth and not comparison.has_images
    assert comparison.stems == ("town/a", "town/b")
    view = comparison.view("town/a")
    assert view.truth is None and view.image is None
    said = " ".join(comparison.missing)
    assert "No truth" in said and "convert" in said and "images themselves" in said


def test_label_maps_alone_need_a_data_set(scene):
    with pytest.raises(ValueError, match="Name their data set"):
        open_comparison([scene / "good"])
    with pytest.raises(ValueError, match="nothing to compare"):
        open_comparison([])
    with pytest.raises(ValueError, match="has no split 'test2'"):
        open_comparison([scene / "good"], spec="cityscapes", split="test2", ids="train")


def test_equal_names_are_told_apart(scene, tiny):
    comparison = opened(scene, tiny, "good", "good")
    assert comparison.names == ("good (good) #1", "good (good) #2")
    named = open_comparison(
        {"first": scene / "good", "second": scene / "bad"},
        spec=tiny, data_root=scene, split="val", ids="train",
    )  # fmt: skip
    assert named.names == ("first", "second")
    with pytest.raises(KeyError, match=r"no source 'third'; there are \['first', 'second'\]"):
        named.label("third", 0, "town/a")
    with pytest.raises(KeyError, match="no image 'x'"):
        named.view("x")


def test_a_run_brings_its_own_data_set(tmp_path, smoke, smoke_data):
    experiment = smoke()
    stem = "neuhausen/neuhausen_000000_000019"
    label = np.zeros((1, 128, 256), np.uint8)
    for step in (6, 12):
        RunWriter(tmp_path / "run", experiment).save_snapshot(
            Snapshot(step, (stem,), label, label + step // 6, label)
        )
    write_png(tmp_path / "tool" / f"{stem}_leftImg8bit.png", label[0])
    comparison = open_comparison([tmp_path / "run", tmp_path / "tool"], ids="train")
    assert comparison.steps == (0, 6, 12) and comparison.has_truth and comparison.has_images
    assert [comparison.step_at(s) for s in (None, 99, 11, 6, -1)] == [12, 12, 6, 6, 0]
    assert comparison.view(stem, 11).step == 6
    assert comparison.label("daformer", 8, stem).max() == 1  # the state at step 6
    assert comparison.label("daformer", 12, stem).max() == 2
    assert comparison.view(stem).truth.shape == (128, 256)


def test_other_classes_are_refused(scene, tiny, tmp_path, smoke):
    label = np.zeros((1, 4, 4), np.uint8)
    RunWriter(tmp_path / "run", smoke()).save_snapshot(Snapshot(1, ("i",), label, None, label))
    with pytest.raises(ValueError, match="tiny and minicityscapes differ"):
        open_comparison([tmp_path / "run", scene / "good"], spec=tiny)


def test_truth_without_images_is_found_too(scene, tiny):
    shutil.rmtree(tiny.root(scene) / "leftImg8bit")
    comparison = opened(scene, tiny)
    assert comparison.stems == ("town/a", "town/b")
    assert comparison.has_truth and not comparison.has_images
