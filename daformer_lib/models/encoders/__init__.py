"""Encoders by name.

An encoder is a module with `channels` and `strides` (one per stage) whose forward turns an image
(B, 3, H, W) into four features (B, channels[i], H / strides[i], W / strides[i]).
"""

from daformer_lib.models.encoders.build import ENCODERS, build_encoder

__all__ = ["ENCODERS", "build_encoder"]
