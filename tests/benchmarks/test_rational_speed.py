"""Pruning, products, equivalence and compilation of networks, each with its peer in the same run.

Command: python -m pytest tests/benchmarks/test_rational_speed.py -s

Nothing here asserts a time; the lines are for reading. Needs the extra ``bench``; every result is exact.
"""

from __future__ import annotations

import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.spatial import ConvexHull

import tropixc
from tropix import TropicalPolynomial, TropicalRational, equivalent

ROOT = Path(__file__).resolve().parent.parent.parent


def concave(count: int, dimension: int, seed: int) -> TropicalPolynomial:
    """Monomials nearly all of which are needed."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(count, dimension)).round(3)
    lifting = -(weights**2).sum(axis=1) / 2 + 0.02 * rng.normal(size=count)
    return TropicalPolynomial(weights, lifting.round(4))


@pytest.mark.parametrize(("count", "dimension"), [(300, 3), (200, 4)])
def test_products(benchmark: Any, count: int, dimension: int) -> None:
    f, g = concave(count, dimension, 0), concave(count, dimension, 1)
    product = benchmark.pedantic(lambda: f.multiply(g), rounds=3, warmup_rounds=1)
    formed = f * g
    lifted = np.column_stack([formed.exponents, formed.coefficients])
    start = time.perf_counter()
    hull = ConvexHull(lifted)
    ratio = (time.perf_counter() - start) / benchmark.stats.stats.min
    vertices = len(np.unique(hull.simplices[hull.equations[:, dimension] > 1e-12]))
    print(
        f"\n{len(f.prune())} × {len(g.prune())} monomials in {dimension} variables: {len(product)} kept, exactly, "
        f"{ratio:.2f} times as fast as Qhull on all pairs in floats ({vertices} vertices)"
    )


@pytest.mark.parametrize("count", [100, 200])
def test_equivalence(benchmark: Any, count: int) -> None:
    f = TropicalRational(concave(count, 4, 0), concave(count, 4, 1))
    order = np.random.default_rng(0).permutation(count)
    shuffled = TropicalRational(f.numerator.take(order), f.denominator.take(order[::-1]))
    moved = f.numerator.coefficients.copy()
    moved[7] += 1e-9
    other = TropicalRational(TropicalPolynomial(f.numerator.exponents, moved), f.denominator)
    assert benchmark.pedantic(lambda: equivalent(f, shuffled), rounds=3, warmup_rounds=1)
    start = time.perf_counter()
    assert not equivalent(f, other)
    apart = time.perf_counter() - start
    h = concave(5, 4, 2)
    thick = TropicalRational(f.numerator.multiply(h), f.denominator.multiply(h))
    start = time.perf_counter()
    assert equivalent(f, thick)
    print(
        f"\n{f.size} monomials in 4 variables, all needed: equal in {benchmark.stats.stats.min:.2f} s; a coefficient "
        f"1e-9 apart found in {apart:.2f} s; equal to {thick.size} in {time.perf_counter() - start:.2f} s"
    )


@pytest.mark.parametrize(("count", "dimension"), [(1000, 8), (10_000, 3), (100_000, 2)])
def test_pruning_against_one_linear_program_a_monomial(benchmark: Any, count: int, dimension: int) -> None:
    rng = np.random.default_rng(0)
    f = TropicalPolynomial(rng.normal(size=(count, dimension)), rng.normal(size=count))
    kept = benchmark.pedantic(f.prune, rounds=3, warmup_rounds=1)
    start = time.perf_counter()
    tried = 20
    for k in range(tried):
        rows = np.delete(np.column_stack([f.exponents - f.exponents[k], np.ones(count)]), k, axis=0)
        right = np.delete(f.coefficients[k] - f.coefficients, k)
        bounds = [(None, None)] * dimension + [(None, 1.0)]
        linprog(np.append(np.zeros(dimension), -1.0), A_ub=rows, b_ub=right, bounds=bounds)
    ratio = (time.perf_counter() - start) * count / tried / benchmark.stats.stats.min
    print(f"\n{len(kept)} of {count} monomials in {dimension} variables: {ratio:.0f} times scipy's linear programs")


def test_lowering_a_network_around_a_point(benchmark: Any) -> None:
    rng = np.random.default_rng(0)
    sizes = [4, 16, 16, 2]
    layers = [
        (rng.normal(size=(m, n)) * np.sqrt(2 / n), 0.1 * rng.normal(size=m), "relu" if m != 2 else None)
        for n, m in pairwise(sizes)
    ]
    circuit = tropixc.from_arrays(layers)
    point = rng.normal(size=4)
    functions = benchmark.pedantic(
        lambda: tropixc.compile(circuit, "rational", box=(point - 0.1, point + 0.1)), rounds=3, warmup_rounds=1
    )
    print(f"\nReLU {sizes} on a box of half-width 0.1: {[f.size for f in functions]} monomials")


def test_lowering_the_breast_cancer_classifier_around_test_points(benchmark: Any) -> None:
    pytest.importorskip("sklearn")
    sys.path.insert(0, str(ROOT / "examples"))
    from datasets import breast_cancer

    circuit = tropixc.load(ROOT / "examples/models/breast_cancer_relu.onnx")
    train, test = (np.asarray(part, dtype=np.float64) for part in breast_cancer()[:2])
    radius = 0.05 * train.std(axis=0)
    times: list[float] = []
    sizes: list[int] = []

    def run() -> None:
        for point in test[:50]:
            start = time.perf_counter()
            functions = tropixc.compile(circuit, "rational", box=(point - radius, point + radius))
            times.append(time.perf_counter() - start)
            sizes.append(max(sum(f.size) for f in functions))

    benchmark.pedantic(run, rounds=1, warmup_rounds=1)
    print(
        f"\n50 test points, radius 0.05 standard deviations, both outputs: at most {max(times[50:]):.2f} s a point, "
        f"mean {np.mean(times[50:]):.3f} s; at most {max(sizes)} monomials"
    )
