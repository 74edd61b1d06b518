"""The VisDA-2022 archive: two folders, original ids, the images' own names."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from daformer_lib.files import write_png
from daformer_lib.inference.official import to_server_ids
from daformer_lib.inference.submission import write_submission
from daformer_lib.specs import get_spec

NAMES = ("01_frame_000100.PNG", "02_frame_000300.PNG")


class Says(torch.nn.Module):
    """A network that sees one class everywhere."""

    def __init__(self, train_id: int) -> None:
        super().__init__()
        self.scores = torch.nn.Parameter(torch.eye(5)[train_id])

    def forward(self, image):
        return self.scores[None, :, None, None].expand(len(image), 5, 4, 4), []


@pytest.fixture
def tree(tmp_path):
    for i, name in enumerate(NAMES):
        image = np.zeros((18 + 18 * i, 32 + 32 * i, 3), np.uint8)
        write_png(tmp_path / "zerowaste-v2-splits" / "test" / "data" / name, image)
    return tmp_path


def test_what_is_in_the_archive(tree):
    networks = {"source_only": Says(2), "uda": Says(4)}
    spec = get_spec("zerowaste_v2")
    path = write_submission(networks, spec, tree, tree / "out" / "visda.zip")
    with zipfile.ZipFile(path) as archive:
        names = [f"{folder}/{name}" for folder in ("source_only", "uda") for name in NAMES]
        assert archive.namelist() == names
        for name, train_id, size in zip(names, (2, 2, 4, 4), [(32, 18), (64, 36)] * 2):
            label = Image.open(io.BytesIO(archive.read(name)))
            assert label.size == size and set(np.unique(label)) == {train_id}
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("networks", "archive", "says"),
    [
        (("uda",), "x.zip", r"networks of \['uda'\]; a submission has \['source_only', 'uda'\]"),
        (("uda", "source_only"), "x.tar", "must end in .zip"),
    ],
)
def test_what_is_refused(tree, networks, archive, says):
    with pytest.raises(ValueError, match=says):
        write_submission(dict.fromkeys(networks), get_spec("zerowaste_v2"), tree, tree / archive)


def test_own_ids_of_sets_with_other_classes():
    label = np.array([[0, 4, 255]], np.uint8)
    assert to_server_ids(label, "label", get_spec("synthwaste_aug")).tolist() == [[0, 4, 0]]
    assert to_server_ids(label, "label", get_spec("acdc")).tolist() == [[7, 13, 0]]
