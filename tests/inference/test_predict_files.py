"""`predict` from the command line: which files it takes, what it writes, what it skips."""

import io
import shutil
from base64 import b64decode
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from daformer_lib.cli import main
from daformer_lib.config import ModelConfig
from daformer_lib.files import read_gray, read_image, write_json, write_png
from daformer_lib.image_rules import ORIENTATION, turned
from daformer_lib.inference import NetworkView, label_images
from daformer_lib.inference.exchange import TrainedModel, load_model, save_model
from daformer_lib.inference.gallery import Gallery
from daformer_lib.inference.predict_files import find_images, original_ids, predict_files
from daformer_lib.models import build_segmentor
from daformer_lib.runs import recipes
from daformer_lib.specs import ACDC, CITYSCAPES, MINICITYSCAPES, SPECS
from daformer_lib.viz import overlay

pytestmark = pytest.mark.numeric


SPEC = replace(MINICITYSCAPES, size=(96, 64))
SIZES = {"a.png": (50, 70), "night/b.jpg": (64, 96), "night/deep/c.png": (90, 40)}


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    torch.manual_seed(0)
    network = build_segmentor(ModelConfig("tiny_mit", "daformer"))
    network.decoder.conv_seg.weight.data *= 100  # decisive: several classes are predicted
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    return save_model(TrainedModel(network, ModelConfig("tiny_mit", "daformer"), SPEC), path)


@pytest.fixture
def photos(tmp_path):
    """A folder of three images, in folders, and a text file."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for name, (height, width) in SIZES.items():
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (height // 5, width // 5, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((width, height)).save(path)
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    return tmp_path / "photos"


def predict(model_file, out, *words):
    return main(["predict", "--model", str(model_file), "--output-dir", str(out), *map(str, words)])


def names(found):
    return [image.name for image in found]


def test_files_folders_and_globs(photos, tmp_path, monkeypatch):
    out = tmp_path / "out"
    assert names(find_images([photos], out)) == ["a", "night/b", "night/deep/c"]
    assert names(find_images([photos / "night" / "b.jpg"], out)) == ["b"]
    assert names(find_images([f"{photos}/*.png"], out)) == ["a"]
    assert names(find_images([f"{photos}/**/*.png"], out)) == ["a", "night/deep/c"]
    assert names(find_images([f"{photos}/n*/*"], out)) == ["night/b"]
    assert names(find_images([photos, f"{photos}/*.png"], out)) == ["a", "night/b", "night/deep/c"]
    monkeypatch.chdir(photos)
    assert names(find_images(["*.png", "night"], out)) == ["a", "b", "deep/c"]


def test_hidden_files_are_named_and_linked_folders_followed(photos, model_file, tmp_path, capsys):
    shutil.move(photos / "night", tmp_path / "elsewhere")
    (photos / "night").symlink_to(tmp_path / "elsewhere")
    (photos / "night" / "deep" / "round").symlink_to(photos)
    (photos / ".ipynb_checkpoints").mkdir()
    shutil.copy(photos / "a.png", photos / ".ipynb_checkpoints" / "a-checkpoint.png")
    (photos / "._a.png").write_bytes(b"")
    for entry in (str(photos), f"{photos}/**/*", f"{photos}/**"):
        assert names(find_images([entry], tmp_path / "out")) == ["a", "night/b", "night/deep/c"]
    with pytest.raises(FileNotFoundError, match="no image"):
        find_images([f"{photos}/.*.png"], tmp_path / "out")
    assert predict(model_file, tmp_path / "out", "--images", photos) == 0
    shown = capsys.readouterr()
    assert "labelled 3 of 3 images" in shown.out
    assert "not labelled: 2 hidden or system files" in shown.err and "._a.png" in shown.err
    assert "1 links to folders that are read already" in shown.err


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path):
    path = write_png(tmp_path / "photo[1].png", np.zeros((8, 8, 3), np.uint8))
    assert names(find_images([path], tmp_path / "out")) == ["photo[1]"]


@pytest.mark.parametrize("entry", ["nowhere", "nowhere.png", "no*.png", "empty"])
def test_an_input_that_names_nothing_is_an_error(tmp_path, monkeypatch, capsys, entry):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert predict("model.safetensors", "out", "--images", entry) == 2
    assert entry in capsys.readouterr().err


def test_two_images_of_one_name_are_refused(photos, tmp_path):
    write_png(photos / "night" / "a.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match=r"would both be written as a_labels\.png"):
        find_images([photos / "a.png", photos / "night" / "a.png"], tmp_path)
    assert len(find_images([photos], tmp_path)) == 4  # in a folder their places differ


def test_own_outputs_are_not_labelled_again(photos, model_file):
    assert predict(model_file, photos, "--images", photos) == 0
    assert len(list(photos.rglob("*_labels.png"))) == 3
    assert names(find_images([photos], photos)) == ["a", "night/b", "night/deep/c"]


@pytest.mark.parametrize("mode", ["whole", "slide"])
def test_what_is_written(photos, model_file, tmp_path, mode, capsys):
    out = tmp_path / "out"
    options = ["--mode", mode, "--batch", 2]
    options += ["--window", 64, 64, "--stride", 32, 32] if mode == "slide" else []
    assert predict(model_file, out, *options, "--images", photos) == 0
    assert "labelled 3 of 3 images" in capsys.readouterr().out
    wanted = {f"{n.rsplit('.')[0]}_{kind}.png" for n in SIZES
              for kind in ("labels", "overlay", "confidence")}  # fmt: skip
    assert {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()} == wanted
    network = load_model(model_file).network
    view = NetworkView(SPEC.size, (64, 64), (32, 32)) if mode == "slide" else NetworkView(SPEC.size)
    for name, size in SIZES.items():
        image, stem = read_image(photos / name), name.rsplit(".")[0]
        prediction = next(label_images(network, [image], view))
        label = read_gray(out / f"{stem}_labels.png")
        assert label.shape == size and len(np.unique(label)) > 1
        assert (label == prediction.label).mean() > 0.999
        confidence = read_gray(out / f"{stem}_confidence.png").astype(float)
        np.testing.assert_allclose(confidence, 255 * prediction.confidence, atol=0.6)
        shown = read_image(out / f"{stem}_overlay.png")
        np.testing.assert_array_equal(shown, overlay(image, label, SPEC))


def test_original_ids_are_those_of_the_label_files(photos, model_file, tmp_path):
    assert predict(model_file, tmp_path / "train", "--images", photos / "a.png") == 0
    words = ("--ids", "original", "--images", photos / "a.png")
    assert predict(model_file, tmp_path / "original", *words) == 0
    ids = read_gray(tmp_path / "original" / "a_labels.png")
    back = np.full(256, 255)
    back[list(SPEC.id_map)] = list(SPEC.id_map.values())
    np.testing.assert_array_equal(back[ids], read_gray(tmp_path / "train" / "a_labels.png"))


def test_original_ids_by_hand():
    assert original_ids(CITYSCAPES)[[0, 13, 18]].tolist() == [7, 26, 33]
    assert original_ids(ACDC).tolist() == list(range(19))
    files = {"label_pattern": "gt/{split}/{stem}_gt_labelIds.png", "label_encoding": "red16"}
    own = replace(ACDC, **files)  # 16 bits, so that an id may be 300
    shared = replace(own, id_map={**ACDC.id_map, 40: 0, 0: 0, 300: 18, 18: 17})
    assert original_ids(shared)[[0, 17, 18]].tolist() == [0, 17, 300]
    assert original_ids(shared).dtype == np.uint16
    with pytest.raises(ValueError, match=r"no id for \['bicycle'\]; use --ids train"):
        original_ids(replace(own, id_map={i: i for i in range(18)}))


def test_unreadable_files_are_named_and_skipped(photos, model_file, tmp_path, capsys):
    (photos / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno image")
    (photos / "empty.jpg").write_bytes(b"")
    cut = (photos / "a.png").read_bytes()[:-40]
    (photos / "night" / "cut.png").write_bytes(cut)
    assert predict(model_file, tmp_path / "out", "--batch", "2", "--images", photos) == 1
    shown = capsys.readouterr()
    assert "labelled 3 of 6 images" in shown.out
    lines = shown.err.strip().splitlines()
    assert len(lines) == 3 and all(line.startswith("skipped ") for line in lines)
    assert [name in shown.err for name in ("broken.png", "empty.jpg", "cut.png")] == [True] * 3
    assert len(list((tmp_path / "out").rglob("*_labels.png"))) == 3


def test_progress_counts_every_image(photos, model_file, tmp_path):
    (photos / "broken.png").write_bytes(b"no image")
    calls = []
    predict_files(
        load_model(model_file),
        find_images([photos], tmp_path / "out"),
        tmp_path / "out",
        NetworkView(SPEC.size, batch=3),
        report=lambda done, total, label: calls.append((done, total, label)),
    )
    assert calls == [(3, 4, "b.jpg"), (4, 4, "c.png")]


def test_a_stopped_write_leaves_no_half_file(photos, model_file, tmp_path, monkeypatch):
    def full_disk(source, target):
        raise OSError("no space left")

    monkeypatch.setattr("daformer_lib.files.os.replace", full_disk)
    assert predict(model_file, tmp_path / "out", "--images", photos / "a.png") == 2
    assert list((tmp_path / "out").iterdir()) == []


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """What prediction reads of a run: its config and the weights of student and teacher."""
    folder = tmp_path_factory.mktemp("run")
    experiment = recipes.experiment("daformer", "smoke")
    write_json(folder / "config.json", experiment.to_dict())
    (folder / "checkpoints").mkdir()
    weights = {}
    for seed, name in enumerate(("student", "teacher")):
        torch.manual_seed(seed)
        network = build_segmentor(replace(experiment.model, pretrained=None))
        network.decoder.conv_seg.weight.data *= 100
        weights[name] = network.state_dict()
    torch.save(weights, folder / "checkpoints" / "last.pt")
    return folder


def test_a_run_and_its_exported_file_predict_the_same(run_folder, photos, tmp_path, capsys):
    out, image = tmp_path / "out", str(photos / "a.png")
    words = ["predict", "--run", str(run_folder), "--images", image, "--output-dir"]
    assert main([*words, str(out / "run")]) == 0
    assert main([*words, str(out / "teacher"), "--model", "teacher"]) == 0
    file = tmp_path / "student.safetensors"
    assert main(["export-model", "--run", str(run_folder), "--output", str(file)]) == 0
    assert f"wrote {file}" in capsys.readouterr().out
    assert load_model(file).spec == SPECS["minicityscapes"]
    assert predict(file, out / "file", "--images", image) == 0
    labels = {p.name: read_gray(p / "a_labels.png") for p in out.iterdir()}
    np.testing.assert_array_equal(labels["run"], labels["file"])
    assert (labels["run"] != labels["teacher"]).any()


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", [3, 5, 6, 8])
def test_outputs_lie_as_a_viewer_shows_the_photo(model_file, tmp_path, orientation, kind):
    rng = np.random.default_rng(0)
    stored = rng.integers(0, 256, (5, 8, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    options = {"webp": {"lossless": True}, "jpg": {"quality": 100, "subsampling": 0}}.get(kind, {})
    Image.fromarray(stored).save(tmp_path / f"p.{kind}", exif=exif, **options)
    Image.fromarray(turned(stored, orientation)).save(tmp_path / f"upright.{kind}", **options)
    images = (tmp_path / f"p.{kind}", tmp_path / f"upright.{kind}")
    assert predict(model_file, tmp_path / "out", "--images", *images) == 0
    label, upright = (read_gray(tmp_path / "out" / f"{n}_labels.png") for n in ("p", "upright"))
    assert label.shape == upright.shape and len(np.unique(label)) > 1
    assert (label == upright).mean() > 0.98  # JPEG's blocks lie otherwise
    assert read_image(tmp_path / "out" / "p_overlay.png").shape[:2] == label.shape


def test_sixteen_bits_are_noted_or_named_with_their_range(model_file, tmp_path, capsys):
    ramp = np.linspace(0, 65535, 64 * 96).reshape(64, 96).astype(np.uint16)
    write_png(tmp_path / "photos" / "deep.png", np.dstack([ramp] * 3))
    write_png(tmp_path / "photos" / "dark.png", np.dstack([ramp // 16] * 3))
    Image.fromarray(ramp.astype(np.float32)).save(tmp_path / "photos" / "float.tif")
    assert predict(model_file, tmp_path / "out", "--images", tmp_path / "photos") == 1
    said = capsys.readouterr()
    assert "deep.png: 16 bits, its values 0..65535 of 0..65535 become 0..255 of 0..255" in said.out
    assert "dark.png has 16 bits, its values 0..4095 of 0..65535 become 0..16 of" in said.err
    assert "float.tif holds floating point numbers; save it with 8 bits" in said.err
    assert "labelled 1 of 3 images" in said.out


HEIC_BYTES = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(64)


def test_photographs_in_heic_are_named_with_the_remedy(photos, model_file, tmp_path, capsys):
    (photos / "IMG_1.HEIC").write_bytes(HEIC_BYTES)
    assert predict(model_file, tmp_path / "out", "--images", photos) == 1
    told = capsys.readouterr().err
    assert "photographs in HEIC, which is not read" in told and "IMG_1.HEIC" in told
    assert predict(model_file, tmp_path / "one", "--images", photos / "IMG_1.HEIC") == 1
    assert "is a photograph in HEIC, which is not read; save it as JPEG" in capsys.readouterr().err


def test_a_gallery_is_one_page_of_small_copies(photos, model_file, tmp_path, capsys):
    (photos / "a<b&c.jpg").write_bytes((photos / "night/b.jpg").read_bytes())
    large = np.zeros((1500, 2000, 3), np.uint8)
    write_png(photos / "large.png", large)
    out = tmp_path / "out"
    assert predict(model_file, out, "--images", photos, "--gallery") == 0
    assert f"gallery: {out / 'gallery.html'}" in capsys.readouterr().out
    page = (out / "gallery.html").read_text(encoding="utf-8")
    assert page.count("<figure>") == 5 and "a&lt;b&amp;c" in page and "a<b" not in page
    assert "http" not in page  # nothing is loaded from elsewhere
    parts = [part.split('"')[0] for part in page.split("base64,")[1:]]
    copies = [Image.open(io.BytesIO(b64decode(part))) for part in parts]
    assert len(copies) == 10
    assert max(max(copy.size) for copy in copies) == 480


def test_a_gallery_of_very_many_images_shows_the_first(monkeypatch, tmp_path):
    monkeypatch.setattr("daformer_lib.inference.gallery.MOST", 2)
    page = Gallery(SPEC)
    for name in "abc":
        image = np.zeros((20, 30, 3), np.uint8)
        page.add(name, image, image, np.zeros((20, 30), np.uint8))
    text = page.write(tmp_path / "gallery.html").read_text()
    assert text.count("<figure>") == 2 and "The first 2 of 3 images" in text
    assert "road 100%" in text
