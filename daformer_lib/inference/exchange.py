"""Model files: a trained network in one safetensors file, with what its outputs mean inside.

The tensors are the network's state dict. The file's metadata (strings, in safetensors) hold the
version of this layout, the ModelConfig and the DatasetSpec as JSON (with HRDA its HRDAConfig too),
and a checksum of the tensors, since the format itself notices a file that was cut short, but no
byte that changed. Nothing in such a file is run when it is read. `TrainedModel` also goes to and
from the Hugging Face hub, by huggingface_hub's mixin: the same file, beside a config.json and a
model card that are never read.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import ModelHubMixin, hf_hub_download
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from daformer_lib.config import HRDAConfig, ModelConfig, from_json
from daformer_lib.files import write_atomic
from daformer_lib.models import build_segmentor
from daformer_lib.models.checkpoints import load_own
from daformer_lib.models.checkpoints.weight_files import require_weights
from daformer_lib.specs import DatasetSpec

VERSION = "1"  # of the layout described above
MODEL_FILE = "model.safetensors"  # the file's name in a folder or a hub repository
_KEYS = ("daformer_version", "model", "spec", "sha256")


class TrainedModel(ModelHubMixin, library_name="daformer-course", tags=["image-segmentation"]):
    """A trained network, what it was built from, and what its outputs mean.

    `save_pretrained(folder)` and `push_to_hub("owner/name")` write it, `from_pretrained` reads it.
    """

    def __init__(
        self,
        network: nn.Module,
        config: ModelConfig,
        spec: DatasetSpec,
        hrda: HRDAConfig | None = None,
    ) -> None:
        if config.num_classes != spec.num_classes:
            raise ValueError(
                f"the network has {config.num_classes} classes, the spec {spec.name!r} "
                f"{spec.num_classes}; give the spec that it was trained with"
            )
        self.network, self.hrda = network, hrda
        # Weights and classes come with it; paths would name files of the machine that trained it.
        self.config = dataclasses.replace(config, pretrained=None)
        folder = "" if Path(spec.folder).is_absolute() else spec.folder
        self.spec = dataclasses.replace(spec, origin="", folder=folder)
        self._hub_mixin_config = self.config  # what the mixin writes as config.json

    def to(self, device: torch.device | str) -> TrainedModel:
        self.network.to(device)
        return self

    def _save_pretrained(self, save_directory: Path) -> None:
        save_model(self, save_directory / MODEL_FILE)

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        force_download: bool = False,
    ) -> TrainedModel:
        """The model in a folder, or in a hub repository at one pinned commit.

        Args:
            pretrained_model_name_or_path: a folder, or "owner/name".
            revision: 40 hex digits of a commit; only, and always, for a repository.
        """
        reference = str(pretrained_model_name_or_path)
        if not Path(reference).is_dir():
            _require_pinned(reference, revision)
        return super().from_pretrained(
            reference,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            force_download=force_download,
        )

    @classmethod
    def _from_pretrained(
        cls,
        *,
        model_id: str,
        revision: str | None,
        cache_dir: str | Path | None,
        force_download: bool,
        local_files_only: bool,
        token: str | bool | None,
        config: object = None,  # of config.json: the model file has its own
    ) -> TrainedModel:
        if Path(model_id).is_dir():
            return load_model(Path(model_id) / MODEL_FILE)
        path = hf_hub_download(
            model_id,
            MODEL_FILE,
            revision=revision,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
            token=token,
        )
        return load_model(path)


def _require_pinned(repository: str, revision: str | None) -> None:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise FileNotFoundError(f"{repository} is neither a folder nor an owner/name on the hub")
    if not re.fullmatch(r"[0-9a-f]{40}", revision or ""):
        raise ValueError(
            f"revision {revision!r} of {repository} must be the 40 hex digits of a commit: "
            "a branch or a tag could hold another model tomorrow"
        )


def save_model(model: TrainedModel, path: str | Path, half: bool = False) -> Path:
    """Write a model file (.safetensors), atomically.

    `half`: float16 on disk; read, the network is float32 again, of rounded weights.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"{path} must end in .safetensors; try {path.with_suffix('.safetensors')}")
    state = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in model.network.state_dict().items()
    }
    if half:
        state = {n: t.half() if t.is_floating_point() else t for n, t in state.items()}
    metadata = {
        "format": "pt",  # what other readers of safetensors look for
        "daformer_version": VERSION,
        "model": json.dumps(dataclasses.asdict(model.config)),
        "spec": json.dumps(dataclasses.asdict(model.spec)),
        "sha256": checksum(state),
    }
    if model.hrda is not None:
        metadata["hrda"] = json.dumps(dataclasses.asdict(model.hrda))
    return write_atomic(path, save(state, metadata))


def load_model(path: str | Path, device: torch.device | str = "cpu") -> TrainedModel:
    """The model of a file written by `save_model`, or of a folder that holds one; in eval mode.

    Raises:
        FileNotFoundError: nothing there. ValueError: damaged, or no model file of this kind.
    """
    path = Path(path)
    path = path / MODEL_FILE if path.is_dir() else path
    if not path.is_file():
        raise FileNotFoundError(f"no model file at {path}; `export-model` writes one")
    metadata, state = _read(path)
    config, spec, hrda = _described(metadata, path)
    network = build_segmentor(config, hrda)
    load_own(network, state, str(path))
    return TrainedModel(network.to(device).eval(), config, spec, hrda)


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a model file, whole and unchanged."""
    require_weights(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            _require_ours(metadata, path)
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(
            f"{path} is damaged or no safetensors file ({error}); copy or download it again"
        ) from None
    if checksum(state) != metadata["sha256"]:
        raise ValueError(
            f"{path} is damaged: its tensors do not match its checksum; copy or download it again"
        )
    return metadata, state


def _require_ours(metadata: Mapping[str, str], path: Path) -> None:
    missing = [key for key in _KEYS if key not in metadata]
    if missing:
        raise ValueError(
            f"{path} is no model file of this kit: its metadata lack {missing}. `export-model` "
            "writes one; weights alone go to ModelConfig.pretrained or `evaluate-official`"
        )
    if metadata["daformer_version"] != VERSION:
        raise ValueError(
            f"{path} has layout {metadata['daformer_version']!r}, this kit reads {VERSION!r}; "
            "use the version of the kit that wrote it"
        )


def _described(
    metadata: Mapping[str, str], path: Path
) -> tuple[ModelConfig, DatasetSpec, HRDAConfig | None]:
    try:
        config = from_json(ModelConfig, json.loads(metadata["model"]))
        spec = spec_from_json(metadata["spec"])
        if config.num_classes != spec.num_classes:  # asked before a network is built of it
            raise ValueError(f"{config.num_classes} classes here, {spec.num_classes} there")
        hrda = None
        if "hrda" in metadata:
            hrda = from_json(HRDAConfig, json.loads(metadata["hrda"]))
        return dataclasses.replace(config, pretrained=None), spec, hrda
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} describes its network or classes in a way this kit cannot read ({error}); "
            "use the version of the kit that wrote it"
        ) from None


def spec_from_json(text: str) -> DatasetSpec:
    """The spec that `json.dumps(dataclasses.asdict(spec))` wrote: JSON knows no tuples or ints
    as keys."""
    values = {name: _tuples(value) for name, value in json.loads(text).items()}
    for key in ("id_map", "label_colours"):  # an earlier version's file has no colours
        values[key] = {int(own): _tuples(value) for own, value in values.get(key, {}).items()}
    return DatasetSpec(**values)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def checksum(state: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and values."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
