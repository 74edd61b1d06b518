"""Photos as cameras write them: which way up their labels lie, and what reading changes.

A photo with an EXIF orientation is read as a viewer shows it. Its label may have been drawn on the
photo as shown, or by a program that knows no orientation, on the pixels as stored: where the two
shapes differ the label's own tells (`image_rules.as_shown`), else it is taken as shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from daformer_lib import files
from daformer_lib.data.intake.mistakes import Mistake
from daformer_lib.data.on_disk import spread
from daformer_lib.image_rules import UPRIGHT, Header
from daformer_lib.texts import complaint

Lie = Literal["shown", "stored", "untold", "misfit"]
REMOVE = "remove the orientation of such photos (exiftool -Orientation= FILES)"


def label_lies(photo: Header, label: Header) -> Lie:
    """Which way up a label lies, by its shape, or by an orientation of its own."""
    if label.size not in (photo.size, photo.stored):
        return "misfit"
    if label.orientation != UPRIGHT or photo.size != photo.stored:
        return "shown" if label.size == photo.size else "stored"
    return "untold"


def turned_photos(photos: Mapping[str, Header]) -> dict[str, Header]:
    """Those that carry an orientation other than that of the file."""
    return {stem: h for stem, h in photos.items() if h.orientation != UPRIGHT}


def labels_lie(photos: Mapping[str, Header], labels: Mapping[str, Path]) -> dict[str, Lie]:
    """Stem -> how the label lies, for the turned photos whose label can be read."""
    lies = {}
    for stem, photo in turned_photos(photos).items():
        try:
            if stem in labels:
                lies[stem] = label_lies(photo, files.image_header(labels[stem]))
        except (files.BrokenImage, OSError):  # the conversion names it
            continue
    return lies


def orientation_remark(photos: Mapping[str, Header], lies: Mapping[str, Lie]) -> Iterator[str]:
    """How many photos carry an orientation, and how their labels are taken."""
    some = turned_photos(photos)
    if not some:
        return
    counts = Counter(lies.values())
    how = {
        "shown": f"as shown ({counts['shown']}, as their shape says)",
        "stored": f"as stored, and turned along ({counts['stored']}, as their shape says)",
        "untold": f"as shown ({counts['untold']}, whose shape does not tell: turned by 180 degrees,"
        " mirrored or square; where the contact sheet shows a label that does not lie like its "
        f"photo, {REMOVE})",
    }
    taken = "; ".join(text for lie, text in how.items() if counts[lie])
    yield (
        f"{len(some):,} photos carry an orientation (EXIF; first: {min(some)}) and are read as a "
        "viewer shows them" + (f"; labels are taken {taken}" if taken else "")
    )


def orientation_mistake(lies: Mapping[str, Lie]) -> Iterator[Mistake]:
    """Labels taken as shown, beside others of the set that certainly lie as stored."""
    untold = [stem for stem, lie in lies.items() if lie == "untold"]
    stored = sum(lie == "stored" for lie in lies.values())
    if untold and stored:
        yield Mistake(
            f"the labels of {stored:,} photos lie as stored, so those of {len(untold):,} others "
            f"probably do, too, which are taken as shown (first: {min(untold)})",
            f"{REMOVE}: then photos and labels are both read as stored",
        )


def pixel_remarks(
    photos: Mapping[str, Header], paths: Mapping[str, Path], sample: int
) -> tuple[list[str], dict[str, str]]:
    """What reading changes about unusual photos, and (stem -> why) which of them are refused."""
    remarks, refused = [], {}
    unusual = [stem for stem, header in photos.items() if not header.plain]
    for stem in spread(unusual, sample):
        try:
            note = files.pixel_note(paths[stem])
        except (files.BrokenImage, OSError) as error:
            refused[stem] = complaint(error)
        else:
            remarks += [f"image {stem}: {note}"] if note else []
    return remarks, refused
