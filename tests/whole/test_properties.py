"""Property-based tests: what must hold for any labels, against slow references written out."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from daformer_lib.batch import Labelled
from daformer_lib.data import transforms
from daformer_lib.data.intake.convert import _from_colours, _look_up16, id_table
from daformer_lib.data.rare_class import RareClassSampler, rcs_probabilities
from daformer_lib.evaluate import Scores, confusion_matrix
from daformer_lib.specs import IGNORE, get_spec
from daformer_lib.uda.classmix import MixPlan, classmix, draw_classes
from daformer_lib.uda.feature_distance import downscale_label

pytestmark = pytest.mark.numeric


few = settings(max_examples=40, deadline=None)
seeds = st.integers(0, 2**32 - 1)
K = 4


def labels(height: int = 6, width: int = 8):
    """(H, W) uint8 train ids below K, some ignored."""
    return arrays(np.uint8, (height, width), elements=st.sampled_from([*range(K), IGNORE]))


@few
@given(st.dictionaries(st.integers(0, 255), st.integers(0, 18), min_size=1), seeds)
def test_any_id_map_is_applied_pixel_by_pixel(id_map, seed):
    spec = replace(get_spec("cityscapes"), id_map=id_map)
    ids = np.random.default_rng(seed).integers(0, 256, (5, 7), np.uint8)
    expected = [[id_map.get(int(i), IGNORE) for i in row] for row in ids]
    assert id_table(spec, 256)[ids].tolist() == expected


@few
@given(
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.sampled_from([None, 0.75]),
    seeds,
)
def test_image_and_label_are_cut_and_flipped_alike(size, crop, cat_max_ratio, seed):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, K, size).astype(np.uint8)
    image = np.stack([label, label + 100, label + 200], axis=-1)  # the image tells its label
    box = transforms.random_crop(label, crop, rng, cat_max_ratio)
    picture, truth = transforms.flip(box.cut(image)), transforms.flip(box.cut(label))
    assert truth.shape == (min(size[0], crop[0]), min(size[1], crop[1]))
    assert (picture == truth[..., None] + np.array([0, 100, 200])).all()
    stacked = transforms.stack_labels([truth], crop)[0]
    assert stacked.shape == crop and (stacked == IGNORE).sum() == crop[0] * crop[1] - truth.size


@few
@given(labels(), labels(), st.floats(0, 1), seeds)
def test_every_mixed_pixel_is_the_sources_or_the_targets(source_label, target_label, share, seed):
    rng = np.random.default_rng(seed)
    truth = torch.from_numpy(source_label.astype(np.int64))[None]
    source = Labelled.certain(torch.from_numpy(rng.random((1, 3, 6, 8), np.float32)), truth)
    pseudo = Labelled(
        torch.from_numpy(rng.random((1, 3, 6, 8), np.float32)),
        torch.from_numpy(target_label.astype(np.int64))[None],
        torch.full((1, 6, 8), share),
    )
    classes = draw_classes(truth, rng)
    mixed = classmix(source, pseudo, MixPlan(classes, None, None))
    assert len(classes[0]) == -(-len(np.unique(source_label)) // 2)  # half, rounded up
    for y, x in np.ndindex(6, 8):
        taken = source if int(source_label[y, x]) in classes[0] else pseudo
        assert mixed.label[0, y, x] == taken.label[0, y, x]
        assert mixed.weight[0, y, x] == taken.weight[0, y, x]
        assert torch.equal(mixed.image[0, :, y, x], taken.image[0, :, y, x])


@few
@given(
    st.lists(st.integers(0, 10**9), min_size=1, max_size=30).filter(any),
    st.floats(0.005, 10.0),
)
def test_rarer_classes_are_never_less_likely(counts, temperature):
    probability = rcs_probabilities(counts, temperature)
    assert probability.sum() == pytest.approx(1, abs=1e-5)
    assert all(p == 0 for p, n in zip(probability, counts) if n == 0)
    present = sorted((n, -p) for n, p in zip(counts, probability) if n)
    assert all(a <= b for (_, a), (_, b) in pairwise(present))  # -p rises with the count


@few
@given(labels(), arrays(np.uint8, (6, 8), elements=st.integers(0, K - 1)))
def test_scores_are_those_of_sets_of_pixels(truth, prediction):
    scores = Scores(confusion_matrix(prediction, truth, K))
    known = truth != IGNORE
    for c in range(K):
        said, true = (prediction == c) & known, (truth == c) & known
        union = (said | true).sum()
        if union == 0:
            assert np.isnan(scores.iou[c])
        else:
            assert scores.iou[c] == pytest.approx((said & true).sum() / union)
    assert scores.confusion.sum() == known.sum()


@few
@given(labels(8, 8), st.sampled_from([2, 4]), st.floats(0.5, 1.0))
def test_a_cell_keeps_the_class_that_covers_enough_of_it(label, factor, min_share):
    small = downscale_label(torch.from_numpy(label.astype(np.int64))[None], factor, min_share, K)[0]
    for y, x in np.ndindex(*small.shape):
        cell = label[y * factor : (y + 1) * factor, x * factor : (x + 1) * factor]
        values, counts = np.unique(cell, return_counts=True)
        enough = np.float32(counts.max() / cell.size) >= np.float32(min_share)
        if not enough or counts.max() * 2 == cell.size:
            assert small[y, x] in (IGNORE, *values.tolist())  # a tie may go to either
            assert enough or small[y, x] == IGNORE
        else:
            assert small[y, x] == values[counts.argmax()]


@few
@given(
    st.lists(st.integers(0, 10**9), min_size=1, max_size=19).filter(any),
    st.floats(0.01, 10.0),
)
def test_rcs_is_the_softmax_of_the_paper(counts, temperature):
    """Eq. 6 and 7 in double precision; float32 rounds (1 - f) / T to 1e-7 of 1 / T."""
    total = sum(counts)
    logits = {c: (1 - n / total) / temperature for c, n in enumerate(counts) if n}
    largest = max(logits.values())
    weights = {c: math.exp(value - largest) for c, value in logits.items()}
    found = rcs_probabilities(counts, temperature)
    for c in range(len(counts)):
        expected = weights.get(c, 0) / sum(weights.values())
        assert found[c] == pytest.approx(expected, rel=3e-7 / temperature, abs=1e-6)


@few
@given(arrays(np.int64, (6, K), elements=st.integers(0, 20)), st.integers(0, 12), seeds)
def test_rcs_draws_an_image_that_shows_the_class(counts, min_pixels, seed):
    shown = counts > min_pixels
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not shown.any():
            with pytest.raises(ValueError, match="lower rcs_min_pixels"):
                RareClassSampler(counts, 0.1, min_pixels)
            return
        sampler = RareClassSampler(counts, 0.1, min_pixels)
    rng = np.random.default_rng(seed)
    for _ in range(10):
        wanted, image = sampler.draw(rng)
        assert counts[image, wanted] > min_pixels


@few
@given(labels(), st.tuples(st.integers(1, 20), st.integers(1, 20)))
def test_resizing_a_label_takes_the_nearest_pixel_and_makes_no_new_class(label, size):
    small = transforms.resize_label(label, size)
    height, width = label.shape
    for y, x in np.ndindex(*small.shape):  # OpenCV's nearest: rounded down, without a half
        row, column = y * height // size[1], x * width // size[0]
        assert small[y, x] == label[row, column]


@few
@given(st.dictionaries(st.integers(0, 2**16 - 1), st.integers(0, 18), min_size=1), seeds)
def test_ids_of_16_bits_are_mapped_pixel_by_pixel(id_map, seed):
    """Also through the short cut for maps whose ids all fit into 8 bits."""
    rng = np.random.default_rng(seed)
    known = rng.choice([*id_map], (5, 7))
    ids = np.where(rng.random((5, 7)) < 0.5, known, rng.integers(0, 2**16, (5, 7)))
    spec = replace(get_spec("synthia"), id_map=id_map)
    found = _look_up16(ids.astype(np.uint16), id_table(spec, 2**16))
    assert found.tolist() == [[id_map.get(int(i), IGNORE) for i in row] for row in ids]


@few
@given(labels(), seeds)
def test_a_label_of_colours_means_the_classes_of_the_palette(label, seed):
    palette = ((0, 0, 0), (255, 0, 7), (1, 2, 3), (3, 2, 1))
    colours = np.vstack([np.array(palette, np.uint8), [[9, 9, 9]]])
    pixels = colours[np.where(label == IGNORE, K, label)]  # (9, 9, 9) is in no palette
    spec = replace(get_spec("cityscapes"), classes=("a", "b", "c", "d"), palette=palette,
                   things=(), rare=(), id_map={0: 0})  # fmt: skip
    assert (_from_colours(spec, pixels) == label).all()


@few
@given(labels(), arrays(np.uint8, (6, 8), elements=st.integers(0, K - 1)))
def test_classes_without_true_pixels_are_absent_or_only_predicted(truth, prediction):
    scores = Scores(confusion_matrix(prediction, truth, K))
    known = truth != IGNORE
    true, said = set(truth[known].tolist()), set(prediction[known].tolist())
    assert set(scores.absent) == set(range(K)) - true - said
    assert set(scores.only_predicted) == said - true
    ious = [scores.iou[c] for c in range(K) if c not in scores.absent]
    if ious:
        assert scores.miou() == pytest.approx(sum(ious) / len(ious))
