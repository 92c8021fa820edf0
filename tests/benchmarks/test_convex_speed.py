"""Conjugates beside the parametrised conic program solved again by Clarabel, in the same run; ratios in extra_info.

Command: python -m pytest tests/benchmarks/test_convex_speed.py --benchmark-columns=min,median -p no:cacheprovider
The entropy form is solved again with y as a parameter; where Clarabel fails on it (N = 10,000), the epigraph form of
sup_x ⟨x, y⟩ − f(x). The ratio is time per point over time per point.
"""

from __future__ import annotations

import time
from typing import Any

import cvxpy
import numpy as np
import pytest

from tropix import LogSumExp, TropicalPolynomial
from tropix.convex import TropicalConjugate, as_cvxpy, conjugate, conjugate_program

pytest.importorskip("pytest_benchmark")


def problem(count: int, dimension: int, eps: float, points: int) -> tuple[LogSumExp, np.ndarray]:
    rng = np.random.default_rng(0)
    f = LogSumExp(rng.normal(size=(count, dimension)), rng.normal(size=count), eps)
    return f, rng.dirichlet(np.ones(count), size=points) @ f.weights


def clarabel(f: LogSumExp, points: np.ndarray) -> float:
    """Seconds a point, after one solve that compiles the program."""
    if len(f) < 5000:
        program = conjugate_program(f)
        solve: Any = program.solve_at
    else:
        x, y = cvxpy.Variable(f.dimension), cvxpy.Parameter(f.dimension)
        whole = cvxpy.Problem(cvxpy.Maximize(y @ x - as_cvxpy(f, x)))

        def solve(target: np.ndarray) -> None:
            y.value = target
            whole.solve(solver=cvxpy.CLARABEL)

    solve(points[0])
    start = time.perf_counter()
    for target in points[1:]:
        solve(target)
    return (time.perf_counter() - start) / (len(points) - 1)


@pytest.mark.parametrize(("count", "peers"), [(1000, 6), (10_000, 3)])
def test_a_thousand_conjugates(benchmark: Any, count: int, peers: int) -> None:
    f, points = problem(count, 10, 0.1, 1000)
    answer = conjugate(f, points)
    assert (answer.gap <= 1e-10).all()
    benchmark.pedantic(conjugate, (f, points), rounds=3)
    ours = benchmark.stats.stats.min / 1000
    theirs = clarabel(f, points[:peers])
    benchmark.extra_info.update(ours=ours, clarabel=theirs, ratio=theirs / ours, largest_gap=answer.gap.max())
    print(f"N = {count}: {ours * 1e3:.3f} ms a point, Clarabel {theirs * 1e3:.1f} ms, ratio {theirs / ours:.0f}")


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_one_tropical_conjugate(benchmark: Any, dimension: int) -> None:
    rng = np.random.default_rng(0)
    f = TropicalPolynomial(rng.normal(size=(100, dimension)), rng.normal(size=100))
    point = rng.dirichlet(np.ones(100)) @ f.exponents
    hull, program = TropicalConjugate(f), conjugate_program(f)
    assert float(hull(point)) == pytest.approx(program.solve_at(point), abs=1e-6)
    benchmark(hull, point)
    theirs = clarabel(f.deform(0.0), np.tile(point, (6, 1)))
    benchmark.extra_info.update(clarabel=theirs, ratio=theirs / benchmark.stats.stats.min)
