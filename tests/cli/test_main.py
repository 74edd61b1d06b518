"""The command line as a whole: its table of commands, and an output that nobody reads on."""

from __future__ import annotations

import subprocess
import sys

import pytest

from daformer_lib.cli.main import COMMANDS, app


def test_every_command_has_its_line_of_help(capsys):
    """Options and their texts are read from the functions: an odd one would fail here."""
    for name, command in COMMANDS.items():
        assert command.__doc__, name
        with pytest.raises(SystemExit) as ended:
            app().cli(args=[name, "--help"], prog="x")
        assert ended.value.code in (None, 0), name
        assert "options" in capsys.readouterr().out, name


def test_output_cut_short_by_its_reader_is_no_error():
    command = [sys.executable, "-u", "-m", "daformer_lib", "check-data", "--data-root", "nowhere"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        said = process.stderr.read().decode()
        assert process.wait(120) == 141
    assert "Errno" not in said and "error:" not in said
