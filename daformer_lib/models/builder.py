"""From names to networks: encoder and decoder joined, with the weights that the config asks for."""

from __future__ import annotations

from daformer_lib.config import ModelConfig
from daformer_lib.models.checkpoints import load_pretrained
from daformer_lib.models.decoders import build_decoder, require_decoder
from daformer_lib.models.encoders import build_encoder
from daformer_lib.models.segmentor import Segmentor
from daformer_lib.models.statistics import batch_norms


def build_segmentor(config: ModelConfig) -> Segmentor:
    """The network that the config names, with random weights or `config.pretrained` ones."""
    require_decoder(config.decoder)
    encoder = build_encoder(config.encoder, config.drop_path)
    frozen = batch_norms(encoder) if config.frozen_norm else ()
    if config.frozen_norm and not frozen:
        raise ValueError(
            f"{config.encoder} has no BatchNorm that model.frozen_norm could freeze; leave it off"
        )
    decoder = build_decoder(config, encoder.channels, encoder.strides)
    segmentor = Segmentor(encoder, decoder, frozen)
    if config.pretrained is not None:
        load_pretrained(segmentor, config.pretrained, config.encoder)
    return segmentor
