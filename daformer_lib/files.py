"""Files: atomic writes, and image reading that names the broken file instead of a decoder's error.

Every write goes to a temporary file in the same folder and is renamed over the old one, so that a
killed process leaves the old file or the new one, never half of one.
Images are decoded by OpenCV; Pillow reads headers and palettes, since OpenCV expands a palette.
All are read as a viewer shows them (`image_rules`), labels with an orientation of their own too.
"""

from __future__ import annotations

import errno
import io
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from filelock import FileLock
from PIL import Image

from daformer_lib.image_rules import (
    BrokenImage,
    Header,
    eight_bits,
    kept_range,
    not_ids,
    read_header,
    require_photo,
    turned,
)

_PNG_START = b"\x89PNG\r\n\x1a\n"
_RAW = cv2.IMREAD_IGNORE_ORIENTATION  # one rule turns all: OpenCV's own differs between formats
_DEEP = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | _RAW  # else 16 bits lose their lower byte unseen


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


def require_writable(path: str | Path) -> None:
    """Raises OSError where a file could not be written later, after long work."""
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    write_atomic(path.with_name(f".{path.name[:40]}.try.part"), b"").unlink()


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


def read_if_there(path: Path) -> dict[str, Any]:
    """What a JSON file holds; nothing, if nobody has written it."""
    return read_json(path) if path.exists() else {}


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


def image_header(path: str | Path) -> Header:
    """Size, orientation and kind of pixels; nothing is decoded."""
    with open(path, "rb") as file:
        return read_header(file, path)


def image_size(path: str | Path) -> tuple[int, int]:
    """(width, height) from the file's header, as it is read; nothing is decoded."""
    return image_header(path).size


def verify_image(path: str | Path) -> tuple[int, int]:
    """(width, height), after the checksums of a PNG; finds damage at a fortieth of decoding."""
    return _verified(path)[1].size


def verify_photo(path: str | Path) -> Header:
    """The same for what `read_image` will read; of 16 bits the pixels are looked at."""
    data, header = _verified(path)
    require_photo(header, path)
    if header.bits > 8:
        eight_bits(_decode(data, header, path, _DEEP), path)
    return header


def read_image(path: str | Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB, as a viewer shows it; an alpha channel is dropped."""
    data, header = _checked(path)
    return eight_bits(_photo(data, header, path), path)


def pixel_note(path: str | Path) -> str:
    """What reading changes about an unusual photo (CMYK, 16 bits, transparent); "" for others.

    Raises BrokenImage where `read_image` does.
    """
    header = image_header(path)
    if header.plain:
        return ""
    if header.mode == "CMYK":
        return "CMYK colours, turned into RGB without their colour profile"
    if header.bits > 8:
        pixels = _photo(*_checked(path), path)
        eight_bits(pixels, path)  # refuses what would be crushed
        return f"16 bits, its {kept_range(pixels)}"
    hidden = (_by_pillow(_read_bytes(path), path, "RGBA")[..., 3] < 255).mean()
    return f"{hidden:.0%} of it transparent, read as the colours stored there" if hidden else ""


def read_gray(path: str | Path) -> np.ndarray:
    """(H, W) uint8: a label file with one channel. Colours or palettes are refused."""
    data, header = _checked(path)
    pixels = _decode(data, header, path, cv2.IMREAD_UNCHANGED | _RAW)
    if pixels.ndim != 2 or pixels.dtype != np.uint8:
        raise BrokenImage(
            f"{path} holds {pixels.shape} {pixels.dtype}, not one 8-bit channel of class ids; "
            f"{not_ids(pixels, header)}"
        )
    return pixels


def read_red16(path: str | Path) -> np.ndarray:
    """(H, W) uint16: the first (red) channel of a 16-bit PNG, where SYNTHIA keeps the class.

    Pillow would cut 16-bit colour to 8 bits without a word; OpenCV keeps it, in the order B, G, R.
    """
    data, header = _checked(path)
    pixels = _decode(data, header, path, cv2.IMREAD_UNCHANGED | _RAW)
    if pixels.ndim != 3 or pixels.dtype != np.uint16:
        raise BrokenImage(
            f"{path} holds {pixels.shape} {pixels.dtype}, not 16-bit colour (H, W, 3); "
            "take the files of GT/LABELS as they come, not re-saved ones"
        )
    return cv2.extractChannel(pixels, 2)


def read_red8(path: str | Path) -> np.ndarray:
    """(H, W) uint8: the red channel of 8-bit colour, where CARLA keeps the class."""
    data, header = _checked(path)
    pixels = _decode(data, header, path, cv2.IMREAD_UNCHANGED | _RAW)
    if pixels.ndim != 3 or pixels.dtype != np.uint8 or header.mode == "P":
        raise BrokenImage(
            f"{path} holds {pixels.shape} {pixels.dtype} ({header.mode}), not 8-bit colour; take "
            "the images of the semantic camera as it sends them, or set label_encoding: id"
        )
    return cv2.extractChannel(pixels, 2)


def read_palette(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """((H, W) uint8 indices, (n, 3) uint8 RGB palette) of a palette PNG."""
    data, header = _checked(path)
    if header.mode != "P":
        raise BrokenImage(f"{path} has mode {header.mode}, not a palette (P)")
    with Image.open(io.BytesIO(data)) as image:
        palette = np.array(image.getpalette(), dtype=np.uint8).reshape(-1, 3)
    return _upright(_by_pillow(data, path), header), palette


def image_kind(path: str | Path) -> tuple[str, str]:
    """(Pillow's pixel format, file format), such as ("P", "PNG"), from the header."""
    header = image_header(path)
    return header.mode, header.format


def color_mode(path: str | Path) -> str:
    """Pillow's name of the pixel format (``P``, ``L``, ``RGB``, ...), from the header."""
    return image_header(path).mode


def _photo(data: bytes, header: Header, path: str | Path) -> np.ndarray:
    """(H, W, 3) uint8 or uint16 RGB."""
    require_photo(header, path)
    if header.format == "TIFF" and header.transparent and header.bits == 8:
        return _by_pillow(data, path, "RGB")  # OpenCV would blend it with black
    return cv2.cvtColor(_decode(data, header, path, _DEEP), cv2.COLOR_BGR2RGB)


def _decode(data: bytes, header: Header, path: str | Path, flags: int) -> np.ndarray:
    """Pixels as a viewer shows them, by OpenCV."""
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise BrokenImage(f"{path} cannot be decoded: its data is damaged; fetch it again")
    pixels = _upright(pixels, header)
    if pixels.shape[1::-1] != header.size:
        raise BrokenImage(
            f"{path} says {header.size[0]}x{header.size[1]} in its header and holds "
            f"{pixels.shape[1]}x{pixels.shape[0]}: two images in one file; save it again"
        )
    return pixels


def _by_pillow(data: bytes, path: str | Path, mode: str | None = None) -> np.ndarray:
    """Pixels as Pillow has them: indices of a palette, or turned into another mode."""
    with Image.open(io.BytesIO(data)) as image:
        try:
            return np.array(image if mode is None else image.convert(mode))
        except (OSError, SyntaxError, ValueError) as error:
            raise BrokenImage(f"{path} cannot be decoded ({error}); fetch it again") from None


def _upright(pixels: np.ndarray, header: Header) -> np.ndarray:
    """Turned as EXIF says; of TIFF both libraries have done it."""
    return pixels if header.format == "TIFF" else turned(pixels, header.orientation)


def _read_bytes(path: str | Path) -> bytes:
    return Path(path).read_bytes()


def _checked(path: str | Path) -> tuple[bytes, Header]:
    """A file's bytes, after what must not reach a decoder is refused: empty, cut off, absurd."""
    data = _read_bytes(path)
    header = read_header(io.BytesIO(data), path)
    # Some decoders fill the missing part of a truncated PNG with grey and say nothing.
    if data.startswith(_PNG_START) and b"IEND" not in data[-64:]:
        raise BrokenImage(f"{path} is truncated (no IEND at its end); fetch it again")
    return data, header


def _verified(path: str | Path) -> tuple[bytes, Header]:
    data, header = _checked(path)
    with Image.open(io.BytesIO(data)) as image:
        try:
            image.verify()
        except (OSError, SyntaxError, ValueError) as error:
            raise BrokenImage(f"{path} is damaged ({error}); fetch it again") from None
    return data, header
