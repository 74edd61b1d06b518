"""What follows from an experiment, written from its numbers, so that text and results agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from daformer_lib.runs.claims import Effect, Pair, effect, miou
from daformer_lib.runs.recipes import TITLES
from daformer_lib.runs.results import RowResult

# Points between seeds of one row at demo length: below, one run says nothing. Three of DAFormer's
# lie 2.9 apart; three of source-only's even 4.5 (results/generalisation.json).
NOISE = 3.0


class Sentences(str):
    """Text that a notebook shows as Markdown."""

    def _repr_markdown_(self) -> str:
        return str(self)


def conclusions(
    study: Mapping[str, RowResult],
    pairs: Iterable[tuple[str, str]],
    live: Mapping[str, float] | None = None,
    than: str = "the paper has it",
) -> Sentences:
    """A Markdown list: for each pair (low, high) what the study says, and what this run says.

    Args:
        live: row -> mIoU in percent of the run on this machine, where there is one.
        than: whose expectation it is that the second of a pair is higher.
    """
    lines = (f"- {_pair(study, *pair, live or {}, than)}" for pair in pairs)
    return Sentences("\n".join(lines))


def _pair(
    study: Mapping[str, RowResult], low: str, high: str, live: Mapping[str, float], than: str
) -> str:
    found = effect(Pair(low, high), miou, study)
    text = f"**{TITLES[high]}** against {TITLES[low]}: {_study(found, than)}"
    if low in live and high in live:
        text += f" {_live(live[high] - live[low], found)}"
    return text


def _study(found: Effect, than: str) -> str:
    verdict = found.verdict
    if verdict == "not run":
        return "the committed study has too few seeds of both to say anything."
    by = f"{found.gain:+.1f} ± {found.error:.1f} points over {found.seeds} seeds"
    return {
        "shown": f"higher by {by}, more than twice the standard error.",
        "contradicted": f"*lower*, {by}, more than twice the standard error: the other way round "
        f"than {than}.",
        "tied": f"tied, {by}: the seeds differ by more than the two rows do.",
    }[verdict]


def _live(gain: float, found: Effect) -> str:
    if abs(gain) < NOISE:
        return f"Your run: {gain:+.1f}, within what two seeds of one row differ by."
    if found.verdict in ("shown", "contradicted") and (gain > 0) != (found.gain > 0):
        return f"Your run: {gain:+.1f}, the other way; it is one seed."
    return f"Your run: {gain:+.1f} (one seed: a direction)."
