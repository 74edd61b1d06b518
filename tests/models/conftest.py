"""What the model tests share: the authors' keys, and networks filled with deterministic weights."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch

from daformer_lib.config import ModelConfig
from daformer_lib.models import Segmentor, build_segmentor
from daformer_lib.models.checkpoints import load_official
from daformer_lib.models.checkpoints.official_names import official_names
from daformer_lib.models.decoders.daformer import DAFormerDecoder, linear_embeddings
from daformer_lib.models.decoders.danet import DANetDecoder
from daformer_lib.models.decoders.deeplabv2 import DeepLabV2Decoder
from daformer_lib.models.decoders.deeplabv3plus import DeepLabV3PlusDecoder
from daformer_lib.models.decoders.isanet import ISANetDecoder
from daformer_lib.models.decoders.layers import ConvBlock
from daformer_lib.models.encoders import build_encoder

# golden name of an encoder -> ours
ENCODERS = {
    **{f"mit_b{i}": f"mit_b{i}" for i in range(6)},
    "r50v1c": "resnet50_v1c",
    "r101v1c": "resnet101_v1c",
    "s50": "resnest50",
    "s101": "resnest101",
}
# golden name of a segmentor without its encoder -> our decoder
DECODERS = {
    "daformer_sepaspp": "daformer",
    "daformer_aspp": "daformer_no_dsc",
    "daformer_isa": "isa_fusion",
    "daformer_sepaspp_bottleneck": "context_f4",
    "segformer": "segformer",
    "upernet": "upernet512",
    "upernet_ch256": "upernet256",
    "dlv2red": "deeplabv2",
    "dlv3p_nodbn": "deeplabv3plus",
    "sfa_dlv3p_nodbn": "deeplabv3plus",
    "da_nodbn": "danet",
    "isa_nodbn": "isanet",
}


def split_name(golden_name: str) -> tuple[str, str]:
    """`daformer_sepaspp_mitb5` -> ("daformer_sepaspp", "mit_b5")."""
    decoder, _, encoder = golden_name.rpartition("_")
    return decoder, encoder.replace("mitb", "mit_b")


def _parts_by_hand(decoder: str, channels: tuple[int, ...]):
    """What the golden files hold beside the paper's rows: decoders with BatchNorm, and variants."""
    if decoder == "dlv2":
        return DeepLabV2Decoder(channels[-1], 19, (6, 12, 18, 24))
    if decoder == "dlv3p":
        return DeepLabV3PlusDecoder(channels, 512, 48, (1, 12, 24, 36), 19, norm=True)
    if decoder == "da":
        return DANetDecoder(channels[-1], 512, 64, 19, norm=True)
    if decoder == "isa":
        return ISANetDecoder(channels[-1], 512, 256, (8, 8), 19, norm=True)
    if decoder == "daformer_conv1":
        return DAFormerDecoder(linear_embeddings(channels, 256), ConvBlock(1024, 256), 256, 19)
    raise KeyError(decoder)


def _build(golden_name: str, drop_path: float = 0.1, dropout: float = 0.1) -> Segmentor:
    decoder, encoder = split_name(golden_name)
    name = "segformer256" if golden_name == "segformer_mitb0" else DECODERS.get(decoder)
    if name is None:
        built = build_encoder(ENCODERS[encoder], drop_path)
        return Segmentor(built, _parts_by_hand(decoder, built.channels))
    config = ModelConfig(ENCODERS[encoder], name, drop_path=drop_path, dropout=dropout)
    return build_segmentor(config)


@pytest.fixture(scope="session")
def keys(golden):
    return golden("keys.json")


@pytest.fixture(scope="session")
def golden_segmentor():
    """Our network, with random weights, for a model of keys.json."""
    return _build


@pytest.fixture(scope="session")
def golden_encoder():
    """Our encoder for a backbone of keys.json."""
    return lambda name: build_encoder(ENCODERS[name])


@pytest.fixture(scope="session")
def outputs(golden):
    return golden("logits.npz")


@pytest.fixture(scope="session")
def images(det):
    shapes = {"a": (1, 3, 64, 128), "b": (2, 3, 96, 96)}
    return {k: torch.from_numpy(det.det_image(f"img.{k}", shape)) for k, shape in shapes.items()}


@pytest.fixture(scope="session")
def det_state(det):
    """Deterministic weights for a network, under the authors' names."""

    @functools.lru_cache(maxsize=2000)
    def weights(name, shape):
        return torch.from_numpy(np.asarray(det.det_weights(name, shape)))

    def make(segmentor, prefix=""):
        state = segmentor.state_dict()
        names = official_names(segmentor)
        return {o: weights(prefix + o, tuple(state[n].shape)) for n, o in names.items()}

    return make


@pytest.fixture(scope="session")
def det_segmentor(det_state):
    """Our network for a golden model, deterministically filled, in eval mode."""

    def make(golden_name, **options):
        segmentor = _build(golden_name, **options)
        load_official(segmentor, det_state(segmentor))
        return segmentor.eval()

    return make
