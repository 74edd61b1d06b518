"""Truth of a split: what the conversion found usable, and nothing that lies about from before."""

from __future__ import annotations

import numpy as np

from daformer_lib.compare.truth import GroundTruth
from daformer_lib.data.intake.convert import convert
from daformer_lib.files import write_png
from daformer_lib.specs import get_spec


def test_an_image_whose_label_was_taken_away_has_no_truth(tmp_path):
    spec = get_spec("minigta")
    for stem in ("a", "b"):
        write_png(spec.image_path(tmp_path, "train", stem), np.zeros((32, 64, 3), np.uint8))
        write_png(spec.label_path(tmp_path, "train", stem), np.full((32, 64), 7, np.uint8))
    convert(spec, tmp_path, "train")
    assert GroundTruth(spec, tmp_path, "train").has_truth("b")
    spec.label_path(tmp_path, "train", "b").unlink()
    convert(spec, tmp_path, "train")
    ground = GroundTruth(spec, tmp_path, "train")
    assert spec.train_id_path(tmp_path, "train", "b").is_file() and not ground.has_truth("b")
    assert ground.truth("b", (64, 32)) is None
    assert (ground.truth("a", (64, 32)) == 0).all()
