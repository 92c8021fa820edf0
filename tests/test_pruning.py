"""Exact pruning: known counts, hulls, degenerate inputs, and evidence that cannot be faked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import permutations, product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.spatial import ConvexHull

from tropix import Box, InvalidInput, Polyhedron, TropicalPolynomial
from tropix.exact import Rationals
from tropix.polynomials import Domination, prune_product
from tropix.polynomials._cells import Cells, Proposals


def lattice(dimension: int, degree: int) -> np.ndarray:
    return np.array([e for e in product(range(degree + 1), repeat=dimension) if sum(e) <= degree], dtype=float)


def kept(polynomial: TropicalPolynomial, box: object = None) -> int:
    pruning = polynomial.pruning(box)  # type: ignore[arg-type]
    assert pruning.verify()
    return len(pruning.kept)


@pytest.mark.parametrize(("d", "k"), [(1, 6), (2, 5), (3, 4), (4, 3), (5, 2), (6, 2)])
def test_strictly_concave_lifting_keeps_every_monomial_and_a_flat_one_the_corners(d: int, k: int) -> None:
    exponents = lattice(d, k)
    assert len(exponents) == comb(k + d, d)
    assert kept(TropicalPolynomial(exponents, -(exponents**2).sum(axis=1))) == comb(k + d, d)
    assert kept(TropicalPolynomial(exponents, np.zeros(len(exponents)))) == d + 1


@pytest.mark.parametrize("degree", [1, 2, 3, 7])
def test_plane_curves(degree: int) -> None:
    i, j = lattice(2, degree).T
    assert kept(TropicalPolynomial(np.column_stack([i, j]), -(i**2 + j**2 + i * j))) == comb(degree + 2, 2)


@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_norms(d: int) -> None:
    signs = np.array(list(product([-1.0, 1.0], repeat=d)))
    assert kept(TropicalPolynomial(signs, np.zeros(len(signs)))) == 2**d  # Σ|x_i|
    axes = np.vstack([np.eye(d), -np.eye(d)])
    assert kept(TropicalPolynomial(axes, np.zeros(2 * d))) == 2 * d  # max|x_i|


def test_tropical_determinant() -> None:
    rows = [[float(p[i] == j) for i in range(3) for j in range(3)] for p in permutations(range(3))]
    assert kept(TropicalPolynomial(rows, np.zeros(6))) == 6


@pytest.mark.parametrize(("n", "d"), [(4, 2), (6, 2), (6, 3)])
def test_zonotopes_have_one_monomial_a_cell(n: int, d: int) -> None:
    # A product of n generic two-term polynomials: one monomial for each cell of n hyperplanes in general position.
    rng = np.random.default_rng(n * d)
    f = TropicalPolynomial.constant(0.0, d)
    for _ in range(n):
        f = f * TropicalPolynomial(np.vstack([np.zeros(d), rng.normal(size=d)]), [0.0, rng.normal()])
    assert len(f) == 2**n
    assert kept(f) == sum(comb(n, i) for i in range(d + 1))
    # without constants: 2 Σ C(n−1, i)
    central = TropicalPolynomial.constant(0.0, d)
    for _ in range(n):
        central = central * TropicalPolynomial(np.vstack([np.zeros(d), rng.normal(size=d)]), [0.0, 0.0])
    assert kept(central) == 2 * sum(comb(n - 1, i) for i in range(d))


def test_braid_arrangement() -> None:
    # Σ_{i<j} max(x_i, x_j): hyperplanes x_i = x_j, one cell for each of the n! orders.
    for n, cells in ((3, 6), (4, 24)):
        f = TropicalPolynomial.constant(0.0, n)
        for i in range(n):
            for j in range(i):
                f = (f * TropicalPolynomial(np.eye(n)[[i, j]], [0.0, 0.0])).prune()
        assert kept(f) == cells


@pytest.mark.parametrize("d", [1, 2, 3, 4])
@pytest.mark.parametrize("count", [10, 120, 400])
def test_counts_agree_with_the_upper_hull(d: int, count: int) -> None:
    rng = np.random.default_rng(100 * d + count)
    weights, bias = rng.normal(size=(count, d)), rng.normal(size=count)
    hull = ConvexHull(np.column_stack([weights, bias]))
    upper = np.unique(hull.simplices[hull.equations[:, d] > 1e-9])
    pruning = TropicalPolynomial(weights, bias).pruning()
    assert pruning.kept.tolist() == upper.tolist()
    assert pruning.verify()


@pytest.mark.parametrize("count", [10, 100, 1000])
def test_expected_number_of_lines_on_the_envelope(count: int) -> None:
    rng = np.random.default_rng(count)
    repeats = 200 if count < 1000 else 60
    sizes = [
        len(TropicalPolynomial(rng.normal(size=(count, 1)), rng.normal(size=count)).prune()) for _ in range(repeats)
    ]
    expected = {10: 3.73, 100: 5.45, 1000: 6.74}[count]
    assert np.mean(sizes) == pytest.approx(expected, abs=4 * 1.5 / np.sqrt(repeats))


def brute_force(f: TropicalPolynomial, lower: float, upper: float) -> list[int]:
    """Monomials with a positive largest gap on a box, by one linear program each."""
    found = []
    for k in range(len(f)):
        others = [j for j in range(len(f)) if j != k]
        rows = np.column_stack([f.exponents[others] - f.exponents[k], np.ones(len(others))])
        right = f.coefficients[k] - f.coefficients[others]
        bounds = [(lower, upper)] * f.dimension + [(None, 1.0)]
        answer = linprog(np.append(np.zeros(f.dimension), -1.0), A_ub=rows, b_ub=right, bounds=bounds)
        if -answer.fun > 1e-7:
            found.append(k)
    return found


@pytest.mark.parametrize("seed", range(12))
def test_boxes_agree_with_linear_programs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    d, count = int(rng.integers(1, 5)), int(rng.integers(2, 90))
    f = TropicalPolynomial(rng.normal(size=(count, d)), rng.normal(size=count))
    pruning = f.pruning((-0.3, 0.4))
    assert pruning.kept.tolist() == brute_force(f, -0.3, 0.4)
    assert pruning.verify()
    points = rng.uniform(-0.3, 0.4, size=(500, d))
    np.testing.assert_array_equal(pruning.polynomial(points), f(points))


small = st.integers(-3, 3).map(float)


@settings(max_examples=150)
@given(st.lists(st.tuples(small, small, st.integers(-4, 4).map(float)), min_size=1, max_size=14), st.booleans())
def test_small_integer_problems(rows: list[tuple[float, float, float]], boxed: bool) -> None:
    """Ties, duplicates and flat directions are the rule here; the oracle is the definition, on exact witnesses."""
    table = np.array(rows)
    f = TropicalPolynomial(table[:, :2], table[:, 2])
    box = (-1, [1, 2]) if boxed else None
    pruning = f.pruning(box)
    assert pruning.verify()
    values = f(pruning.witnesses).fractions()
    rows_at = pruning.witnesses @ f.exact[:, :-1].transpose + f.exact[:, -1]
    for i, k in enumerate(pruning.kept):
        at = rows_at.fractions()[i]
        same = [j for j in range(len(f)) if at[j] == values[i]]
        assert at[k] == values[i]
        # only exact copies of the kept monomial may tie with it at its witness, and it is the first of them
        assert all(np.array_equal(table[j], table[k]) for j in same)
        assert k == min(same)
    grid = np.array(list(product(np.linspace(-1, 1, 9), np.linspace(-1, 2, 9))))
    assert pruning.polynomial(Rationals.of(grid)).equals(f(Rationals.of(grid)))


def test_midpoints_and_copies_go_and_the_first_copy_stays() -> None:
    f = TropicalPolynomial([[2.0], [0.0], [1.0], [0.0], [2.0]], [0.0, -1.0, -0.5, -1.0, 0.0])
    pruning = f.pruning()
    assert pruning.kept.tolist() == [0, 1]
    assert {(d.index, d.support) for d in pruning.dropped} >= {(3, (1,)), (4, (0,))}


def test_a_hair_above_the_midpoint_stays() -> None:
    # Float arithmetic cannot tell these apart; rationals can.
    tiny = Fraction(1, 2**200)
    for lift, size in ((tiny, 3), (Fraction(0), 2), (-tiny, 2)):
        coefficients = np.array([Fraction(0), lift, Fraction(0)], dtype=object)
        assert kept(TropicalPolynomial([[0], [1], [2]], coefficients)) == size
        assert kept(TropicalPolynomial([[0], [1], [2]], coefficients), (-5, 5)) == size


def test_degenerate_shapes() -> None:
    assert kept(TropicalPolynomial([[1.0, 2.0]], [3.0])) == 1
    assert kept(TropicalPolynomial(np.zeros((0, 2)), [])) == 0
    assert kept(TropicalPolynomial(np.zeros((3, 0)), [1.0, 3.0, 2.0])) == 1
    assert kept(TropicalPolynomial([[0, 0], [1, 1], [2, 2], [0.5, 0.5]], np.zeros(4))) == 2  # on a line in the plane
    assert kept(TropicalPolynomial(np.eye(10), np.zeros(10))) == 10
    line = np.column_stack([np.arange(60.0), 2 * np.arange(60.0), np.ones(60)])
    assert kept(TropicalPolynomial(line, -(np.arange(60.0) ** 2))) == 60


def test_boxes_that_are_thin_or_open() -> None:
    rng = np.random.default_rng(3)
    f = TropicalPolynomial(rng.normal(size=(80, 3)), rng.normal(size=80))
    thin = f.pruning(([-1, 0.25, -1], [1, 0.25, np.inf]))
    assert thin.verify()
    assert (thin.witnesses.fractions()[:, 1] == Fraction(1, 4)).all()
    assert kept(f, ([0.5] * 3, [0.5] * 3)) == 1
    assert kept(f, (-np.inf, np.inf)) == kept(f)
    # on a fixed coordinate different monomials may be the same function: the first stays
    g = TropicalPolynomial([[1.0, 0.0], [1.0, 2.0]], [2.0, 0.0])
    assert g.pruning(([-1, 1], [1, 1])).kept.tolist() == [0]


def test_wide_ranges_of_magnitude() -> None:
    rng = np.random.default_rng(0)
    scale = 10.0 ** rng.uniform(-8, 8, size=4)
    weights, bias = rng.normal(size=(60, 4)), rng.normal(size=60)
    base = TropicalPolynomial(weights, bias).pruning()
    scaled = TropicalPolynomial(weights * scale, bias * 1e-6).pruning()
    assert scaled.verify()
    assert scaled.kept.tolist() == base.kept.tolist()


def broken(proposals: Proposals) -> Proposals:
    return Proposals(np.full_like(proposals.gaps, np.nan), 0 * proposals.points, 0 * proposals.bases - 1)


def lying(proposals: Proposals) -> Proposals:
    return Proposals(-np.sign(proposals.gaps), proposals.points + 100.0, proposals.bases[::-1])


@pytest.mark.parametrize("twist", [broken, lying])
@pytest.mark.parametrize("box", [None, (-1, 2)])
def test_exact_arithmetic_decides_when_proposals_are_useless(
    twist: Callable[[Proposals], Proposals], box: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(5)
    weights = np.vstack([rng.integers(-3, 4, size=(35, 2)).astype(float), rng.normal(size=(5, 2))])
    f = TropicalPolynomial(weights, np.append(rng.integers(-2, 3, size=35), rng.normal(size=5)))
    expected = f.pruning(box).kept.tolist()  # type: ignore[arg-type]
    original = Cells.propose
    monkeypatch.setattr(Cells, "propose", lambda *arguments: twist(original(*arguments)))
    pruning = f.pruning(box)  # type: ignore[arg-type]
    assert pruning.kept.tolist() == expected
    assert pruning.verify()


def test_tampered_evidence_is_rejected() -> None:
    rng = np.random.default_rng(1)
    f = TropicalPolynomial(rng.normal(size=(30, 2)), rng.normal(size=30))
    good = f.pruning()
    assert good.verify()
    first = good.dropped[0]
    tampered = [
        replace(first, weights=tuple(w * Fraction(999, 1000) for w in first.weights)),
        replace(first, weights=(first.weights[0] + Fraction(1, 10**9), *first.weights[1:])),
        replace(first, support=(*first.support[:-1], first.index)),
        Domination(first.index, (int(good.kept[0]),), (Fraction(1),)),
    ]
    for domination in tampered:
        assert not replace(good, dropped=(domination, *good.dropped[1:])).verify()
    assert not replace(good, dropped=good.dropped[1:]).verify()
    assert not replace(good, witnesses=good.witnesses[::-1]).verify()
    # a kept monomial that should have gone, and one that is missing
    assert not replace(good, kept=np.append(good.kept, first.index)).verify()
    assert not replace(good, kept=good.kept[1:], witnesses=good.witnesses[1:]).verify()


def test_evidence_on_a_box_does_not_hold_beyond_it() -> None:
    rng = np.random.default_rng(2)
    f = TropicalPolynomial(rng.normal(size=(40, 2)), rng.normal(size=40))
    pruning = f.pruning((-0.1, 0.1))
    assert pruning.verify()
    assert not replace(pruning, box=None).verify()


def test_circular_evidence_is_rejected() -> None:
    f = TropicalPolynomial([[1.0], [1.0]], [0.0, 0.0])
    good = f.pruning()
    circular = (Domination(1, (0,), (Fraction(1),)), Domination(0, (1,), (Fraction(1),)))
    assert not replace(good, kept=good.kept[:0], witnesses=good.witnesses[:0], dropped=circular).verify()


def test_progress_is_reported() -> None:
    rng = np.random.default_rng(0)
    calls: list[tuple[int, int]] = []
    TropicalPolynomial(rng.normal(size=(200, 6)), rng.normal(size=200)).prune(progress=lambda *a: calls.append(a))
    assert calls
    assert all(0 <= done <= total == 200 for done, total in calls)


@pytest.mark.parametrize("box", [(1, -1), (0, np.nan), (0, [1, 2, 3]), 5, (np.inf, np.inf)])
def test_bad_boxes(box: object) -> None:
    with pytest.raises(InvalidInput, match="box"):
        TropicalPolynomial([[1.0, 2.0]], [0.0]).prune(box)  # type: ignore[arg-type]


@pytest.mark.parametrize("exponents", [308, 150, -150, -320])
@pytest.mark.parametrize("coefficients", [308, 0, -320])
@pytest.mark.parametrize("count", [5, 60])
def test_numbers_at_the_ends_of_float64(exponents: int, coefficients: int, count: int) -> None:
    rng = np.random.default_rng(0)
    base = [Fraction(v) for v in rng.uniform(-1, 1, size=3 * count)]
    reference = TropicalPolynomial(np.array(base[: 2 * count]).reshape(count, 2), base[2 * count :]).prune()

    def scaled(values: list[Fraction], power: int) -> np.ndarray:
        return np.array([float(v * Fraction(10) ** power) for v in values])

    weights = scaled(base[: 2 * count], exponents).reshape(count, 2)
    f = TropicalPolynomial(weights, scaled(base[2 * count :], coefficients))
    assert f.pruning().verify()
    assert f.pruning((-1, 1)).verify()
    if min(exponents, coefficients) > -320:  # denormal numbers have lost the digits that decide
        assert len(f.prune()) == len(reference)


def test_forged_evidence_is_rejected() -> None:
    f = TropicalPolynomial([[0.0], [1.0]], [0.0, 0.0])
    good = f.pruning()
    only = replace(good, kept=good.kept[:1], witnesses=Rationals.of([[-1.0]]))
    for support in ((-1,), (1,), (7,), ()):
        assert not replace(only, dropped=(Domination(1, support, (Fraction(1),) * len(support)),)).verify()
    assert not replace(good, witnesses=good.witnesses[:1]).verify()
    # negative weights: 2x = −1·0 + 2·x
    g = TropicalPolynomial([[0.0], [1.0], [2.0]], [0.0, 0.0, 0.0])
    negative = Domination(2, (0, 1), (Fraction(-1), Fraction(2)))
    witnesses = Rationals.of([[-1.0], [1.0]])
    assert not replace(g.pruning(), kept=np.array([0, 1]), witnesses=witnesses, dropped=(negative,)).verify()


def test_witnesses_must_lie_in_the_box_and_win_alone() -> None:
    f = TropicalPolynomial([[0.0], [1.0]], [0.0, 0.0])
    good = f.pruning((-1, 1))
    assert good.verify()
    assert not replace(good, witnesses=Rationals.of([[-2.0], [1.0]])).verify()
    # max(0, −x) on [0, 1]: at x = 0 the dropped −x ties with 0, so that point proves nothing
    g = TropicalPolynomial([[0.0], [-1.0]], [0.0, 0.0]).pruning((0, 1))
    assert g.kept.tolist() == [0]
    assert g.verify()
    assert not replace(g, witnesses=Rationals.of([[0.0]])).verify()


def test_one_monomial_on_a_box_away_from_the_origin() -> None:
    pruning = TropicalPolynomial([[1.0, 1.0]], [0.0]).pruning(([2, -4], [3, -3]))
    assert pruning.verify()
    assert len(pruning.kept) == 1


def test_witnesses_beyond_ties_at_the_base_point(monkeypatch: pytest.MonkeyPatch) -> None:
    original = Cells.propose
    monkeypatch.setattr(Cells, "propose", lambda *arguments: broken(original(*arguments)))
    f = TropicalPolynomial([[1.0], [2.0], [-1.0]], [0.0, 0.0, 0.0])  # all tie at 0
    assert kept(f) == 2
    assert kept(f, (0, np.inf)) == 1


def test_large_polynomials_full_ties_have_evidence_that_names_each_monomial_once() -> None:
    grid = np.array(list(product(range(10), repeat=3)))
    piece, inside = np.divmod(grid, 3)
    heights = 2 * piece**2 + inside * (2 * (piece + 1) ** 2 - 2 * piece**2) / 3  # bends at multiples of 3 only
    pruning = TropicalPolynomial(grid / 3, -heights.sum(axis=1)).pruning()
    assert sorted([*pruning.kept, *(d.index for d in pruning.dropped)]) == list(range(1000))
    assert pruning.verify()


def test_combinations_with_rounding_weights_are_no_evidence() -> None:
    big = 2**60
    rows = np.array([[0], [2], [1]], dtype=object), np.array([big, big, big + 1], dtype=object)
    pruning = TropicalPolynomial(*rows).pruning()
    assert pruning.kept.tolist() == [0, 1, 2]
    forged = (Domination(2, (0, 1), (0.5, 0.5)),)  # type: ignore[arg-type]
    assert not replace(pruning, kept=np.array([0, 1]), witnesses=pruning.witnesses[:2], dropped=forged).verify()


def test_altered_evidence_of_a_product_is_rejected() -> None:
    f, g = TropicalPolynomial([[0, 0], [1, 0]], [0, 0]), TropicalPolynomial([[0, 0], [1, 1], [2, 0]], [0, 0, -1])
    for box in (None, (-3, 3), Polyhedron.where([[1, 1]], [1], (-3, 3))):
        found = prune_product(f, g, Box.of(box, 2) if box is not None else None)
        assert found.verify()
        assert not replace(found, pairs=found.pairs[:-1], witnesses=found.witnesses[:-1]).verify()
        assert not replace(found, pairs=found.pairs[::-1]).verify()
        assert not replace(found, witnesses=found.witnesses[::-1]).verify()
        verdicts = found._verdicts
        dropped = np.flatnonzero(~verdicts.interior)
        assert len(dropped)
        nothing = Domination(-1, (0,), (Fraction(1),))
        settled = {**verdicts.settled, int(dropped[0]): nothing}
        forged = settled if found._choices[dropped[0], 0] else {int(dropped[0]): replace(nothing, support=(1,))}
        assert replace(found, _verdicts=replace(verdicts, settled=forged)).verify() is False


def test_copies_that_excuse_each_other_by_a_mean_are_rejected() -> None:
    pruning = TropicalPolynomial([[0], [0], [1]], [0, 0, -5]).pruning()
    half = Fraction(1, 2)
    forged = tuple(Domination(k, (0, 1), (half, half)) for k in (0, 1))
    assert pruning.kept.tolist() == [0, 2]
    assert not replace(pruning, kept=np.array([2]), witnesses=pruning.witnesses[1:], dropped=forged).verify()
