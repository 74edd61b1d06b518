"""Loaders: the same batch for a step whatever the workers; which images meet; what modes mean."""

from __future__ import annotations

import dataclasses
from collections import Counter
from itertools import islice

import numpy as np
import pytest
import torch

from daformer_lib import files
from daformer_lib.batch import TrainBatch
from daformer_lib.config import DataConfig
from daformer_lib.data import transforms
from daformer_lib.data.datasets import SegmentationDataset
from daformer_lib.data.loaders import training_batches, training_stream
from daformer_lib.data.order import PairOrder, Shuffle, generator
from daformer_lib.ranks import Ranks

MINI = DataConfig(
    source="minigta", target="minicityscapes", crop=(64, 96), batch_size=2, workers=0,
    rcs_temperature=0.01, rcs_min_pixels=50, rcs_min_crop_pixels=400, cache_bytes=2**24,
)  # fmt: skip
PLAIN = dataclasses.replace(MINI, rcs_temperature=None)


def config(root, base: DataConfig = MINI, **changes) -> DataConfig:
    return dataclasses.replace(base, data_root=str(root), **changes)


def first(pair, count: int = 4, base: DataConfig = MINI, seed: int = 0, changes=None, **options):
    root, source, target = pair
    data = config(root, base, **(changes or {}))
    return list(islice(training_batches(data, source, target, seed, **options), count))


def equal(a: TrainBatch, b: TrainBatch) -> bool:
    parts = [(*one.source, *([one.target.image] if one.target else [])) for one in (a, b)]
    tensors = zip(*parts, strict=True)
    return a.stems == b.stems and all(torch.equal(x, y) for x, y in tensors)


def test_a_batch_has_the_agreed_shapes(tiny_pair):
    batch = first(tiny_pair, 1)[0]
    assert batch.source.image.shape == batch.target.image.shape == (2, 3, 64, 96)
    assert batch.source.label.shape == batch.source.weight.shape == (2, 64, 96)
    kinds = [t.dtype for t in (*batch.source, batch.target.image)]
    assert kinds == [torch.float32, torch.int64, torch.float32, torch.float32]
    assert (batch.source.weight == 1).all()
    assert set(batch.source.label.unique().tolist()) <= {*range(19), 255}
    assert len(batch.stems) == 4 and all(isinstance(name, str) for name in batch.stems)


@pytest.mark.parametrize("base", [MINI, PLAIN], ids=["rcs", "plain"])
def test_workers_change_nothing(tiny_pair, base):
    alone = first(tiny_pair, 6, base)
    shared = first(tiny_pair, 6, base, changes={"workers": 2}, stop_step=6)
    assert isinstance(shared[0], TrainBatch) and len(shared) == 6
    assert all(equal(a, b) for a, b in zip(alone, shared, strict=True))


@pytest.mark.parametrize("base", [MINI, PLAIN], ids=["rcs", "plain"])
def test_resuming_is_starting_at_the_step(tiny_pair, base):
    whole = first(tiny_pair, 8, base)
    rest = first(tiny_pair, 99, base, start_step=5, stop_step=8)
    assert len(rest) == 3
    assert all(equal(a, b) for a, b in zip(whole[5:], rest, strict=True))


def test_seeds_and_steps_differ(tiny_pair):
    batches = first(tiny_pair, 5) + first(tiny_pair, 5, seed=1)
    images = [b.source.image for b in batches] + [b.target.image for b in batches]
    assert not any(torch.equal(a, b) for i, a in enumerate(images) for b in images[:i])


@pytest.mark.parametrize("workers", [0, 1])
def test_global_generators_are_left_alone(tiny_pair, workers):
    torch.manual_seed(0)
    np.random.seed(0)
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    first(tiny_pair, 2, changes={"workers": workers, "photometric": True}, stop_step=2)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)


def test_ranks_share_one_order(tiny_pair):
    """Two processes see the halves of what one process sees."""
    four = {"batch_size": 4}
    one = first(tiny_pair, 3, changes=four)
    ranks = [first(tiny_pair, 3, changes=four, ranks=Ranks(rank, 2)) for rank in (0, 1)]
    for step, batch in enumerate(one):
        parts = torch.cat([rank[step].source.image for rank in ranks])
        assert torch.equal(parts, batch.source.image)
        assert batch.stems[:4] == ranks[0][step].stems[:2] + ranks[1][step].stems[:2]
    with pytest.raises(ValueError, match=r"rank 2 must lie in 0\.\.1"):
        Ranks(2, 2)


def test_a_batch_that_cannot_be_shared_says_what_can(tiny_pair):
    with pytest.raises(
        ValueError, match=r"batch_size 2 cannot be shared evenly by 3 .* batch_size 3"
    ):
        first(tiny_pair, 1, ranks=Ranks(0, 3))


def test_modes(tiny_pair):
    root, source, target = tiny_pair
    names = {
        spec.name: set(SegmentationDataset(spec, root, "train").stems) for spec in (source, target)
    }
    for mode, labelled in (("source_only", "minigta"), ("oracle", "minicityscapes")):
        batch = first(tiny_pair, 1, PLAIN, mode=mode)[0]
        assert (
            batch.target is None and set(batch.stems) <= names[labelled] and len(batch.stems) == 2
        )
    with pytest.raises(ValueError, match="mode 'sauce' is unknown; known"):
        first(tiny_pair, 1, mode="sauce")


def test_without_rcs_an_epoch_shows_every_pair_once(tiny_pair):
    batches = first(tiny_pair, 16, PLAIN)  # 4 x 4 pairs in two epochs of 8 batches
    pairs = [pair for b in batches for pair in zip(b.stems[:2], b.stems[2:], strict=True)]
    assert len(set(pairs[:16])) == 16 and Counter(pairs) == Counter(pairs[:16] * 2)
    assert pairs[:16] != pairs[16:], "a new order every epoch"


def test_source_only_shows_every_image_once_an_epoch(tiny_pair):
    names = [name for b in first(tiny_pair, 4, PLAIN, mode="source_only") for name in b.stems]
    assert sorted(names[:4]) == sorted(names[4:]) == ["00001", "00002", "00003", "00004"]


def shown(pair, max_loads: int) -> int:
    """In how many of 60 draws the crop shows enough of the drawn class."""
    root, source, target = pair
    data = config(root, cat_max_ratio=None, rcs_max_loads=max_loads)
    rare, enough = training_stream(data, source, target, seed=0).labelled, 0
    for draw in range(60):
        wanted, index = rare.sampler.draw(generator(0, "labelled", draw))
        sample = rare.sample(draw, index=-1)  # with RCS the index is not looked at
        assert sample.stem == rare.dataset.stems[index]
        enough += int((sample.label == wanted).sum() > MINI.rcs_min_crop_pixels)
    return enough


def test_rcs_crops_again_until_the_drawn_class_is_seen(tiny_pair):
    assert shown(tiny_pair, max_loads=1) < 35
    assert shown(tiny_pair, max_loads=11) > 45


def test_without_rcs_targets_follow_the_pair_and_with_it_they_are_uniform(tiny_pair):
    counts = Counter(name for b in first(tiny_pair, 200) for name in b.stems[2:])
    assert len(counts) == 4 and max(counts.values()) < 1.5 * min(counts.values())


def test_crops_flip_half_the_time(tiny_pair):
    root, source, target = tiny_pair
    data = config(root, PLAIN, crop=(128, 256))
    dataset = SegmentationDataset(source, root, "train", cache_bytes=2**24)
    index = {stem: i for i, stem in enumerate(dataset.stems)}
    flipped = 0
    for batch in islice(training_batches(data, source, target, 0), 100):
        for image, name in zip(batch.source.image, batch.stems[:2], strict=True):
            straight = transforms.to_tensors(*dataset.load(index[name]))[0]
            is_flipped = torch.equal(image, straight.flip(-1))
            assert is_flipped or torch.equal(image, straight)
            flipped += is_flipped
    assert 75 < flipped < 125


def test_margins_of_target_images_go_with_their_crop(tiny_pair):
    """What is left of each image's 256x128 pixels lies in the middle, whatever the flip."""
    margins = {"target_margins": (10, 20, 30, 0), "crop": (128, 256)}
    batch, plain = first(tiny_pair, 1, changes=margins)[0], first(tiny_pair, 1)[0]
    assert plain.target.valid is None and batch.target.valid.dtype == torch.bool
    for valid in batch.target.valid:
        rows, columns = valid.any(1).nonzero()[:, 0], valid.any(0).nonzero()[:, 0]
        assert (rows[0], rows[-1]) == (10, 107) and len(columns) == 226
        assert (columns[0], columns[-1]) in ((30, 255), (0, 225))
    unmasked = first(tiny_pair, 1, changes={"crop": (128, 256)})[0]
    assert equal(batch, unmasked)  # nothing else is drawn


def test_image_and_label_stay_together(tmp_path, tiny_pair):
    """An image whose red channel is its label: after crop, flip and padding it still is."""
    root, source, target = tiny_pair
    spec = dataclasses.replace(source, size=(64, 32))
    for stem in spec.stems(root, "train"):
        ids = files.read_gray(spec.train_id_path(root, "train", stem))
        files.write_png(spec.image_path(root, "train", stem), np.stack([ids] * 3, axis=-1))
    for batch in first((root, spec, target), 10, PLAIN):
        red = batch.source.image[:, 0] * transforms.STD[0] + transforms.MEAN[0]
        red = red.round().long()
        inside = torch.zeros(64, 96, dtype=torch.bool)
        inside[:32, :64] = True
        assert torch.equal(red[:, inside], batch.source.label[:, inside])
        assert (batch.source.label[:, ~inside] == 255).all()
        assert (batch.source.image[:, :, ~inside] == 0).all()


def test_photometric_distortion_changes_labelled_images_only(tiny_pair):
    plain, changed = (
        first(tiny_pair, 8, PLAIN, changes={"photometric": on}) for on in (False, True)
    )
    differ = [
        not torch.equal(a.source.image, b.source.image) for a, b in zip(plain, changed, strict=True)
    ]
    assert sum(differ) >= 6
    assert all(
        torch.equal(a.target.image, b.target.image) for a, b in zip(plain, changed, strict=True)
    )
    assert all(
        torch.equal(a.source.label, b.source.label) for a, b in zip(plain, changed, strict=True)
    )


def test_cat_max_ratio_is_asked_of_labelled_crops_only(tiny_pair, monkeypatch):
    asked = []
    plain = transforms.is_varied
    monkeypatch.setattr(transforms, "is_varied", lambda *a: asked.append(a[1]) or plain(*a))
    first(tiny_pair, 1, PLAIN)
    labelled = len(asked)
    first(tiny_pair, 1, PLAIN, mode="oracle")
    assert labelled >= 2 and len(asked) >= labelled + 2 and set(asked) == {0.75}


def test_rcs_without_statistics_says_what_to_run(tiny_pair):
    root, source, _ = tiny_pair
    (source.root(root) / "sample_class_stats_train.json").unlink()
    first(tiny_pair, 1, PLAIN)  # needs none
    with pytest.raises(FileNotFoundError, match=r"run: python data_scripts/convert_gta\.py"):
        first(tiny_pair, 1)


def test_errors_come_at_once_not_at_the_first_batch(tmp_path, tiny_pair):
    _, source, target = tiny_pair
    with pytest.raises(FileNotFoundError, match="no images of minigta/train"):
        training_batches(config(tmp_path / "nothing"), source, target, 0)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 16, 17, 1000])
def test_shuffle_is_a_new_permutation_every_epoch(size):
    order = Shuffle(size, seed=3)
    epochs = [[order[e * size + i] for i in range(size)] for e in range(3)]
    assert all(sorted(epoch) == list(range(size)) for epoch in epochs)
    if size > 5:
        assert epochs[0] != epochs[1] != epochs[2]
        assert epochs[0] != [Shuffle(size, seed=4)[i] for i in range(size)]


def test_shuffle_looks_random():
    """Neighbours in the order are unrelated, and every region of the range comes early."""
    size = 24_966 * 2_975  # GTA x Cityscapes
    order = Shuffle(size, seed=0)
    values = np.array([order[i] for i in range(4000)]) / size
    assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 0.05
    shares = np.histogram(values, bins=20, range=(0, 1))[0] / len(values)
    assert abs(shares - 0.05).max() < 0.015
    assert order[size - 1] != order[size], "the next epoch has other keys"


def test_pairs_run_over_the_product():
    order = PairOrder(labelled=3, targets=2, seed=0)
    assert sorted(order[i] for i in range(6)) == [(i, j) for i in range(3) for j in range(2)]


def test_generators_differ_by_seed_stream_and_number():
    keys = [(s, name, n) for s in (0, 1) for name in ("labelled", "unlabelled") for n in (0, 1, 2)]
    draws = [int(generator(*key).integers(2**62)) for key in keys]
    assert len(set(draws)) == len(keys)
    assert int(generator(0, "labelled", 0).integers(2**62)) == draws[0]
