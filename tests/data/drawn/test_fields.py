"""Fields from the air: the same bytes for the same seed, labels that fit, layout and specs."""

import numpy as np
import pytest

from daformer_lib.data.drawn import fields
from daformer_lib.data.drawn.fields import FIELD_SPECS, LAND_IDS, FieldCounts, make_fields
from daformer_lib.data.drawn.land.fields import draw_fields
from daformer_lib.data.drawn.land.land import SIDE, TREES
from daformer_lib.data.intake.prepare import prepare
from daformer_lib.files import image_kind, read_gray
from daformer_lib.runs.recipes import experiment
from daformer_lib.specs import check_same_classes, get_spec

TINY = FieldCounts(2, 1, 1)


def all_bytes(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*.*") if p.is_file()}


@pytest.fixture(scope="module")
def data_root(tmp_path_factory):
    root = tmp_path_factory.mktemp("fields")
    make_fields(root, TINY, workers=1)
    return root


def test_the_same_seed_gives_the_same_bytes(data_root, tmp_path):
    make_fields(tmp_path, TINY, workers=1)
    assert all_bytes(data_root / "fields") == all_bytes(tmp_path / "fields")
    image = draw_fields("summer", np.random.default_rng(0))[0]
    assert (image != draw_fields("summer", np.random.default_rng(1))[0]).any()


def test_what_is_there_is_kept_and_what_is_missing_is_drawn_again(data_root):
    before = all_bytes(data_root / "fields")
    photo = data_root / "fields/summer/photos/train/summer_0001.jpg"
    kept = data_root / "fields/summer/photos/train/summer_0000.jpg"
    photo.unlink()
    stamp = kept.stat().st_mtime_ns
    make_fields(data_root, TINY, workers=1)
    assert all_bytes(data_root / "fields") == before
    assert kept.stat().st_mtime_ns == stamp


def test_photos_are_jpeg_masks_black_and_white_and_autumns_training_photos_unlabelled(data_root):
    folder = data_root / "fields"
    assert image_kind(folder / "summer/photos/train/summer_0000.jpg") == ("RGB", "JPEG")
    mask = read_gray(folder / "summer/masks/train/summer_0000.png")
    land = read_gray(folder / "summer/land/train/summer_0000.png")
    assert set(np.unique(mask)) == {0, 255} and mask.shape == (SIDE, SIDE)
    assert set(np.unique(land)) <= set(LAND_IDS)
    assert ((mask == 255) == (land == list(LAND_IDS)[TREES])).all()
    assert not (folder / "autumn/masks/train").exists()
    assert (folder / "autumn/masks/val/autumn_0000.png").is_file()


def test_the_yaml_files_say_what_the_kit_says(data_root):
    for name, spec in FIELD_SPECS.items():
        assert get_spec(data_root / "fields" / f"{name}.yaml") == spec
    for kind in ("trees", "land"):
        check_same_classes([FIELD_SPECS[f"summer_{kind}"], FIELD_SPECS[f"autumn_{kind}"]])


@pytest.mark.notebook  # not in make check: takes seconds
def test_trees_change_their_colour_and_the_land_has_a_long_tail():
    hue, pixels = {}, np.zeros(6, np.int64)
    for season in ("summer", "autumn"):
        drawn = [draw_fields(season, np.random.default_rng([7, i])) for i in range(6)]
        crowns = np.concatenate([image[label == TREES] for image, label in drawn])
        hue[season] = crowns.mean(axis=0) @ (1, -1, 0)  # red minus green
        pixels += sum(np.bincount(label.ravel(), minlength=6) for _, label in drawn)
    assert hue["summer"] < -20 and hue["autumn"] > 10
    assert pixels[0] > 20 * pixels[3:].max()


def test_preparing_draws_only_what_the_kit_describes(tmp_path, monkeypatch):
    monkeypatch.setattr("daformer_lib.data.intake.prepare.SMOKE_FIELDS", TINY)
    paths = fields.write_field_specs(tmp_path)
    mine = tmp_path / "mine.yaml"
    mine.write_text(paths["summer_trees"].read_text().replace("summer_trees", "mine"))
    asked = experiment(
        "daformer", "smoke", source=str(mine), target=str(mine), data_root=str(tmp_path)
    )
    with pytest.raises(FileNotFoundError, match="no images of mine"):
        prepare(asked.data, "smoke")
    ours = asked.changed(
        data={"source": str(paths["summer_trees"]), "target": str(paths["autumn_trees"])}
    )
    prepare(ours.data, "smoke")
    assert len(FIELD_SPECS["autumn_trees"].stems(tmp_path, "val")) == 1
