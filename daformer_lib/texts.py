"""What is printed and written about names that come from elsewhere: files, classes, options.

A file name may hold anything but "/" and NUL: codes that move a terminal's cursor or hide a line,
bytes that are no UTF-8, a "|" that splits a table's cell. Here it becomes text and stays text.
"""

from __future__ import annotations

import errno
import html
import re
import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches

SHOWN = 200  # characters of a value in an error
FEW = 15  # names that are listed even where some are near
LISTED = 40  # names that are listed one by one at most
_KEPT = "\n\t"
# Marks that turn the direction of writing: "gpj.exe" can look like "exe.jpg".
_TURNING = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def printable(text: object) -> str:
    """The text with control codes, turning marks and undecodable bytes written as escapes.

    >>> printable("a\\x1b[2Jb")
    'a\\\\x1b[2Jb'
    """
    return "".join(c if _is_harmless(c) else _escaped(c) for c in str(text))


def _is_harmless(c: str) -> bool:
    return c in _KEPT or not (unicodedata.category(c) in ("Cc", "Cs") or _TURNING.match(c))


def _escaped(c: str) -> str:
    return c.encode("unicode_escape").decode("ascii")


def shortened(value: object, limit: int = SHOWN) -> str:
    """`repr`, cut where it is longer than a line or two."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text):,} characters)"


def nearest(name: object, known: Iterable[object]) -> str:
    """What is near and, where that is little to read or all that helps, what there is.

    >>> nearest("gat", ["gta", "cityscapes"])
    'did you mean gta? known: cityscapes, gta'
    """
    names = sorted(str(k) for k in known)
    near = get_close_matches(str(name), names)
    asked = f"did you mean {' or '.join(near)}?" if near else ""
    if near and len(names) > FEW:
        return asked
    more = f", ... ({len(names)} in all)" if len(names) > LISTED else ""
    return f"{asked} known: {', '.join(names[:LISTED])}{more}".strip()


def table_cell(text: object) -> str:
    """A name as one cell of a table in text: no new column, no line break."""
    return " ".join(str(text).split()).replace("|", "\\|")


def markdown_cell(text: object) -> str:
    """The same for a page that Markdown makes: no markup either."""
    return html.escape(table_cell(text), quote=False)


# What to do about what the operating system reports.
_REMEDIES = {
    errno.ENOSPC: "there is no space left on this disk; free some and start the command again, "
    "what was finished is kept",
    errno.EDQUOT: "your share of this disk is used up; free some and start the command again, "
    "what was finished is kept",
    errno.EACCES: "no permission; take another folder, or ask for the right to use this one",
    errno.EPERM: "not permitted; take another folder, or ask for the right to use this one",
    errno.EROFS: "this disk cannot be written to; take another folder",
    errno.ELOOP: "these symbolic links lead round in a circle; remove or mend them",
    errno.ENAMETOOLONG: "this name is too long (most disks take 255 bytes); shorten it",
    errno.EISDIR: "this is a folder, a file was expected; name the file",
    errno.ENOTDIR: "one of these folders is a file; name another place, or move the file away",
    errno.ENOENT: "there is no such file or folder; is the path right?",
    errno.EMFILE: "too many files are open; raise the limit (ulimit -n 4096), or use "
    "--set data.workers=0",
    errno.EIO: "the disk reports an error; copy the file from elsewhere, and check the disk",
}


# How PyTorch, CUDA, NumPy, OpenCV and the system spell that there is no memory left.
_NO_MEMORY = re.compile(
    r"out of memory|(can't|cannot|unable to) allocate|not enough memory|insufficient memory"
    r"|failed to allocate|ALLOC_FAILED|bad_alloc",
    re.IGNORECASE,
)
_ASKED = re.compile(r"allocate ([\d,.]+) ?([KMGTPE]i?B|bytes)", re.IGNORECASE)
_LESS_MEMORY = (
    "train with --set train.accumulate=2, train.checkpointing=true or train.precision=bf16-mixed "
    "(`probe` measures what fits), label images with --batch 1 or --mode slide, start fewer "
    "processes (--jobs 1, data.workers=0); what was saved is kept"
)
# A process that is gone without a word: on most machines the system ends the largest one.
_WORKER_GONE = re.compile(
    r"DataLoader worker .*(killed|exited unexpectedly)|process pool was terminated abruptly"
)


def lacking(error: BaseException) -> str | None:
    """What a user reads where a machine lacks memory or a tool; None for any other error."""
    named = isinstance(error, (KeyError, OSError, ValueError))  # their texts hold users' names
    text = "" if named else str(error)
    if re.search(r"shared memory|\bshm\b", text):
        return (
            "there is no shared memory left for the loader processes; use --set data.workers=0, or "
            "give the machine more (/dev/shm, in a container --shm-size)"
        )
    if _WORKER_GONE.search(text):
        return f"a worker process was ended, most often for lack of memory; {_LESS_MEMORY}"
    out_of_memory = isinstance(error, OSError) and error.errno == errno.ENOMEM
    if out_of_memory or isinstance(error, MemoryError) or _NO_MEMORY.search(text):
        where = "this GPU" if re.search("CUDA|CUDNN|CUBLAS|HIP|MPS", text) else "this machine"
        asked = _ASKED.search(text)
        tried = f" ({asked[1]} {asked[2]} were asked for)" if asked else ""
        return f"{where} has no memory left{tried}; {_LESS_MEMORY}"
    if isinstance(error, ModuleNotFoundError):
        return (
            f"the Python package {error.name} is missing; install what this kit needs: "
            "make course, or pip install -e '.[test]'"
        )
    return None


def complaint(error: BaseException) -> str:
    """What a user reads about an error: what is wrong, where, what to do; safe to print."""
    if lack := lacking(error):
        return printable(lack)
    if isinstance(error, KeyError) and error.args:
        return printable(error.args[0])  # str() would put it in quotes
    if isinstance(error, OSError) and error.errno in _REMEDIES:
        place = f"{error.filename}: " if error.filename is not None else ""
        return printable(place + _REMEDIES[error.errno])
    return printable(error)
