"""Reading weight files without running what is in them.

A `.pth` file is a pickle, and a pickle can run any program while it is read. So nothing here
unpickles freely: `read_weights` uses PyTorch's `weights_only` reader, which refuses everything but
tensors and plain containers, and `extract_tensors` rescues the tensors of a file that this reader
refuses, by putting an inert stand-in wherever the file asks for anything else.
"""

from __future__ import annotations

import errno
import pickle
import re
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from daformer_lib.files import write_atomic
from daformer_lib.foreign_files import not_weights

StateDict = dict[str, Tensor]


def read_weights(path: str | Path) -> StateDict:
    """Name -> tensor of a `.safetensors` or `.pth` file, out of its `state_dict` if it has one."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no weight file at {path}")
    require_weights(path)
    if path.suffix != ".safetensors":
        return unwrap(read_plain(path), str(path))
    try:
        return load_file(path)
    except SafetensorError as error:
        raise _damaged(path, error) from None


def read_plain(path: str | Path) -> Any:
    """What `torch.save` wrote, if it is tensors and plain containers; nothing in it is run."""
    path = Path(path)
    require_weights(path)
    _require_no_compression(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        _refuse(path, error)
    except (EOFError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise _damaged(path, error) from None
    except OSError as error:
        if error.errno != errno.EINVAL:  # a seek before the start: the zip file is cut short
            raise
        raise _damaged(path, error) from None


def require_weights(path: Path) -> None:
    """Raises ValueError for a web page, a pointer, an archive: what cannot hold weights."""
    if found := not_weights(path):
        raise ValueError(f"{path} {found.what}; {found.remedy}")


def _require_no_compression(path: Path) -> None:
    """Raises ValueError for a file that could unpack to any size; torch.save compresses nothing."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            read = [i for i in archive.infolist() if re.search(r"\.pkl$|/data/", i.filename)]
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise _damaged(path, error) from None
    packed = [i for i in read if i.compress_type != zipfile.ZIP_STORED]
    if packed:
        raise ValueError(
            f"{path} is compressed inside ({packed[0].filename}), which PyTorch never does, so its "
            "size in memory is not its size on disk; it was not read. If it is yours, load it with "
            "torch.load and save it again"
        )


def _damaged(path: Path, error: Exception) -> ValueError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return ValueError(f"{path} is damaged or no weight file ({reason}); fetch it again")


def unwrap(content: Any, source: str = "the checkpoint") -> StateDict:
    """The tensors of a checkpoint: itself, or what stands under its `state_dict`."""
    if not isinstance(content, dict):
        raise ValueError(f"{source} holds a {type(content).__name__}, not a dict of tensors")
    state = content.get("state_dict", content)
    others = [str(name) for name, value in state.items() if not isinstance(value, Tensor)]
    if others or not state:
        shown = ", ".join(others[:5]) or "nothing"
        raise ValueError(
            f"{source} holds no weights: expected name -> tensor, at the top or under "
            f"'state_dict'; found {shown} without a tensor"
        )
    return dict(state)


def _refuse(path: Path, error: Exception) -> NoReturn:
    reason = str(error).strip().splitlines()[-1] if str(error).strip() else "no reason given"
    raise ValueError(
        f"{path} holds more than tensors and plain containers, so reading it could run code; it "
        f"was not read ({reason}). Convert it once, safely: "
        "daformer_lib.models.checkpoints.weight_files."
        f"extract_tensors({str(path)!r}, {str(path.with_suffix('.safetensors'))!r}) keeps its "
        "tensors and drops everything else unseen"
    ) from error


def extract_tensors(path: str | Path, target: str | Path) -> StateDict:
    """Write the weights of a refused `.pth` file to `target` (.safetensors); return them.

    Only tensors, containers, numbers and strings are built. Whatever else the file names becomes a
    `_Nothing`: its module is not imported, its code never runs.
    """
    require_weights(Path(path))
    _require_no_compression(Path(path))
    tensors_only = SimpleNamespace(
        Unpickler=_TensorUnpickler, load=_load_tensors, __name__="pickle"
    )
    content = torch.load(path, map_location="cpu", weights_only=False, pickle_module=tensors_only)
    weights = unwrap(content, str(path))
    state = {name: tensor.detach().clone().contiguous() for name, tensor in weights.items()}
    write_atomic(target, save(state))
    return state


class _Nothing:
    """Stands where a file names a class or function that is no part of a tensor."""

    def __new__(cls, *args: Any, **kwargs: Any) -> _Nothing:
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self, *args: Any, **kwargs: Any) -> _Nothing:
        return self

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, item: Any) -> None:
        pass

    def extend(self, items: Any) -> None:
        pass

    def add(self, item: Any) -> None:
        pass


_TENSOR_PARTS = {
    ("collections", "OrderedDict"),
    ("torch._utils", "_rebuild_tensor"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
}


class _TensorUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _TENSOR_PARTS:
            return super().find_class(module, name)
        if module == "torch" and name.endswith("Storage"):
            return getattr(torch, name)
        return _Nothing


def _load_tensors(file: Any, **options: Any) -> Any:
    return _TensorUnpickler(file, **options).load()
