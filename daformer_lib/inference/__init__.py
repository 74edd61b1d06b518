"""Using a trained network: open it, label images with it, write it for other programs."""

from daformer_lib.inference.labelling import (
    NetworkView,
    Prediction,
    label_file,
    label_images,
    make_view,
)
from daformer_lib.inference.opening import (
    choose_device,
    load_network,
    open_model,
    open_run,
    working_device,
)

__all__ = [
    "NetworkView",
    "Prediction",
    "choose_device",
    "label_file",
    "label_images",
    "load_network",
    "make_view",
    "open_model",
    "open_run",
    "working_device",
]
