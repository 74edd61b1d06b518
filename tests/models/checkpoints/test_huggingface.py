"""Hugging Face's Segformer files hold the authors' weights: checked against transformers itself.

transformers runs LayerNorm with eps 1e-5 throughout; the authors trained with 1e-6 (1e-5 in patch
embedding and attention reduction), which is what our network keeps. Here both get 1e-5, so that the
weights alone are compared.
"""

import hashlib

import pytest
import torch

from daformer_lib.config import ModelConfig
from daformer_lib.models import build_segmentor
from daformer_lib.models.checkpoints import load_official
from daformer_lib.models.checkpoints.huggingface import fetch
from tests.helpers.rounding import forward_bound

transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.numeric


@pytest.fixture(scope="module")
def config():
    return transformers.SegformerConfig(
        hidden_sizes=[32, 64, 160, 256],
        depths=[2, 2, 2, 2],
        num_attention_heads=[1, 2, 5, 8],
        decoder_hidden_size=256,
        num_labels=19,
    )


def randomised(model):
    """Random biases, gains and statistics too: freshly made they are zeros and ones."""
    generator = torch.Generator().manual_seed(0)
    for tensor in model.state_dict().values():
        if tensor.is_floating_point() and tensor.ndim == 1:
            tensor.copy_(1 + 0.2 * torch.rand(tensor.shape, generator=generator))
    return model.eval()


@pytest.fixture(scope="module")
def theirs(config):
    torch.manual_seed(0)
    return randomised(transformers.SegformerForSemanticSegmentation(config))


@pytest.fixture
def ours():
    torch.manual_seed(1)
    segmentor = build_segmentor(ModelConfig("mit_b0", "segformer256")).eval()
    for module in segmentor.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.eps = 1e-5
    return segmentor


@torch.no_grad()
def assert_agrees(ours, theirs):
    image = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(2))
    logits, features = ours(image)
    expected = theirs(image, output_hidden_states=True)
    for mine, other in zip(features, expected.hidden_states[-4:], strict=True):
        assert_within(mine, other, ours)
    assert_within(logits, expected.logits, ours)


def assert_within(mine, other, network):
    atol = forward_bound(network) * float(other.std())
    torch.testing.assert_close(mine, other, rtol=0, atol=atol)


def test_files_of_a_segmentation_model(tmp_path, theirs, ours):
    theirs.save_pretrained(tmp_path)
    load_official(ours, tmp_path)
    assert_agrees(ours, theirs)


def test_state_dict_in_memory(theirs, ours):
    load_official(ours, theirs.state_dict())
    assert_agrees(ours, theirs)


@pytest.mark.parametrize("kind", ["SegformerModel", "SegformerForImageClassification"])
@torch.no_grad()
def test_files_of_an_encoder(tmp_path, config, ours, kind):
    torch.manual_seed(3)
    model = randomised(getattr(transformers, kind)(config))
    model.save_pretrained(tmp_path)
    decoder = ours.decoder.linear_pred.weight.clone()
    load_official(ours, tmp_path)
    image = torch.randn(1, 3, 64, 64)
    expected = getattr(model, "segformer", model)(image, output_hidden_states=True).hidden_states
    for mine, other in zip(ours.encoder(image), expected[-4:], strict=True):
        assert_within(mine, other, ours)
    assert torch.equal(ours.decoder.linear_pred.weight, decoder)


def test_our_eps_are_the_authors():
    encoder = build_segmentor(ModelConfig("mit_b0", "segformer256")).encoder
    assert {encoder.stages[0].norm.eps, encoder.stages[0].blocks[0].norm2.eps} == {1e-6}


def test_a_model_of_another_size_is_named(tmp_path, theirs):
    theirs.save_pretrained(tmp_path)
    with torch.device("meta"):
        larger = build_segmentor(ModelConfig("mit_b1", "segformer256"))
    with pytest.raises(ValueError, match="does not fit this network"):
        load_official(larger, tmp_path)


def test_an_empty_folder_is_named(tmp_path, ours):
    with pytest.raises(FileNotFoundError, match=r"holds none of \['model\.safetensors'"):
        load_official(ours, tmp_path)


@pytest.mark.parametrize(
    "reference", ["hf:nvidia/mit-b5", "hf:nvidia/mit-b5@main", "hf:mit-b5@" + 40 * "a"]
)
def test_the_hub_needs_a_pinned_revision(reference):
    with pytest.raises(ValueError, match="40-digit commit"):
        fetch(reference)


def test_the_hub_is_asked_for_that_revision(tmp_path, theirs, ours, monkeypatch):
    theirs.save_pretrained(tmp_path)
    asked = []

    def snapshot_download(repository, revision, allow_patterns):
        asked.append((repository, revision))
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    load_official(ours, "hf:nvidia/segformer-b0@" + "0123456789" * 4)
    assert asked == [("nvidia/segformer-b0", "0123456789" * 4)]
    assert_agrees(ours, theirs)


@pytest.mark.parametrize("whole", [True, False])
def test_what_the_hub_sent_has_the_checksum_of_its_commit(tmp_path, monkeypatch, whole):
    """The cache of the hub's library: a link from the file's name to one named by its SHA-256."""
    content = b"weights"
    blob = tmp_path / "blobs" / hashlib.sha256(content).hexdigest()
    blob.parent.mkdir()
    blob.write_bytes(content if whole else b"weighty")
    (tmp_path / "model.safetensors").symlink_to(blob)
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(tmp_path))
    reference = "hf:timm/vit_small_patch14_reg4_dinov2.lvd142m@" + "0123456789" * 4
    if whole:
        assert fetch(reference) == tmp_path
        return
    with pytest.raises(ValueError, match=r"model\.safetensors is damaged: its SHA-256 .* fetch it"):
        fetch(reference)
