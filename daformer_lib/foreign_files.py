"""What a file is that should hold data and does not: a web page, a pointer, a cut download.

A server that wants a login or a click answers with a page, a repository keeps its large files
elsewhere and a pointer here, a connection breaks off. Each is known by its first bytes, which are
looked at and never run.
"""

from __future__ import annotations

import codecs
import json
import re
import zipfile
from pathlib import Path
from typing import NamedTuple

from daformer_lib.texts import shortened

HEAD = 4096  # bytes that are looked at
MAX_HEADER = 10**8  # bytes of a safetensors file's header, as its own reader has it
AGAIN = "fetch it again"
TITLE = re.compile(rb"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
# The first bytes of files that people give by mistake.
KINDS = {
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ\0": "an xz archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"\x89HDF\r\n": "an HDF5 file (Keras)",
    b"\x93NUMPY": "a NumPy array",
    b"GGUF": "a GGUF file",
    b"%PDF": "a PDF document",
    b"\x89PNG\r\n": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
}


class Foreign(NamedTuple):
    """What a file is instead, and what to do; each reads on after the file's name."""

    what: str
    remedy: str


def not_weights(path: str | Path) -> Foreign | None:
    """What a file is that cannot hold weights; None where nothing speaks against it."""
    path = Path(path)
    head = _head(path)
    return _no_data(head, "weights") or _container(path, head) or _cut(path, head)


def foreign(path: str | Path, wanted: str) -> Foreign | None:
    """What a file is that holds no data at all, or text where data are `wanted`; else None."""
    return _no_data(_head(Path(path)), wanted)


def _no_data(head: bytes, wanted: str) -> Foreign | None:
    if not head:
        return Foreign("is empty (0 bytes)", AGAIN)
    if not any(head):
        return Foreign("holds nothing but zeros where it begins", AGAIN)
    found = page_or_pointer(head, wanted)
    if found is None and _is_text(head):
        return Foreign(f"is text ({_shown(head)}), not {wanted}", AGAIN)
    return found


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)


def page_or_pointer(head: bytes, wanted: str) -> Foreign | None:
    """What a server or a repository gave in place of the file, by its first bytes; else None."""
    text = head.replace(b"\0", b"").removeprefix(b"\xef\xbb\xbf").removeprefix(b"\xff\xfe").strip()
    begin = text[:200].lower()
    if begin.startswith((b"version https://git-lfs", b"version https://hawser")):
        size = re.search(rb"^size (\d+)", text, re.MULTILINE)
        of = f" of a file of {int(size[1]):,} bytes" if size else ""
        return Foreign(
            f"is a Git LFS pointer{of}, not {wanted}",
            "run `git lfs pull` where it was cloned, or download the file itself",
        )
    if begin.startswith(b"/annex/objects/"):
        return Foreign(f"is a git-annex pointer, not {wanted}", "run `git annex get` on it")
    if begin.startswith((b"<!doctype html", b"<head")) or (b"<html" in begin and begin[:1] == b"<"):
        title = TITLE.search(text)
        named = f" ({_shown(title[1])})" if title else ""
        return Foreign(
            f"is a web page{named}, not {wanted}",
            f"{AGAIN}, the file itself: open its address in a browser and confirm what the page "
            "asks for",
        )
    if begin.startswith(b"<?xml"):
        return Foreign(f"is a server's answer in XML ({_shown(text)}), not {wanted}", AGAIN)
    return None


def _is_text(head: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)  # it may end within a letter
    except UnicodeDecodeError:
        return False
    return all(c.isprintable() or c.isspace() for c in text)


def _shown(text: bytes) -> str:
    return shortened(" ".join(text.decode("utf-8", "replace").split()), 60)


def _container(path: Path, head: bytes) -> Foreign | None:
    """Files of other programs, and weights under the ending of another format."""
    if _is_safetensors(head):  # first: these may begin with any byte, a count of the header's
        named = path.with_suffix(".safetensors")
        return None if path == named else _renamed("a safetensors file", named)
    for begin, kind in KINDS.items():
        if head.startswith(begin):
            unpack = "unpack it and name the weight file in it" if "archive" in kind else AGAIN
            return Foreign(f"is {kind}, not weights", unpack)
    if head[257:262] == b"ustar":
        return Foreign("is a tar archive, not weights", "unpack it and name the weight file in it")
    if path.suffix == ".onnx" or _is_onnx(head):
        return Foreign(
            "is an ONNX graph, which this kit writes and does not read",
            "name the .pth or .safetensors file that it was made from",
        )
    if head.startswith(b"PK") and zipfile.is_zipfile(path) and (found := _zip(path)):
        return found
    if head.startswith((b"PK\3\4", b"\x80")) and path.suffix == ".safetensors":
        return _renamed("a file of torch.save", path.with_suffix(".pth"))
    return None


def _renamed(what: str, name: Path) -> Foreign:
    return Foreign(f"is {what} under another ending", f"rename it to {name.name}")


def _is_onnx(head: bytes) -> bool:
    """ModelProto: field 1 (a small version number), then the producer's name or the graph."""
    return head[0] == 0x08 and len(head) > 2 and head[1] < 32 and head[2] in (0x12, 0x3A)


def _is_safetensors(head: bytes) -> bool:
    """Eight bytes that count the header's, then the header, which is JSON."""
    return head[8:10] == b'{"' and head[6:8] == b"\0\0"


def _zip(path: Path) -> Foreign | None:
    """torch.save's zip has a data.pkl; a program of TorchScript also has constants.pkl."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError):
        return None  # the reader says what is wrong with it
    if any(name.endswith("constants.pkl") for name in names):
        return Foreign(
            "is a TorchScript program, not a checkpoint",
            "name the checkpoint that it was made from: programs are not run here",
        )
    if not any(name.endswith("data.pkl") for name in names):
        first = _shown(names[0].encode("utf-8", "replace")) if names else "nothing"
        return Foreign(
            f"is a zip archive of {len(names)} files (first: {first}), not weights",
            "unpack it and name the weight file in it",
        )
    return None


def _cut(path: Path, head: bytes) -> Foreign | None:
    """A download that broke off: the format says how much there should be."""
    size = path.stat().st_size
    if head.startswith(b"PK\3\4") and not zipfile.is_zipfile(path):
        return Foreign(f"is cut short: {size:,} bytes, and the last ones are missing", AGAIN)
    if not _is_safetensors(head):
        return None
    wanted = _safetensors_bytes(path, 8 + int.from_bytes(head[:8], "little"), size)
    if size >= wanted:
        return None
    return Foreign(f"is cut short: {size:,} of {wanted:,} bytes", AGAIN)


def _safetensors_bytes(path: Path, header: int, size: int) -> int:
    """What a safetensors file should have: up to its header's end, or to its last tensor's."""
    if not header <= min(size, MAX_HEADER):
        return header
    with path.open("rb") as file:
        text = file.read(header)[8:]
    try:
        return header + max(t["data_offsets"][1] for t in json.loads(text).values() if "dtype" in t)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return header  # the reader says what is wrong with it
