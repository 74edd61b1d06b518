"""What lies below a folder: links, hidden files, other spellings; nothing is lost or doubled."""

from __future__ import annotations

import glob
import os
from pathlib import Path, PurePosixPath
from unicodedata import normalize

import pytest
from hypothesis import strategies as st

from daformer_lib.folders import (
    CLOSED,
    EMPTY,
    NO_TARGET,
    SEEN,
    SPECIAL,
    SYSTEM,
    LeftOut,
    canonical,
    contents,
    in_words,
    matches,
    on_disk,
)

NFC, NFD = normalize("NFC", "Zürich/é"), normalize("NFD", "Zürich/é")


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def left_out(folder: Path) -> dict:
    return {one.path: one.why for one in contents(folder).left_out}


def test_linked_folders_are_followed_and_each_folder_is_read_once(tmp_path):
    store, here = tmp_path / "store", tmp_path / "here"
    for path in (
        store / "ulm" / "a.jpg",
        store / "ulm" / "deep" / "b.jpg",
        here / "real" / "c.jpg",
    ):
        touch(path)
    (here / "city").symlink_to(store / "ulm")
    (here / "again").symlink_to(here / "real")
    (here / "real" / "up").symlink_to(here)
    (store / "ulm" / "deep" / "round").symlink_to(store / "ulm")
    (here / "above").symlink_to(tmp_path)
    (here / "gone").symlink_to(tmp_path / "gone")
    (here / "self").symlink_to("self")
    (here / "d.jpg").symlink_to(store / "ulm" / "a.jpg")
    assert contents(here).files == ("city/a.jpg", "city/deep/b.jpg", "d.jpg", "real/c.jpg")
    assert left_out(here) == {
        "above/": SEEN, "again/": SEEN, "city/deep/round/": SEEN, "real/up/": SEEN,
        "gone": NO_TARGET, "self": NO_TARGET,
    }  # fmt: skip


def test_many_links_among_folders_end_at_once(tmp_path):
    """Followed without a guard, ten folders that all link to each other have millions of ways."""
    folders = [tmp_path / f"f{i}" for i in range(10)]
    for folder in folders:
        touch(folder / "a.jpg")
    for folder in folders:
        for other in folders:
            (folder / f"to_{other.name}").symlink_to(other)
    assert len(contents(tmp_path).files) == 10


def test_hidden_and_system_files_are_named(tmp_path):
    for name in ("a.jpg", "._a.jpg", ".ipynb_checkpoints/a-checkpoint.jpg", "Thumbs.db",
                 "__MACOSX/._a.jpg", "@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg", "sub/desktop.ini",
                 "sub/.DS_Store", "thumbs.jpg"):  # fmt: skip
        touch(tmp_path / name)
    assert contents(tmp_path).files == ("a.jpg", "thumbs.jpg")
    assert set(left_out(tmp_path)) == {
        "._a.jpg", ".ipynb_checkpoints/", "Thumbs.db", "__MACOSX/", "@eaDir/", "sub/desktop.ini",
        "sub/.DS_Store",
    }  # fmt: skip
    assert set(left_out(tmp_path).values()) == {SYSTEM}
    hidden = touch(tmp_path / ".cache" / "b.jpg").parent  # the user's own choice
    assert contents(hidden).files == ("b.jpg",)


def test_pipes_closed_folders_and_a_broken_way_are_named(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "photo.jpg").mkdir()
    touch(tmp_path / "closed" / "a.jpg")
    scandir = os.scandir

    def refusing(path):  # tests may run as root, to whom nothing is closed
        if str(path).endswith("closed"):
            raise PermissionError
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert left_out(tmp_path) == {"pipe.jpg": SPECIAL, "photo.jpg/": EMPTY, "closed/": CLOSED}
    (tmp_path / "data").symlink_to(tmp_path / "not mounted")
    assert left_out(tmp_path / "data" / "images") == {str(tmp_path / "data"): NO_TARGET}
    assert contents(tmp_path / "nowhere") == contents(tmp_path / "photo.jpg")


@pytest.mark.parametrize(
    ("path", "ending", "becomes"),
    [
        ("a.JPG", ".jpg", "a.jpg"),
        ("a.jpeg", ".jpg", "a.jpg"),
        ("a.JPEG", ".JPG", "a.JPG"),
        ("a.jpg", ".jpeg", "a.jpeg"),
        ("a.TIF", ".tiff", "a.tiff"),
        ("a.PNG", ".png", "a.png"),
        ("a.png", ".jpg", "a.png"),
        ("a.jPg", ".jpg", "a.jPg"),
        ("a.b.Jpg", ".jpg", "a.b.jpg"),
        ("a", "", "a"),
        (f"{NFD}.jpg", ".jpg", f"{NFC}.jpg"),
        ("Å.jpg", ".jpg", "Å.jpg"),  # an angstrom sign: its own composed form is another letter
    ],
)
def test_spellings_of_one_name(tmp_path, path, ending, becomes):
    assert canonical(path, ending) == becomes
    assert on_disk(touch(tmp_path / path)) == tmp_path / path
    assert on_disk(tmp_path / becomes) == tmp_path / path
    assert on_disk(tmp_path / "other.jpg") == tmp_path / "other.jpg"


def test_the_name_as_it_is_comes_first(tmp_path):
    for name in ("a.JPG", "a.jpeg", f"{NFC}.jpg", f"{NFD}.jpg"):
        touch(tmp_path / name)
        assert on_disk(tmp_path / name) == tmp_path / name
    (tmp_path / "a.jpg").symlink_to("gone")  # a broken link does not hide a good file
    assert on_disk(tmp_path / "a.jpg") == tmp_path / "a.JPG"


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("**", ["a.png", "n/b.png", "n/d/c.png"]),
        ("**/*.png", ["a.png", "n/b.png", "n/d/c.png"]),
        ("**/d/*", ["n/d/c.png"]),
        ("n/**/*.png", ["n/b.png", "n/d/c.png"]),
        ("*", ["a.png"]),
        ("**/[ab].*", ["a.png", "n/b.png"]),
    ],
)
def test_globs_mean_what_they_mean_elsewhere(tmp_path, pattern, fits):
    paths = [touch(tmp_path / name) for name in ("a.png", "n/b.png", "n/d/c.png")]
    names = [path.relative_to(tmp_path).as_posix() for path in paths]
    assert [name for name in names if matches(name, pattern.split("/"))] == fits
    found = (Path(p) for p in glob.glob(f"{tmp_path}/{pattern}", recursive=True))
    assert sorted(p.relative_to(tmp_path).as_posix() for p in found if p.is_file()) == fits


def test_what_is_left_out_is_counted_and_named():
    many = [LeftOut(f"._{i}.jpg", SYSTEM) for i in range(5)]
    assert in_words([*many, LeftOut("a\nb", NO_TARGET)]) == (
        "5 hidden or system files (._0.jpg, ._1.jpg, ._2.jpg, ... 5 in all): nothing to do: these "
        "are no images; 1 links that lead nowhere (a\\nb): mend or remove them"
    )
    assert in_words([]) == ""


NAMES = ["a.jpg", "a.JPG", "a.jpeg", "b.png", "c", ".hidden", "._a.jpg", "__MACOSX", "Thumbs.db",
         "d.jpg", "é.jpg", normalize("NFD", "é.jpg"), "Å.jpg", "new\nline.jpg", "x y [1].jpg",
         "a.jPg", "note.txt", "@eaDir", os.fsdecode(b"\xff.jpg")]  # fmt: skip
KINDS = ["file"] * 4 + ["link"] * 3 + ["folder", "broken", "pipe"]
TREES = st.lists(
    st.tuples(
        st.lists(st.sampled_from(NAMES), min_size=1, max_size=2),
        st.sampled_from(KINDS),
        st.integers(0, 30),  # which of what is there already a link leads to
    ),
    max_size=16,
)


def build(root: Path, tree) -> None:
    """What can be made of the plan: a name that is taken, or below a file, is passed by."""
    there = [root.parent, root]
    for parts, kind, target in tree:
        path = root.joinpath(*parts)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if os.path.lexists(path):
                continue
            if kind == "file":
                path.write_bytes(b"x")
            elif kind == "folder":
                path.mkdir()
            elif kind == "pipe":
                os.mkfifo(path)
            else:
                path.symlink_to("nowhere" if kind == "broken" else there[target % len(there)])
        except OSError:
            continue
        there.append(path)


def assert_covered(root: Path, path: str, read, named) -> None:
    """A file is read or named; a folder is named, or all in it is covered."""
    read, named = list(read), list(named)
    assert len({*read, *named}) == len(read) + len(named)
    _assert_covered(root, path, {*read, *named})


def _assert_covered(root: Path, path: str, known: set[str]) -> None:
    if path in known or f"{path}/" in known:
        return
    assert (root / path).is_dir(), f"{path!r} is neither read nor named"
    for name in os.listdir(root / path):
        _assert_covered(root, f"{path}/{name}" if path else name, known)


@pytest.mark.parametrize(
    "name", ["a.png", "a.b.PNG", ".png", "a/.x", "a.b/c", "a.", "..", "x/..png"]
)
def test_an_ending_is_what_a_path_calls_its_suffix(name):
    fits = PurePosixPath(name).suffix.lower() == ".png"
    assert canonical(name, ".png") == (f"{name[:-4]}.png" if fits else name)
