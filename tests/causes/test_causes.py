"""Whether causes are there: the probes on cases whose answer is known, and the page."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from daformer_lib.causes import cues, forgetting, pictures, probes
from daformer_lib.causes.report import causes_page, measure_causes, runs_by_row, write_causes
from daformer_lib.config import ModelConfig
from daformer_lib.data.drawn.objects import OBJECT_CLASSES, SIZE, OutlinedSample, draw_object
from daformer_lib.files import read_json
from daformer_lib.runs import recipes
from daformer_lib.runs.folder import write_config

TINY = probes.Effort(vehicles=4, objects=2, steps=2, scenes=2, pixels=3)


def rng():
    return np.random.default_rng(0)


def clusters(count=120, spread=0.1):
    """Three groups of features (N, 4), and their classes."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % 3
    noise = spread * torch.randn(count, 4, generator=generator)
    return torch.eye(4)[labels] + noise, labels


# Probes


def test_a_probe_finds_what_is_there_and_only_that():
    features, labels = clusters()
    half = len(labels) // 2
    probe = probes.fit_probe(features[:half], labels[:half], 3)
    assert (probe(features[half:]) == labels[half:]).all()
    mixed = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))]
    blind = probes.fit_probe(features[:half], mixed[:half], 3)
    assert (blind(features[half:]) == mixed[half:]).float().mean() < 0.55  # chance is 0.33


def test_a_probe_does_not_mind_the_features_units():
    features, labels = clusters()
    scaled = features * torch.tensor([1.0, 1e3, 1e-3, 1.0]) + 5
    probe, other = (probes.fit_probe(f, labels, 3) for f in (features, scaled))
    assert torch.equal(probe(features), other(scaled))


def test_distance_is_relative_and_nothing_for_the_same_encoder():
    model = ModelConfig("tiny_mit", "segformer", pretrained="strong")
    encoder, same = probes.fresh_encoder(model), probes.fresh_encoder(model)
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    features = probes.deepest(encoder, images)
    assert probes.relative_distance(probes.deepest(same, images), features) == 0
    assert probes.relative_distance(2 * features, features) == pytest.approx(1)
    untrained = probes.fresh_encoder(ModelConfig("tiny_mit", "segformer"))
    assert probes.relative_distance(probes.deepest(untrained, images), features) > 0.5


def test_a_difference_is_clear_only_beyond_its_error_and_upwards():
    ones, zeros = torch.ones(50), torch.zeros(50)
    few = zeros.clone()
    few[0] = 1
    assert probes.paired(ones, few).is_clear
    assert not probes.paired(few, zeros).is_clear
    assert not probes.paired(few, ones).is_clear


# Pictures


@pytest.fixture(scope="module")
def samples():
    return pictures.draw_set(("car", "person", "bottle"), 2, 0)


def test_the_outline_is_the_mask_of_pretraining_to_the_pixel():
    image, class_id, mask = draw_object(4, pictures.HELD_OUT)
    sample = pictures.draw_outlined(4, pictures.HELD_OUT)
    cells = sample.outline.reshape(16, 4, 16, 4).mean((1, 3))
    assert np.array_equal(sample.image, image) and sample.class_id == class_id
    np.testing.assert_allclose(cells, mask)


def test_held_out_pictures_are_not_those_of_pretraining():
    seen = pictures.draw_set(("car",), 1, -pictures.HELD_OUT)[0]
    held_out = pictures.draw_set(("car",), 1, 0)[0]
    assert np.array_equal(seen.image, draw_object(OBJECT_CLASSES.index("car")).image)
    assert not np.array_equal(held_out.image, seen.image)


def test_a_silhouette_is_all_shape(samples):
    for sample, picture in zip(samples, pictures.altered(samples, "silhouette", 0)):
        assert np.array_equal(picture[..., 0] == pictures.OBJECT, sample.outline)


@pytest.mark.parametrize("change", ["noise", "foreign texture"])
def test_another_texture_stays_within_the_outline(samples, change):
    for sample, picture in zip(samples, pictures.altered(samples, change, 0)):
        changed = (picture != sample.image).any(-1)
        assert not changed[~sample.outline].any()
        assert changed[sample.outline].mean() > 0.9


def test_foreign_texture_comes_from_inside_the_other_object(samples):
    """Red in its outline, blue around it: nothing blue may come along."""
    outline = np.zeros((SIZE, SIZE), bool)
    outline[20:40, 10:50] = True
    red, blue = (200, 0, 0), (0, 0, 200)
    other = OutlinedSample(np.where(outline[..., None], red, blue).astype(np.uint8), 0, outline)
    picture = pictures.foreign(samples[0], other, rng())
    assert (picture[samples[0].outline] == red).all()


def test_shuffling_keeps_every_pixel_and_no_order(samples):
    image = samples[0].image
    picture = pictures.shuffled(samples[0], samples[1], rng())
    assert np.array_equal(np.sort(picture, axis=None), np.sort(image, axis=None))
    assert not np.array_equal(picture, image)


def test_objects_are_cut_out_in_the_middle_and_small_ones_left(monkeypatch):
    label = np.zeros((60, 80), np.uint8)
    label[5:25, 10:40], label[50:55, 60:65] = 15, 14
    image = np.where(label[..., None] == 15, 250, 10).astype(np.uint8).repeat(3, 2)
    spec = SimpleNamespace(name="x", classes=tuple(map(str, range(19))))
    counts = np.bincount(label.ravel(), minlength=19)[None]
    dataset = SimpleNamespace(
        spec=spec, split="val", load=lambda index: (image, label),
        class_stats=lambda: SimpleNamespace(counts=counts),
    )  # fmt: skip
    found = pictures.cut_out(dataset, ("14", "15"))
    assert found.labels.tolist() == [1] and found.images[0].shape == (SIZE, SIZE, 3)
    assert (found.images[0][24:40, 8:56] == 250).all() and (found.images[0][:10] == 10).all()
    with pytest.raises(ValueError, match="no 14 of 150 pixels"):
        pictures.cut_out(dataset, ("14",))


def test_points_lie_on_their_class_and_windows_show_nothing_else():
    labels = [np.full((8, 8), 1, np.uint8), np.full((8, 8), 0, np.uint8)]
    labels[1][2, 3] = 1
    points = pictures.draw_points(labels, 3, 5, rng())
    assert [p.class_id for p in points].count(0) == 5 == [p.class_id for p in points].count(1)
    assert all(labels[p.scene][p.row, p.column] == p.class_id for p in points)
    image, ground = np.full((8, 8, 3), 9, np.uint8), np.zeros((8, 8, 3), np.uint8)
    seen = pictures.in_window(image, ground, pictures.Point(0, 1, 4, 0), 4)
    assert seen[..., 0].sum() == 9 * 3 * 4 and seen[1, 4, 0] == 9  # one row lies above the image


# Causes


class Colour(nn.Module):
    """An encoder whose feature is the mean colour, or none."""

    def __init__(self, blind: bool):
        super().__init__()
        self.blind = blind

    def forward(self, image):
        return [image.mean((2, 3), keepdim=True) * (0 if self.blind else 1)]


def of_one_colour(count=30):
    images = [np.full((8, 8, 3), 30 + 80 * (i % 3), np.uint8) for i in range(count)]
    return pictures.Pictures(images, torch.arange(count) % 3)


@pytest.mark.parametrize("forgets", [True, False])
def test_what_the_source_only_student_forgets_is_the_cause_of_feature_distance(
    monkeypatch, forgets
):
    both = of_one_colour(), of_one_colour()
    sets = dict.fromkeys(("drawn", "target", "source to target"), both)
    monkeypatch.setattr(forgetting, "_vehicle_sets", lambda *_: sets)
    monkeypatch.setattr(forgetting, "fresh_encoder", lambda model: Colour(not forgets))
    monkeypatch.setattr(
        forgetting, "load_network", lambda run: SimpleNamespace(encoder=Colour(forgets))
    )
    run = SimpleNamespace(experiment=recipes.experiment("source_only", "study"))
    found = forgetting.feature_distance({"source_only": run}, "", (0,), TINY)
    assert found["there"] is forgets
    assert found["accuracy"]["prior"]["drawn"] == pytest.approx(1 if forgets else 1 / 3, abs=0.01)


class ByPixel(nn.Module):
    """Class 1 where the picture is light: of each pixel by itself, or of the mean of all."""

    def __init__(self, whole: bool):
        super().__init__()
        self.whole = whole

    def forward(self, image):
        light = image.mean(1)
        if self.whole:
            light = light.mean((1, 2), keepdim=True).expand_as(light)
        return torch.stack([-light, light], 1), []


def context_of(monkeypatch, network):
    """Two dark scenes of class 0 and two light ones of class 1."""
    shape = (48, 96)
    scenes = [(np.full((*shape, 3), g, np.uint8), np.full(shape, c, np.uint8))
              for c, g in ((0, 20), (1, 240), (0, 20), (1, 240))]  # fmt: skip

    class Scenes:
        __init__ = lambda self, *_: None
        __len__ = lambda self: len(scenes)
        load = lambda self, index: scenes[index]

    monkeypatch.setattr(cues, "SegmentationDataset", Scenes)
    monkeypatch.setattr(cues, "load_network", lambda run: network)
    run = SimpleNamespace(spec=None, classes=("dark", "light"))
    return cues.context({"oracle": run}, "", 0, probes.Effort(pixels=60))


def test_who_looks_at_the_pixel_alone_needs_no_context(monkeypatch):
    found = context_of(monkeypatch, ByPixel(whole=False))
    assert found["needs"] == [] and found["local"] == ["dark", "light"]
    assert found["classes"]["dark"]["other scene"] == 1 and not found["there"]
    assert found["classes"]["dark"]["turns_into"] is None


def test_who_looks_at_the_whole_needs_it(monkeypatch):
    found = context_of(monkeypatch, ByPixel(whole=True))
    for name, other in (("dark", "light"), ("light", "dark")):
        one = found["classes"][name]
        assert one["whole"] == 1 and one["other scene"] < 0.6  # one of three others is like it
        assert one["turns_into"] == other and one["share_of_errors"] == 1
    assert found["needs"] and found["local"] == []


def test_without_warmup_as_much_is_learned_sooner():
    slow = recipes.experiment("self_training", "study")
    fast = slow.changed(optim={"warmup_steps": 0})
    assert forgetting.as_much(slow, slow, 100) == 100
    early = forgetting.as_much(slow, fast, 100)
    wanted = forgetting.summed_rate(slow, 100)
    assert early < 20 and forgetting.summed_rate(fast, early - 1) < wanted


@pytest.mark.notebook  # draws scenes
def test_first_steps_move_the_encoder_and_no_generator(smoke):
    experiment = smoke("self_training", optim={"warmup_steps": 0})
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    before = torch.get_rng_state()
    start, moved, again = (
        probes.deepest(forgetting.first_steps(experiment, n), images) for n in (0, 2, 2)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert probes.relative_distance(moved, start) > 0.01
    assert torch.equal(moved, again)
    prior = probes.fresh_encoder(experiment.model)
    # The learner's convolutions lie in another memory layout, and round differently.
    torch.testing.assert_close(probes.deepest(prior, images), start, rtol=1e-3, atol=1e-4)


# All together


def test_runs_are_complete_and_one_of_each_row(tmp_path):
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        write_config(folder, recipes.experiment("oracle", "smoke"))
    with pytest.raises(ValueError, match="not complete"):
        runs_by_row(folders)
    for folder in folders:
        (folder / "result.json").write_text("{}")
    assert list(runs_by_row(folders[:1])) == ["oracle"]
    with pytest.raises(ValueError, match="both of row oracle"):
        runs_by_row(folders)


@pytest.mark.notebook  # draws, trains a few steps
def test_without_runs_the_page_says_what_is_missing_and_measures_the_rest(smoke_data, tmp_path):
    found = measure_causes({}, smoke_data, (0,), TINY)
    files = write_causes(found, tmp_path / "causes.json")
    assert read_json(files[0]) == found == measure_causes({}, smoke_data, (0,), TINY)
    page = files[1].read_text()
    assert "Not measured: needs a run of row source_only." in page
    assert "Not measured: needs a run of row oracle." in page
    for name in ("warmup", "architecture"):
        turned = {**found, name: {**found[name], "there": not found[name]["there"]}}
        assert causes_page(turned).count("The cause is not there") != page.count(
            "The cause is not there"
        )
    texture = found["architecture"]["texture"]
    assert found["architecture"]["there"] == (texture["mean"] > 2 * texture["error"])
