"""Odd names simply work, hostile ones cannot steer a terminal; a disk that refuses is explained."""

from __future__ import annotations

import errno
import os
from concurrent.futures.process import BrokenProcessPool

import cv2
import numpy as np
import pytest
import torch

from daformer_lib.cli import main
from daformer_lib.data.class_stats import read_class_stats
from daformer_lib.data.intake.prepare import prepare
from daformer_lib.files import write_png
from daformer_lib.inference.predict_files import find_images
from daformer_lib.specs import get_spec
from daformer_lib.texts import complaint, markdown_cell, nearest, printable, shortened

ODD = [
    "straße_日本_🚲.png",
    "with space & 'quotes'.png",
    "$5 [1] {x} %s.png",
    "-dash.png",
    "é" * 60,
]
DISKS = {  # what the system says -> what a user reads
    errno.ENOSPC: "there is no space left on this disk; free some and start the command again",
    errno.EACCES: "no permission; take another folder",
    errno.EROFS: "this disk cannot be written to; take another folder",
}


@pytest.mark.parametrize("name", ODD, ids=["letters", "quotes", "signs", "dash", "long"])
def test_odd_names_of_photos_simply_work(place, name):
    path = place.photo(f"photos/{name.removesuffix('.png')}.png")
    assert main(["predict", "--model", str(place.model), "--images", "photos"]) == 0
    assert (place.root / "runs" / "predictions" / f"{path.stem}_labels.png").is_file()


def test_odd_names_in_a_data_set_simply_work(place):
    place.spec()
    place.pairs(0)
    for name in (*ODD, "n" * 240):
        stem = name.removesuffix(".png")
        write_png(place.image(f"{stem}.png"), np.zeros((32, 64, 3), np.uint8))
        write_png(place.label(f"{stem}.png"), np.zeros((32, 64), np.uint8))
    assert main(["inspect-data", "own.yaml", "--data-root", "data"]) == 1  # two classes are absent
    stats = read_class_stats(get_spec("own.yaml"), "data", "train")
    assert set(stats.stems) == {name.removesuffix(".png") for name in (*ODD, "n" * 240)}


NASTY = ["\x1b[2J\x1b[31mgone.png", "bell\x07.png", "back\x08\x08.png", "\u202egnp.exe.png"]


@pytest.mark.parametrize("name", [*NASTY, os.fsdecode(b"\xff\xfe.png")])
def test_a_file_name_cannot_steer_the_terminal(judge, name):
    def make(place):
        place.photo(f"photos/{name}").write_bytes(b"no image")
        return ("predict", "--model", place.model, "--images", "photos")

    told = judge(make, "skipped photos/.*not a readable image", 1)
    assert "\u202e" not in told and printable(name) in told


def test_a_photo_whose_name_is_no_text_is_labelled(place):
    name = os.fsdecode(b"\xff\xfe")
    place.photo(f"photos/{name}.png")
    assert main(["predict", "--model", str(place.model), "--images", "photos"]) == 0
    assert (place.root / "runs" / "predictions" / f"{name}_labels.png").is_file()


def test_folders_that_link_in_a_circle_give_every_photo_once(place):
    path = place.photo("photos/a.png")
    (place.root / "photos" / "again").symlink_to(place.root / "photos")
    for entry in ("photos", "photos/**/*.png"):
        assert [image.path.resolve() for image in find_images([entry], "out")] == [path]


COMMANDS = {
    "predict": lambda p: ("predict", "--model", p.model, "--images", p.photo()),
    "export-model": lambda p: ("export-model", "--run", p.run, "--output", "new/m.safetensors"),
    "inspect-data": lambda p: (p.spec(), p.pairs(), ("inspect-data", "own.yaml"))[2],
    "make-mini": lambda p: ("make-mini", "--names", "minigta", "--profile", "smoke"),
    "train": lambda p: ("train", "--profile", "smoke", "--output-dir", "runs"),
}


@pytest.mark.parametrize("number", DISKS, ids=["full", "forbidden", "read-only"])
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_disk_that_refuses_is_explained_and_nothing_is_left(judge, monkeypatch, command, number):
    """Injected where files get their final name: tests may run as root, whom nothing is denied."""

    def make(place):
        words = command(place)

        def refuse(source, target, **_):
            raise OSError(number, os.strerror(number), str(target))

        monkeypatch.setattr(os, "replace", refuse)
        return words

    told = judge(make, DISKS[number])
    assert "/" in told.split("error: ")[1].split(": ")[0]  # the file comes first


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (KeyError("no 'x'; known: a"), "no 'x'; known: a"),
        (OSError(errno.ELOOP, "", "a/b"), "a/b: these symbolic links lead round in a circle"),
        (OSError(errno.ENAMETOOLONG, "", "long"), "long: this name is too long"),
        (IsADirectoryError(errno.EISDIR, "", "x"), "x: this is a folder, a file was expected"),
        (NotADirectoryError(errno.ENOTDIR, "", "x"), "x: one of these folders is a file"),
        (FileNotFoundError(errno.ENOENT, "", "x"), "x: there is no such file or folder"),
        (FileNotFoundError("no spec at x"), "no spec at x"),
        (OSError(errno.ENOSPC, ""), "there is no space left"),
        (ValueError("bad \x1b[31m"), "bad \\x1b[31m"),
    ],
)
def test_errors_read_as_sentences(error, says):
    assert complaint(error).startswith(says)


def asked_of_torch():
    torch.empty(2**45)


def asked_of_numpy():
    np.zeros(2**50)


CUDA = (
    "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 79.11 GiB of "
    "which 1.00 GiB is free."
)
LACKS = {  # what happens -> what a user reads
    "PyTorch": (asked_of_torch, r"this machine has no memory left \(140737488355328 bytes were"),
    "NumPy": (asked_of_numpy, r"this machine has no memory left \(8\.00 PiB were asked for\)"),
    "OpenCV": (cv2.error("(-4:Insufficient memory) Failed to allocate 103079215104 bytes in f"),
               r"this machine has no memory left \(103079215104 bytes"),
    "Python": (MemoryError(), r"this machine has no memory left; train with --set train\.accum"),
    "a GPU": (torch.OutOfMemoryError(CUDA), r"this GPU has no memory left \(2\.50 GiB were asked"),
    "cuBLAS": (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"),
               r"this GPU has no memory left; .*train\.checkpointing=true"),
    "Apple's GPU": (RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"), "this GPU"),
    "a new process": (OSError(errno.ENOMEM, "Cannot allocate memory"), "this machine has no mem"),
    "a loader process": (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "),
                         r"a worker process was ended, most often for lack of memory; .*workers=0"),
    "a drawing process": (BrokenProcessPool(
        "A process in the process pool was terminated abruptly while the future was running"),
        r"a worker process was ended, most often for lack of memory"),
    "shared memory": (RuntimeError("unable to write to file </torch_1>: No space left (28); shm"),
                      r"there is no shared memory left .*data\.workers=0.*--shm-size"),
    "a quota": (OSError(errno.EDQUOT, "Disk quota exceeded", "a/b.png"),
                r"a/b\.png: your share of this disk is used up; free some and start"),
    "open files": (OSError(errno.EMFILE, "Too many open files", "a.png"), r"a\.png: too many"),
    "a package": (ModuleNotFoundError("No module named 'timm'", name="timm"),
                  r"the Python package timm is missing; install what this kit needs"),
}  # fmt: skip


@pytest.mark.parametrize(("happens", "says"), LACKS.values(), ids=LACKS)
def test_lack_of_memory_disk_or_tool_is_said_as_such(judge, monkeypatch, happens, says):
    """In the midst of a command; status 2, as for all that a user can mend."""

    def lack(*_, **__):
        if isinstance(happens, BaseException):
            raise happens
        happens()

    monkeypatch.setattr("daformer_lib.inference.open_model", lack)
    judge(lambda p: ("predict", "--model", p.model, "--images", p.photo()), says)


@pytest.mark.parametrize("name", ["out of memory.yaml", "shm.yaml", "cannot allocate.yaml"])
def test_a_name_is_not_taken_for_a_lack(judge, name):
    judge(lambda p: ("inspect-data", name), f"no spec file at {name}")


def test_texts():
    assert printable("a\nb\tü 日本 🚲") == "a\nb\tü 日本 🚲"
    assert printable("\x9b2J\udcff") == "\\x9b2J\\udcff"
    assert markdown_cell("a | b\n<script>") == "a \\| b &lt;script&gt;"
    assert nearest("zzz", ["a", "b"]) == "known: a, b"
    assert nearest("n1", [f"n{i}" for i in range(50)]).startswith("did you mean n1")
    assert nearest("x", [f"n{i}" for i in range(50)]).endswith("... (50 in all)")
    assert shortened("x" * 300).endswith("... (302 characters)") and shortened([1]) == "[1]"


def test_pairs_that_training_leaves_out_are_told(place):
    from daformer_lib.config import DataConfig

    name = place.spec()
    place.pairs(3)
    place.image("p1.png").write_bytes(b"")
    data = DataConfig(source=name, target=name, data_root="data", crop=(32, 64))
    with pytest.warns(UserWarning, match=r"1 pairs of own/train are left out \(p1: broken image: "):
        prepare(data, "smoke")


def test_what_is_not_read_is_told_in_one_line_when_a_training_starts(place):
    from daformer_lib.config import DataConfig

    name = place.spec()
    for split in ("train", "val"):
        place.pairs(split=split)
        place.image("._p0.png", split).write_bytes(b"")
    place.image("notes.txt").write_bytes(b"")
    place.image("p7.png").symlink_to("gone")
    data = DataConfig(source=name, target=name, data_root="data", crop=(32, 64))
    with pytest.warns(UserWarning, match="not read") as told:
        prepare(data, "smoke")
    assert [str(warning.message) for warning in told] == [
        "not read: 2 hidden or system files (own/train/img/._p0.png, own/val/img/._p0.png): "
        "nothing to do: these are no images; 1 links that lead nowhere (own/train/img/p7.png): "
        "mend or remove them"
    ]


def test_a_crop_larger_than_the_images_is_padded_with_a_warning(place):
    """As in the authors' code; but nothing is learned from padding, so its share is said."""
    from daformer_lib.config import DataConfig

    name = place.spec()
    place.pairs()
    data = DataConfig(source=name, target=name, data_root="data", crop=(64, 64))
    told = "crop 64x64 is larger than the images of own in training, 32x64: 50% of it is padding"
    with pytest.warns(UserWarning, match=told):
        prepare(data, "smoke")
