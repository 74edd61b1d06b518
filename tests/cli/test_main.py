"""The command line as a whole: its table of commands, and an output that nobody reads on."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from daformer_lib import cli
from daformer_lib.cli.main import COMMANDS, GROUPS, INNER, SCRIPT, app

ROOT = Path(__file__).parents[2]


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
    count = len(list((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")))
    chapters = capsys.readouterr().out.splitlines()[:count]
    assert [line[:3] for line in chapters] == [f"{i:02d}_" for i in range(count)] and count > 10
    assert (
        chapters[0].startswith("00_domain_gap.ipynb")
        and "How much does a model lose" in chapters[0]
    )
    assert [line.endswith("(executed)") for line in chapters] == [i == 2 for i in range(count)]


def test_output_cut_short_by_its_reader_is_no_error():
    command = [sys.executable, "-u", "-m", "daformer_lib", "check-data", "--data-root", "nowhere"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        said = process.stderr.read().decode()
        assert process.wait(120) == 141
    assert "Errno" not in said and "error:" not in said


def test_the_name_that_a_shell_completes_is_installed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {SCRIPT: "daformer_lib.cli:main"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_people(shell, capsys):
    """Commands and options, those that only the kit starts left out."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["--tyro-print-completion", shell])
    assert ended.value.code in (None, 0)
    script = capsys.readouterr().out
    assert SCRIPT in script and "inspect-data" in script and "--no-notebook" in script
    assert not any(name in script for name in INNER)


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_completes_commands_options_and_choices(tmp_path, capsys):
    with pytest.raises(SystemExit):
        cli.main(["--tyro-print-completion", "bash"])
    (tmp_path / "completion").write_text(capsys.readouterr().out)
    tries = {("tra",): ["train"], ("train", "--prof"): ["--profile"],
             ("train", "--profile", ""): ["smoke", "demo", "study", "small", "full"]}  # fmt: skip
    lines = [f"source {tmp_path / 'completion'}",
             "f=$(complete -p daformer | sed 's/.*-F \\([^ ]*\\).*/\\1/')"]  # fmt: skip
    for words in tries:
        quoted = " ".join(f"'{word}'" for word in words)
        lines += [f"COMP_WORDS=(daformer {quoted}) COMP_CWORD={len(words)}", "$f",
                  'echo "${COMPREPLY[@]}"']  # fmt: skip
    said = subprocess.run(["bash", "-c", "\n".join(lines)], capture_output=True, text=True)
    assert [line.split() for line in said.stdout.splitlines()] == list(tries.values()), said.stderr
