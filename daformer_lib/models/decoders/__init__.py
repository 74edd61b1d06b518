"""Decoders: four features of an encoder -> logits (B, K, h, w)."""

from daformer_lib.models.decoders.build import DECODERS, build_decoder, require_decoder

__all__ = ["DECODERS", "build_decoder", "require_decoder"]
