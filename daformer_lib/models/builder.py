"""From names to networks: encoder and decoder joined, with the weights that the config asks for."""

from __future__ import annotations

from daformer_lib.config import ModelConfig
from daformer_lib.models.checkpoints import load_pretrained
from daformer_lib.models.decoders import build_decoder, require_decoder
from daformer_lib.models.encoders import build_encoder
from daformer_lib.models.segmentor import Segmentor


def build_segmentor(config: ModelConfig) -> Segmentor:
    """The network that the config names, with random weights or `config.pretrained` ones."""
    require_decoder(config.decoder)
    encoder = build_encoder(config.encoder, config.drop_path)
    segmentor = Segmentor(encoder, build_decoder(config, encoder.channels, encoder.strides))
    if config.pretrained is not None:
        load_pretrained(segmentor, config.pretrained, config.encoder)
    return segmentor
