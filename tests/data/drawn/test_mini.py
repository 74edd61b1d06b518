"""Mini domains on disk: real layouts and encodings, re-use, resume, redraw."""

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from daformer_lib.data.drawn.drawn_folder import MARKER
from daformer_lib.data.drawn.mini import MiniCounts, encode_ids, make_mini
from daformer_lib.data.drawn.scenes import draw_scene
from daformer_lib.specs import IGNORE, get_spec

TINY = MiniCounts(2, 2, 2, 1, 1)


def hashes(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def decode(name: str, ids: np.ndarray) -> np.ndarray:
    """Label-file ids to train ids, with the spec's own map."""
    table = np.full(256, IGNORE, np.uint8)
    for label_id, train_id in get_spec(name).id_map.items():
        table[label_id] = train_id
    return table[ids]


@pytest.fixture(scope="module")
def data_root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("mini")
    make_mini(root, ("minigta", "minisynthia", "minicityscapes"), TINY, seed=3, workers=1)
    return root


def test_files_lie_where_the_real_sets_have_them(data_root):
    expected = {
        "minigta/images/00001.png", "minigta/labels/00001.png",
        "minisynthia/RGB/0000002.png", "minisynthia/GT/LABELS/0000002.png",
        "minicityscapes/leftImg8bit/train/kleinstadt/"
        "kleinstadt_000000_000019_leftImg8bit.png",
        "minicityscapes/gtFine/train/altdorf/altdorf_000000_000019_gtFine_labelIds.png",
        "minicityscapes/leftImg8bit/val/neuhausen/neuhausen_000000_000019_leftImg8bit.png",
        "minicityscapes/gtFine/test/seeburg/seeburg_000000_000019_gtFine_labelIds.png",
    }  # fmt: skip
    assert expected <= set(hashes(data_root))
    for name, splits in (("minigta", {"train": 2}), ("minicityscapes", {"train": 2, "val": 1})):
        for split, count in splits.items():
            assert len(get_spec(name).stems(data_root, split)) == count


def test_image_file_is_the_scene(data_root):
    image = np.asarray(Image.open(data_root / "minigta/images/00002.png"))
    assert (image == draw_scene("minigta", "train", 1, 3)[0]).all()


def test_gta_labels_are_palette_png_with_gta_ids(data_root):
    file = Image.open(data_root / "minigta/labels/00001.png")
    assert file.mode == "P"
    ids = np.asarray(file)
    assert (decode("minigta", ids) == draw_scene("minigta", "train", 0, 3)[1]).all()
    assert tuple(file.getpalette()[7 * 3 : 7 * 3 + 3]) == (128, 64, 128)  # id 7 is road
    assert (ids == 7).mean() > 0.1


def test_synthia_labels_keep_the_class_in_the_red_channel_of_16_bits(data_root):
    pixels = cv2.imread(str(data_root / "minisynthia/GT/LABELS/0000001.png"), cv2.IMREAD_UNCHANGED)
    assert pixels.dtype == np.uint16
    red = pixels[..., 2].astype(np.uint8)  # OpenCV's order is B, G, R
    assert (decode("minisynthia", red) == draw_scene("minisynthia", "train", 0, 3)[1]).all()
    assert not pixels[..., :2].any()


def test_cityscapes_labels_are_label_ids_with_the_ego_vehicle(data_root):
    spec = get_spec("minicityscapes")
    path = spec.label_path(data_root, "val", "neuhausen/neuhausen_000000_000019")
    ids = np.asarray(Image.open(path))
    assert (decode("minicityscapes", ids) == draw_scene("minicityscapes", "val", 0, 3)[1]).all()
    assert ids[-1, 128] == 1  # ego vehicle


def test_ids_round_trip_for_every_class():
    label = np.full((40, 20), IGNORE, np.uint8)
    label[0, :19] = np.arange(19)
    for name in ("minigta", "minisynthia", "minicityscapes"):
        ids = encode_ids(get_spec(name), label)
        assert (decode(name, ids) == label).all()
        assert ids[1, 0] == 0  # unlabelled


def test_two_folders_get_the_same_bytes(data_root, tmp_path):
    make_mini(tmp_path, ("minigta",), TINY, seed=3, workers=1)
    assert hashes(tmp_path / "minigta") == hashes(data_root / "minigta")


@pytest.mark.notebook  # not in make check: takes seconds
def test_two_workers_write_what_one_does(data_root, tmp_path):
    counts = MiniCounts(minigta=18)  # more than one chunk
    make_mini(tmp_path / "two", ("minigta",), counts, seed=3, workers=2)
    two = hashes(tmp_path / "two/minigta")
    for name, value in hashes(data_root / "minigta").items():
        assert name == MARKER or two[name] == value


def test_complete_set_is_left_alone(data_root):
    before = {path: path.stat().st_mtime_ns for path in (data_root / "minigta").rglob("*.*")}
    reports = []
    make_mini(data_root, ("minigta",), TINY, 3, 1, lambda *report: reports.append(report))
    after = {path: path.stat().st_mtime_ns for path in (data_root / "minigta").rglob("*.*")}
    assert after == before
    assert reports == [(2, 2, "minigta")]


def test_deleted_file_is_drawn_again(data_root):
    before = hashes(data_root / "minigta")
    (data_root / "minigta/labels/00002.png").unlink()
    make_mini(data_root, ("minigta",), TINY, seed=3, workers=1)
    assert hashes(data_root / "minigta") == before


def test_interrupted_set_goes_on_and_replaces_a_broken_file(tmp_path):
    make_mini(tmp_path, ("minigta",), TINY, seed=3, workers=1)
    root, whole = tmp_path / "minigta", hashes(tmp_path / "minigta")
    kept = (root / "images/00001.png").stat().st_mtime_ns
    broken = root / "images/00002.png"
    broken.write_bytes(broken.read_bytes()[:500])
    marker = json.loads((root / MARKER).read_text())
    (root / MARKER).write_text(json.dumps(marker | {"complete": False}))
    make_mini(tmp_path, ("minigta",), TINY, seed=3, workers=1)
    assert hashes(root) == whole
    assert (root / "images/00001.png").stat().st_mtime_ns == kept


def test_another_seed_is_drawn_anew(tmp_path):
    make_mini(tmp_path, ("minigta",), TINY, seed=3, workers=1)
    first = hashes(tmp_path / "minigta")
    make_mini(tmp_path, ("minigta",), TINY, seed=4, workers=1)
    image = np.asarray(Image.open(tmp_path / "minigta/images/00001.png"))
    assert (image == draw_scene("minigta", "train", 0, 4)[0]).all()
    assert hashes(tmp_path / "minigta") != first


def test_a_set_of_another_size_is_never_deleted(tmp_path):
    """Two profiles that are given one data root: neither takes the other's images away."""
    make_mini(tmp_path, ("minigta",), TINY, seed=3, workers=1)
    first = hashes(tmp_path / "minigta")
    says = (
        rf"minigta was drawn with {TINY.minigta} images, and 1 are asked for: another profile's; "
    )
    with pytest.raises(FileExistsError, match=says):
        make_mini(tmp_path, ("minigta",), MiniCounts(minigta=1), seed=3, workers=1)
    assert hashes(tmp_path / "minigta") == first


def test_foreign_folder_is_never_deleted(tmp_path):
    (tmp_path / "minigta/images").mkdir(parents=True)
    (tmp_path / "minigta/images/mine.png").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=r"mini\.json"):
        make_mini(tmp_path, ("minigta",), TINY)
    assert (tmp_path / "minigta/images/mine.png").exists()


def test_unknown_set_is_named(tmp_path):
    with pytest.raises(ValueError, match="minimoon"):
        make_mini(tmp_path, ("minimoon",), TINY)
