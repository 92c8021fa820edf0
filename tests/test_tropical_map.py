"""Maps and their composition, division and cancellation: against pointwise arithmetic and against networks."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tropixc
from tropix import Box, InvalidInput, TropicalMap, TropicalPolynomial, TropicalRational
from tropix.exact import Rationals
from tropix.polynomials import divide, prune_product

seeds = st.integers(0, 10**6)
BOXES = st.sampled_from([None, (-1.0, 0.5), ([-1.0, 0.25], [2.0, 0.25])])


def polynomial(rng: np.random.Generator, count: int, dimension: int = 2) -> TropicalPolynomial:
    return TropicalPolynomial(rng.integers(-3, 4, size=(count, dimension)) / 2, rng.integers(-4, 5, size=count) / 2)


def rational(rng: np.random.Generator, dimension: int = 2) -> TropicalRational:
    sizes = rng.integers(1, 4, size=2).tolist()
    return TropicalRational(polynomial(rng, sizes[0], dimension), polynomial(rng, sizes[1], dimension))


def points(box: object, dimension: int = 2) -> Rationals:
    axes = [np.linspace(-1, 0.5, 7), np.linspace(-1, 0.5, 7)][:dimension]
    if box is None:
        axes = [8 * axis for axis in axes]
    elif not np.isscalar(box[0]):  # type: ignore[index]
        axes = [np.linspace(-1, 2, 13), np.array([0.25])]
    return Rationals.of(np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, dimension))


@settings(max_examples=60, deadline=None)
@given(seeds, BOXES)
def test_composition_is_pointwise(seed: int, box: object) -> None:
    rng = np.random.default_rng(seed)
    inner = TropicalMap([rational(rng) for _ in range(3)])
    outer = rational(rng, 3)
    composed = outer.compose(inner.components, box)  # type: ignore[arg-type]
    at = points(box)
    assert composed(at).equals(outer(inner(at)))
    for side in (composed.numerator, composed.denominator):
        assert len(side.prune(box)) == len(side)  # type: ignore[arg-type]


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_maps_act_on_components_and_share_monomials(seed: int) -> None:
    rng = np.random.default_rng(seed)
    f, g = (TropicalMap([rational(rng) for _ in range(2)]) for _ in range(2))
    at = points(None)
    left, right = f(at).fractions(), g(at).fractions()
    assert (f * g)(at).fractions().tolist() == (left + right).tolist()
    assert (f / g)(at).fractions().tolist() == (left - right).tolist()
    assert (f + g)(at).fractions().tolist() == np.maximum(left, right).tolist()
    assert (f**-2)(at).fractions().tolist() == (-2 * left).tolist()
    assert (f.simplify())(at).fractions().tolist() == left.tolist()
    np.testing.assert_array_equal(f(at.floats()), f(at).floats())
    assert f([0.5, -1.0]).shape == (2,)
    rows = [tuple(row) for row in f.monomials.fractions().tolist()]
    assert len(set(rows)) == len(rows)
    for component, (top, bottom) in zip(f, f.members, strict=True):
        assert f.monomials[top].equals(component.numerator.exact)
        assert f.monomials[bottom].equals(component.denominator.exact)


@pytest.mark.parametrize("seed", range(6))
def test_layers_compose_to_the_network(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = [2, 3, 2, 2]
    layers = []
    arrays = []
    for k, (n, m) in enumerate(pairwise(sizes)):
        weights, bias = rng.integers(-4, 5, size=(m, n)) / 4, rng.integers(-4, 5, size=m) / 4
        rows = [TropicalPolynomial(weights[[i]], bias[[i]]) for i in range(m)]
        hidden = k < len(sizes) - 2
        zero = TropicalPolynomial.constant(0, n)
        layers.append(TropicalMap([row + zero for row in rows] if hidden else rows))
        arrays.append((weights, bias, "relu" if hidden else None))
    circuit = tropixc.from_arrays(arrays)
    network = layers[0]
    for layer in layers[1:]:
        network = layer.compose(network)
    at = points(None)
    assert network(at).equals(circuit.exact(at))
    for component, compiled in zip(network, tropixc.compile(circuit, "rational"), strict=True):
        assert component.equivalent(compiled)


@settings(max_examples=80, deadline=None)
@given(seeds, BOXES)
def test_division_finds_the_quotient_and_nothing_else(seed: int, box: object) -> None:
    rng = np.random.default_rng(seed)
    h, s = polynomial(rng, int(rng.integers(1, 5))), polynomial(rng, int(rng.integers(1, 5)))
    product = (h * s).prune(box)  # type: ignore[arg-type]
    quotient = divide(product, s, box)  # type: ignore[arg-type]
    assert quotient is not None
    assert (quotient * s).equals(h * s, box)  # type: ignore[arg-type]
    other = polynomial(rng, 4)
    found = divide(other, s, box)  # type: ignore[arg-type]
    if found is not None:
        assert (found * s).equals(other, box)  # type: ignore[arg-type]
    else:  # then other − s is not convex: some midpoint lies above the chord
        at = points(box)
        values = (other(at) - s(at)).fractions()
        grid = {tuple(row): value for row, value in zip(at.fractions().tolist(), values, strict=True)}
        dented = any(
            2 * grid[middle] > grid[a] + grid[b]
            for a in grid
            for b in grid
            if (middle := tuple((x + y) / 2 for x, y in zip(a, b, strict=True))) in grid
        )
        if box is None and not dented:  # kinks may lie between the points of the grid: a finer look, in floats
            fine = rng.uniform(-12, 12, size=(2, 40_000, 2))
            ends = other(fine[0]) - s(fine[0]) + other(fine[1]) - s(fine[1])
            centre = fine.mean(axis=0)
            dented = bool((2 * (other(centre) - s(centre)) > ends + 1e-9).any())
            assert dented


def test_common_factors_cancel() -> None:
    rng = np.random.default_rng(0)
    p, q = polynomial(rng, 4), polynomial(rng, 3)
    l1 = TropicalPolynomial([[1.0, 2.0], [0.0, 0.0]], [0.5, 0.0])
    l2 = TropicalPolynomial([[-1.0, 1.0], [0.0, 0.0]], [0.0, 0.0])
    f = TropicalRational(p, q)
    plain = f.cancel()
    crowded = TropicalRational((p * l1**2 * l2).prune(), (q * l1 * l2 ** Fraction(1, 3)).prune())
    found = crowded.cancel()
    assert len(found.factors) == 2
    assert found.before == crowded.size
    assert found.function.equivalent(crowded)
    assert found.function.equivalent(TropicalRational(p * l1 * l2 ** Fraction(2, 3), q))
    assert found.after < found.before
    twice = TropicalRational(p * l1, q * l1).cancel()
    assert twice.after == plain.after
    assert TropicalRational(p * q, q).simplify().size == (len(p.prune()), 1)
    assert TropicalRational(q, p * q).simplify().size == (1, len(p.prune()))


@settings(max_examples=40, deadline=None)
@given(seeds, BOXES)
def test_cancelling_changes_no_value(seed: int, box: object) -> None:
    rng = np.random.default_rng(seed)
    f, g = rational(rng), rational(rng)
    for function in (f, f * g / g, f / g * g):
        found = function.cancel(box)  # type: ignore[arg-type]
        assert found.function.equivalent(f, box)  # type: ignore[arg-type]
        assert sum(found.after) <= sum(found.before)


@settings(max_examples=60, deadline=None)
@given(seeds, BOXES)
def test_products_are_pruned_as_if_they_were_formed(seed: int, box: object) -> None:
    rng = np.random.default_rng(seed)
    f, g = polynomial(rng, int(rng.integers(1, 9))), polynomial(rng, int(rng.integers(1, 9)))
    domain = None if box is None else Box.of(box, 2)  # type: ignore[arg-type]
    pruning = prune_product(f, g, domain)
    expected = (f * g).prune(domain)
    assert pruning.verify()
    assert len(pruning.pairs) == len(expected)
    assert pruning.polynomial.equals(expected, domain)
    for (i, j), at in zip(pruning.pairs.tolist(), pruning.witnesses.fractions().tolist(), strict=True):
        for side, k in ((f, i), (g, j)):
            logits = [sum(w * x for w, x in zip(row[:-1], at, strict=True)) + row[-1] for row in side.exact.fractions()]
            assert logits[k] == max(logits)


def test_products_of_one_and_of_none() -> None:
    one, zero = TropicalPolynomial.constant(0, 2), TropicalPolynomial.zero(2)
    f = TropicalPolynomial(np.eye(2), [0, 1])
    assert f.multiply(one).equals(f)
    assert one.multiply(one) == one
    assert len(f.multiply(zero)) == len(zero.multiply(zero)) == 0
    point = TropicalPolynomial(np.zeros((1, 0)), [2.0])
    assert point.multiply(point).coefficients.tolist() == [4.0]
    with pytest.raises(InvalidInput, match="2 and 3 variables"):
        f.multiply(TropicalPolynomial.zero(3))


def test_bad_maps() -> None:
    one = TropicalPolynomial.constant(0, 1)
    with pytest.raises(InvalidInput, match="at least one component"):
        TropicalMap([])
    with pytest.raises(InvalidInput, match=r"\[1, 2\] variables"):
        TropicalMap([one, TropicalPolynomial.constant(0, 2)])
    with pytest.raises(InvalidInput, match="2 and 1 components"):
        TropicalMap([one, one]) + TropicalMap([one])
    with pytest.raises(InvalidInput, match="2 functions of"):
        TropicalRational.of(one).compose([TropicalRational.of(one)] * 2)
    with pytest.raises(InvalidInput, match="neither divides"):
        divide(one, TropicalPolynomial.zero(1))
