"""SegFormer weights from the Hugging Face hub (`nvidia/mit-b*`, `nvidia/segformer-*`).

They hold the authors' numbers under other names; key and value are two matrices there, one here,
and the decoder stacks its features in reverse. The hub's own code runs them with LayerNorm eps 1e-5
throughout, whereas the authors trained with 1e-6 (1e-5 only in patch embedding and attention
reduction): the authors' values are the right ones for these files, and ours are theirs.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import torch

from daformer_lib.models.checkpoints.official_names import Rules, rename
from daformer_lib.models.checkpoints.weight_files import StateDict, read_weights

HUB_PREFIX = "hf:"
_FILES = ("model.safetensors", "pytorch_model.bin")

# Names in the hub's files, and the ones that transformers 5 gives them in memory.
_RULES: Rules = (
    (r"^segformer\.", ""),
    *((rf"^encoder\.patch_embeddings\.{i}\.", f"backbone.patch_embed{i + 1}.") for i in range(4)),
    *((rf"^stages\.{i}\.patch_embeddings\.", f"backbone.patch_embed{i + 1}.") for i in range(4)),
    *((rf"^encoder\.block\.{i}\.", f"backbone.block{i + 1}.") for i in range(4)),
    *((rf"^stages\.{i}\.blocks\.", f"backbone.block{i + 1}.") for i in range(4)),
    *((rf"^encoder\.layer_norm\.{i}\.", f"backbone.norm{i + 1}.") for i in range(4)),
    *((rf"^stages\.{i}\.layer_norm\.", f"backbone.norm{i + 1}.") for i in range(4)),
    (r"(patch_embed\d)\.layer_norm\.", r"\1.norm."),
    (r"\.(layer_norm_1|layernorm_before)\.", ".norm1."),
    (r"\.(layer_norm_2|layernorm_after)\.", ".norm2."),
    (r"\.attention\.(self\.query|q_proj)\.", ".attn.q."),
    (r"\.attention\.(self\.sr|sequence_reduction\.sequence_reduction)\.", ".attn.sr."),
    (r"\.attention\.(self|sequence_reduction)\.layer_norm\.", ".attn.norm."),
    (r"\.attention\.(output\.dense|o_proj)\.", ".attn.proj."),
    (r"\.mlp\.dense([12])\.", r".mlp.fc\1."),
    (r"^decode_head\.linear_projections\.", "decode_head.linear_c."),
    (r"^decode_head\.linear_fuse\.", "decode_head.linear_fuse.conv."),
    (r"^decode_head\.batch_norm\.", "decode_head.linear_fuse.bn."),
    (r"^decode_head\.classifier\.", "decode_head.linear_pred."),
)
_KEY = re.compile(r"\.attention\.(?:self\.key|k_proj)\.(weight|bias)$")


# What the authors' SegFormer decoder holds and these files lack: a classifier that nothing uses.
ABSENT = ("decode_head.conv_seg.",)


def is_huggingface(state: StateDict) -> bool:
    return any(".patch_embeddings." in name for name in state)


def to_official(state: StateDict) -> StateDict:
    """The same weights under the authors' names; an image classifier is dropped."""
    state = {name: tensor for name, tensor in state.items() if not name.startswith("classifier.")}
    for name in [n for n in state if _KEY.search(n)]:
        value_name = name.replace(".self.key.", ".self.value.").replace(".k_proj.", ".v_proj.")
        key_and_value = torch.cat([state.pop(name), state.pop(value_name)])  # (2C, C) or (2C,)
        state[_KEY.sub(r".attn.kv.\1", name)] = key_and_value
    official = {rename(name, _RULES): tensor for name, tensor in state.items()}
    fuse = "decode_head.linear_fuse.conv.weight"
    if fuse in official:  # (width, 4 * width, 1, 1): features 4, 3, 2, 1 -> 1, 2, 3, 4
        official[fuse] = torch.cat(official[fuse].chunk(4, dim=1)[::-1], dim=1)
    return official


def read_folder(folder: Path) -> StateDict:
    """The weights of a downloaded hub repository."""
    for name in _FILES:
        if (folder / name).is_file():
            return read_weights(folder / name)
    raise FileNotFoundError(f"{folder} holds none of {list(_FILES)}")


def fetch(reference: str) -> Path:
    """Download `hf:<repository>@<revision>`; the revision pins what is loaded.

    What came is compared with the checksum that the hub's cache has as the file's name.
    """
    match = re.fullmatch(HUB_PREFIX + r"([\w.-]+/[\w.-]+)@([0-9a-f]{40})", reference)
    if match is None:
        raise ValueError(
            f"{reference!r} must be hf:<owner>/<repository>@<40-digit commit>, such as "
            "hf:nvidia/mit-b5@<commit>: a branch name could hold other weights tomorrow"
        )
    from huggingface_hub import snapshot_download  # only here: it is slow to import

    repository, revision = match.groups()
    folder = Path(snapshot_download(repository, revision=revision, allow_patterns=[*_FILES]))
    for name in _FILES:
        require_checksum(folder / name)
    return folder


def require_checksum(path: Path) -> None:
    """Raises ValueError where a link of the cache leads to a file with another SHA-256 than its
    name; small files have another kind of name, and are not compared."""
    stored = path.resolve()
    if not stored.is_file() or not re.fullmatch(r"[0-9a-f]{64}", stored.name):
        return
    with stored.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != stored.name:
        raise ValueError(
            f"{path} is damaged: its SHA-256 is {found[:8]}..., the hub's is {stored.name[:8]}...; "
            f"delete {stored} and fetch it again"
        )
