"""What an image file says of itself, and the rules by which its pixels are taken or refused.

Images are read as a viewer shows them: the EXIF orientation (JPEG, PNG, WebP, TIFF) is obeyed, by
one rule for the size in the header and for the pixels. Nothing is decoded here; `files` does that.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import cv2
import numpy as np
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

MAX_PIXELS = 2**26  # 8192 x 8192: larger than any street data set, small enough for memory
ORIENTATION = 0x0112  # the tag of EXIF: 1 (as it lies in the file) to 8
UPRIGHT = 1
# LAB is not among them: libraries turn it into different colours.
PHOTO_MODES = ("1", "CMYK", "I;16", "I;16B", "I;16L", "I;16N", "L", "LA", "P", "PA", "RGB", "RGBA",
               "RGBX", "YCbCr")  # fmt: skip
LEAST_RANGE = 2**12  # of 2**16: what sensors of 12 bits fill; 8 bits would keep 16 grey levels
_ON_ITS_SIDE = (5, 6, 7, 8)
_FLIPS = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}  # OpenCV's flip codes; 5-8 are transposed before
_WIDTH, _HEIGHT, _BITS, _NUMBERS = 256, 257, 258, 339  # tags of TIFF
_KINDS = {2: "numbers with a sign", 3: "floating point numbers"}  # by the tag _NUMBERS
_DAMAGED = (struct.error, KeyError, TypeError, ValueError, SyntaxError, OSError)


class BrokenImage(ValueError):
    """An image file that is empty, truncated, damaged, absurdly large, or not to be read safely."""


class Header(NamedTuple):
    """What the first bytes of an image file say."""

    stored: tuple[int, int]  # (width, height) as the pixels lie in the file
    orientation: int  # of EXIF, 1-8; 1 where there is none
    mode: str  # Pillow's name of the pixel format: "L", "P", "RGB", ...; 16-bit colour is "RGB" too
    format: str  # "PNG", "JPEG", ...
    bits: int  # of a channel
    transparent: bool  # whether it can have transparent pixels

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) as the image is shown, and read."""
        return self.stored[::-1] if self.orientation in _ON_ITS_SIDE else self.stored

    @property
    def plain(self) -> bool:
        """Whether reading as 8-bit RGB changes nothing."""
        return self.bits <= 8 and self.mode != "CMYK" and not self.transparent


def read_header(file: BinaryIO, path: str | Path) -> Header:
    """The header of an open file. Raises BrokenImage for what must not reach a decoder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the limit is ours; damaged tags may have good pixels
        try:
            with Image.open(file) as image:
                header = _header(image, file)
        except Image.DecompressionBombError as error:
            raise BrokenImage(f"{path} is too large to be a street image: {error}") from None
        except UnidentifiedImageError:  # its text names an object of Python, no file
            raise BrokenImage(f"{path} {_why_unknown(file)}") from None
        except _DAMAGED as error:
            raise BrokenImage(f"{path} is not a readable image ({error}); fetch it again") from None
    width, height = header.stored
    if width * height > MAX_PIXELS:
        raise BrokenImage(
            f"{path} claims {width}x{height} pixels; the limit is {MAX_PIXELS}. "
            "Its header is damaged, or it is no street image: scale it down first"
        )
    if header.mode in ("F", "I"):
        numbers = _KINDS[3] if header.mode == "F" else "whole numbers of 32 bits or with a sign"
        raise BrokenImage(f"{path} holds {numbers}; save it with 8 bits (0-255)")
    return header


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W) or (H, W, C) as stored -> as a viewer shows it: (W, H) from orientation 5 on."""
    if orientation in _ON_ITS_SIDE:
        pixels = cv2.transpose(pixels)
    return cv2.flip(pixels, _FLIPS[orientation]) if orientation in _FLIPS else pixels


def as_shown(label: np.ndarray, photo: Header) -> np.ndarray:
    """A label (H, W) as its photo is shown: turned along where only the stored shape fits.

    Where both shapes are one (turned by 180 degrees, mirrored, square) it is taken as it is.
    """
    if label.shape[1::-1] == photo.stored != photo.size:
        return turned(label, photo.orientation)
    return label


def require_photo(header: Header, path: str | Path) -> None:
    """Raises BrokenImage for colours that have no one meaning as RGB."""
    if header.mode not in PHOTO_MODES:
        raise BrokenImage(f"{path} has colours of mode {header.mode}; save it as RGB with 8 bits")


def eight_bits(pixels: np.ndarray, path: str | Path) -> np.ndarray:
    """16 bits scaled to 8 by one factor for all images; refused where too few levels would stay."""
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype != np.uint16:
        raise BrokenImage(f"{path} holds {pixels.dtype} numbers; save it with 8 bits (0-255)")
    if 0 < int(pixels.max()) - int(pixels.min()) < LEAST_RANGE:  # one flat colour loses nothing
        raise BrokenImage(
            f"{path} has 16 bits, its {kept_range(pixels)}: too few levels would be left; scale "
            "it to 0-255, all images of the set by the same factor, and save it with 8 bits"
        )
    return cv2.convertScaleAbs(pixels, alpha=255 / 65535)


def kept_range(pixels: np.ndarray) -> str:
    """What of 16 bits is used, and what 8 bits make of it."""
    low, high = int(pixels.min()), int(pixels.max())
    small = f"{round(low / 257)}..{round(high / 257)} of 0..255"
    return f"values {low}..{high} of 0..65535 become {small}"


def not_ids(pixels: np.ndarray, header: Header) -> str:
    """What a label file that is not one 8-bit channel probably is, and what to do."""
    if header.mode in ("P", "PA"):
        return "it has a palette: set label_encoding: palette, or save the indices as grey"
    if pixels.ndim == 2 or pixels.dtype != np.uint8:
        return "save the ids with 8 bits (0-255), in one channel"
    if header.mode == "LA":
        return "grey with an alpha channel: save the ids as one channel, without alpha"
    if is_grey(pixels):
        return "three equal channels: ids saved as RGB; save one of the channels as grey"
    return "is it a coloured preview instead of the label file?"


def is_grey(pixels: np.ndarray) -> bool:
    """Whether the first three channels of (H, W, C) are equal."""
    return bool((pixels[..., :1] == pixels[..., 1:3]).all())


def _header(image: Image.Image, file: BinaryIO) -> Header:
    stored, bits = image.size, 16 if image.mode.startswith("I;16") else 8
    if image.format == "TIFF":  # some versions of Pillow give the size as it is shown
        stored = image.tag_v2[_WIDTH], image.tag_v2[_HEIGHT]
        bits = max(image.tag_v2.get(_BITS, (1,)))
    elif image.format == "PNG":
        file.seek(24)
        bits = file.read(1)[0]
    transparent = image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info
    name = image.format or ""
    return Header(stored, _orientation(image, file), image.mode, name, bits, transparent)


def _orientation(image: Image.Image, file: BinaryIO) -> int:
    try:
        if image.format == "TIFF":
            value = image.tag_v2.get(ORIENTATION)
        else:
            exif = Image.Exif()
            exif.load(_png_exif(file) if image.format == "PNG" else image.info.get("exif"))
            value = exif.get(ORIENTATION)
    except _DAMAGED:  # the pixels may be good
        return UPRIGHT
    return value if value in range(1, 9) else UPRIGHT


def _png_exif(file: BinaryIO) -> bytes:
    """EXIF may stand behind the pixels, where Pillow finds it only by decoding them all."""
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind == b"eXIf":
            return file.read(length)
        file.seek(length + 4, 1)  # its checksum, too
    return b""


# Brands of the container in which phones keep photographs compressed as video is (ISO 23008-12).
_HEIC = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
AS_JPEG = 'save it as JPEG (on a phone: camera format "most compatible"), or convert it'


def _why_unknown(file: BinaryIO) -> str:
    tags = _tiff_tags(file)
    kinds = [_KINDS[n] for n in tags.get(_NUMBERS, ()) if n in _KINDS]
    if kinds:
        return f"holds {kinds[0]}; save it with 8 bits (0-255)"
    if max(tags.get(_BITS, (0,))) > 16:
        return f"has {max(tags[_BITS])} bits a channel; save it with 8 bits (0-255)"
    if tags:
        return "is a TIFF file of a kind that is not read here; save it as PNG with 8 bits"
    file.seek(0)
    head = file.read(64)
    if not head:
        return "is not a readable image: it is empty; fetch it again"
    if head[4:8] == b"ftyp" and any(brand in head for brand in _HEIC):
        return f"is a photograph in HEIC, which is not read; {AS_JPEG}"
    return "is not a readable image: its format is unknown; fetch it again"


def _tiff_tags(file: BinaryIO) -> Mapping[int, Any]:
    """Of a TIFF file whose pixels Pillow does not know; empty for any other file."""
    try:
        file.seek(0)
        tags = TiffImagePlugin.ImageFileDirectory_v2(file.read(8))
        file.seek(tags.next)
        tags.load(file)
        return dict(tags)
    except _DAMAGED:
        return {}
