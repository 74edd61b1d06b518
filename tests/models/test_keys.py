"""Every network has the authors' parameters: the same names, shapes and count."""

import json
from pathlib import Path

import pytest
import torch

from daformer_lib.models import Segmentor
from daformer_lib.models.checkpoints.official_names import official_name, official_names
from daformer_lib.models.decoders.deeplabv2 import DeepLabV2Decoder
from daformer_lib.models.encoders import build_encoder

KEYS = json.loads((Path(__file__).parents[1] / "golden" / "keys.json").read_text())


def shapes(segmentor, prefix):
    """Official name without the prefix -> shape."""
    state = segmentor.state_dict()
    names = official_names(segmentor).items()
    named = {official: list(state[ours].shape) for ours, official in names}
    return {n.removeprefix(prefix): s for n, s in named.items() if n.startswith(prefix)}


@pytest.mark.parametrize("name", KEYS["backbones"])
def test_encoder_keys(golden_encoder, name):
    with torch.device("meta"):  # shapes without memory or initialisation
        encoder = golden_encoder(name)
        segmentor = Segmentor(encoder, DeepLabV2Decoder(encoder.channels[-1], 19, (6,)))
    assert shapes(segmentor, "backbone.") == KEYS["backbones"][name]["keys"]
    assert sum(p.numel() for p in encoder.parameters()) == KEYS["backbones"][name]["params"]


@pytest.mark.notebook  # not in make check: takes seconds
@pytest.mark.parametrize("name", KEYS["models"])
def test_segmentor_keys(golden_segmentor, name):
    with torch.device("meta"):
        segmentor = golden_segmentor(name)
    assert shapes(segmentor, "decode_head.") == KEYS["heads"][name]["keys"]
    assert sum(p.numel() for p in segmentor.parameters()) == KEYS["models"][name]["params"]
    assert len(segmentor.state_dict()) == KEYS["models"][name]["n_keys"]


def test_whole_mit_b5_network(golden_segmentor):
    with torch.device("meta"):
        segmentor = golden_segmentor("daformer_sepaspp_mitb5")
    assert shapes(segmentor, "") == KEYS["models"]["daformer_sepaspp_mitb5"]["keys"]


def test_resnest200_is_resnest101_with_more_blocks():
    """keys.json has no ResNeSt-200; its blocks are those of ResNeSt-101, 24 and 36 of them."""
    with torch.device("meta"):
        small, large = build_encoder("resnest101"), build_encoder("resnest200")
    assert [len(getattr(large, f"layer{i}")) for i in (1, 2, 3, 4)] == [3, 24, 36, 3]
    small, large = ({k: v.shape for k, v in e.state_dict().items()} for e in (small, large))
    assert all(large[name] == shape for name, shape in small.items())


@pytest.mark.parametrize(
    "model", ["segformer_mitb5", "dlv2red_r101v1c", "daformer_isa_mitb5", "upernet_mitb5"]
)
def test_parameter_names_are_the_optimizers(golden, golden_segmentor, model):
    groups = golden("schedule.json")["other_models"][model]
    with torch.device("meta"):
        segmentor = golden_segmentor(model)
    ours = {official_name(segmentor, name) for name, _ in segmentor.named_parameters()}
    assert ours == {name for names in groups.values() for name in names}


def test_a_name_of_something_else_is_refused():
    with pytest.raises(ValueError, match=r"must begin with encoder\. or decoder\."):
        official_name(torch.nn.Identity(), "classifier.weight")
