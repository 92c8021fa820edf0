"""Exact dual subdivisions beside Qhull's floating-point hull of the same lifted points, in the same run.

Command: python -m pytest tests/benchmarks/test_hulls.py --benchmark-columns=min,median -p no:cacheprovider
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from tropix import TropicalPolynomial

pytest.importorskip("pytest_benchmark")

CASES = [(2, 200), (2, 2000), (3, 200), (4, 100), (5, 50)]


def problem(dimension: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Every monomial is needed: the heights lie on a paraboloid."""
    points = np.random.default_rng(dimension).standard_normal((count, dimension))
    return points, -(points**2).sum(axis=1)


@pytest.mark.parametrize(("dimension", "count"), CASES)
@pytest.mark.parametrize("method", ["exact", "qhull"])
def test_upper_hull(benchmark: Any, dimension: int, count: int, method: str) -> None:
    points, heights = problem(dimension, count)
    benchmark.group = f"d = {dimension}, N = {count}"
    if method == "exact":
        cells = len(benchmark(lambda: TropicalPolynomial(points, heights).dual_subdivision()).cells)
    else:
        hull = benchmark(lambda: ConvexHull(np.column_stack([points, heights])))
        cells = int((hull.equations[:, dimension] > 0).sum())
    benchmark.extra_info["cells"] = cells
