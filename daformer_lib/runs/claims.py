"""What the paper claims, and whether our committed results show it: `results/CLAIMS.md`.

A claim is a sentence with the pairs of rows that it compares; the verdict comes from the files in
results/ alone, by a rule that is the same for all (`verdict`). Nothing here is ranked within noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from daformer_lib.files import read_if_there, write_atomic
from daformer_lib.means import MISSING
from daformer_lib.runs.papers import Column, paper_row
from daformer_lib.runs.results import STUDY, RowResult, mean_gain, mean_std, paired, read_results

MINIMUM = 3  # seeds that a verdict takes
CAUSES = "causes.json"  # of the command `causes`: are the paper's reasons there in the drawn world
INVESTIGATIONS = "investigations.json"  # claim -> why it does not show, as far as was found out
Verdict = Literal["shown", "tied", "contradicted", "not run"]
Measure = Callable[[RowResult], np.ndarray]  # (seeds,) percent


def miou(result: RowResult) -> np.ndarray:
    return result.miou


def rare_lead(result: RowResult) -> np.ndarray:
    """The rare classes' mean above the others': its gain is by how much more the rare ones gain."""
    common = sorted(set(result.mean_ids) - set(result.rare_ids))
    return result.rare - result.mean_over(common)


def large_vehicles(result: RowResult) -> np.ndarray:
    ids = [result.classes.index(name) for name in ("truck", "bus", "train")]
    return result.mean_over(ids)


@dataclass(frozen=True)
class Pair:
    """Two rows of which the second is claimed to be better, and where the paper has them."""

    low: str
    high: str
    paper_low: tuple[int, str, Column] | None = None  # table, name there, column
    paper_high: tuple[int, str, Column] | None = None

    def papers(self) -> str:
        """ "45.6 → 58.2 (Table 1)"; a dash where the paper prints none."""
        if self.paper_low is None or self.paper_high is None:
            return MISSING
        low, high = (
            getattr(paper_row(*place[:2]), place[2]) for place in (self.paper_low, self.paper_high)
        )
        return f"{low} → {high} (Table {self.paper_high[0]})"


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper; with several pairs all must show."""

    sentence: str
    pairs: tuple[Pair, ...]
    measure: Measure = miou
    what: str = "mIoU"
    cause: str = ""  # the part of causes.json that measures what the paper gives as the reason
    counted: str = ""  # where it has none: what docs/studies/mini-domains.md says of the reason


_SEGFORMER, _CNN = "SegFormer", "DeepLabV2"
CLAIMS: tuple[Claim, ...] = (
    Claim(
        "There is a gap: trained on the source alone, far from the oracle.",
        (Pair("source_only", "oracle", (1, _SEGFORMER, "source_only"), (1, _SEGFORMER, "oracle")),),
        counted="there",
    ),
    Claim(
        "A Transformer generalises better than a CNN, without adaptation.",
        (Pair("cnn_source_only", "source_only", (1, _CNN, "source_only"),
              (1, _SEGFORMER, "source_only")),),
        cause="architecture",
    ),
    Claim(
        "It adapts better, too.",
        (Pair("cnn_self_training", "self_training", (1, _CNN, "uda"), (1, _SEGFORMER, "uda")),),
        cause="architecture",
    ),
    Claim(
        "Self-training helps every network.",
        (
            Pair("source_only", "self_training", (1, _SEGFORMER, "source_only"),
                 (1, _SEGFORMER, "uda")),
            Pair("cnn_source_only", "cnn_self_training", (1, _CNN, "source_only"),
                 (1, _CNN, "uda")),
        ),
        counted="there",
    ),
    Claim(
        "Learning rate warm-up helps.",
        (Pair("segformer_no_warmup", "segformer_self_training",
              (4, "SegFormer without warm-up", "uda"), (4, "SegFormer with warm-up", "uda")),),
        cause="warmup",
    ),
    Claim(
        "Rare Class Sampling helps.",
        (Pair("self_training", "rcs", (5, "SegFormer", "uda"), (5, "RCS, T = 0.01", "uda")),),
        counted="there",
    ),
    Claim(
        "It helps the rare classes most.",
        (Pair("self_training", "rcs"),), rare_lead, "rare classes above the others",
        counted="there",
    ),
    Claim(
        "A low temperature is better than classes drawn uniformly.",
        (Pair("rcs_uniform", "rcs", (5, "RCS, T = ∞", "uda"), (5, "RCS, T = 0.01", "uda")),),
        counted="there",
    ),
    Claim(
        "Feature distance on things helps.",
        (Pair("self_training", "fd", (5, "SegFormer", "uda"), (5, "FD, things", "uda")),),
        cause="feature_distance",
    ),
    Claim(
        "On things it is better than everywhere.",
        (Pair("fd_everywhere", "fd", (5, "FD, all classes", "uda"), (5, "FD, things", "uda")),),
        cause="feature_distance",
    ),
    Claim(
        "RCS and FD add up.",
        (
            Pair("rcs", "daformer", (5, "RCS, T = 0.01", "uda"), (5, "RCS + FD", "uda")),
            Pair("fd", "daformer", (5, "FD, things", "uda"), (5, "RCS + FD", "uda")),
        ),
        counted="hardly there",
    ),
    Claim(
        "DAFormer's decoder is better than SegFormer's.",
        (Pair("segformer_self_training", "self_training", (7, "SegFormer, 768 channels", "uda"),
              (7, "DAFormer", "uda")),),
        cause="context",
    ),
    Claim(
        "Truck, bus and train become learnable.",
        (Pair("self_training", "daformer"),), large_vehicles, "mean IoU of the three",
        counted="there",
    ),
    Claim(
        "A teacher with a longer memory is better.",
        (Pair("short_memory", "daformer", (5, "RCS + FD", "uda"),
              (5, "RCS + FD + crop and alpha", "uda")),),
        counted="hardly there",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Effect:
    """A paired difference over seeds, in points."""

    low: float = float("nan")
    high: float = float("nan")
    gain: float = float("nan")
    error: float = float("nan")  # standard error
    seeds: int = 0
    scores: tuple[np.ndarray, ...] = field(default=(), compare=False)  # of both rows, by seed

    @property
    def in_errors(self) -> float:
        """The gain in standard errors; infinite where all seeds gain the same."""
        if self.error:
            return self.gain / self.error
        return math.copysign(math.inf, self.gain) if self.gain else 0.0

    @property
    def verdict(self) -> Verdict:
        """shown: more than twice the standard error in the claim's direction; contradicted: in the
        other; tied: neither; not run: under `MINIMUM` seeds of both rows."""
        if self.seeds < MINIMUM:
            return "not run"
        if abs(self.gain) <= 2 * self.error:
            return "tied"
        return "shown" if self.gain > 0 else "contradicted"


def effect(pair: Pair, measure: Measure, results: Mapping[str, RowResult]) -> Effect:
    """What the results say about one pair; without both rows nothing."""
    if pair.low not in results or pair.high not in results:
        return Effect()
    values = paired(results[pair.low], results[pair.high], measure)
    if not values.size:
        return Effect()
    low, high = values.mean(axis=1)
    return Effect(float(low), float(high), *mean_gain(values), values.shape[1], tuple(values))


def verdict(found: Sequence[Effect]) -> Verdict:
    """Of a claim: the least favourable of its pairs'."""
    verdicts = {one.verdict for one in found}
    order: tuple[Verdict, ...] = ("contradicted", "not run", "tied", "shown")
    return next(one for one in order if one in verdicts)


def cause_of(claim: Claim, causes: Mapping[str, Any]) -> str:
    """Whether the reason that the paper gives was found, apart from any score."""
    if not claim.cause:
        return f"*{claim.counted}*" if claim.counted else MISSING
    there = causes.get(claim.cause, {}).get("there")
    return "not measured" if there is None else "there" if there else "**not there**"


def claims_page(
    results: Mapping[str, RowResult],
    source: str,
    causes: Mapping[str, Any] | None = None,
    investigations: Mapping[str, str] | None = None,
) -> str:
    """The claims as Markdown, each pair a row; below, why those that do not show do not."""
    lines = [
        "# What the paper claims, and what these results show\n",
        f"From `results/{source}` (students, test split), by `make claims`. *Shown*: the paired "
        "difference over seeds is more than twice its standard error, in the claim's direction; "
        "*contradicted*: in the other; *tied*: neither, so nothing is ranked; *not run*: fewer "
        f"than {MINIMUM} seeds of both rows. The paper's numbers are of other data and networks: "
        "only directions can be compared; our row `daformer` has RCS and FD (66.2 there), the "
        "longer memory and ignored rows (67.0) and DAFormer's decoder (68.3) at once, so each "
        "claim names the paper's pair that differs in what it says. *Ours*: mean ± standard "
        "deviation over the seeds that both rows have. *Cause*: whether the reason that the paper "
        "gives was found in the drawn world, measured apart from these scores "
        "([causes.md](../results/causes.md), `python -m daformer_lib causes`); in italics, counted "
        "or looked at ([mini-domains](../docs/studies/mini-domains.md)).\n",
        "| claim | paper | rows | of | ours | difference ± standard error | in standard errors "
        "| seeds | verdict | cause |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    counts: dict[Verdict, int] = {}
    missing = []
    for claim in CLAIMS:
        found = [effect(pair, claim.measure, results) for pair in claim.pairs]
        said = verdict(found)
        counts[said] = counts.get(said, 0) + 1
        if said != "shown":
            why = (investigations or {}).get(claim.sentence, "not investigated.")
            missing.append(f"- **{claim.sentence}** ({said}): {why}")
        for i, (pair, one) in enumerate(zip(claim.pairs, found, strict=True)):
            ours = " → ".join(map(mean_std, one.scores)) or MISSING
            by = f"{one.gain:+.1f} ± {one.error:.1f}" if one.seeds > 1 else MISSING
            many = f"{one.in_errors:+.1f}" if one.seeds > 1 else MISSING
            cause = cause_of(claim, causes or {})
            first = (claim.sentence, f"**{said}**", cause) if i == 0 else ("", "", "")
            lines.append(
                f"| {first[0]} | {pair.papers()} | {pair.low}, {pair.high} | {claim.what} | {ours} "
                f"| {by} | {many} | {one.seeds} | {first[1]} | {first[2]} |"
            )
    total = ", ".join(f"{count} {said}" for said, count in sorted(counts.items()))
    lines += [f"\n{len(CLAIMS)} claims: {total}.\n"]
    if missing:
        lines += ["## Why the others do not show\n", *missing, ""]
    return "\n".join(lines)


def write_claims(folder: Path) -> Path:
    """CLAIMS.md in a folder of results, from the study in it."""
    results = {row.row: row for row in read_results(folder / STUDY)}
    return write_atomic(
        folder / "CLAIMS.md",
        claims_page(
            results, STUDY, read_if_there(folder / CAUSES), read_if_there(folder / INVESTIGATIONS)
        ).encode(),
    )
