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
Command = Callable[..., int | None]
GROUPS: Mapping[str, Mapping[str, Command]] = {  # in the order in which people need them
    "The course": {
        "course": course.course,
        "notebooks": course.notebooks,
        "doctor": course.doctor,
    },
    "Train, and look at runs": {
        "train": train.train,
        "runs": compare.runs,
        "evaluate": inference.evaluate,
        "compare": compare.compare,
        "choose": compare.choose,
        "predict": inference.predict,
    },
    "Your own data, real data": {
        "data": data.public_data,
        "inspect-data": data.inspect_data,
        "check-data": data.check_data,
        "prepare-cache": data.prepare_cache,
        "probe": train.probe,
        "make-mini": data.make_mini,
        "make-fields": data.make_fields,
    },
    "Studies": {
        "study": study.study,
        "score-on": study.score_on,
        "claims": study.claims,
        "gains": study.gains,
        "causes": study.causes,
    },
    "For other programs": {
        "export-model": inference.export_model,
        "export-onnx": inference.export_onnx,
        "evaluate-official": inference.evaluate_official,
        "export-test": inference.export_test,
        "export-visda": inference.export_visda,
    },
    "What comes with the kit, made again": {
        "pretrain-mini": train.pretrain_mini,
        "ship-study": inference.ship_study,
        "outcomes": study.outcomes,
    },
}
LISTED: Mapping[str, Command] = {n: c for group in GROUPS.values() for n, c in group.items()}
INNER: Mapping[str, Command] = {  # what studies start as processes of their own
    "train-run": train.train_run,
    "run-notebook": study.run_notebook,
}
COMMANDS: Mapping[str, Command] = {**LISTED, **INNER}
PROGRAM = "python -m daformer_lib"
SCRIPT = "daformer"  # the same, as pip installs it: a shell completes commands by their first word
COMPLETION = "--tyro-print-completion"


def overview() -> str:
    """Every command for people, by group, with its sentence."""
    lines = [f"usage: {PROGRAM} (or {SCRIPT}) COMMAND [options]; COMMAND --help lists its options"]
    for title, commands in GROUPS.items():
        lines.append(f"\n{title}")
        for name, command in commands.items():
            lines.append(f"  {name:18s} {(command.__doc__ or '').partition(chr(10))[0]}")
    return "\n".join(lines)


def app(commands: Mapping[str, Command] = COMMANDS) -> tyro.extras.SubcommandApp:
    made = tyro.extras.SubcommandApp()
    for name, command in commands.items():
        made.command(name=name)(command)
    return made


def require_known(arguments: list[str]) -> None:
    """Raises ValueError for a command that there is not; options are looked at by tyro."""
    given = next(iter(arguments), "-")
    if not given.startswith("-") and given not in COMMANDS:
        raise ValueError(f"unknown command {given!r}; {nearest(given, LISTED)}")


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; what a user can mend is printed as one line, not as a traceback."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        if not given or given[0] in ("-h", "--help"):
            print(overview())
            return 0
        if given[0] == COMPLETION:
            return app(LISTED).cli(args=given, prog=SCRIPT) or 0
        require_known(given)
        with sigterm_raises():
            return app().cli(args=arguments, prog=PROGRAM) or 0
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
