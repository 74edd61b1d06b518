"""Processes for tests that kill: forked from a server that has imported torch, so that a start
takes a tenth of a second. Their work is here, where a new process can find it."""

import hashlib
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from daformer_lib import cli, files
from daformer_lib.data.drawn.mini import MiniCounts, make_mini
from daformer_lib.data.intake.convert import convert
from daformer_lib.runs.batch import run_all
from daformer_lib.specs import get_spec
from daformer_lib.train import train

SCENES = MiniCounts(24, 1, 6, 2, 2)
HOUR = 3600.0


def start(work: Callable, *arguments) -> multiprocessing.Process:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=work, args=arguments)
    process.start()
    return process


def end(process: multiprocessing.Process, seconds: float = 300) -> int | None:
    process.join(seconds)
    return process.exitcode


def killed(process: multiprocessing.Process) -> bool:
    """Whether it was still at work."""
    process.kill()
    return end(process) == -9


def wait_until(true: Callable[[], object], seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


def fingerprint(folder: Path) -> dict[str, str]:
    """Every file below the folder with its content, but no locks and no times of other files."""
    found = (p for p in sorted(Path(folder).rglob("*")) if p.is_file() and p.suffix != ".lock")
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()[:12]
        for p in found
        if not p.name.startswith(".conversion_")
    }


def processes_of(folder: Path) -> list[int]:
    """Training processes at work in the folder; a dead one that nobody fetched has no command."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = place.read_bytes()
        except OSError:  # it ended while we looked
            continue
        if b"train-run" in command and str(folder).encode() in command:
            found.append(int(place.parent.name))
    return found


# --- what the processes do -----------------------------------------------------------------------


def training(experiment, folder):
    torch.set_num_threads(1)
    train(experiment, folder)


def training_that_rests(experiment, folder, where, write, flag):
    """Train, and stand still inside the so-manyth writing of a checkpoint."""
    rest = Rest(write, flag)
    {"half": rest.in_the_data, "synced": rest.before_renaming, "renamed": rest.between_names}[
        where
    ]()
    training(experiment, folder)


class Rest:
    """Replaces a step of `write_atomic` by one that raises a flag and waits to be killed."""

    def __init__(self, write: int, flag: Path) -> None:
        self.left, self.flag = write, flag

    def now(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.flag.touch()
            time.sleep(HOUR)

    def in_the_data(self) -> None:
        def slow_open(path, mode):
            file = open(path, mode)  # noqa: SIM115 - write_atomic closes it
            if "last.pt" in str(path):
                write = file.write

                def write_half(data):
                    write(data[: len(data) // 2])
                    file.flush()
                    self.now()
                    write(data[len(data) // 2 :])

                return Replaced(file, write=write_half)
            return file

        files.open = slow_open

    def before_renaming(self) -> None:
        sync = os.fsync

        def slow_sync(handle):
            sync(handle)
            if Path(f"/proc/self/fd/{handle}").resolve().suffix == ".part":
                self.now()

        os.fsync = slow_sync

    def between_names(self) -> None:
        rename = os.replace

        def slow_rename(old, new):
            if Path(new).name == "last.pt":
                self.now()
            rename(old, new)

        os.replace = slow_rename


class Replaced:
    """A file with some methods replaced."""

    def __init__(self, file, **methods):
        self._file = file
        self.__dict__.update(methods)

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._file.close()


def command(arguments, output):
    """The command line, with its standard error in a file."""
    sys.stderr = open(output, "w")  # noqa: SIM115 - as long as the process lives
    torch.set_num_threads(1)
    sys.exit(cli.main(arguments))


def study(experiments, folder):
    run_all(experiments, folder)


def drawing(root, workers=1):
    make_mini(root, ["minigta"], SCENES, workers=workers)


def conversion(root):
    convert(get_spec("minigta"), root, "train")
