"""How far from the authors' outputs we are: runs the parity tests and records every comparison.

python -m tests.parity.measure_parity prints, for each test and tolerance, the largest absolute and
relative difference and the share of the tolerance it uses: the numbers of docs/method/parity.md.
With --each, every case of a parametrised test has its own line; other arguments go to pytest.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

HERE = Path(__file__).parents[1]
TESTS = (
    "models/test_parity.py", "uda/test_parity.py", "parity/test_trajectory.py", "test_evaluate.py",
    "data/test_rare_class.py", "data/test_transforms.py",
)  # fmt: skip
ASSERT_ALLCLOSE, APPROX = np.testing.assert_allclose, pytest.approx


class Recorder:
    """A pytest plugin: (test, tolerance) -> [comparisons, max abs, max rel, max share]."""

    def __init__(self, each: bool) -> None:
        self.each = each
        self.rows: dict[tuple[str, str], list[float]] = {}
        self.test, self.on = "", True

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        name = item.nodeid.split("::")[-1]
        self.test = name if self.each else name.partition("[")[0]
        self.on = bool({"golden", "det"} & set(item.fixturenames))  # compares with the authors'
        if hasattr(item.module, "assert_equal"):
            item.module.assert_equal = self.in_deviations
        if hasattr(item.module, "assert_follows"):
            item.module.assert_follows = self.along
            self.distances = item.module.distances

    def add(self, ours: Any, theirs: Any, rtol: float, atol: float, label: str = "") -> None:
        if not self.on:
            return
        ours, theirs = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
        difference, size = np.nan_to_num(np.abs(ours - theirs)), np.nan_to_num(np.abs(theirs))
        allowed = atol + rtol * size
        relative = np.divide(difference, size, out=np.zeros_like(difference), where=size > 0)
        share = np.divide(difference, allowed, out=np.zeros_like(difference), where=allowed > 0)
        tolerance = f"{label} rel {rtol:g} abs {atol:g}".strip()
        row = self.rows.setdefault((self.test, tolerance), [0, 0, 0, 0])
        found = [row[0] + 1, difference.max(), relative.max(), share.max()]
        row[:] = [max(old, float(new)) for old, new in zip(row, found)]

    def allclose(
        self, ours: Any, theirs: Any, rtol: float = 1e-7, atol: float = 0, **rest: Any
    ) -> None:
        count = np.asarray(theirs).shape[:1] or ("",)
        label = f"{rest.get('err_msg', '')} {count[0]}" if rest.get("err_msg") else ""
        self.add(ours, theirs, rtol, atol, label)
        ASSERT_ALLCLOSE(ours, theirs, rtol, atol, **rest)

    def approx(self, theirs: float, rel: float | None = None, abs: float | None = None) -> Any:
        return _Approx(self, theirs, rel, abs)

    def in_deviations(self, ours: Any, theirs: np.ndarray, tolerance: float) -> None:
        ours = ours.detach().numpy()
        precision = "double" if ours.dtype == np.float64 else "single"
        ours, theirs = ours / theirs.std(), theirs / theirs.std()
        self.add(ours, theirs, 0, tolerance, f"{precision}, in std")
        assert np.abs(ours - theirs).max() < tolerance

    def along(self, ours: Any, theirs: Any, spread: Any = None) -> None:
        """A trajectory against the authors' and, as `spread`, against the nudged one."""
        if "wrong" in self.test:
            raise AssertionError("is allowed: a wrong method, not measured")
        for what, found in {
            "authors": self.distances(ours, theirs),
            "nudged": spread or {},
        }.items():
            for name, apart in found.items():
                for span in ((0, 3), (3, 10)):
                    part = apart[slice(*span)]
                    label = f"{name} {span[0]}-{span[1] - 1}, {what}: "
                    self.add(part, np.zeros_like(part), 0, 1, label)


class _Approx:
    def __init__(self, recorder: Recorder, theirs: float, rel: float | None, abs_: float | None):
        self.recorder, self.theirs, self.rel, self.abs = recorder, theirs, rel, abs_

    def __eq__(self, ours: object) -> bool:
        relative = 0.0 if self.rel is None and self.abs is not None else self.rel or 1e-6
        self.recorder.add(ours, self.theirs, relative, self.abs or 0.0)
        return ours == APPROX(self.theirs, rel=self.rel, abs=self.abs)

    __hash__: Callable[[], int] | None = None  # type: ignore[assignment]


def main() -> int:
    options = [option for option in sys.argv[1:] if option != "--each"]
    recorder = Recorder("--each" in sys.argv)
    np.testing.assert_allclose, pytest.approx = recorder.allclose, recorder.approx
    tests = [str(HERE / name) for name in TESTS]
    status = pytest.main([*tests, "-q", "-p", "no:cacheprovider", *options], [recorder])
    print("| test | tolerance | comparisons | max abs | max rel | share of tolerance |")
    print("|---|---|---|---|---|---|")
    for (test, tolerance), (count, absolute, relative, share) in sorted(recorder.rows.items()):
        shown = f"{absolute:.1e} | {relative:.1e} | {share:.2f}"
        print(f"| {test} | {tolerance} | {count:.0f} | {shown} |")
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
