"""Several data sets as one source: images, statistics and sampling; own data's thresholds."""

from __future__ import annotations

import dataclasses
from itertools import islice

import numpy as np
import pytest

from daformer_lib import files
from daformer_lib.config import DataConfig
from daformer_lib.data.class_stats import read_class_stats, stats_path
from daformer_lib.data.datasets import SegmentationDataset, open_source
from daformer_lib.data.intake.convert import convert
from daformer_lib.data.intake.prepare import prepare
from daformer_lib.data.loaders import training_batches, training_stream, with_thresholds
from daformer_lib.specs import get_specs, load_spec

SOURCE = "minigta+minisynthia"
PLAIN = DataConfig(source=SOURCE, target="minicityscapes", crop=(64, 64), workers=0)
RCS = dataclasses.replace(PLAIN, rcs_temperature=0.01, rcs_min_pixels=50, rcs_min_crop_pixels=40)


@pytest.fixture
def root(tmp_path, tiny):
    for name, count in (("minigta", 3), ("minisynthia", 2), ("minicityscapes", 2)):
        convert(tiny.make(tmp_path, name, count=count), tmp_path, "train")
    return tmp_path


def test_the_images_of_both_and_their_statistics(root):
    parts = [SegmentationDataset(spec, root, "train") for spec in get_specs(SOURCE)]
    both = open_source(get_specs(SOURCE), root)
    assert both.stems == [f"minigta/{s}" for s in parts[0].stems] + [
        f"minisynthia/{s}" for s in parts[1].stems
    ]
    for index, (part, own) in enumerate([(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]):
        for ours, alone in zip(both.load(index), parts[part].load(own), strict=True):
            assert np.array_equal(ours, alone)
    counts = [part.class_stats().counts for part in parts]
    assert np.array_equal(both.class_stats().counts, np.concatenate(counts))


def test_a_limit_spreads_over_both(root):
    few = open_source(get_specs(SOURCE), root, max_images=2)
    assert [stem.split("/")[0] for stem in few.stems] == ["minigta", "minigta"]
    assert len(few.class_stats().counts) == len(few) == 2
    assert len(open_source(get_specs(SOURCE), root, max_images=9)) == 5


@pytest.mark.parametrize("base", [PLAIN, RCS], ids=["plain", "rcs"])
@pytest.mark.filterwarnings("ignore:RCS")
def test_batches_come_from_both(root, base):
    data = dataclasses.replace(base, data_root=str(root))
    specs, target = get_specs(SOURCE), get_specs("minicityscapes")[0]
    batches = list(islice(training_batches(data, specs, target, 0), 12))
    seen = {name.split("/")[0] for batch in batches for name in batch.stems[:2]}
    assert seen == {"minigta", "minisynthia"}


def test_one_source_is_drawn_as_before(root):
    data = dataclasses.replace(PLAIN, source="minigta", data_root=str(root))
    spec, target = get_specs("minigta")[0], get_specs("minicityscapes")[0]
    alone, listed = (training_stream(data, source, target, 0)[0] for source in (spec, (spec,)))
    assert alone.stems == listed.stems and alone.source.image.equal(listed.source.image)


def own_data(root, values: dict[int, int]):
    """A made-up set of 64x32 with labels of two stripes, and the YAML file of its spec."""
    pairs = ", ".join(f"{own}: {train}" for own, train in values.items())
    path = root / "own.yaml"
    path.write_text(
        "name: own\nclasses: [soil, crop]\npalette: [[1, 2, 3], [4, 5, 6]]\nthings: []\n"
        f"id_map: {{{pairs}}}\nsplits: [train]\nsize: [64, 32]\n"
        'image_pattern: "img/{stem}.png"\nlabel_pattern: "lab/{stem}.png"\n'
        'train_id_pattern: "ids/{stem}.png"\n'
    )
    spec = load_spec(path)
    label = np.repeat(np.array([0, 255], np.uint8), 32)[None].repeat(32, axis=0)
    for stem in ("a", "b"):
        files.write_png(spec.image_path(root, "train", stem), np.zeros((32, 64, 3), np.uint8))
        files.write_png(spec.label_path(root, "train", stem), label)
    return path


def test_preparing_own_data_and_again_when_its_map_changed(tmp_path):
    path = own_data(tmp_path, {0: 0})
    data = DataConfig(source=str(path), target=str(path), data_root=str(tmp_path))
    prepare(data, "demo")
    assert read_class_stats(load_spec(path), tmp_path, "train").totals.tolist() == [2048, 0]
    own_data(tmp_path, {0: 0, 255: 1})
    prepare(data, "demo")
    assert read_class_stats(load_spec(path), tmp_path, "train").totals.tolist() == [2048, 2048]


def test_thresholds_of_none_scale_with_the_area(tmp_path):
    path = own_data(tmp_path, {0: 0, 255: 1})
    data = DataConfig(
        source=str(path), target=str(path), data_root=str(tmp_path), crop=(32, 64), workers=0,
        rcs_temperature=0.01, rcs_min_pixels=None, rcs_min_crop_pixels=None,
    )  # fmt: skip
    prepare(data, "demo")
    dataset = open_source(get_specs(str(path)), tmp_path)
    scaled = with_thresholds(data, dataset)
    assert (scaled.rcs_min_pixels, scaled.rcs_min_crop_pixels) == (3, 12)
    assert with_thresholds(RCS, dataset) == RCS
    spec = load_spec(path)
    batch = training_stream(data, spec, spec, 0)[0]
    assert batch.source.label.unique().tolist() == [0, 1]


def blank(root, name: str):
    """A made-up set like `own_data`'s of which no pixel has a label."""
    spec = dataclasses.replace(load_spec(own_data(root, {0: 0, 255: 1})), name=name)
    for stem in ("a", "b"):
        files.write_png(spec.image_path(root, "train", stem), np.zeros((32, 64, 3), np.uint8))
        files.write_png(spec.label_path(root, "train", stem), np.full((32, 64), 7, np.uint8))
    return spec


def test_one_of_several_sources_without_a_labelled_pixel_is_named(tmp_path):
    full, empty = load_spec(own_data(tmp_path, {0: 0, 255: 1})), blank(tmp_path, "empty")
    for spec in (full, empty):
        convert(spec, tmp_path, "train")
    data = dataclasses.replace(PLAIN, data_root=str(tmp_path), crop=(32, 64))
    with pytest.warns(UserWarning, match="no labelled pixel in the source empty/train: "):
        training_stream(data, (full, empty), full, 0, "source_only")
    with pytest.raises(ValueError, match=r"in the source empty/train \+ empty/train: "):
        training_stream(data, (empty, empty), full, 0, "source_only")


def test_without_statistics_the_labels_themselves_are_asked(tmp_path):
    full, empty = load_spec(own_data(tmp_path, {0: 0, 255: 1})), blank(tmp_path, "empty")
    for spec in (full, empty):
        convert(spec, tmp_path, "train")
        stats_path(spec, tmp_path, "train").unlink()
    assert open_source([full], tmp_path).unlabelled() == []
    assert open_source([empty], tmp_path).unlabelled() == ["empty"]
    assert open_source([full, empty], tmp_path).unlabelled() == ["empty"]
