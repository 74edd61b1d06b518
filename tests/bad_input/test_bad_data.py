"""Data sets and images that are not as they should be: each is named, with what to do about it."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from daformer_lib.files import write_json, write_png

CONVERTED = (
    "data/own/train/ids/p0.png",
    "data/own/sample_class_stats_*train.json",
    "data/own/.conversion_*train.npz",
    "runs/inspect/own-train.png",
)
TRAINED = ("data/own/*", "runs/train/*")  # up to the first batch all was well


def inspect(place, *more):
    return ("inspect-data", place.root / "own.yaml", "--data-root", "data", *more)


def train(place, row="source_only"):
    spec = place.root / "own.yaml"
    words = ("--profile", "smoke", "--row", row, "--data-root", "data")
    return ("train", *words, "--source", spec, "--target", spec)


def inspected(change, **spec):
    """Two good pairs, of which p1 is then spoilt; then inspect-data."""

    def make(place):
        place.spec(**spec)
        place.pairs()
        change(place)
        return inspect(place)

    return make


def trained(change, row="source_only", **spec):
    def make(place):
        place.spec(**spec)
        for split in ("train", "val", "test"):
            place.pairs(split=split)
        change(place)
        return train(place, row)

    return make


def predicted(change, *inputs):
    """A network, a photo, and what is spoilt; then predict on `inputs` (the folder by default)."""

    def make(place):
        place.photo()
        change(place)
        return ("predict", "--model", place.model, "--images", *(inputs or ("photos",)))

    return make


def cut(path, keep):
    path.write_bytes(path.read_bytes()[:keep])


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, colour: int) -> bytes:
    """A PNG's header and hardly anything behind it; colour 2 = RGB, 3 = palette."""
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    rows = zlib.compress(b"\0" * min(10_000, height * (width + 1)))
    parts = [(b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def jpeg(width: int, height: int) -> bytes:
    """A JPEG whose header claims this size."""
    frame = struct.pack(">BHHB", 8, height, width, 3) + b"\1\x11\0\2\x11\0\3\x11\0"
    return b"\xff\xd8\xff\xc0" + struct.pack(">H", len(frame) + 2) + frame + b"\xff\xd9"


def loop(path):
    path.unlink()
    path.symlink_to(path.name)


def folder(path):
    path.unlink()
    path.mkdir()


def grey16(path):
    Image.fromarray(np.full((32, 64), 300, np.uint16)).save(path)


def rgba(path):
    Image.fromarray(np.full((32, 64, 4), 1, np.uint8)).save(path)


def values(*wanted):
    return np.repeat(np.array(wanted, np.uint8), 64 // len(wanted))[None].repeat(32, 0)


def statistics(content, keep=None):
    """Statistics that nothing can be made again from: the label files are gone."""

    def make(place):
        write_json(place.statistics(), content)
        cut(place.statistics(), keep)
        for i in range(2):
            place.label(f"p{i}.png").unlink()

    return make


def same_labels(*wanted):
    """Label files that are used as they are."""
    return lambda p: [write_png(p.label(f"p{i}.png"), values(*wanted))
                      for i in range(2)]  # fmt: skip


def void(place):
    for i in range(2):
        write_png(place.label(f"p{i}.png"), values(7, 255))


AS_THEY_ARE = {"train_id_pattern": "{split}/lab/{stem}.png"}

INSPECTED = [
    ("image cut short", inspected(lambda p: cut(p.image(), 300)),
     r"skipped p1: broken image: .*p1\.png is truncated .*fetch it again"),
    ("image of 0 bytes", inspected(lambda p: cut(p.image(), 0)),
     r"p1\.png is not a readable image: it is empty; fetch it again"),
    ("text that is called .png", inspected(lambda p: p.image().write_text("<html>404</html>")),
     r"p1\.png is not a readable image"),
    ("image that claims 100000x100000", inspected(
        lambda p: p.image().write_bytes(png(100_000, 100_000, 2))),
     r"p1\.png (is too large|claims 100000x100000)"),
    ("label that claims 60000x60000", inspected(
        lambda p: p.label().write_bytes(png(60_000, 60_000, 2))),
     r"broken label: .*p1\.png (is too large|claims 60000x60000)"),
    ("label cut short", inspected(lambda p: cut(p.label(), -20)),
     r"broken label: .*lab/p1\.png is truncated"),
    ("label of another size", inspected(
        lambda p: write_png(p.label(), np.zeros((16, 64), np.uint8))),
     r"skipped p1: sizes differ: image 64x32, label 64x16"),
    ("label with four channels", inspected(lambda p: rgba(p.label())),
     r"broken label: .*p1\.png holds \(32, 64, 4\) uint8.*three equal channels"),
    ("label of 16 bits", inspected(lambda p: grey16(p.label())),
     r"p1\.png holds \(32, 64\) uint16.*save the ids with 8 bits"),
    ("palette label, where ids are meant", inspected(
        lambda p: Image.new("P", (64, 32)).save(p.label())),
     r"broken label: .*p1\.png holds \(32, 64, 3\) uint8.*label_encoding: palette"),
    ("image without a label", inspected(lambda p: p.label().unlink()),
     r"skipped p1: the image has no label: .*lab/p1\.png is missing"),
    ("label without an image", inspected(lambda p: p.image().unlink()),
     r"skipped p1: the label has no image"),
    ("image that is a folder", inspected(lambda p: folder(p.image())),
     r"empty folders that are named like images \(train/img/p1\.png/\): put the image in"),
    ("image that links to itself", inspected(lambda p: loop(p.image())),
     r"skipped p1: the label has no image.*lead nowhere \(train/img/p1\.png\): mend or"),
]  # fmt: skip
OTHER = [
    ("label values outside the map", inspected(
        lambda p: [write_png(p.label(f"p{i}.png"), values(7, 9)) for i in range(2)]),
     r"7 -> ignored.*map every id that means a class", 1,
     (*CONVERTED, "data/own/train/ids/p1.png")),
    ("palette label without its palette: ids are indices", inspected(
        lambda p: p.label().write_bytes(png(64, 32, 3)), label_encoding="palette"),
     "nothing looks wrong", 0, (*CONVERTED, "data/own/train/ids/p1.png")),
    ("labels off by one", inspected(
        lambda p: [write_png(p.label(f"p{i}.png"), values(1, 2, 3)) for i in range(2)]),
     r"moved by 1.*write id_map: \{1: 0", 1, (*CONVERTED, "data/own/train/ids/p1.png")),
    ("a mask of 0 and 255", inspected(
        lambda p: [write_png(p.label(f"p{i}.png"), values(0, 255)) for i in range(2)]),
     r"black and white mask.*255: 1", 1, (*CONVERTED, "data/own/train/ids/p1.png")),
    ("an empty folder", lambda p: (p.spec(), inspect(p))[1],
     r"own/train: 0 images.*no images: expected files like .*own.yaml", 1),
    ("images of another ending", inspected(lambda p: [
        p.image(f"p{i}.png").rename(p.image(f"p{i}.jpg")) for i in range(2)]),
     r"2 images with another ending .*\(train/img/p0\.jpg.*give the pattern their ending", 1),
    ("an unknown split", lambda p: (p.spec(), inspect(p, "--split", "trian"))[1],
     r"own has no split 'trian'; did you mean train\?"),
    ("training without any image", trained(
        lambda p: [p.image(f"p{i}.png").unlink() for i in range(2)]),
     r"no images of own/train: expected files like .*Mend .*own.yaml"),
    ("training without any label", trained(
        lambda p: [p.label(f"p{i}.png").unlink() for i in range(2)]),
     r"no labels of own/train: expected files like .*Mend .*own.yaml", 2, ("data/own/*",)),
    ("training where every image is broken", trained(
        lambda p: [cut(p.image(f"p{i}.png"), 40) for i in range(2)]),
     r"no usable pair.*inspect-data .*own.yaml", 2, TRAINED),
    *((f"{side} without a labelled pixel: {row}", trained(void, row),
       rf"no labelled pixel in the {side} own/train: every label value .* is ignored .*id_map",
       2, TRAINED)
      for row, side in (("source_only", "source"), ("daformer", "source"), ("oracle", "target"))),
    ("train ids outside the classes", trained(same_labels(0, 7, 200, 255), **AS_THEY_ARE),
     r"lab/p\d\.png holds \[7, 200\], train ids of own are 0\.\.2 and 255; convert", 2, TRAINED),
    ("statistics cut short", trained(statistics([], keep=1)),
     r"sample_class_stats_\w+train\.json is not valid JSON .*delete it and make it again"),
    ("statistics of something else", trained(statistics({"loss": 1})),
     r"is no list of class statistics.*delete it and convert"),
    ("statistics of more classes", trained(statistics([{"file": "p0", "18": 5}])),
     r"class '18' of p0 is not a train id of own \(0\.\.2\).*convert the data set again"),
    ("statistics that lead out of the folder", trained(statistics([{"file": "../../p", "0": 5}])),
     r"names the file '\.\./\.\./p', which leads out of the data set's folder"),
    ("a photo cut short", predicted(lambda p: cut(p.photo("photos/b.png"), -30)),
     r"labelled 1 of 2 images.*skipped photos/b\.png is truncated", 1, ("runs/*/a_*.png",)),
    ("a photo of 0 bytes", predicted(lambda p: cut(p.photo("photos/b.png"), 0)),
     r"skipped photos/b\.png is not a readable image", 1, ("runs/*/a_*.png",)),
    ("a JPEG that claims 65000x65000", predicted(
        lambda p: (p.root / "photos/b.jpg").write_bytes(jpeg(65_000, 65_000))),
     r"skipped photos/b\.jpg (is too large|claims 65000x65000)", 1, ("runs/*/a_*.png",)),
    ("a PNG that claims 9000x9000", predicted(
        lambda p: (p.root / "photos/b.png").write_bytes(png(9_000, 9_000, 2))),
     r"skipped photos/b\.png claims 9000x9000 pixels; the limit is", 1, ("runs/*/a_*.png",)),
    ("two photos of one name", predicted(
        lambda p: Image.new("RGB", (48, 40)).save(p.root / "photos/a.jpg")),
     r"photos/a\.jpg and photos/a\.png would both be written as a_labels\.png; rename one"),
    ("a photo that is not there", predicted(lambda p: None, "photos/z.png"),
     r"no file or folder photos/z\.png"),
    ("a folder without photos", predicted(lambda p: (p.root / "none").mkdir(), "none"),
     r"no image \(.*\.png.*\) in none"),
    ("a photo that links to itself", predicted(lambda p: loop(p.photo("photos/b.png")),
                                               "photos/b.png"),
     r"no file or folder photos/b\.png"),
    ("a wildcard that leads out", predicted(lambda p: p.photo("c.png"), "photos/../*/../c.png"),
     r"would be written outside the output folder.*without '\.\.' after a wildcard"),
    ("a link among photos that leads nowhere", predicted(
        lambda p: (p.root / "photos/b.png").symlink_to("gone.png")),
     r"labelled 1 of 1.*not labelled: 1 links that lead nowhere \(photos/b\.png\): mend", 1,
     ("runs/*/a_*.png",)),
    ("a name with no room for an ending", predicted(lambda p: p.photo(f"photos/{'n' * 245}.png")),
     r"outputs would have names of 260 bytes, and disks take 255; shorten the name"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "says"), [row[1:] for row in INSPECTED], ids=[row[0] for row in INSPECTED]
)
def test_a_bad_pair_is_named_and_left_out(judge, make, says):
    judge(make, says, 1, CONVERTED)


@pytest.mark.filterwarnings("ignore:crop 128x128", "ignore:2 pairs of own")
@pytest.mark.parametrize("row", [r[1:] for r in OTHER], ids=[r[0] for r in OTHER])
def test_bad_data_are_named(judge, row):
    judge(*row)
