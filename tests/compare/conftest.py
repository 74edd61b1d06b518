"""Tiny folders of label maps, with truth and images beside them."""

import numpy as np
import pytest

from daformer_lib.files import write_png
from tests.helpers.three_classes import THREE_CLASSES

SHAPE = (32, 48)  # height, width


@pytest.fixture(scope="session")
def tiny():
    return THREE_CLASSES


@pytest.fixture
def scene(tiny, tmp_path):
    """Truth, images and two tools' label maps of images town/a and town/b; gives the folders."""
    rng = np.random.default_rng(0)
    truth = {}
    for stem in ("town/a", "town/b"):
        truth[stem] = np.repeat(rng.integers(0, 3, (4, 48), np.uint8), 8, axis=0)
        write_png(tiny.train_id_path(tmp_path, "val", stem), truth[stem])
        picture = rng.integers(0, 256, (*SHAPE, 3), np.uint8)
        write_png(tiny.image_path(tmp_path, "val", stem), picture)
    for tool, wrong_rows in (("good", 4), ("bad", 16)):
        for stem, ids in truth.items():
            said = ids.copy()
            said[:wrong_rows] = (said[:wrong_rows] + 1) % 3
            write_png(tmp_path / tool / f"{stem}_labels.png", said)
            sure = np.where(said == ids, 250, 128).astype(np.uint8)
            write_png(tmp_path / tool / f"{stem}_confidence.png", sure)
    return tmp_path
