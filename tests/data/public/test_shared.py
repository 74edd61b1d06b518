"""The table of what two sets share, and the share of pixels lost, from class statistics."""

from __future__ import annotations

import numpy as np
import pytest

from daformer_lib.data.class_stats import ClassStats, write_class_stats
from daformer_lib.data.public.shared import UNKNOWN, common_lines, lost_share
from daformer_lib.specs import get_spec
from daformer_lib.specs.common import common_classes


def count(root, name: str, split: str, **pixels: int) -> None:
    spec = get_spec(name)
    row = np.zeros((1, spec.num_classes), np.int64)
    for named, n in pixels.items():
        row[0, spec.classes.index(named)] = n
    write_class_stats(spec, root, split, ClassStats(("a",), row))


def test_pixels_without_a_counterpart_are_lost(tmp_path):
    camvid, carla = get_spec("camvid"), get_spec("carla23")
    ids = common_classes([carla], camvid).ids
    count(tmp_path, "camvid", "train", road=60, bicyclist=10)
    count(tmp_path, "camvid", "val", sky=10, bicyclist=20)
    assert lost_share(camvid, ids[1], tmp_path) == pytest.approx(0.3)
    assert lost_share(carla, ids[0], tmp_path) is None


def test_the_table(tmp_path):
    count(tmp_path, "camvid", "train", road=90, bicyclist=10)
    lines = list(common_lines([get_spec("carla23")], get_spec("camvid"), tmp_path))
    cells = [[c for c in line.split("  ") if c.strip()] for line in lines]
    assert [c.strip() for c in cells[0]] == ["common class", "carla23", "camvid"]
    rows = {c[0].strip(): [x.strip() for x in c[1:]] for c in cells}
    assert rows["sidewalk"] == ["sidewalk", "pavement"]
    assert rows["(ignored)"] == ["wall, guard rail, traffic light, terrain", "bicyclist"]
    assert rows["pixels lost"] == [UNKNOWN, "10.0%"]
