"""The command line: each command is a function, its options are the function's arguments."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping

import cv2
import tyro

from daformer_lib.cli import compare, course, data, inference, study, train
from daformer_lib.stopping import exit_status, sigterm_raises
from daformer_lib.texts import complaint, nearest

# Errors that a user can mend; where memory runs out inside OpenCV, it is one of its own.
MENDED = (KeyError, ValueError, OSError, RuntimeError, MemoryError, ModuleNotFoundError, cv2.error)
COMMANDS: Mapping[str, Callable[..., int | None]] = {
    "check-data": data.check_data,
    "inspect-data": data.inspect_data,
    "probe": train.probe,
    "prepare-cache": data.prepare_cache,
    "make-fields": data.make_fields,
    "doctor": course.doctor,
    "make-mini": data.make_mini,
    "pretrain-mini": train.pretrain_mini,
    "train": train.train,
    "train-run": train.train_run,
    "study": study.study,
    "run-notebook": study.run_notebook,
    "claims": study.claims,
    "causes": study.causes,
    "evaluate": inference.evaluate,
    "evaluate-official": inference.evaluate_official,
    "export-test": inference.export_test,
    "export-visda": inference.export_visda,
    "compare": compare.compare,
    "choose": compare.choose,
    "predict": inference.predict,
    "export-model": inference.export_model,
    "ship-study": inference.ship_study,
    "export-onnx": inference.export_onnx,
    "course": course.course,
    "notebooks": course.notebooks,
    "convert": data.convert,
}


def app() -> tyro.extras.SubcommandApp:
    made = tyro.extras.SubcommandApp()
    for name, command in COMMANDS.items():
        made.command(name=name)(command)
    return made


def require_known(arguments: list[str]) -> None:
    """Raises ValueError for a command that there is not; options are looked at by tyro."""
    given = next(iter(arguments), "-")
    if not given.startswith("-") and given not in COMMANDS:
        raise ValueError(f"unknown command {given!r}; {nearest(given, COMMANDS)}")


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; what a user can mend is printed as one line, not as a traceback."""
    try:
        require_known(sys.argv[1:] if arguments is None else arguments)
        with sigterm_raises():
            return app().cli(args=arguments, prog="python -m daformer_lib") or 0
    except KeyboardInterrupt as error:
        print(f"{error}; the same command goes on from here".lstrip("; "), file=sys.stderr)
        return exit_status(error)
    except BrokenPipeError:  # whoever read the output has seen enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # as the shell says of a program that SIGPIPE ended
    except MENDED as error:
        if os.environ.get("DAFORMER_TRACEBACK"):
            raise
        print(f"error: {complaint(error)}", file=sys.stderr)
        return 2
