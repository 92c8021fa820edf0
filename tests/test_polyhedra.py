"""Polyhedra as domains: pruning, products, equivalence and compilation, against linear programs and exact values."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

import tropixc
from tropix import InvalidInput, Polyhedron, TropicalPolynomial, TropicalRational, equivalent
from tropix.exact import Rationals
from tropix.polynomials import prune_product


def cut(rng: np.random.Generator, dimension: int, count: int = 4, around: Any = (-1, 1)) -> Polyhedron:
    """A box cut by halfspaces that keep the origin's neighbourhood."""
    weights = rng.integers(-3, 4, size=(count, dimension))
    return Polyhedron.where(weights, rng.integers(1, 4, size=count) / 2, around)


def brute_force(f: TropicalPolynomial, domain: Polyhedron) -> list[int]:
    """Monomials with a positive largest gap on the domain, by one linear program each."""
    found = []
    for k in range(len(f)):
        others = [j for j in range(len(f)) if j != k]
        rows = np.column_stack([f.exponents[others] - f.exponents[k], np.ones(len(others))])
        right = f.coefficients[k] - f.coefficients[others]
        walls = np.column_stack([domain.weights, np.ones(len(domain.bounds))])
        bounds = [*zip(domain.lower, domain.upper, strict=True), (None, 1.0)]
        answer = linprog(
            np.append(np.zeros(f.dimension), -1.0),
            A_ub=np.vstack([rows, walls]),
            b_ub=np.concatenate([right, domain.bounds]),
            bounds=bounds,
        )
        if -answer.fun > 1e-7:
            found.append(k)
    return found


@pytest.mark.parametrize("seed", range(12))
def test_pruning_agrees_with_linear_programs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    d, count = int(rng.integers(1, 5)), int(rng.integers(2, 60))
    f = TropicalPolynomial(rng.normal(size=(count, d)), rng.normal(size=count))
    domain = cut(rng, d, around=(-1, 1) if seed % 2 else (-np.inf, np.inf))
    pruning = f.pruning(domain)
    assert pruning.kept.tolist() == brute_force(f, domain)
    assert pruning.verify()
    points = domain.sample(200, rng)
    assert domain.contains(points).all()
    np.testing.assert_array_equal(pruning.polynomial(points), f(points))


@pytest.mark.parametrize("seed", range(6))
def test_ties_with_the_walls(seed: int) -> None:
    # small integers: cells that touch the domain in a face only are the rule
    rng = np.random.default_rng(seed)
    f = TropicalPolynomial(rng.integers(-2, 3, size=(12, 2)), rng.integers(-2, 3, size=12))
    domain = Polyhedron.where([[1, 1], [-1, 2], [1, -1]], [1, 1, 0])
    pruning = f.pruning(domain)
    assert pruning.verify()
    assert pruning.kept.tolist() == f.take(pruning.kept).pruning(domain).kept.tolist() or len(pruning.kept) == len(
        f.take(pruning.kept).prune(domain)
    )
    g = TropicalPolynomial(rng.integers(-2, 3, size=(6, 2)), rng.integers(-2, 3, size=6))
    product = prune_product(f, g, domain)
    assert product.verify()
    assert product.polynomial.equals((f * g).prune(domain), domain)


def test_a_triangle_by_hand() -> None:
    # max(0, x + y − 1, x) on {x, y ≥ 0, x + y ≤ 1}: the middle one never is the largest alone, 0 nowhere but on x = 0
    f = TropicalPolynomial([[0, 0], [1, 1], [1, 0]], [0, -1, 0])
    triangle = Polyhedron.where([[1, 1]], [1], (0, np.inf))
    assert f.pruning(triangle).kept.tolist() == [2]
    assert f.pruning((0, np.inf)).kept.tolist() == [1, 2]
    dropped = {d.index: d for d in f.pruning(triangle).dropped}
    assert dropped[1].walls == (0,)
    assert dropped[1].wall_weights[0] > 0


def test_forged_evidence_is_rejected() -> None:
    f = TropicalPolynomial([[0, 0], [1, 1], [1, 0]], [0, -1, 0])
    good = f.pruning(Polyhedron.where([[1, 1]], [1], (0, np.inf)))
    assert good.verify()
    assert not replace(good, box=Polyhedron.where([[1, 1]], [2], (0, np.inf))).verify()
    assert not replace(good, witnesses=Rationals.of([[2.0, 0.5]])).verify()
    by_index = {d.index: d for d in good.dropped}
    for forged in (
        replace(by_index[1], walls=(1,)),
        replace(by_index[1], wall_weights=(-by_index[1].wall_weights[0],)),
        replace(by_index[1], walls=(), wall_weights=()),
        replace(by_index[1], support=(), weights=(), walls=(0,), wall_weights=(Fraction(1),)),
    ):
        assert not replace(good, dropped=(by_index[0], forged)).verify()


def test_domains_without_interior_are_refused() -> None:
    f = TropicalPolynomial([[0, 0], [1, 1]], [0, -1])
    for weights, bounds in (([[1, 1], [-1, -1]], [1, -1]), ([[1, 0]], [-2]), ([[0, 0]], [-1])):
        with pytest.raises(InvalidInput, match="no interior"):
            f.prune(Polyhedron.where(weights, bounds, (-1, 1)))
    with pytest.raises(InvalidInput, match="empty"):
        Polyhedron.where([[1, 0]], [-2], (-1, 1)).sample(1, np.random.default_rng(0))
    with pytest.raises(InvalidInput, match=r"expected \(H, 2\)"):
        Polyhedron([0, 0], [1, 1], [[1, 2, 3]], [1])  # type: ignore[arg-type]
    # a halfspace that says nothing leaves the box as it is
    assert f.prune(Polyhedron.where([[0, 0]], [0], (-1, 1))).equals(f.prune((-1, 1)))


def test_equivalence_on_a_polyhedron_alone() -> None:
    x, y = (TropicalPolynomial([e], [0]) for e in ([1, 0], [0, 1]))
    below = Polyhedron.where([[-1, 1]], [0])  # y ≤ x
    assert equivalent(x + y, x, below)
    found = equivalent(x + y, y, below)
    assert found.witness is not None
    assert below.contains(found.witness.floats())
    assert x(Rationals.of(found.witness.fractions()[None, :])).fractions()[0] > found.witness.fractions()[1]


def test_a_fixed_coordinate() -> None:
    domain = Polyhedron.where([[1, 1, 0]], [1], ([0, 0.25, -1], [1, 0.25, 1]))  # x ≤ 0.75 at y = 0.25
    f = TropicalPolynomial([[0, 0, 0], [1, 0, 0]], [0, Fraction(-3, 4)])
    assert f.pruning(domain).kept.tolist() == [0]
    assert f.pruning((domain.lower, domain.upper)).kept.tolist() == [0, 1]


@pytest.mark.parametrize("seed", range(4))
def test_networks_on_polyhedra(seed: int) -> None:
    rng = np.random.default_rng(seed)
    layers = [(rng.integers(-4, 5, size=(5, 3)) / 4, rng.integers(-4, 5, size=5) / 4, "relu")]
    layers += [(rng.integers(-4, 5, size=(4, 5)) / 4, rng.integers(-4, 5, size=4) / 4, "relu")]
    layers += [(rng.integers(-4, 5, size=(1, 4)) / 4, [0.0], None)]
    circuit = tropixc.from_arrays(layers)
    domain = cut(rng, 3)
    function = tropixc.compile(circuit, "rational", box=domain)
    points = Rationals.of(np.round(domain.sample(300, rng) * 0.999, 6))
    assert function(points).equals(circuit.exact(points)[:, 0])
    around = tropixc.compile(circuit, "rational", box=(-1, 1))
    assert isinstance(around, TropicalRational)
    assert function.equivalent(around, domain)
    assert sum(function.size) <= sum(around.size)


def test_samples_of_a_polyhedron_far_from_the_origin() -> None:
    far = Polyhedron.where([[-1, 0]], [-3e7])
    points = far.sample(50, np.random.default_rng(0))
    assert far.contains(points).all()
    assert len(np.unique(points, axis=0)) == 50
