"""Files: writes are whole or absent; a broken image is named, not decoded into grey."""

from __future__ import annotations

import os
import struct
import threading
import zlib

import numpy as np
import pytest
from PIL import Image

from daformer_lib import files

RGB = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_write_atomic_replaces_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "a" / "b.bin"
    files.write_atomic(path, b"old")
    files.write_atomic(path, b"new")
    assert path.read_bytes() == b"new" and names(path.parent) == ["b.bin"]


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = files.write_atomic(tmp_path / "x", b"old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        files.write_atomic(path, b"new")
    assert path.read_bytes() == b"old" and names(tmp_path) == ["x"]


def test_written_files_have_the_usual_permissions(tmp_path):
    path = files.write_atomic(tmp_path / "x", b"")
    (tmp_path / "y").write_bytes(b"")
    assert path.stat().st_mode == (tmp_path / "y").stat().st_mode


def _write_often(path, value):
    for _ in range(200):
        files.write_atomic(path, value)


def test_readers_never_see_a_half_written_file(tmp_path):
    path = tmp_path / "x"
    values = [b"a" * 50_000, b"b" * 70_000]
    files.write_atomic(path, values[0])
    writers = [threading.Thread(target=_write_often, args=(path, v)) for v in values]
    for writer in writers:
        writer.start()
    seen = {path.read_bytes() for _ in range(300)}
    for writer in writers:
        writer.join()
    assert seen <= set(values)


def test_json_round_trip_and_errors(tmp_path):
    path = files.write_json(tmp_path / "x.json", {"a": [1, 2.5]})
    assert files.read_json(path) == {"a": [1, 2.5]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(path, float("nan"))
    path.write_text('{"a": ')
    with pytest.raises(ValueError, match=r"x\.json is not valid JSON .* make it again"):
        files.read_json(path)


def test_images_round_trip(tmp_path):
    assert np.array_equal(files.read_image(files.write_png(tmp_path / "c.png", RGB)), RGB)
    gray = RGB[..., 0]
    for write in (files.write_png, files.write_label_png):
        assert np.array_equal(files.read_gray(write(tmp_path / "g.png", gray)), gray)
    indices, palette = files.read_palette(
        files.write_palette_png(tmp_path / "p.png", gray, [(i, 0, 255 - i) for i in range(256)])
    )
    assert np.array_equal(indices, gray) and palette[7].tolist() == [7, 0, 248]
    assert (
        files.image_size(tmp_path / "c.png") == files.verify_image(tmp_path / "c.png") == (30, 20)
    )


def test_pixels_are_rgb_for_other_programs(tmp_path):
    path = files.write_png(tmp_path / "c.png", RGB)
    assert np.array_equal(np.asarray(Image.open(path)), RGB)


def test_red16_keeps_all_sixteen_bits_of_the_first_channel(tmp_path):
    red = np.arange(600, dtype=np.uint16).reshape(20, 30) * 100
    label = np.stack([red, red + 1, red + 2], axis=-1)
    path = files.write_png(tmp_path / "s.png", label)
    header = path.read_bytes()[24:26]
    assert header == bytes([16, 2]), "not a 16-bit RGB PNG"
    assert np.array_equal(files.read_red16(path), red)


@pytest.mark.parametrize("read", [files.read_image, files.verify_image, files.read_gray])
@pytest.mark.parametrize("keep", [0, 20, 60, -20, -6], ids=lambda n: f"keep{n}")
def test_truncated_files_are_named(tmp_path, read, keep):
    path = files.write_png(tmp_path / "cut.png", RGB[..., 0] if read is files.read_gray else RGB)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(files.BrokenImage, match=r"cut\.png .*fetch it again"):
        read(path)


@pytest.mark.parametrize("read", [files.read_image, files.verify_image])
def test_a_flipped_bit_is_found(tmp_path, read):
    path = files.write_png(tmp_path / "bit.png", RGB)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    with pytest.raises(files.BrokenImage, match=r"bit\.png"):
        read(path)


def huge_png(width: int, height: int) -> bytes:
    """A valid header that claims an enormous image, with next to no data behind it."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0")), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


@pytest.mark.parametrize("size", [(100_000, 100_000), (10_000, 10_000)])
@pytest.mark.parametrize("read", [files.read_image, files.image_size, files.read_gray])
def test_absurd_sizes_are_refused_before_decoding(tmp_path, read, size, recwarn):
    path = tmp_path / "bomb.png"
    path.write_bytes(huge_png(*size))
    with pytest.raises(files.BrokenImage, match=r"bomb\.png (claims|is too large)"):
        read(path)
    assert not recwarn.list


def test_wrong_kinds_of_label_are_refused(tmp_path):
    path = files.write_png(tmp_path / "c.png", RGB)
    with pytest.raises(files.BrokenImage, match="coloured preview"):
        files.read_gray(path)
    with pytest.raises(files.BrokenImage, match="not 16-bit colour"):
        files.read_red16(path)
    with pytest.raises(files.BrokenImage, match="mode RGB, not a palette"):
        files.read_palette(path)


def test_a_missing_file_stays_file_not_found(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.png"):
        files.read_image(tmp_path / "none.png")
