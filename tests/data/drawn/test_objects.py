"""The pretraining crops: seeded, every class, masks where the object is."""

import numpy as np

from daformer_lib.data.drawn.objects import OBJECT_CLASSES, draw_object
from daformer_lib.specs import CITYSCAPES_CLASSES, THINGS

CLASSES = len(OBJECT_CLASSES)


def test_all_things_and_ten_distractors_are_there():
    assert {CITYSCAPES_CLASSES[i] for i in THINGS} <= set(OBJECT_CLASSES)
    assert len(set(OBJECT_CLASSES) - set(CITYSCAPES_CLASSES)) == 10
    assert len(set(OBJECT_CLASSES)) == CLASSES


def test_sample_has_the_promised_shapes():
    sample = draw_object(0)
    assert sample.image.shape == (64, 64, 3)
    assert sample.image.dtype == np.uint8
    assert sample.mask.shape == (16, 16)
    assert sample.mask.dtype == np.float32


def test_classes_take_turns():
    assert [draw_object(i).class_id for i in range(CLASSES)] == list(range(CLASSES))
    assert draw_object(CLASSES + 3).class_id == 3


def test_same_index_and_seed_give_the_same_bytes():
    first, again, other = draw_object(7, 1), draw_object(7, 1), draw_object(7, 2)
    assert first.image.tobytes() == again.image.tobytes()
    assert first.mask.tobytes() == again.mask.tobytes()
    assert first.image.tobytes() != other.image.tobytes()


def test_every_mask_covers_something_but_not_everything():
    covered = np.zeros((CLASSES, 8))
    for i in range(CLASSES * 8):
        mask = draw_object(i).mask
        assert 0 <= mask.min() <= mask.max() <= 1
        covered[i % CLASSES, i // CLASSES] = mask.mean()
    assert (covered.max(axis=1) > 0.03).all()  # each class can be seen
    assert (covered > 0.004).mean() > 0.97
    assert covered.mean() < 0.6


def test_mask_of_a_rider_leaves_out_the_machine():
    rider = OBJECT_CLASSES.index("rider")
    samples = [draw_object(rider + CLASSES * k) for k in range(8)]
    lowest_row = [np.nonzero(s.mask.max(axis=1) > 0.5)[0].max() for s in samples if s.mask.any()]
    assert np.mean(lowest_row) < 14  # the wheels below are not marked
