"""Networks: encoders, decoders, and the segmentor that joins them."""

from daformer_lib.models.builder import build_segmentor
from daformer_lib.models.segmentor import Segmentor

__all__ = ["Segmentor", "build_segmentor"]
