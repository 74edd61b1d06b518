"""Orientation, depth and colours of image files: read by one rule, or refused by name."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps, TiffImagePlugin

from daformer_lib import files
from daformer_lib.image_rules import ORIENTATION, Header, as_shown, turned

FORMATS = {
    "jpg": {"quality": 98, "subsampling": 0},
    "mpo": {"quality": 98, "subsampling": 0, "append_images": [Image.new("RGB", (30, 20))]},
    "png": {},
    "webp": {"lossless": True},
    "tif": {},
}
# One corner white, the one beside it on the long side grey: no two of the eight ways are equal.
PHOTO = np.zeros((24, 40, 3), np.uint8)
PHOTO[:12, :20], PHOTO[:12, 20:] = 255, 128
LABEL = PHOTO[..., 0]


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[ORIENTATION] = orientation
    return tags


def seen(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """As Pillow, the viewer here, turns it."""
    image = Image.fromarray(pixels)
    image.getexif()[ORIENTATION] = orientation
    return np.asarray(ImageOps.exif_transpose(image))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_on_its_side_has_the_size_it_is_read_with(tmp_path, orientation, kind):
    path = tmp_path / f"p.{kind}"
    save_all = {"save_all": True} if kind == "mpo" else {}
    Image.fromarray(PHOTO).save(path, exif=exif(orientation), **FORMATS[kind], **save_all)
    pixels, header = files.read_image(path), files.image_header(path)
    expected = seen(PHOTO, orientation)
    assert pixels.shape == expected.shape
    assert np.abs(pixels.astype(int) - expected).max() < 30  # JPEG
    size = expected.shape[1::-1]
    assert files.image_size(path) == files.verify_image(path) == header.size == size
    assert header.stored == (40, 24) and header.orientation == orientation
    assert files.verify_photo(path) == header


@pytest.mark.parametrize("kind", ["png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_label_with_an_orientation_of_its_own_is_read_as_shown(tmp_path, orientation, kind):
    path = tmp_path / f"l.{kind}"
    if kind != "webp":  # which has no grey
        Image.fromarray(LABEL).save(path, exif=exif(orientation))
        assert np.array_equal(files.read_gray(path), seen(LABEL, orientation))
        palette = Image.fromarray(LABEL // 100)
        palette.putpalette([0, 0, 0, 9, 9, 9, 200, 0, 0])
        palette.save(path, exif=exif(orientation))
        assert np.array_equal(files.read_palette(path)[0], seen(LABEL // 100, orientation))
    assert files.image_size(files.write_png(path, LABEL)) == (40, 24)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def test_exif_behind_the_pixels_of_a_png_counts(tmp_path):
    """Where some programs write it; Pillow's own look at it would decode the pixels."""
    path = files.write_png(tmp_path / "late.png", PHOTO)
    data = path.read_bytes()
    end = data.rindex(b"IEND") - 4
    path.write_bytes(data[:end] + chunk(b"eXIf", exif(6).tobytes()[6:]) + data[end:])
    assert files.image_size(path) == (24, 40)
    assert np.array_equal(files.read_image(path), seen(PHOTO, 6))


@pytest.mark.parametrize("tags", [b"", b"MM", b"II*\0\xff\xff\xff\xff", b"nonsense" * 9])
def test_a_photo_whose_exif_is_damaged_is_read_as_stored(tmp_path, tags):
    path = tmp_path / "p.png"
    data = files.write_png(path, PHOTO).read_bytes()
    path.write_bytes(data[:33] + chunk(b"eXIf", tags) + data[33:])
    assert np.array_equal(files.read_image(path), PHOTO)
    Image.fromarray(PHOTO).save(tmp_path / "p.jpg", exif=b"Exif\0\0" + tags)
    assert files.image_size(tmp_path / "p.jpg") == (40, 24)


@pytest.mark.parametrize("value", [0, 9, 300])
def test_an_orientation_that_does_not_exist_is_none(tmp_path, value):
    Image.fromarray(PHOTO).save(tmp_path / "p.png", exif=exif(value))
    assert np.array_equal(files.read_image(tmp_path / "p.png"), PHOTO)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_labels_are_turned_along_where_only_the_stored_shape_fits(orientation):
    photo = Header((40, 24), orientation, "RGB", "JPEG", 8, False)
    shown = turned(LABEL, orientation)
    assert np.array_equal(shown, seen(LABEL, orientation))
    told = orientation > 4
    assert np.array_equal(as_shown(LABEL, photo), shown if told else LABEL)
    assert as_shown(shown, photo) is shown
    square = Header((24, 24), orientation, "RGB", "JPEG", 8, False)
    assert np.array_equal(as_shown(LABEL[:, :24], square), LABEL[:, :24])


def ramp(low: int, high: int) -> np.ndarray:
    """(24, 40) uint16 from low to high."""
    return np.linspace(low, high, 960).reshape(24, 40).round().astype(np.uint16)


DEEP = {
    "grey png": (".png", lambda ramp: ramp),
    "colour png": (".png", lambda ramp: np.dstack([ramp] * 3)),
    "colour and alpha png": (".png", lambda ramp: np.dstack([*[ramp] * 3, ramp * 0 + 65535])),
    "grey tiff": (".tif", lambda ramp: ramp),
    "colour tiff": (".tif", lambda ramp: np.dstack([ramp] * 3)),
}


def write_deep(tmp_path, name, values):
    ending, shaped = DEEP[name]
    path = tmp_path / f"deep{ending}"
    assert cv2.imwrite(str(path), shaped(values))
    return path


@pytest.mark.parametrize("name", DEEP)
@pytest.mark.parametrize("used", [(0, 65535), (300, 16383), (30000, 34096), (7, 7)])
def test_sixteen_bits_are_scaled_by_one_factor_and_noted(tmp_path, name, used):
    path = write_deep(tmp_path, name, ramp(*used))
    pixels = files.read_image(path)
    assert pixels.dtype == np.uint8 and pixels.shape == (24, 40, 3)
    assert np.abs(pixels[..., 1] - ramp(*used) * (255 / 65535)).max() <= 0.51
    files.verify_photo(path)
    small = [round(value / 257) for value in used]
    note = f"16 bits, its values {used[0]}..{used[1]} of 0..65535 become {small[0]}..{small[1]} of"
    assert files.pixel_note(path).startswith(note)


@pytest.mark.parametrize("name", DEEP)
@pytest.mark.parametrize("used", [(0, 4095), (20008, 20904), (60000, 64000), (0, 1)])
def test_sixteen_bits_that_eight_would_crush_are_refused(tmp_path, name, used):
    path = write_deep(tmp_path, name, ramp(*used))
    for read in (files.read_image, files.verify_photo, files.pixel_note):
        with pytest.raises(files.BrokenImage) as error:
            read(path)
        text = str(error.value)
        assert text.startswith(f"{path} has 16 bits, its values {used[0]}..{used[1]} of 0..65535")
        assert "scale it to 0-255" in text and "save it with 8 bits" in text


NUMBERS = {
    np.float32: "floating point",
    np.float64: "floating point",
    np.int16: "a sign",
    np.int32: "a sign",
    np.uint32: "32 bits",
}


@pytest.mark.parametrize("shape", [(24, 40), (24, 40, 3)])
@pytest.mark.parametrize("kind", NUMBERS, ids=lambda k: k.__name__)
def test_other_numbers_are_refused_by_every_reader(tmp_path, kind, shape):
    path = tmp_path / "n.tif"
    assert cv2.imwrite(str(path), np.ones(shape, kind))
    for read in (files.read_image, files.read_gray, files.image_size, files.verify_photo):
        with pytest.raises(files.BrokenImage) as error:
            read(path)
        assert NUMBERS[kind] in str(error.value) and "save it with 8 bits" in str(error.value)
        assert str(error.value).startswith(str(path)) and "object at" not in str(error.value)


@pytest.mark.parametrize("data", [b"", b"<html>", b"II*\0", b"\x89PNG\r\n\x1a\n", b"\0" * 99])
def test_what_is_no_image_is_named_without_words_of_python(tmp_path, data):
    (tmp_path / "x.png").write_bytes(data)
    for read in (files.read_image, files.image_size, files.read_gray, files.verify_image):
        with pytest.raises(files.BrokenImage, match=r"x\.png is .*not a readable image") as error:
            read(tmp_path / "x.png")
        assert "object at" not in str(error.value)


def half_hidden(mode: str) -> Image.Image:
    """PHOTO in a mode with transparency; the left half is invisible or half so."""
    image = Image.fromarray(PHOTO).convert("L" if mode in ("LA", "P") else "RGB")
    alpha = np.full(LABEL.shape, 255, np.uint8)
    alpha[:, :10], alpha[:, 10:20] = 0, 128
    image = image.convert(mode)
    if mode != "P":
        image.putalpha(Image.fromarray(alpha))
    return image


@pytest.mark.parametrize(
    ("kind", "mode"),
    [(kind, mode) for kind in ("png", "webp", "tif") for mode in ("LA", "RGBA")] + [("png", "P")],
)
def test_transparent_pixels_keep_the_colour_that_is_stored(tmp_path, mode, kind):
    path = tmp_path / f"a.{kind}"
    image = half_hidden(mode)
    options = {"lossless": True, "exact": True} if kind == "webp" else {}
    if mode == "P":
        options["transparency"] = bytes([0] * 200 + [255] * 56)  # of the indices up to 199
    image.save(path, **options)
    assert np.abs(files.read_image(path).astype(int) - PHOTO).max() == 0
    note = files.pixel_note(path)
    hidden = "75%" if mode == "P" else "50%"
    assert note == f"{hidden} of it transparent, read as the colours stored there"
    assert files.verify_photo(path).size == (40, 24)


def test_an_opaque_alpha_channel_is_not_worth_a_note(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(PHOTO).convert("RGBA").save(path)
    assert files.image_header(path).transparent and files.pixel_note(path) == ""
    assert files.pixel_note(files.write_png(tmp_path / "b.png", PHOTO)) == ""


COLOURS = {
    "png": ("1", "L", "P"),
    "jpg": ("L", "YCbCr", "CMYK"),
    "tif": ("1", "L", "P", "YCbCr", "CMYK"),
}


@pytest.mark.parametrize(("kind", "mode"), [(k, mode) for k in COLOURS for mode in COLOURS[k]])
def test_other_colours_become_the_same_rgb_as_in_pillow(tmp_path, mode, kind):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (3, 5, 3), np.uint8))
    image = image.resize((40, 24)).convert(mode)
    path = tmp_path / f"c.{kind}"
    image.save(path)
    with Image.open(path) as again:
        expected = np.asarray(again.convert("RGB")).astype(int)
    assert np.abs(files.read_image(path) - expected).max() <= 2
    note = "CMYK colours, turned into RGB without their colour profile"
    assert files.pixel_note(path) == (note if mode == "CMYK" else "")


def test_lab_colours_are_refused(tmp_path):
    """OpenCV and Pillow turn them into RGB that differ by up to 41 of 255."""
    Image.fromarray(PHOTO).convert("LAB").save(tmp_path / "lab.tif")
    for read in (files.read_image, files.verify_photo):
        with pytest.raises(
            files.BrokenImage, match=r"lab\.tif has colours of mode LAB; save it as"
        ):
            read(tmp_path / "lab.tif")


LABELS = {
    "sixteen bits": (lambda: LABEL.astype(np.uint16), "save the ids with 8 bits"),
    "three equal channels": (lambda: np.dstack([LABEL] * 3), "three equal channels: ids saved as"),
    "colours": (lambda: np.dstack([LABEL, LABEL // 2, LABEL]), "is it a coloured preview"),
    "16-bit colours": (lambda: np.dstack([LABEL.astype(np.uint16)] * 3), "in one channel"),
}


@pytest.mark.parametrize("name", LABELS)
def test_label_files_that_hold_no_single_channel_are_told_what_they_are(tmp_path, name):
    pixels, says = LABELS[name]
    path = files.write_png(tmp_path / "l.png", pixels())
    with pytest.raises(files.BrokenImage, match=says):
        files.read_gray(path)


def test_grey_with_alpha_and_palettes_as_ids_are_told_what_they_are(tmp_path):
    path = tmp_path / "l.png"
    half_hidden("LA").save(path)
    with pytest.raises(files.BrokenImage, match="grey with an alpha channel: save the ids as one"):
        files.read_gray(path)
    files.write_palette_png(path, LABEL // 100, [(0, 0, 0), (9, 9, 9), (200, 0, 0)])
    with pytest.raises(files.BrokenImage, match="set label_encoding: palette"):
        files.read_gray(path)


def test_a_tiff_of_many_bits_that_nobody_reads_is_named(tmp_path):
    """Tags of a kind that Pillow does not know, without pixels."""
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[256], tags[257], tags[258], tags[277] = 4, 4, (64, 64, 64), 3
    tags[262], tags[339] = 2, (1, 1, 1)
    data = io.BytesIO()
    tags.save(data)
    (tmp_path / "t.tif").write_bytes(data.getvalue())
    with pytest.raises(files.BrokenImage, match=r"t\.tif has 64 bits a channel; save it with 8"):
        files.image_size(tmp_path / "t.tif")
