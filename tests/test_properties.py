"""Property-based tests: what must hold for any labels, against slow references written out."""

from __future__ import annotations

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
from daformer_lib.data.convert import id_table
from daformer_lib.data.rare_class import rcs_probabilities
from daformer_lib.evaluate import Scores, confusion_matrix
from daformer_lib.specs import IGNORE, get_spec
from daformer_lib.uda.classmix import MixPlan, classmix, draw_classes
from daformer_lib.uda.feature_distance import downscale_label

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
