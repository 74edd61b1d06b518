"""Options and steps that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from daformer_lib.config import Experiment
from daformer_lib.data.intake.prepare import prepare
from daformer_lib.data.public.shared import common_lines
from daformer_lib.progress import Progress
from daformer_lib.runs import Run
from daformer_lib.specs import JOIN, get_spec, get_specs
from daformer_lib.specs.common import write_common
from daformer_lib.texts import printable

if TYPE_CHECKING:
    from daformer_lib.train.pretrain import PretrainConfig

Profile = Annotated[
    Literal["smoke", "demo", "study", "small", "full"],
    tyro.conf.arg(
        help="smoke: a handful of images and steps. demo: the course's, minutes a run. study: the "
        "committed tables'. small: photographs in hours on a laptop, with a MiT-B0. full: the "
        "paper's setting, for a GPU and real data."
    ),
]
Row = Annotated[
    str,
    tyro.conf.arg(
        help="which experiment: source_only, self_training, rcs, fd, daformer, mic, oracle, or a "
        "row of a paper's table; a wrong name prints the nearest ones."
    ),
]
Seed = Annotated[
    int, tyro.conf.arg(help="of all that is drawn: first weights, order of images, crops, mixes.")
]
Source = Annotated[
    str | None,
    tyro.conf.arg(
        help="labelled data set: a name, a .yaml file, or several as a+b; by default the profile's."
    ),
]
Target = Annotated[
    str | None,
    tyro.conf.arg(help="data set without labels: a name or .yaml file; by default the profile's."),
]
DataRoot = Annotated[
    str | None,
    tyro.conf.arg(
        help="folder that holds the data sets' folders; by default data, at smoke data/smoke."
    ),
]
RunRoot = Annotated[
    str | None,
    tyro.conf.arg(
        help="folder that holds the data sets' folders; by default where the run has it."
    ),
]
Classes = Literal["own", "common"]
Settings = Annotated[tuple[str, ...], tyro.conf.arg(name="set")]
Recheck = Annotated[
    bool,
    tyro.conf.arg(
        help="read every file to see whether it has changed since it was converted, not only those "
        "whose size or times differ."
    ),
]


def with_common_classes(
    source: str | None, target: str | None, data_root: str, folder: Path
) -> tuple[str, str]:
    """Files of specs with the classes that both have in common; their table is printed.

    A run keeps copies of such files, and its key sees what they say, not where they lie.
    """
    if source is None or target is None:
        raise ValueError(
            "--classes common brings two data sets together: give --source and --target"
        )
    sources, aim = get_specs(source, same=False), get_spec(target)
    print("\n".join(map(printable, common_lines(sources, aim, data_root))), flush=True)
    files, file = write_common(sources, aim, folder)
    return JOIN.join(map(str, files)), str(file)


def prepare_with_bar(experiment: Experiment, profile: str, recheck: bool) -> None:
    """Draw or convert what an experiment learns from, where it is not there."""
    with Progress(None, "data") as bar:
        prepare(experiment.data, profile, bar, recheck)


def pretrain_with_bar(config: PretrainConfig, folder: Path) -> None:
    """Pretrain a tiny encoder, and write its weights and their log."""
    from daformer_lib.train.pretrain import pretrain, save_pretrained

    with Progress(config.steps, f"pretrain {config.encoder}") as bar:
        network, log = pretrain(config, bar)
    print(f"held-out accuracy {log[-1]['held_out_accuracy']:.1%}")
    print(f"wrote {save_pretrained(network, config, log, folder)}")


def runs_at(folders: Sequence[Path]) -> list[Run]:
    """The runs that a glob such as runs/* names, without the lock files between them."""
    return [Run(folder) for folder in folders if not folder.is_file()]
