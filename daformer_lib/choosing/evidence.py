"""How far a criterion can be trusted: rank correlation with the true score, and regret, measured
where labels are there to tell. Intervals are of a bootstrap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from daformer_lib.choosing.criteria import CRITERIA, Criterion
from daformer_lib.means import known_mean

SAMPLES = 1000


@dataclass(frozen=True)
class Trust:
    """What one criterion was worth among some candidates."""

    correlation: float  # of ranks with the true mIoU, -1 to 1; 1 = it orders them as labels do
    correlation_low: float
    correlation_high: float
    regret: float  # points of mIoU between the best candidate and the chosen one
    regret_high: float  # of 95 % of the samples
    candidates: int


Group = tuple[Sequence[float], Sequence[float]]  # values and true mIoU (percent) of candidates


def trust(criterion: Criterion, groups: Sequence[Group]) -> Trust | None:
    """What a criterion is worth for a choice within each group, on average over the groups.

    One group is sampled over its candidates, several over the groups. None where no group has two
    candidates with a value and a truth.
    """
    known = [pair for values, truth in groups if (pair := _known(criterion, values, truth))]
    if not known:
        return None
    rng = np.random.default_rng(0)
    samples = []
    for _ in range(SAMPLES):
        if len(known) == 1:
            good, true = known[0]
            chosen = rng.integers(len(good), size=len(good))
            samples.append(_mean([(good[chosen], true[chosen])]))
        else:
            samples.append(_mean([known[i] for i in rng.integers(len(known), size=len(known))]))
    correlations, regrets = np.array(samples).T
    varied = correlations[~np.isnan(correlations)]
    low, high = np.percentile(varied, [2.5, 97.5]) if varied.size else (np.nan, np.nan)
    correlation, regret = _mean(known)
    return Trust(
        correlation, float(low), float(high), regret, float(np.percentile(regrets, 95)),
        sum(len(good) for good, _ in known),
    )  # fmt: skip


def _known(
    criterion: Criterion, values: Sequence[float], truth: Sequence[float]
) -> tuple[np.ndarray, np.ndarray] | None:
    """More is better in both; None for fewer than two candidates."""
    given, true = np.asarray(values, dtype=float), np.asarray(truth, dtype=float)
    there = ~np.isnan(given) & ~np.isnan(true)
    if np.count_nonzero(there) < 2:
        return None
    return (given if criterion.high else -given)[there], true[there]


def _mean(groups: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float]:
    """Correlation and regret, the mean over groups; a group that does not vary has no say."""
    correlations = [rank_correlation(good, true) for good, true in groups]
    regrets = [_regret(good, true) for good, true in groups]
    return float(known_mean(correlations)), float(np.mean(regrets))


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's: 1 where both order alike; NaN where one does not vary.

    >>> rank_correlation(np.array([1, 2, 3]), np.array([10, 30, 20]))
    0.5
    """
    a, b = _ranks(first), _ranks(second)
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size else float("nan")


def _ranks(values: np.ndarray) -> np.ndarray:
    """Equal values share the mean of their ranks."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return (last - (count - 1) / 2)[place]


def _regret(good: np.ndarray, true: np.ndarray) -> float:
    return float(true.max() - true[int(np.argmax(good))])


def best_criterion(tables: Mapping[str, Mapping[str, Trust]]) -> str:
    """The one with the least mean regret over tables; of equals the one that correlates most.

    Args:
        tables: table -> criterion -> what it was worth there; only those that all tables have.
    """
    shared = [name for name in CRITERIA if all(name in one for one in tables.values())]
    if not shared:
        raise ValueError("no criterion was measured in every table")

    def worth(name: str) -> tuple[float, float]:
        found = [one[name] for one in tables.values()]
        return (
            round(float(np.mean([f.regret for f in found])), 3),
            -float(np.nanmean([f.correlation for f in found])),
        )

    return min(shared, key=worth)
