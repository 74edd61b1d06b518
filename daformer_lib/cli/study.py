"""Many runs, and what they add up to: study, claims."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from daformer_lib.cli.options import Profile, Recheck, prepare_with_bar
from daformer_lib.files import require_writable
from daformer_lib.progress import Progress
from daformer_lib.runs import recipes


def study(
    table: Annotated[str, tyro.conf.Positional] = "main",
    rows: tuple[str, ...] | None = None,
    seeds: tuple[int, ...] = (0, 1, 2),
    profile: Profile = "study",
    output_dir: Path = Path("runs/study"),
    results: Path | None = None,
    source: str | None = None,
    target: str | None = None,
    data_root: str | None = None,
    jobs: int = 2,
    recheck: Recheck = False,
) -> None:
    """Rows x seeds as separate processes; finished runs are skipped; prints a table.

    Args:
        table: main (the story of the course), or the rows of one of the paper's tables: table1,
            table2, table4, table5, table7; at profile full those of the paper itself.
        rows: these instead.
    """
    from daformer_lib.data.changes.run_data import note_data
    from daformer_lib.runs.batch import require_jobs, run_all
    from daformer_lib.runs.folder import is_finished
    from daformer_lib.runs.results import absent_classes, collect, markdown_table, write_results
    from daformer_lib.train.trainable import require_trainable

    require_jobs(jobs)
    rows = recipes.study_rows(table, profile) if rows is None else rows
    if not rows or not seeds:
        raise ValueError("a study needs at least one of --rows and one of --seeds")
    wanted = [
        recipes.experiment(row, profile, seed, source, target, data_root)
        for seed in seeds
        for row in rows
    ]
    for missing in {e.name: e for e in wanted if not is_finished(e, output_dir)}.values():
        require_trainable(missing)  # one of each row: seeds change nothing that could be wrong
    if results is not None:
        require_writable(results)
    prepare_with_bar(wanted[0], profile, recheck)
    with Progress(None, "study") as bar:
        runs = run_all(wanted, output_dir, jobs, bar, begun=note_data)
    if results is not None:
        command = study_command(rows, seeds, profile, source=source, target=target)
        print(f"wrote {write_results(runs, results, command)}")
    split = runs[0].experiment.train.final_splits[-1]
    print(markdown_table(collect(runs, split=split)))
    for note in absent_classes(runs, split=split):
        print(note)


def study_command(
    rows: Sequence[str], seeds: Sequence[int], profile: str, **options: str | None
) -> str:
    """What to type to get these results again; options that are None are left out."""
    command = f"python -m daformer_lib study --rows {' '.join(rows)}"
    command += f" --seeds {' '.join(map(str, seeds))} --profile {profile}"
    return command + "".join(f" --{name} {value}" for name, value in options.items() if value)


def claims(folder: Path = Path("results")) -> None:
    """Write CLAIMS.md: the paper's claims, and which of them the committed results show.

    Args:
        folder: with mini_study.json, of `study --results`.
    """
    from daformer_lib.runs.claims import write_claims

    print(f"wrote {write_claims(folder)}")
