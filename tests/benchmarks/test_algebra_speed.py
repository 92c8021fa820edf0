"""Reading, interpolating and expanding, as ratios to a peer in the same run.

Command: python -m pytest tests/benchmarks/test_algebra_speed.py -s. Nothing here asserts a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

from tropix import LogSumExp, TropicalPolynomial
from tropix.polynomials import interpolate


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def test_reading_text(benchmark: Any) -> None:
    """Against sympy's reader, unevaluated: 16 monomials in 4 variables."""
    import sympy

    rng = np.random.default_rng(0)
    text = TropicalPolynomial(rng.normal(size=(16, 4)), rng.normal(size=16)).to_text(floats=True)
    benchmark.pedantic(TropicalPolynomial.parse, (text,), rounds=5, warmup_rounds=1)
    peer = seconds(lambda: sympy.parse_expr(text.replace("max", "Max"), evaluate=False))
    print(f"\nreading {len(text)} characters: sympy takes {peer / benchmark.stats.stats.min:.1f} times as long")


@pytest.mark.parametrize(("count", "dimension"), [(100, 2), (300, 4)])
def test_interpolation(benchmark: Any, count: int, dimension: int) -> None:
    """Exact, against one floating-point program a point by scipy (the textbook's test of convexity)."""
    points = np.random.default_rng(0).normal(size=(count, dimension))
    values = (points**2).sum(axis=1)
    benchmark.pedantic(interpolate, (points, values), rounds=3, warmup_rounds=1)

    def programs() -> None:
        rows = np.vstack([points.T, np.ones(count)])
        for x in points:
            linprog(values, A_eq=rows, b_eq=np.append(x, 1.0))

    ratio = seconds(programs) / benchmark.stats.stats.min
    print(f"\n{count} points in {dimension} variables: scipy's programs take {ratio:.1f} times as long")


def test_powers(benchmark: Any) -> None:
    """The multinomial expansion of the 6th power of 8 pieces, against five products and a merge."""
    rng = np.random.default_rng(0)
    f = LogSumExp(rng.integers(-4, 5, size=(8, 3)), rng.normal(size=8), 0.5)
    benchmark.pedantic(pow, (f, 6), rounds=5, warmup_rounds=1)
    ratio = seconds(lambda: reduce(lambda a, b: a * b, [f] * 6)) / benchmark.stats.stats.min
    print(f"\n{len(f**6)} pieces: {8**6} pieces of repeated products take {ratio:.1f} times as long")
