"""Tropical plane curves and stable intersections: balancing, counts, perturbation by brute force, Bernstein, Bézout."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropix import InvalidInput, TropicalPolynomial, Unsupported
from tropix.arrays import ObjectArray
from tropix.polynomials import IntersectionPoint, NewtonPolytope, TropicalCurve, mixed_volume, stable_intersection
from tropix.polynomials._subdivision import active_sets

STEP = (Fraction(1, 2**40), Fraction(1, 3 * 2**45))
"""A translation that is generic for the small integers below."""


@st.composite
def polynomials(draw: st.DrawFn, most: int = 7) -> TropicalPolynomial:
    row = st.lists(st.integers(-2, 2), min_size=3, max_size=3)
    table = np.array(draw(st.lists(row, min_size=1, max_size=most)))
    return TropicalPolynomial(table[:, :2], table[:, 2])


def full(degree: int, seed: int) -> TropicalPolynomial:
    points = [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]
    return TropicalPolynomial(points, np.random.default_rng(seed).integers(-5, 6, len(points)))


@pytest.mark.parametrize("degree", range(1, 7))
def test_a_smooth_curve_of_a_degree(degree: int) -> None:
    points = [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]
    curve = TropicalPolynomial(points, [-(i * i + j * j + i * j) for i, j in points]).curve()
    assert (len(curve.vertices), len(curve.rays)) == (degree**2, 3 * degree)
    assert len(curve.edges) == 3 * degree * (degree - 1) // 2
    assert curve.genus == (degree - 1) * (degree - 2) // 2
    assert {part.multiplicity for part in (*curve.edges, *curve.rays)} == {1}
    assert Counter(ray.direction for ray in curve.rays) == {(1, 1): degree, (-1, 0): degree, (0, -1): degree}
    assert curve.lines == ()


def balance(curve: TropicalCurve) -> list[list[Fraction]]:
    sums = [[Fraction(0), Fraction(0)] for _ in curve.vertices]
    for edge in curve.edges:
        for end, sign in zip(edge.ends, (1, -1), strict=True):
            for i in range(2):
                sums[end][i] += sign * edge.multiplicity * edge.direction[i]
    for ray in curve.rays:
        for i in range(2):
            sums[ray.start][i] += ray.multiplicity * ray.direction[i]
    return sums


@given(polynomials(9))
def test_curves_are_balanced(f: TropicalPolynomial) -> None:
    curve = f.curve()
    assert all(sums == [0, 0] for sums in balance(curve))
    for part in (*curve.edges, *curve.rays, *curve.lines):
        assert math.gcd(*part.direction) == 1
        assert part.multiplicity.denominator == 1
        assert part.multiplicity > 0
    # the ends at infinity wind once around the Newton polytope
    polytope = f.newton_polytope()
    total = Counter[tuple[int, ...]]()
    for ray in curve.rays:
        total[ray.direction] += int(ray.multiplicity)
    edges = polytope.facets if polytope.dimension == 2 else ()
    sides = {edge.normal: NewtonPolytope.of(polytope.vertices[list(edge.vertices)]) for edge in edges}
    assert total == {normal: side.lattice_volume for normal, side in sides.items()}


@given(polynomials(9))
def test_every_part_is_where_its_monomials_tie(f: TropicalPolynomial) -> None:
    curve = f.curve()
    for edge in curve.edges:
        a, b = curve.vertices[list(edge.ends)]
        along = b - a
        assert along[0] * edge.direction[1] == along[1] * edge.direction[0]
        assert along @ np.array(edge.direction, dtype=object) > 0
        assert tied(f, a + along / Fraction(3)) == edge.monomials
    for ray in curve.rays:
        for t in (Fraction(1, 7), Fraction(1000)):
            direction = np.array(ray.direction, dtype=object)
            assert tied(f, curve.vertices[ray.start] + t * direction) == ray.monomials
    for line in curve.lines:
        for t in (-50, 0, 3):
            direction = np.array(line.direction, dtype=object)
            assert tied(f, np.array(line.point, dtype=object) + t * direction) == line.monomials


def tied(f: TropicalPolynomial, point: ObjectArray) -> tuple[int, ...]:
    return active_sets(f, point[None, :])[0]


def test_multiplicities_and_real_exponents() -> None:
    double = TropicalPolynomial([[0, 0], [2, 0], [0, 2], [1, 1]], [0, 0, 0, -9]).curve()
    assert [ray.multiplicity for ray in double.rays] == [2, 2, 2]
    halves = TropicalPolynomial([[0.0, 0.0], [0.5, 0.0], [0.0, 0.75]], [0.0, 1.0, 2.0]).curve()
    assert {ray.direction: ray.multiplicity for ray in halves.rays} == {
        (-1, 0): Fraction(3, 4),
        (0, -1): Fraction(1, 2),
        (3, 2): Fraction(1, 4),
    }
    assert balance(halves) == [[0, 0]]
    assert halves.vertices.tolist() == [[-2, Fraction(-8, 3)]]


def test_lines_points_and_refusals() -> None:
    lines = TropicalPolynomial([[0, 0], [2, 2], [3, 3]], [0, 0, -1]).curve()
    assert (len(lines.vertices), lines.edges, lines.rays, lines.genus) == (0, (), (), 0)
    assert [(sum(line.point), line.multiplicity) for line in lines.lines] == [(0, 2), (1, 1)]
    assert {line.direction for line in lines.lines} in ({(1, -1)}, {(-1, 1)})
    empty = TropicalPolynomial([[3, 4], [3, 4]], [0, 1]).curve()
    assert (empty.edges, empty.rays, empty.lines, len(empty.vertices)) == ((), (), (), 0)
    with pytest.raises(InvalidInput, match="whole plane"):
        TropicalPolynomial.zero(2).curve()
    with pytest.raises(Unsupported, match="faces"):
        TropicalPolynomial([[1], [2]], [0, 0]).curve()


def brute_force(f: TropicalPolynomial, g: TropicalPolynomial) -> list[IntersectionPoint]:
    """Transversal intersections of f with g translated by STEP, from every pair of pairs of monomials."""
    moved = g.substitute(np.eye(2, dtype=int), np.array([-s for s in STEP], dtype=object))
    left, right = f.exact.fractions().tolist(), moved.exact.fractions().tolist()
    found = []
    for (i, a), (j, b) in combinations(enumerate(left), 2):
        for (k, c), (m, d) in combinations(enumerate(right), 2):
            u, v = [q - p for p, q in zip(a, b, strict=True)], [q - p for p, q in zip(c, d, strict=True)]
            det = u[0] * v[1] - u[1] * v[0]
            if not det:
                continue
            point = [(-u[2] * v[1] + u[1] * v[2]) / det, (-u[0] * v[2] + u[2] * v[0]) / det]
            if is_edge(left, point, (i, j)) and is_edge(right, point, (k, m)):
                found.append(IntersectionPoint(tuple(point), abs(det)))
    return found


def is_edge(rows: list[list[Fraction]], point: list[Fraction], pair: tuple[int, int]) -> bool:
    """Whether the pair attains the maximum and is the first such pair that spans the dual edge."""
    values = [r[0] * point[0] + r[1] * point[1] + r[2] for r in rows]
    active = [j for j, value in enumerate(values) if value == max(values)]
    low, high = min(rows[j][:2] for j in active), max(rows[j][:2] for j in active)
    ends = [next(j for j in active if rows[j][:2] == end) for end in (low, high)]
    return sorted(ends) == sorted(pair)


@settings(max_examples=60)
@given(polynomials(), polynomials())
def test_stable_intersection_is_the_limit_of_translates(f: TropicalPolynomial, g: TropicalPolynomial) -> None:
    stable = {point.point: point.multiplicity for point in stable_intersection(f, g)}
    gathered: dict[tuple[Fraction, ...], Fraction] = dict.fromkeys(stable, Fraction(0))
    for near in brute_force(f, g):
        home = min(stable, key=lambda p: sum(abs(x - y) for x, y in zip(p, near.point, strict=True)))
        assert sum(abs(x - y) for x, y in zip(home, near.point, strict=True)) < Fraction(1, 2**30)
        gathered[home] += near.multiplicity
    assert gathered == stable
    assert sum(stable.values()) == mixed_volume(f.newton_polytope(), g.newton_polytope())


@pytest.mark.parametrize(("first", "second"), [(1, 1), (1, 3), (2, 2), (2, 3), (3, 4)])
def test_bezout(first: int, second: int) -> None:
    points = stable_intersection(full(first, 1), full(second, 2))
    assert sum(point.multiplicity for point in points) == first * second


def test_common_components() -> None:
    f, g = full(2, 3), full(1, 4)
    with_itself = {point.point: point.multiplicity for point in stable_intersection(f, f)}
    subdivision = f.dual_subdivision()
    vertices = [tuple(row) for row in subdivision.vertices.tolist()]
    assert with_itself == dict(zip(vertices, subdivision.volumes, strict=True))
    total = Counter[tuple[Fraction, ...]]()
    for point in (*stable_intersection(f, f), *stable_intersection(f, g)):
        total[point.point] += int(point.multiplicity)
    assert {point.point: point.multiplicity for point in stable_intersection(f, f * g)} == total


def test_parallel_curves_do_not_meet() -> None:
    f = TropicalPolynomial([[0, 0], [1, 1]], [0, 0])
    g = TropicalPolynomial([[0, 0], [2, 2]], [0, 3])
    assert stable_intersection(f, g) == stable_intersection(f, f) == ()
    assert stable_intersection(f, TropicalPolynomial([[5, 5]], [1])) == ()


def test_one_and_three_variables() -> None:
    f = TropicalPolynomial([[0], [1], [4]], [0, 1, -2])
    assert [(p.point[0], p.multiplicity) for p in stable_intersection(f)] == [
        (root.point, root.multiplicity) for root in f.roots()
    ]
    planes = [TropicalPolynomial([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], [0, -i, 2 * i, i * i]) for i in range(3)]
    assert [point.multiplicity for point in stable_intersection(*planes)] == [1]
    with pytest.raises(InvalidInput, match="as many as variables"):
        stable_intersection(*planes[:2])
