"""Dual subdivisions against brute force over all subsets of monomials, pruning, laws and degenerate inputs."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from itertools import combinations, product

import flint
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropix import InvalidInput, TropicalPolynomial
from tropix.exact import fraction_of
from tropix.polynomials import DualSubdivision, MixedSubdivision, NewtonPolytope, mixed_subdivision, mixed_volume
from tropix.polynomials._subdivision import active_sets

Cells = dict[tuple[Fraction, ...], tuple[int, ...]]


@st.composite
def polynomials(draw: st.DrawFn, dimension: int | None = None, most: int = 8) -> TropicalPolynomial:
    """Few lattice points and few levels: ties, duplicates, coplanar points and flat supports are frequent."""
    width = dimension or draw(st.integers(1, 3))
    row = st.lists(st.integers(-2, 2), min_size=width + 1, max_size=width + 1)
    table = np.array(draw(st.lists(row, min_size=1, max_size=most)))
    return TropicalPolynomial(table[:, :-1], table[:, -1])


def brute_force(f: TropicalPolynomial) -> Cells:
    """Every point where d+1 affinely independent monomials meet at the maximum, with all that is active there."""
    rows = f.exact.fractions()
    found: Cells = {}
    for chosen in combinations(range(len(f)), f.dimension + 1):
        table = [[flint.fmpq(v.numerator, v.denominator) for v in rows[j]] for j in chosen]
        system = flint.fmpq_mat([[*row[:-1], flint.fmpq(-1)] for row in table])
        if system.det() == 0:
            continue
        answer = system.solve(flint.fmpq_mat([[-row[-1]] for row in table])).entries()
        *point, level = (fraction_of(v) for v in answer)
        values = [sum((e * x for e, x in zip(row, point, strict=False)), row[-1]) for row in rows]
        if max(values) == level:
            found[tuple(point)] = tuple(j for j, value in enumerate(values) if value == level)
    return found


def cells_of(subdivision: DualSubdivision) -> Cells:
    vertices = (tuple(row) for row in subdivision.vertices.tolist())
    return dict(zip(vertices, (cell.monomials for cell in subdivision.cells), strict=True))


@given(polynomials())
def test_full_subdivisions_by_brute_force(f: TropicalPolynomial) -> None:
    subdivision = f.dual_subdivision()
    if subdivision.dimension == f.dimension:
        assert cells_of(subdivision) == brute_force(f)
        assert subdivision.lineality == ()
    else:
        assert brute_force(f) == {}
        assert len(subdivision.lineality) == f.dimension - subdivision.dimension


@given(polynomials())
def test_it_subdivides_the_newton_polytope(f: TropicalPolynomial) -> None:
    subdivision = f.dual_subdivision()
    polytope = f.newton_polytope()
    assert subdivision.verify()
    assert sum(subdivision.volumes) == polytope.lattice_volume
    assert [subdivision.multiplicity(cell) for cell in subdivision.cells] == list(subdivision.volumes)
    assert sum((-1) ** k * count for k, count in enumerate(subdivision.f_vector)) == 1
    if polytope.dimension == f.dimension:
        assert sorted(subdivision.rays) == [facet.normal for facet in polytope.facets]


@given(polynomials())
def test_faces_are_dual(f: TropicalPolynomial) -> None:
    """A face is what is active on its dual cell: at the mean of the dual vertices, moved along all its rays."""
    subdivision = f.dual_subdivision()
    for k in range(subdivision.dimension + 1):
        for face in subdivision.faces(k):
            point = sum(subdivision.vertices[i] for i in face.vertices) / Fraction(len(face.vertices))
            for i in face.rays:
                point = point + np.array(subdivision.rays[i], dtype=object)
            shifted = point + sum((3 * np.array(v, dtype=object) for v in subdivision.lineality), 0 * point)
            for where in (point, shifted):
                assert active_sets(f, np.array([where], dtype=object)) == [face.monomials]
            hull = NewtonPolytope.of(f.exact[list(face.monomials), :-1])
            assert hull.dimension == face.dimension == k
            assert sorted(map(tuple, f.exact[list(face.corners), :-1].fractions())) == sorted(
                map(tuple, hull.vertices.fractions())
            )
            for i in face.vertices:
                assert set(face.monomials) <= set(subdivision.cells[i].monomials)


@given(polynomials())
def test_cells_of_dimension_zero_are_the_linear_regions(f: TropicalPolynomial) -> None:
    kept = f.prune().exact.keys()
    regions = [f.exact[list(face.corners)].keys()[0] for face in f.dual_subdivision().faces(0)]
    assert sorted(regions) == sorted(kept)


@given(polynomials(), st.data())
def test_an_affine_function_moves_the_complex(f: TropicalPolynomial, data: st.DataObject) -> None:
    slope = data.draw(st.lists(st.integers(-3, 3), min_size=f.dimension, max_size=f.dimension))
    matrix = np.eye(f.dimension, dtype=int)
    moved, still = f.substitute(matrix, slope).dual_subdivision(), f.dual_subdivision()
    assert [cell.monomials for cell in moved.cells] == [cell.monomials for cell in still.cells]
    if still.dimension == f.dimension:
        assert (moved.vertices + np.array(slope, dtype=object) == still.vertices).all()


def test_one_cell() -> None:
    points = list(product(range(3), repeat=2))
    for coefficients in ([0] * 9, [2 * i - 7 * j + 1 for i, j in points]):
        subdivision = TropicalPolynomial(points, coefficients).dual_subdivision()
        assert [cell.monomials for cell in subdivision.cells] == [tuple(range(9))]
        assert [points[i] for i in subdivision.cells[0].corners] == [(0, 0), (0, 2), (2, 0), (2, 2)]
        assert subdivision.volumes == (8,)
        assert not subdivision.is_triangulation
        assert subdivision.f_vector == (4, 4, 1)
        assert [subdivision.multiplicity(edge) for edge in subdivision.faces(1)] == [2] * 4


def test_small_supports() -> None:
    nothing = TropicalPolynomial.zero(2).dual_subdivision()
    assert (nothing.dimension, nothing.cells, nothing.f_vector, nothing.volumes) == (-1, (), (), ())
    assert nothing.vertices.shape == (0, 2)
    assert nothing.verify()
    point = TropicalPolynomial([[2, 1], [2, 1], [2, 1]], [0, 3, 3]).dual_subdivision()
    assert [cell.monomials for cell in point.cells] == [(1, 2)]
    assert point.is_unimodular
    assert point.cells[0].rays == ()
    assert (point.f_vector, point.rays, len(point.lineality)) == ((1,), (), 2)
    line = TropicalPolynomial([[0, 0], [2, 2], [4, 4], [6, 6]], [0, 1, 2, 1]).dual_subdivision()
    assert [cell.monomials for cell in line.cells] == [(0, 1, 2), (2, 3)]
    assert line.volumes == (4, 2)
    assert [sum(row) for row in line.vertices.tolist()] == [Fraction(-1, 2), Fraction(1, 2)]
    assert line.lineality in (((1, -1),), ((-1, 1),))
    halves = TropicalPolynomial([[0.0], [0.5], [1.0]], [0, 0, 0]).dual_subdivision()
    assert halves.volumes == (1,)
    assert not halves.is_unimodular
    constant = TropicalPolynomial(np.zeros((2, 0)), [1, 2]).dual_subdivision()
    assert [cell.monomials for cell in constant.cells] == [(1,)]
    assert constant.verify()


@pytest.mark.parametrize("degree", range(1, 7))
def test_the_honeycomb(degree: int) -> None:
    points = [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]
    subdivision = TropicalPolynomial(points, [-(i * i + j * j + i * j) for i, j in points]).dual_subdivision()
    edges = 3 * degree * (degree - 1) // 2 + 3 * degree
    assert subdivision.f_vector == (math.comb(degree + 2, 2), edges, degree**2)
    assert subdivision.is_unimodular


@pytest.mark.parametrize(("dimension", "count"), [(1, 30), (2, 60), (3, 40), (4, 16)])
def test_generic_floats_are_triangulated(dimension: int, count: int) -> None:
    rng = np.random.default_rng(dimension)
    f = TropicalPolynomial(rng.standard_normal((count, dimension)), -rng.random(count))
    subdivision = f.dual_subdivision()
    assert subdivision.is_triangulation
    assert not subdivision.is_unimodular
    assert subdivision.verify()
    assert sum(subdivision.volumes) == f.newton_polytope().lattice_volume


def test_verify_notices() -> None:
    points = list(product(range(3), repeat=2))
    subdivision = TropicalPolynomial(points, [-(i * i + 2 * j * j) for i, j in points]).dual_subdivision()
    assert subdivision.verify()
    assert not replace(subdivision, cells=subdivision.cells[1:], vertices=subdivision.vertices[1:]).verify()
    assert not replace(subdivision, vertices=subdivision.vertices[::-1]).verify()
    short = replace(subdivision.cells[0], monomials=subdivision.cells[0].monomials[1:])
    assert not replace(subdivision, cells=(short, *subdivision.cells[1:])).verify()
    # an edge has the lattice volume of the triangle that it stands in for, but not its dimension
    line = TropicalPolynomial([[0, 0], [1, 0], [0, 1]], [0, 0, 0]).dual_subdivision()
    edge = np.array([[Fraction(0), Fraction(-1)]], dtype=object)
    assert not replace(line, cells=line.faces(1)[:1], vertices=edge).verify()


@settings(max_examples=60)
@given(st.integers(1, 2).flatmap(lambda d: st.tuples(polynomials(d, 5), polynomials(d, 5))))
def test_a_mixed_subdivision_refines_both(pair: tuple[TropicalPolynomial, TropicalPolynomial]) -> None:
    mixed = mixed_subdivision(*pair)
    whole = (pair[0] * pair[1]).dual_subdivision()
    assert mixed.vertices.tolist() == whole.vertices.tolist()
    assert tuple(cell.lattice_volume for cell in mixed.cells) == whole.volumes
    for i, f in enumerate(pair):
        own = f.dual_subdivision()
        faces = {face.monomials: face.dimension for k in range(own.dimension + 1) for face in own.faces(k)}
        for cell in mixed.cells:
            assert faces[cell.summands[i]] == cell.dimensions[i]
    for cell, mark in zip(mixed.cells, whole.cells, strict=True):
        sums = {tuple(a + b) for a, b in product(*(points_of(f, s) for f, s in zip(pair, cell.summands, strict=True)))}
        assert sums == {tuple(row) for row in points_of(pair[0] * pair[1], mark.monomials)}


def points_of(
    f: TropicalPolynomial, indices: tuple[int, ...]
) -> list[np.ndarray[tuple[int, ...], np.dtype[np.object_]]]:
    return list(f.exact[list(indices), :-1].fractions())


@settings(max_examples=60)
@given(polynomials(2, 6), polynomials(2, 6))
def test_mixed_cells_add_up_to_the_mixed_area(f: TropicalPolynomial, g: TropicalPolynomial) -> None:
    mixed = mixed_subdivision(f, g)
    assert mixed.mixed_volume == mixed_volume(f.newton_polytope(), g.newton_polytope())
    if mixed.is_fine and mixed.dimension == 2:
        by_type = {kind: Fraction(0) for kind in ((2, 0), (1, 1), (0, 2))}
        for cell in mixed.cells:
            by_type[cell.dimensions] += cell.lattice_volume / 2
        assert by_type[2, 0] == f.newton_polytope().volume
        assert by_type[0, 2] == g.newton_polytope().volume
        assert by_type[1, 1] == mixed.mixed_volume


def test_three_polynomials_in_space() -> None:
    rng = np.random.default_rng(5)
    for _ in range(3):
        three = [TropicalPolynomial(rng.integers(0, 3, (5, 3)), rng.integers(-3, 4, 5)) for _ in range(3)]
        expected = mixed_volume(*(f.newton_polytope() for f in three))
        assert mixed_subdivision(*three).mixed_volume == expected


def test_mixed_subdivisions_of_other_numbers() -> None:
    f = TropicalPolynomial([[0, 0], [1, 0], [0, 1], [1, 1]], [0, 0, 0, -1])
    alone = mixed_subdivision(f)
    assert [cell.summands for cell in alone.cells] == [(cell.monomials,) for cell in f.dual_subdivision().cells]
    assert isinstance(alone, MixedSubdivision)
    with pytest.raises(InvalidInput, match="as many polynomials as variables"):
        _ = alone.mixed_volume
    three = mixed_subdivision(f, f, f)
    assert not three.is_fine
    assert [cell.lattice_volume for cell in three.cells] == [9 * v for v in f.dual_subdivision().volumes]
    for bad in ((), (f, TropicalPolynomial([[1]], [0])), (f, TropicalPolynomial.zero(2))):
        with pytest.raises(InvalidInput):
            mixed_subdivision(*bad)
