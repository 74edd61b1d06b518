"""Methods by name: what a configuration's mode trains towards, and what may be added to it.

A method that builds on DAFormer is one file here, a frozen dataclass of its settings in
`config.METHOD_SETTINGS`, and a line in `METHODS`; an experiment that holds such settings has it on.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from daformer_lib.config import Experiment, Mode
from daformer_lib.uda.method import Method, daformer_method, source_method
from daformer_lib.uda.methods.cra import add_cra
from daformer_lib.uda.methods.distillation import add_distillation
from daformer_lib.uda.methods.hrda import add_hrda
from daformer_lib.uda.methods.mic import add_mic
from daformer_lib.uda.methods.style import add_style

BASES: dict[Mode, Callable[[Experiment, nn.Module], Method]] = {
    "source_only": source_method,
    "oracle": source_method,
    "uda": daformer_method,
}
# Name in `Experiment.methods` -> changes the method that is there so far, in place.
METHODS: dict[str, Callable[[Method, Experiment, nn.Module], None]] = {
    "mic": add_mic,
    "cra": add_cra,
    "distillation": add_distillation,
    "hrda": add_hrda,
    "style": add_style,  # last: around HRDA's way of scoring a pass
}


def build_method(experiment: Experiment, network: nn.Module) -> Method:
    """The method of an experiment; `network` is the student before its first step."""
    method = BASES[experiment.mode](experiment, network)
    for name, add in METHODS.items():
        if name in experiment.methods:
            add(method, experiment, network)
    return method
