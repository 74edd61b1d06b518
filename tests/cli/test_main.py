"""The command line as a whole: its table of commands, and an output that nobody reads on."""

from __future__ import annotations

import subprocess
import sys

import pytest

from daformer_lib import cli
from daformer_lib.cli.main import COMMANDS, GROUPS, INNER, app


def test_every_command_has_its_line_of_help(capsys):
    """Options and their texts are read from the functions: an odd one would fail here."""
    for name, command in COMMANDS.items():
        assert command.__doc__, name
        with pytest.raises(SystemExit) as ended:
            app().cli(args=[name, "--help"], prog="x")
        assert ended.value.code in (None, 0), name
        assert "options" in capsys.readouterr().out, name


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_the_list_of_commands_is_for_people(capsys, arguments):
    """Every command in its group with its sentence, those that only the kit starts left out."""
    assert cli.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    listed = [line.split()[0] for line in lines if line.startswith("  ")]
    assert listed == [name for group in GROUPS.values() for name in group]
    assert set(listed) == set(COMMANDS) - set(INNER) and len(INNER) == 2
    assert [line for line in lines[1:] if line and line[0] != " "] == list(GROUPS)
    assert max(map(len, lines)) <= 120


def test_the_course_without_a_profile_starts_nothing(capsys, tmp_path, monkeypatch):
    """It says what there is, and what has been executed."""
    monkeypatch.setattr("daformer_lib.course.course.run_course", lambda *_: pytest.fail("started"))
    executed = tmp_path / "notebooks" / "02_self_training.ipynb"
    executed.parent.mkdir()
    executed.write_text("{}")
    assert cli.main(["course", "--output-dir", str(tmp_path)]) == 0
    chapters = capsys.readouterr().out.splitlines()[:10]
    assert (
        chapters[0].startswith("00_domain_gap.ipynb")
        and "How much does a model lose" in chapters[0]
    )
    assert [line.endswith("(executed)") for line in chapters] == [i == 2 for i in range(10)]


def test_output_cut_short_by_its_reader_is_no_error():
    command = [sys.executable, "-u", "-m", "daformer_lib", "check-data", "--data-root", "nowhere"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        said = process.stderr.read().decode()
        assert process.wait(120) == 141
    assert "Errno" not in said and "error:" not in said
