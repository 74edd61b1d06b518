"""Loading and writing weights in the authors' format, strictly.

`load_official` takes their files as they are: an ImageNet encoder (`mit_b5.pth`, whose classifier
is dropped), a segmentor (`backbone.*`, `decode_head.*`), or a whole UDA training, of which `part`
says what is wanted; also the Hugging Face ones (`huggingface.py`). `export_official` writes ours
for their tools.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from daformer_lib.models.checkpoints import huggingface
from daformer_lib.models.checkpoints.official_names import official_names
from daformer_lib.models.checkpoints.weight_files import StateDict, read_weights, unwrap
from daformer_lib.models.encoders.vit import ViT

Part = Literal["model", "ema_model", "imnet_model", "mic.teacher.ema_model"]
# Student, teacher, ImageNet model; the teacher that MIC has of its own, with other settings.
NETWORKS: tuple[Part, ...] = ("model", "ema_model", "imnet_model", "mic.teacher.ema_model")
SHIPPED = Path(__file__).resolve().parents[2] / "weights"
# Values of `ModelConfig.pretrained` that name shipped weights -> strength (train/pretrain.py).
PRIORS = {"strong": "strong", "weak": "weak", "shipped": "weak"}
# Files older than PyTorch 0.4.1 lack this counter, which no computation reads.
_NEVER_READ: tuple[str, ...] = ("num_batches_tracked",)
_CLASSIFIERS = ("head.", "fc.")  # ImageNet classifiers in encoder files: expected, and dropped


def load_official(
    segmentor: nn.Module, source: str | Path | Mapping[str, Tensor], part: Part = "model"
) -> list[str]:
    """Load a checkpoint of the authors, strictly; a file of an encoder alone fills only that.

    `source`: a file, a Hugging Face folder, `hf:<repository>@<commit>`, or a state dict. `part`:
    which network of a UDA training. Returns the names that were loaded, in the authors' spelling.
    """
    state, label = _read(source)
    optional = _NEVER_READ
    if huggingface.is_huggingface(state):
        state = huggingface.to_official(state)
        optional += huggingface.ABSENT
    state = _select(state, part, label)
    if not any(name.startswith("decode_head.") for name in state):
        state = _encoder_only(state, segmentor.encoder)
    return _load(segmentor, state, label, optional)


def export_official(segmentor: nn.Module) -> StateDict:
    """The weights under the authors' names: what `load_official` and their tools read."""
    names = official_names(segmentor)
    state = segmentor.state_dict()
    return {names[name]: tensor.detach().clone() for name, tensor in state.items()}


def load_pretrained(segmentor: nn.Module, pretrained: str, encoder_name: str) -> None:
    """`ModelConfig.pretrained`: one of `PRIORS`, a file of ours, or what `load_official` takes."""
    ours = pretrained in PRIORS
    path = SHIPPED / shipped_name(encoder_name, PRIORS[pretrained]) if ours else Path(pretrained)
    if ours and not path.is_file():
        shipped = sorted(file.stem for file in SHIPPED.glob("*.safetensors"))
        make = (
            f"python -m daformer_lib pretrain-mini --encoder {encoder_name} --strength "
            f"{PRIORS[pretrained]} makes them, in minutes; or give"
        )
        raise FileNotFoundError(
            f"no {PRIORS[pretrained]} weights are shipped for encoder {encoder_name!r}; shipped: "
            f"{shipped}. {make if encoder_name.startswith('tiny_') else 'Give'} "
            "`pretrained` the path of a weight file, or None for random weights"
        )
    if path.suffix == ".safetensors":
        state = read_weights(path)
        if state.keys() == segmentor.encoder.state_dict().keys():
            load_own(segmentor.encoder, state, str(path))
            return
    load_official(segmentor, path if ours else pretrained)


def shipped_name(encoder: str, strength: str) -> str:
    """The file of a pretrained tiny encoder; the first version has no strength in its name."""
    return f"{encoder}.safetensors" if strength == "weak" else f"{encoder}.{strength}.safetensors"


def _read(source: str | Path | Mapping[str, Tensor]) -> tuple[StateDict, str]:
    """The weights, and what to call them in an error."""
    if isinstance(source, Mapping):
        return unwrap(dict(source)), "the state dict"
    if str(source).startswith(huggingface.HUB_PREFIX):
        return huggingface.read_folder(huggingface.fetch(str(source))), str(source)
    path = Path(source)
    return (huggingface.read_folder(path) if path.is_dir() else read_weights(path)), str(path)


def _select(state: StateDict, part: str, label: str) -> StateDict:
    """One network out of a UDA training; any other checkpoint is one network already."""
    if part not in NETWORKS:
        raise ValueError(f"part {part!r} must be one of {list(NETWORKS)}")
    present = [p for p in NETWORKS if any(name.startswith(p + ".") for name in state)]
    if not present:
        if part != "model":
            raise ValueError(f"{label} holds one network, no {part!r}; leave `part` out")
        return state
    if part not in present:
        raise ValueError(f"{label} holds no {part!r}; it holds {present}")
    prefix = part + "."
    return {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}


def _encoder_only(state: StateDict, encoder: nn.Module) -> StateDict:
    state = {name.removeprefix("backbone."): tensor for name, tensor in state.items()}
    if isinstance(encoder, ViT):
        state = encoder.adapt(state)
    return {"backbone." + n: t for n, t in state.items() if not n.startswith(_CLASSIFIERS)}


def _load(
    segmentor: nn.Module, state: StateDict, label: str, optional: tuple[str, ...]
) -> list[str]:
    ours = {official: name for name, official in official_names(segmentor).items()}
    if not any(name.startswith("decode_head.") for name in state):
        ours = {official: n for official, n in ours.items() if official.startswith("backbone.")}
    required = [name for name in ours if not any(part in name for part in optional)]
    require_fit(ours, required, state, segmentor.state_dict(), label)
    segmentor.load_state_dict({ours[name]: t for name, t in state.items()}, strict=False)
    return list(state)


def load_own(network: nn.Module, state: StateDict, label: str) -> None:
    """Load weights under our own names, strictly; `label` is what an error calls them."""
    ours = {name: name for name in network.state_dict()}
    require_fit(ours, list(ours), state, network.state_dict(), label)
    network.load_state_dict(state)


def require_fit(
    ours: dict[str, str], required: list[str], state: StateDict, target: StateDict, label: str
) -> None:
    """Raises ValueError unless `state` (in a file's names) fits `target` (in ours).

    Args:
        ours: a file's name -> our name. required: the file's names that must be there.
        label: what to call the file.
    """
    missing = [name for name in required if name not in state]
    unexpected = [name for name in state if name not in ours]
    shapes = [
        f"{name} {tuple(state[name].shape)} instead of {tuple(target[ours[name]].shape)}"
        for name in ours
        if name in state and state[name].shape != target[ours[name]].shape
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
    damaged = [n for n, t in state.items() if t.is_floating_point() and not t.isfinite().all()]
    if damaged:
        raise ValueError(
            f"{label} is damaged: NaN or infinity in {len(damaged)} tensors: {_some(damaged)}; "
            "fetch it again"
        )
    if two_scales(state) != two_scales(ours):
        has, lacks = ("", "no") if two_scales(state) else ("out", "an")
        raise ValueError(
            f"{label} is of a network with{has} HRDA, and this one has {lacks} HRDA decoder; "
            "choose the method that it was trained with: a row with hrda, or one without "
            "(evaluate-official: --hrda)"
        )
    if (theirs := adapter(state)) != (own := adapter(ours)):
        raise ValueError(
            f"{label} is of a network with adapter {theirs}, and this one has {own}; give the "
            "model.tune that it was trained with (lora, rein; none: full or frozen)"
        )
    found = [f"{len(names)} {kind}: {_some(names)}" for kind, names in kinds.items() if names]
    if found:
        raise ValueError(
            f"{label} does not fit this network; is it another encoder, decoder or number of "
            f"classes? " + "; ".join(found)
        )


def two_scales(names: Iterable[str]) -> bool:
    """Whether these are the weights of a network with HRDA, in anyone's names."""
    return any(name.startswith(("decoder.head.", "decode_head.head.")) for name in names)


def adapter(names: Iterable[str]) -> str:
    """What was added to a frozen ViT's weights: lora, rein or none."""
    names = list(names)
    if any(".rein." in name for name in names):
        return "rein"
    return "lora" if any(name.endswith((".lora_a", ".lora_b")) for name in names) else "none"


def _some(names: list[str], limit: int = 8) -> str:
    return ", ".join(names[:limit]) + (f", ... ({len(names)} in all)" if len(names) > limit else "")
