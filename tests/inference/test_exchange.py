"""Model files: what goes in comes out, and what is foreign or damaged is refused by name."""

import json
import shutil
from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from daformer_lib.config import HRDAConfig, ModelConfig
from daformer_lib.inference import exchange
from daformer_lib.inference.exchange import (
    MODEL_FILE,
    TrainedModel,
    load_model,
    save_model,
    spec_from_json,
)
from daformer_lib.models import build_segmentor
from daformer_lib.specs import CITYSCAPES, MINICITYSCAPES, SPECS

pytestmark = pytest.mark.numeric


FIELDS = replace(
    MINICITYSCAPES,
    name="fields",
    classes=("soil", "field"),
    palette=((120, 80, 40), (60, 160, 60)),
    things=(1,),
    rare=(),
    id_map={0: 0, 200: 1},
    evaluated=(1,),
    size=(96, 64),
    version="7",
)
CONFIG = ModelConfig("tiny_mit", "daformer", 2, pretrained="shipped", drop_path=0.0)


def make_model():
    """A small network whose every tensor, counters included, is non-trivial."""
    network = build_segmentor(replace(CONFIG, pretrained=None)).eval()
    generator = torch.Generator().manual_seed(1)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.1)
        else:
            tensor.fill_(5)
    return TrainedModel(network, CONFIG, FIELDS)


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture
def file(model, tmp_path):
    return save_model(model, tmp_path / "fields.safetensors")


def assert_same(loaded, model):
    ours, theirs = model.network.state_dict(), loaded.network.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert loaded.spec == model.spec and loaded.config == model.config
    assert not loaded.network.training


def rewrite(file, **changes):
    """The same file with other metadata."""
    with safe_open(file, framework="pt") as opened:
        metadata = {**opened.metadata(), **changes}
    state = {name: tensor.clone() for name, tensor in load_file(file).items()}
    save_file(state, file, metadata)


def test_round_trip(model, file):
    loaded = load_model(file)
    assert_same(loaded, model)
    image = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(loaded.network(image)[0], model.network(image)[0])
    assert loaded.config.pretrained is None  # the file holds the weights; a path would be foreign
    assert [p.name for p in file.parent.iterdir()] == [file.name]  # no temporary file is left


def test_saving_what_was_loaded_says_the_same(model, file, tmp_path):
    again = save_model(load_model(file), tmp_path / "again.safetensors")
    assert_same(load_model(again), model)
    with safe_open(file, framework="pt") as one, safe_open(again, framework="pt") as two:
        assert one.metadata() == two.metadata()  # in whatever order the format lists them


@pytest.mark.parametrize("name", sorted(SPECS))
def test_every_built_in_spec_survives(name):
    assert spec_from_json(json.dumps(asdict(SPECS[name]))) == SPECS[name]


def test_the_classes_must_fit(model):
    with pytest.raises(ValueError, match=r"has 2 classes, the spec 'cityscapes' 19"):
        TrainedModel(model.network, CONFIG, CITYSCAPES)


def test_another_ending_is_refused(model, tmp_path):
    with pytest.raises(ValueError, match=r"try .*model\.safetensors"):
        save_model(model, tmp_path / "model.pth")


def test_no_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_model(tmp_path / "nowhere.safetensors")
    with pytest.raises(FileNotFoundError, match=MODEL_FILE):
        load_model(tmp_path)


@pytest.mark.parametrize("kind", ["empty", "text", "cut", "changed"])
def test_a_damaged_file_is_refused(file, kind):
    data = file.read_bytes()
    changed = bytearray(data)
    changed[-1000] ^= 1  # one bit of a weight: the format itself does not notice
    file.write_bytes(
        {"empty": b"", "text": b"<html>not found", "cut": data[:-100], "changed": changed}[kind]
    )
    with pytest.raises(ValueError, match=r"fields\.safetensors is (dam|em|a web p|cut).*again"):
        load_model(file)


def test_foreign_weights_are_refused(tmp_path):
    save_file({"encoder.weight": torch.ones(2)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ValueError, match=r"foreign\.safetensors is no model file of this kit"):
        load_model(tmp_path / "foreign.safetensors")


def test_another_layout_is_refused(file):
    rewrite(file, daformer_version="99")
    with pytest.raises(ValueError, match="has layout '99', this kit reads '1'"):
        load_model(file)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model", "{"),
        ("model", '{"surprise": 1}'),
        ("model", "[]"),
        ("spec", '{"name": "x"}'),
        ("spec", "null"),
    ],
)
def test_an_unreadable_description_is_refused(file, key, value):
    rewrite(file, **{key: value})
    with pytest.raises(ValueError, match=r"fields\.safetensors describes its network or classes"):
        load_model(file)


@pytest.mark.parametrize("kind", ["missing", "unexpected", "of another shape"])
def test_loading_is_strict(model, tmp_path, kind):
    state = dict(model.network.state_dict())
    name = "decoder.conv_seg.bias"
    if kind == "missing":
        del state[name]
    elif kind == "unexpected":
        state["decoder.extra"] = torch.ones(1)
    else:
        state[name] = torch.ones(3)
    network = torch.nn.Module()
    network.state_dict = lambda: state
    path = save_model(TrainedModel(network, CONFIG, FIELDS), tmp_path / "odd.safetensors")
    with pytest.raises(ValueError, match=rf"odd\.safetensors does not fit.*1 {kind}: decoder\."):
        load_model(path)


@pytest.mark.parametrize(("folder", "kept"), [("photos/fields", "photos/fields"), ("/home/me", "")])
def test_no_place_on_the_trainers_machine_is_in_the_file(model, tmp_path, folder, kept):
    spec = replace(FIELDS, folder=folder, origin="/home/me/fields.yaml")
    path = save_model(TrainedModel(model.network, CONFIG, spec), tmp_path / "fields.safetensors")
    assert load_model(path).spec.folder == kept
    assert b"/home/me" not in path.read_bytes()


def test_hub_folder_round_trip(model, tmp_path):
    model.save_pretrained(tmp_path / "hub")
    names = {p.name for p in (tmp_path / "hub").iterdir()}
    assert names == {MODEL_FILE, "config.json", "README.md"}
    config = json.loads((tmp_path / "hub" / "config.json").read_text())
    assert config["encoder"] == "tiny_mit" and config["pretrained"] is None
    assert_same(TrainedModel.from_pretrained(tmp_path / "hub"), model)
    assert_same(load_model(tmp_path / "hub"), model)  # what `predict --model FOLDER` reads


def test_the_model_file_alone_decides(model, tmp_path):
    model.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"encoder": "mit_b5", "num_classes": 19}')
    assert_same(TrainedModel.from_pretrained(str(tmp_path)), model)
    (tmp_path / "config.json").unlink()
    assert_same(TrainedModel.from_pretrained(tmp_path), model)


@pytest.mark.parametrize("revision", [None, "main", "v1.0", "abc123"])
def test_a_repository_needs_a_pinned_commit(revision):
    with pytest.raises(ValueError, match="40 hex digits of a commit"):
        TrainedModel.from_pretrained("owner/name", revision=revision)


def test_what_is_neither_folder_nor_repository_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="neither a folder nor an owner/name"):
        TrainedModel.from_pretrained(tmp_path / "nowhere")


def test_push_and_pull_through_a_local_hub(model, tmp_path, monkeypatch):
    """The two calls that would go over the network are replaced by folders."""
    hub, commit = tmp_path / "hub", "0123456789" * 4

    class LocalApi:
        def __init__(self, **options):
            pass

        def create_repo(self, repo_id, **options):
            return SimpleNamespace(repo_id=repo_id)

        def upload_folder(self, repo_id, folder_path, **options):
            shutil.copytree(folder_path, hub / repo_id / commit)

    def download(repo_id, filename, revision=None, **options):
        return str(hub / repo_id / revision / filename)

    monkeypatch.setattr("huggingface_hub.hub_mixin.HfApi", LocalApi)
    monkeypatch.setattr("huggingface_hub.hub_mixin.hf_hub_download", download)
    monkeypatch.setattr(exchange, "hf_hub_download", download)
    model.push_to_hub("owner/name")
    assert_same(TrainedModel.from_pretrained("owner/name", revision=commit), model)


def test_a_network_of_two_scales_knows_its_crops(tmp_path):
    hrda = HRDAConfig(detail_crop=(32, 32), window=(64, 64))
    network = build_segmentor(replace(CONFIG, pretrained=None), hrda).eval()
    path = save_model(TrainedModel(network, CONFIG, FIELDS, hrda), tmp_path / "two.safetensors")
    again = load_model(path)
    assert again.hrda == hrda == again.network.config
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        assert torch.equal(again.network(image)[0], network(image)[0])
    for needed in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(needed)
    from daformer_lib.inference.onnx import export_onnx

    with pytest.raises(ValueError, match="no fixed graph holds; use `predict`"):
        export_onnx(again, tmp_path / "two.onnx")
    assert not (tmp_path / "two.onnx").exists()
