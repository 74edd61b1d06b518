"""The evolution as a moving picture, in each format."""

import numpy as np
import pytest
from PIL import Image

from daformer_lib.compare.views import evolution_frames, write_animation


def test_a_frame_per_step(opened):
    comparison = opened()
    frames = evolution_frames(comparison, comparison.stems[0], width=300)
    assert len(frames) == 2 and frames[0].shape == frames[1].shape
    assert (frames[0] != frames[1]).any()
    tall = evolution_frames(comparison, comparison.stems[0], width=300, columns=1)
    assert tall[0].shape[0] > 2 * frames[0].shape[0]


@pytest.mark.parametrize("ending", ["gif", "png", "webp"])
def test_formats(tmp_path, ending):
    frames = [np.full((20, 30, 3), value, np.uint8) for value in (20, 200, 90)]
    path = write_animation(frames, tmp_path / f"e.{ending}", seconds=0.1)
    with Image.open(path) as moving:
        assert moving.n_frames == 3
        moving.seek(1)
        assert abs(np.asarray(moving.convert("RGB")).mean() - 200) < 3


def test_other_formats_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"e.mp4: an animation is one of"):
        write_animation([np.zeros((2, 2, 3), np.uint8)], tmp_path / "e.mp4")
    with pytest.raises(ValueError, match="needs a frame"):
        write_animation([], tmp_path / "e.gif")
