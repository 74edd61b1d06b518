"""From names to networks: encoder and decoder joined, with the weights that the config asks for."""

from __future__ import annotations

from torch import nn

from daformer_lib.config import HRDAConfig, ModelConfig
from daformer_lib.models.checkpoints import load_pretrained
from daformer_lib.models.decoders import build_decoder, require_decoder
from daformer_lib.models.encoders import build_encoder
from daformer_lib.models.encoders.lora import add_lora
from daformer_lib.models.encoders.rein import add_rein
from daformer_lib.models.multi_resolution import MultiResolution, ScaleDecoder
from daformer_lib.models.segmentor import Segmentor
from daformer_lib.models.statistics import batch_norms

# HRDA's decoder -> the one of its attention: as it is, but with a 1x1 fusion in place of the ASPP.
ATTENTION = {
    "daformer": "daformer_conv1",
    "daformer_no_dsc": "daformer_conv1",
    "deeplabv2": "deeplabv2",
}


def build_segmentor(config: ModelConfig, hrda: HRDAConfig | None = None) -> Segmentor:
    """The network that the config names, with random weights or `config.pretrained` ones.

    `hrda`: at two scales, with an attention between them (`multi_resolution.py`).
    """
    require_decoder(config.decoder)
    if hrda is not None and config.decoder not in ATTENTION:
        raise ValueError(f"hrda works with decoders {sorted(ATTENTION)}, not {config.decoder!r}")
    encoder = build_encoder(config.encoder, config.drop_path, config.blocks)
    frozen = batch_norms(encoder) if config.frozen_norm else ()
    if config.frozen_norm and not frozen:
        raise ValueError(
            f"{config.encoder} has no BatchNorm that model.frozen_norm could freeze; leave it off"
        )
    if hrda is None:
        decoder = build_decoder(config, encoder.channels, encoder.strides)
        segmentor = Segmentor(encoder, decoder, frozen)
    else:
        decoder = _scale_decoder(config, encoder, hrda)
        segmentor = MultiResolution(encoder, decoder, hrda, frozen)
    if config.pretrained is not None:
        load_pretrained(segmentor, config.pretrained, config.encoder)
    if config.tune in ("frozen", "rein"):
        segmentor.freeze_encoder()
    if config.tune == "rein":
        add_rein(encoder, config.rein_tokens, config.lora_rank)
    elif config.tune == "lora":
        add_lora(encoder, config.lora_rank)
    return segmentor


def _scale_decoder(config: ModelConfig, encoder: nn.Module, hrda: HRDAConfig) -> ScaleDecoder:
    shapes, attention = (encoder.channels, encoder.strides), None
    head = build_decoder(config, *shapes)
    if hrda.fixed_attention is None:
        outputs = config.num_classes if hrda.classwise else 1
        attention = build_decoder(config, *shapes, ATTENTION[config.decoder], outputs)
    return ScaleDecoder(head, attention, hrda.fixed_attention)
