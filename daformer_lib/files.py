"""Files: atomic writes, and image reading that names the broken file instead of a decoder's error.

Every write goes to a temporary file in the same folder and is renamed over the old one, so that a
killed process leaves the old file or the new one, never half of one.
Images are decoded by OpenCV; Pillow reads headers and palettes, since OpenCV expands a palette.
"""

from __future__ import annotations

import io
import json
import os
import secrets
import struct
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from filelock import FileLock
from PIL import Image

MAX_PIXELS = 2**26  # 8192 x 8192: larger than any street data set, small enough for memory
ORIENTATION = 0x0112  # the tag of EXIF
_PNG_START = b"\x89PNG\r\n\x1a\n"


class BrokenImage(ValueError):
    """An image file that is empty, truncated, damaged, or absurdly large."""


def write_atomic(
    path: str | Path,
    data: bytes,
    *,
    durable: bool = False,
    keep_old_as: str | Path | None = None,
) -> Path:
    """Write all of ``data`` to ``path`` or nothing; missing folders are made.

    Args:
        durable: wait until it is on the disk, so that it outlasts a power cut too.
        keep_old_as: what ``path`` held before stays under this name in the same folder.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Part of the name is enough to tell whose it is, and a name may be as long as the disk takes.
    temporary = path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}.part")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        if keep_old_as is not None and path.exists():
            os.replace(path, keep_old_as)
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno:
            error.filename = str(path)  # a full disk is reported without a name
        raise
    if durable:
        _sync_folder(path.parent)
    return path


def _sync_folder(folder: Path) -> None:
    """Put a renaming on the disk; Windows cannot open a folder, and needs not."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def folder_lock(folder: str | Path) -> Iterator[None]:
    """One process at a time fills a folder; others wait. A read-only place needs no lock."""
    folder = Path(folder)
    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError:
        pass  # who writes there finds out what is wrong
    try:
        yield
    finally:
        lock.release()


def remove_leftovers(folder: str | Path) -> None:
    """Delete what killed processes had not finished writing below a folder.

    Only for whoever holds the folder's lock: another writer's file would go as well.
    """
    for left_over in Path(folder).rglob(".*.part"):
        left_over.unlink(missing_ok=True)


def write_json(path: str | Path, value: Any, indent: int | None = 1) -> Path:
    """Write ``value`` as JSON, atomically. NaN is refused: other programs cannot read it."""
    return write_atomic(path, (json.dumps(value, indent=indent, allow_nan=False) + "\n").encode())


def read_json(path: str | Path) -> Any:
    """Read JSON; a damaged file is named in the error."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path} is not valid JSON ({error}); delete it and make it again"
        ) from None


def write_png(path: str | Path, array: np.ndarray, level: int = 3) -> Path:
    """Write (H, W) uint8, or (H, W, 3) uint8 or uint16 RGB, as PNG. ``level``: zlib's, 0-9."""
    pixels = array if array.ndim == 2 else array[..., ::-1]  # OpenCV wants BGR
    return _encode(path, pixels, [cv2.IMWRITE_PNG_COMPRESSION, level])


def write_jpeg(path: str | Path, image: np.ndarray, quality: int = 92) -> Path:
    """Write (H, W, 3) uint8 RGB as JPEG. For photos only: compression changes label ids."""
    return _encode(path, image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality], ".jpg")


def write_label_png(path: str | Path, ids: np.ndarray) -> Path:
    """Write (H, W) uint8 ids as PNG; run lengths suit flat areas: twice as fast, hardly larger."""
    return _encode(path, ids, [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE])


def _encode(path: str | Path, pixels: np.ndarray, options: list[int], ending: str = ".png") -> Path:
    done, data = cv2.imencode(ending, pixels, options)
    if not done:
        raise ValueError(f"cannot encode {pixels.shape} {pixels.dtype} as {ending} for {path}")
    return write_atomic(path, data.tobytes())


def write_palette_png(
    path: str | Path, ids: np.ndarray, palette: Sequence[Sequence[int]] | np.ndarray
) -> Path:
    """Write (H, W) uint8 ids as a PNG whose palette shows them in colour (as GTA's labels)."""
    image = Image.fromarray(np.ascontiguousarray(ids, dtype=np.uint8))
    image.putpalette(np.asarray(palette, dtype=np.uint8).ravel().tolist())
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return write_atomic(path, buffer.getvalue())


def image_size(path: str | Path) -> tuple[int, int]:
    """(width, height) from the file's header, as it is read; nothing is decoded."""
    with open(path, "rb") as file:
        return _header_size(file, path)


def verify_image(path: str | Path) -> tuple[int, int]:
    """(width, height), after the checksums of a PNG; finds damage at a fortieth of decoding."""
    data = _read_bytes(path)
    size = _check(data, path)
    with Image.open(io.BytesIO(data)) as image:
        try:
            image.verify()
        except (OSError, SyntaxError, ValueError) as error:
            raise BrokenImage(f"{path} is damaged ({error}); fetch it again") from None
    return size


def read_image(path: str | Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB."""
    return cv2.cvtColor(_decode(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def read_gray(path: str | Path) -> np.ndarray:
    """(H, W) uint8: a label file with one channel. Colours or palettes are refused."""
    pixels = _decode(path, cv2.IMREAD_UNCHANGED)
    if pixels.ndim != 2 or pixels.dtype != np.uint8:
        raise BrokenImage(
            f"{path} holds {pixels.shape} {pixels.dtype}, not one 8-bit channel of class ids; "
            + (
                "save the ids with 8 bits (0-255)"
                if pixels.ndim == 2
                else "is it a coloured preview instead of the label file?"
            )
        )
    return pixels


def read_red16(path: str | Path) -> np.ndarray:
    """(H, W) uint16: the first (red) channel of a 16-bit PNG, where SYNTHIA keeps the class.

    Pillow would cut 16-bit colour to 8 bits without a word; OpenCV keeps it, in the order B, G, R.
    """
    pixels = _decode(path, cv2.IMREAD_UNCHANGED)
    if pixels.ndim != 3 or pixels.dtype != np.uint16:
        raise BrokenImage(
            f"{path} holds {pixels.shape} {pixels.dtype}, not 16-bit colour (H, W, 3); "
            "take the files of GT/LABELS as they come, not re-saved ones"
        )
    return cv2.extractChannel(pixels, 2)


def read_palette(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """((H, W) uint8 indices, (n, 3) uint8 RGB palette) of a palette PNG."""
    data = _read_bytes(path)
    _check(data, path)
    with Image.open(io.BytesIO(data)) as image:
        if image.mode != "P":
            raise BrokenImage(f"{path} has mode {image.mode}, not a palette (P)")
        try:
            indices = np.asarray(image)
        except (OSError, SyntaxError, ValueError) as error:
            raise BrokenImage(f"{path} cannot be decoded ({error}); fetch it again") from None
        return indices, np.array(image.getpalette(), dtype=np.uint8).reshape(-1, 3)


def color_mode(path: str | Path) -> str:
    """Pillow's name of the pixel format (``P``, ``L``, ``RGB``, ...), from the header."""
    return image_kind(path)[0]


def image_kind(path: str | Path) -> tuple[str, str]:
    """(Pillow's pixel format, file format), such as ("P", "PNG"), from the header."""
    with open(path, "rb") as file:
        _header_size(file, path)
        file.seek(0)
        with Image.open(file) as image:
            return image.mode, image.format or ""


def _decode(path: str | Path, flags: int) -> np.ndarray:
    data = _read_bytes(path)
    size = _check(data, path)
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise BrokenImage(f"{path} cannot be decoded: its data is damaged; fetch it again")
    # Other formats than JPEG may be turned, too; apart from that both readers must see one image.
    if sorted(pixels.shape[:2]) != sorted(size):
        raise BrokenImage(
            f"{path} says {size[0]}x{size[1]} in its header and holds "
            f"{pixels.shape[1]}x{pixels.shape[0]}: two images in one file; save it again"
        )
    return pixels


def _read_bytes(path: str | Path) -> bytes:
    return Path(path).read_bytes()


def _check(data: bytes, path: str | Path) -> tuple[int, int]:
    """Refuse what must not reach a decoder: empty, truncated, or larger than any real image."""
    size = _header_size(io.BytesIO(data), path)
    # Some decoders fill the missing part of a truncated PNG with grey and say nothing.
    if data.startswith(_PNG_START) and b"IEND" not in data[-64:]:
        raise BrokenImage(f"{path} is truncated (no IEND at its end); fetch it again")
    return size


def _header_size(file: Any, path: str | Path) -> tuple[int, int]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit is ours
        try:
            with Image.open(file) as image:
                width, height = image.size[::-1] if _lies_on_its_side(image) else image.size
        except Image.DecompressionBombError as error:
            raise BrokenImage(f"{path} is too large to be a street image: {error}") from None
        except (OSError, SyntaxError, ValueError) as error:
            raise BrokenImage(f"{path} is not a readable image ({error}); fetch it again") from None
    if width * height > MAX_PIXELS:
        raise BrokenImage(
            f"{path} claims {width}x{height} pixels; the limit is {MAX_PIXELS}. "
            "Its header is damaged, or it is no street image: scale it down first"
        )
    return width, height


def _lies_on_its_side(image: Image.Image) -> bool:
    """Whether EXIF says so: OpenCV turns such a photo upright when it reads the colours."""
    if image.format != "JPEG":
        return False
    try:
        return image.getexif().get(ORIENTATION) in (5, 6, 7, 8)
    except (struct.error, KeyError, TypeError):  # damaged EXIF; the pixels may be good
        return False
