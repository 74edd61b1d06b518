"""The mini domains: seeded to the byte, all classes, a long tail, and three different looks."""

import hashlib
from collections import Counter

import numpy as np
import pytest

from daformer_lib.data.drawn.kit.styles import get_style
from daformer_lib.data.drawn.scenes import draw_scene, scene_sheet, set_stage
from daformer_lib.specs import CITYSCAPES_CLASSES, IGNORE, get_spec

CLASS = {name: i for i, name in enumerate(CITYSCAPES_CLASSES)}
DOMAINS = ("minigta", "minigta_green", "minisynthia", "minicityscapes", "minicityscapes_wide")
# What paints the rare classes; a scene without any of these has none of their pixels.
RARE_DRAWINGS = ("draw_tram", "draw_bicycle", "draw_motorcycle", "draw_traffic_light")


def drawings(domain: str, index: int) -> set[str]:
    """Names of the drawing functions that a scene will call (cheap: nothing is painted)."""
    items = set_stage(domain, "train", index).crowd.items
    names = set()
    for item in items:
        draw = item.draw
        while hasattr(draw, "func"):
            draw = draw.func
        names.add(draw.__name__)
    return names


def digest(domain: str, split: str, index: int, seed: int) -> str:
    image, label = draw_scene(domain, split, index, seed)
    return hashlib.sha256(image.tobytes() + label.tobytes()).hexdigest()


@pytest.mark.parametrize("domain", DOMAINS)
def test_scene_has_the_promised_shape_and_labels(domain):
    image, label = draw_scene(domain, "train", 3)
    assert image.shape == (128, 256, 3)
    assert image.dtype == np.uint8
    assert label.shape == (128, 256)
    assert label.dtype == np.uint8
    assert set(np.unique(label)) <= {*range(19), IGNORE}


@pytest.mark.parametrize("domain", DOMAINS)
def test_same_scene_twice_is_the_same_to_the_byte(domain):
    np.random.seed(1)
    first = digest(domain, "train", 5, 0)
    np.random.seed(2)  # the global generator must not matter
    draw_scene(domain, "train", 6)  # nor what was drawn in between
    assert digest(domain, "train", 5, 0) == first


def test_domain_split_index_and_seed_all_matter():
    calls = [
        ("minigta", "train", 0, 0), ("minigta", "train", 1, 0), ("minigta", "train", 0, 1),
        ("minicityscapes", "train", 0, 0), ("minicityscapes", "val", 0, 0),
        ("minicityscapes", "test", 0, 0),
    ]  # fmt: skip
    assert len({digest(*call) for call in calls}) == len(calls)


def test_unknown_domain_names_the_known_ones():
    with pytest.raises(KeyError, match="minicityscapes"):
        draw_scene("minimoon", "train", 0)


@pytest.mark.notebook  # not in make check: takes seconds
def test_target_has_all_19_classes_and_the_bonnet_is_ignored():
    seen, index = set(), 0
    while len(seen) < 19 and index < 60:
        _, label = draw_scene("minicityscapes", "train", index)
        assert (label[-5:, 128] == IGNORE).all()
        assert not (label[:-16] == IGNORE).any()
        seen |= set(np.unique(label).tolist()) - {IGNORE}
        index += 1
    assert seen == set(range(19))


@pytest.mark.notebook  # not in make check: takes seconds
def test_synthia_stand_in_has_its_16_classes_only():
    absent = {CLASS["terrain"], CLASS["truck"], CLASS["train"]}
    for index in range(12):
        _, label = draw_scene("minisynthia", "train", index)
        assert not absent & set(np.unique(label).tolist())
    kinds = set().union(*(drawings("minisynthia", index) for index in range(150)))
    assert {"draw_bus", "draw_person", "draw_bicycle", "draw_motorcycle"} <= kinds
    assert not {"draw_truck", "draw_tram"} & kinds


@pytest.mark.notebook  # not in make check: takes seconds
def test_source_is_long_tailed_in_images():
    counts = Counter(name for index in range(700) for name in drawings("minigta", index))
    share = {name: count / 700 for name, count in counts.items()}
    assert 0.01 < share["draw_tram"] < 0.04
    for name in ("draw_bus", "draw_truck", "draw_bicycle", "draw_motorcycle"):
        assert 0.02 < share[name] < 0.09, name


@pytest.mark.notebook  # not in make check: takes seconds
def test_source_is_long_tailed_in_pixels():
    rare = ("train", "motorcycle", "bicycle", "rider", "traffic light")
    pixels, scenes = np.zeros(19), 130
    for index in range(scenes):
        if drawings("minigta", index) & set(RARE_DRAWINGS):  # the others hold no rare pixel
            _, label = draw_scene("minigta", "train", index)
            pixels += np.bincount(label.ravel(), minlength=256)[:19]
    share = pixels / (scenes * 128 * 256)
    for name in rare:
        assert 0 < share[CLASS[name]] < 0.007, name


def test_target_shows_rare_classes_more_often():
    counts = Counter(name for index in range(300) for name in drawings("minicityscapes", index))
    for name in ("draw_bus", "draw_truck", "draw_tram"):
        assert 0.08 < counts[name] / 300 < 0.22, name
    for name in ("draw_bicycle", "draw_motorcycle"):
        assert 0.12 < counts[name] / 300 < 0.4, name


@pytest.mark.notebook  # not in make check: takes seconds
def test_target_is_the_duller_of_the_two():
    def colourfulness(domain: str) -> float:
        images = np.stack([draw_scene(domain, "train", i)[0] for i in range(12)]).astype(float)
        return float((images.max(axis=-1) - images.min(axis=-1)).mean())

    assert colourfulness("minicityscapes") < 0.7 * colourfulness("minigta")


def test_contact_sheet_puts_labels_beside_images():
    sheet = scene_sheet("minigta", n=4, columns=4, seed=0)
    assert sheet.dtype == np.uint8
    assert sheet.shape == (2 * 132 + 4, 4 * 260 + 4, 3)
    image, _ = draw_scene("minigta", "train", 0, 0)
    assert (sheet[4:132, 4:260] == image).all()


def test_the_wide_target_shows_the_same_scenes_in_a_worse_light():
    for split, index in (("train", 2), ("val", 1)):
        image, label = draw_scene("minicityscapes", split, index)
        worse, same = draw_scene("minicityscapes_wide", split, index)
        assert (label == same).all() and (image != worse).mean() > 0.5


def test_fog_shows_the_same_scenes_and_takes_most_from_what_is_far():
    for index in range(8):  # with a house's shadow, and without
        labels = [draw_scene(f"minicityscapes{name}", "test", index)[1] for name in ("", "_fog")]
        assert (labels[0] == labels[1]).all()
    clear, foggy = (
        draw_scene(name, "test", 3)[0].astype(float)
        for name in ("minicityscapes", "minicityscapes_fog")
    )
    contrast = {}
    for where, rows in {"far": slice(48, 64), "near": slice(84, 112)}.items():
        contrast[where] = foggy[rows].std() / clear[rows].std()
    assert contrast["far"] < 0.8 * contrast["near"]


@pytest.mark.notebook
def test_the_green_source_has_twice_the_vegetation_and_few_houses():
    shares = {}
    for domain in ("minigta", "minigta_green"):
        pixels = [np.bincount(draw_scene(domain, "train", i)[1].ravel(), minlength=256)
                  for i in range(40)]  # fmt: skip
        shares[domain] = np.sum(pixels, axis=0) / np.sum(pixels)
    plain, green = (shares[domain][[CLASS["vegetation"], CLASS["building"]]] for domain in shares)
    assert 1.6 < green[0] / plain[0] < 2.4 and green[1] < 0.6 * plain[1]


def test_the_wide_target_is_what_the_target_was_in_version_4():
    style = get_style("minicityscapes_wide")
    assert (style.air.haze, style.photo.blur) == ((0.002, 0.02), (0.35, 0.7))
    assert style.photo.noise == (2.0, 4.5) and style.shifts.stuff == (0.1, 1.0)
    assert style.shifts.people == (0.1, 0.6) and style.shifts.vehicles == (0.2, 0.9)
    assert get_spec("minicityscapes_wide").version == "4"


@pytest.mark.parametrize("domain", ["minigta_hd", "minicityscapes_hd"])
def test_a_domain_of_twice_the_size_is_the_same_world(domain):
    """Twice the pixels of the same camera: half of it is a scene like those at 256x128."""
    image, label = draw_scene(domain, "train", 3)
    assert (image.shape, label.shape) == ((256, 512, 3), (256, 512))
    assert get_spec(domain).size == (512, 256) and set(np.unique(label)) <= {*range(19), IGNORE}
    assert digest(domain, "train", 3, 0) == digest(domain, "train", 3, 0)
    small = domain.removesuffix("_hd")
    large_camera, camera = (set_stage(name, "train", 3).canvas.camera for name in (domain, small))
    (low, high), factor = get_style(small).view.focal, large_camera.focal / 2
    assert low <= factor <= high and low <= camera.focal <= high
    bonnet = (label[:, 256] == IGNORE).sum()
    assert (16 <= bonnet <= 24) if domain == "minicityscapes_hd" else bonnet == 0
