"""From the kit's normalisation of images to the one that an encoder's weights were trained with."""

from __future__ import annotations

from torch import Tensor

from daformer_lib.batch import IMAGENET_MEAN, IMAGENET_STD


def renormalised(image: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """An ImageNet-normalised image (B, 3, H, W), with another mean and deviation (RGB, 0 to 1)."""
    if (mean, std) == (IMAGENET_MEAN, IMAGENET_STD):
        return image
    kit_mean, kit_std, own_mean, own_std = (
        image.new_tensor(v).view(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD, mean, std)
    )
    return (image * kit_std + kit_mean - own_mean) / own_std
