"""A comparison of three sources on two drawn images, with markup in every name."""

from dataclasses import replace

import numpy as np
import pytest

from daformer_lib.compare import open_comparison
from daformer_lib.files import write_png
from tests.helpers.three_classes import THREE_CLASSES

EVIL = "<img src=x onerror=alert(1)>"
WRONG_ROWS = (("one", 10, 24), ("one", 20, 4), ("two", 10, 16), ("two", 20, 12))
STEMS = ("town/a&b", "town/<b>")


@pytest.fixture(scope="session")
def named():
    """Markup for names of two classes."""
    return replace(THREE_CLASSES, classes=("road", EVIL, "</script>building"))


@pytest.fixture(scope="session")
def folders(named, tmp_path_factory):
    """Truth, images, and the steps of "one" and "two" (confident where right) and of "plain"."""
    root = tmp_path_factory.mktemp("scene")
    rng = np.random.default_rng(0)
    for stem in STEMS:
        truth = rng.integers(0, 3, (4, 6), np.uint8).repeat(8, 0).repeat(8, 1)
        truth[-2:] = 255
        write_png(named.train_id_path(root, "val", stem), truth)
        write_png(named.image_path(root, "val", stem), rng.integers(0, 256, (32, 48, 3), np.uint8))
        for tool, step, wrong in WRONG_ROWS:
            said = truth.copy()
            said[:wrong] = (said[:wrong] + 1) % 3
            said[-2:] = 0
            folder = root / tool / f"step_{step}"
            write_png(folder / f"{stem}_labels.png", said)
            sure = np.where(said == truth, 250, 128).astype(np.uint8)
            write_png(folder / f"{stem}_confidence.png", sure)
        write_png(root / "plain" / f"{stem}.png", np.where(truth == 255, 0, truth))
    return root


@pytest.fixture(scope="session")
def opened(folders, named):
    """opened("one", "two", data_root=...): a comparison of these folders."""

    def make(*names, **options):
        inputs = {f"{name} & <i>{name}</i>": folders / name for name in names or ("one", "two")}
        options = {"spec": named, "data_root": folders, "split": "val", "ids": "train"} | options
        return open_comparison(inputs, **options)

    return make
