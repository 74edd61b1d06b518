"""Arrays to pictures: the right colour at the right pixel."""

import numpy as np
import pytest
import torch

from daformer_lib.specs import CITYSCAPES, IGNORE
from daformer_lib.viz import draw

LABEL = np.array([[0, 13, IGNORE], [10, 0, 18]], dtype=np.uint8)


def test_colorize_gives_each_class_its_palette_colour():
    picture = draw.colorize(LABEL, CITYSCAPES)
    assert picture.shape == (2, 3, 3) and picture.dtype == np.uint8
    for y, x in [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)]:
        assert tuple(picture[y, x]) == CITYSCAPES.palette[LABEL[y, x]]


def test_ignored_pixels_have_no_class_colour_and_show_two_stripes():
    picture = draw.colorize(np.full((32, 32), IGNORE), CITYSCAPES)
    colours = {tuple(c) for c in picture.reshape(-1, 3).tolist()}
    assert colours == {draw.IGNORE_DARK, draw.IGNORE_LIGHT}
    assert not colours & set(CITYSCAPES.palette)


def test_colorize_takes_tensors():
    same = draw.colorize(torch.from_numpy(LABEL).long(), CITYSCAPES)
    assert np.array_equal(same, draw.colorize(LABEL, CITYSCAPES))


def test_raw_ids_are_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"33.*convert raw ids first"):
        draw.colorize(np.array([[0, 33]]), CITYSCAPES)


def test_a_batch_of_labels_is_refused():
    with pytest.raises(ValueError, match=r"\(1, 2, 3\)"):
        draw.colorize(LABEL[None], CITYSCAPES)


def test_denormalise_undoes_the_normalisation_exactly():
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalised = ((torch.from_numpy(image) / 255 - mean) / std).permute(2, 0, 1)
    assert np.array_equal(draw.denormalise(normalised), image)
    assert np.array_equal(draw.denormalise(normalised[None])[0], image)


def test_denormalise_clips_what_augmentation_pushed_out_of_range():
    assert draw.denormalise(torch.full((3, 1, 1), 9.0)).ravel().tolist() == [255, 255, 255]
    assert draw.denormalise(torch.full((3, 1, 1), -9.0)).ravel().tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("image", "first"),
    [
        (np.full((4, 6, 3), 7, np.uint8), (7, 7, 7)),
        (np.full((4, 6), 1.0), (255, 255, 255)),
        (np.ones((4, 6), bool), (255, 255, 255)),
        (torch.zeros(3, 4, 6), (124, 116, 104)),  # the mean colour of ImageNet
    ],
)
def test_as_picture_takes_every_kind_of_image(image, first):
    picture = draw.as_picture(image)
    assert picture.shape == (4, 6, 3) and tuple(picture[0, 0].tolist()) == first


def test_as_picture_refuses_integer_labels():
    with pytest.raises(ValueError, match="colorize first"):
        draw.as_picture(LABEL.astype(np.int64))


def test_overlay_mixes_and_leaves_unlabelled_pixels_alone():
    image = np.full((2, 3, 3), 100, np.uint8)
    mixed = draw.overlay(image, LABEL, CITYSCAPES, alpha=0.5)
    assert mixed[0, 2].tolist() == [100, 100, 100]
    assert mixed[0, 0].tolist() == [114, 82, 114]  # halfway to road (128, 64, 128)


def test_sizes_must_agree():
    with pytest.raises(ValueError, match="sizes differ"):
        draw.overlay(np.zeros((4, 4, 3), np.uint8), LABEL, CITYSCAPES)


def test_error_map_says_right_wrong_and_ignored():
    prediction = np.array([[0, 0, 3], [10, 0, 18]])
    picture = draw.error_map(prediction, LABEL)
    assert tuple(picture[0, 0]) == draw.RIGHT
    assert tuple(picture[0, 1]) == draw.WRONG
    assert tuple(picture[0, 2]) in (draw.IGNORE_DARK, draw.IGNORE_LIGHT)


def test_agreement_map_has_the_four_cases():
    truth = np.array([[1, 1, 1, 1]])
    picture = draw.agreement_map(np.array([[1, 1, 2, 2]]), np.array([[1, 2, 1, 2]]), truth)
    assert [tuple(p) for p in picture[0].tolist()] == list(draw.AGREEMENT.values())


def test_confidence_below_the_threshold_is_darker():
    confidence = np.array([[0.5, 0.99]])
    plain, cut = draw.confidence_map(confidence), draw.confidence_map(confidence, 0.9)
    assert cut[0, 0].sum() < plain[0, 0].sum()
    assert np.array_equal(cut[0, 1], plain[0, 1])


def test_confidence_as_bytes_equals_confidence_as_shares():
    levels = np.array([[0, 128, 255]], np.uint8)
    assert np.array_equal(draw.confidence_map(levels), draw.confidence_map(levels / 255))


def test_heat_overlay_keeps_square_cells_and_survives_zero():
    image = np.zeros((4, 8, 3), np.uint8)
    heat = draw.heat_overlay(image, np.array([[0.0, 1.0]]))
    assert (heat[:, :4] == heat[0, 0]).all() and (heat[:, 4:] == heat[0, 7]).all()
    assert heat[0, 7].sum() > heat[0, 0].sum()
    assert draw.heat_overlay(image, np.zeros((2, 2))).shape == image.shape


def test_only_classes_ignores_the_rest():
    assert draw.only_classes(LABEL, [13, 18]).tolist() == [
        [IGNORE, 13, IGNORE],
        [IGNORE, IGNORE, 18],
    ]
    assert LABEL[0, 0] == 0  # the input is untouched
