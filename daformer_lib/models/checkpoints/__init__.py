"""Reading and writing weights: ours, the authors' and Hugging Face's; nothing is executed."""

from daformer_lib.models.checkpoints.load import (
    Part,
    export_official,
    load_official,
    load_own,
    load_pretrained,
)

__all__ = ["Part", "export_official", "load_official", "load_own", "load_pretrained"]
