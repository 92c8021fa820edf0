"""Newton polytopes against pruning, scipy, exact linear programs and closed forms; degenerate inputs first."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations, permutations, product

import flint
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull, QhullError

from tropix import InvalidInput, LogSumExp, TropicalPolynomial, Unsupported
from tropix.exact import Rationals, maximize
from tropix.polynomials import NewtonPolytope, _hull, mixed_volume
from tropix.polynomials._vectors import IntegerVectors

Points = list[list[int]]


def lattice_points(dimension: int, most: int = 9, size: int = 3) -> st.SearchStrategy[Points]:
    point = st.lists(st.integers(-size, size), min_size=dimension, max_size=dimension)
    return st.lists(point, min_size=1, max_size=most)


some_points = st.integers(1, 4).flatmap(lattice_points)


def polynomial(points: Points, coefficients: list[int] | None = None) -> TropicalPolynomial:
    return TropicalPolynomial(points, coefficients or [0] * len(points))


def rows(polytope: NewtonPolytope) -> list[tuple[Fraction, ...]]:
    return [tuple(row) for row in polytope.vertices.fractions().tolist()]


@given(some_points)
def test_vertices_are_the_monomials_that_pruning_keeps(points: Points) -> None:
    """With equal coefficients a monomial is needed exactly where its exponent is a vertex."""
    polytope = polynomial(points).newton_polytope()
    kept = polynomial(points).prune().exact[:, :-1].fractions()
    assert rows(polytope) == sorted(tuple(row) for row in kept)
    rank = flint.fmpz_mat([[a - b for a, b in zip(p, points[0], strict=True)] for p in points]).rank()
    assert polytope.dimension == rank
    assert len(polytope.equations) == polytope.ambient - rank


@given(some_points)
def test_facets_and_equations_are_what_they_say(points: Points) -> None:
    polytope = NewtonPolytope.of(points)
    vertices = rows(polytope)
    for normal, offset in polytope.equations:
        assert all(sum(a * x for a, x in zip(normal, v, strict=True)) == offset for v in vertices)
    for facet in polytope.facets:
        values = [sum(a * x for a, x in zip(facet.normal, v, strict=True)) for v in vertices]
        assert math.gcd(*facet.normal) == 1
        assert max(values) == facet.offset
        assert facet.vertices == tuple(i for i, value in enumerate(values) if value == facet.offset)
        assert facet.vertices in polytope.faces(polytope.dimension - 1)
        assert polytope.face(facet.normal) == facet.vertices
        assert polytope.support(facet.normal) == facet.offset
    normals = [facet.normal for facet in polytope.facets]
    if polytope.dimension:
        # bounded: with the equations, the normals span the space
        assert flint.fmpz_mat([*normals, *(a for a, _ in polytope.equations)]).rank() == polytope.ambient
    assert sum((-1) ** k * count for k, count in enumerate(polytope.f_vector)) == 1


@given(st.integers(2, 4).flatmap(lambda d: lattice_points(d, most=14)))
def test_volume_is_scipys(points: Points) -> None:
    polytope = NewtonPolytope.of(points)
    try:
        expected = ConvexHull(np.array(points, dtype=float)).volume
    except QhullError:
        expected = 0.0
    assert float(polytope.volume) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert polytope.volume == 0 or polytope.lattice_volume == math.factorial(polytope.ambient) * polytope.volume


@given(some_points, st.data())
def test_laws_of_volumes(points: Points, data: st.DataObject) -> None:
    polytope = NewtonPolytope.of(points)
    dimension = polytope.ambient
    shift = data.draw(st.lists(st.integers(-50, 50), min_size=dimension, max_size=dimension))
    shear = np.eye(dimension, dtype=int)
    shear[np.triu_indices(dimension, 1)] = data.draw(
        st.lists(
            st.integers(-3, 3), min_size=dimension * (dimension - 1) // 2, max_size=dimension * (dimension - 1) // 2
        )
    )
    unimodular = shear @ shear.T
    image = NewtonPolytope.of(np.array(points) @ unimodular + np.array(shift))
    assert image.volume == polytope.volume
    assert image.lattice_volume == polytope.lattice_volume
    assert image.f_vector == polytope.f_vector
    doubled = NewtonPolytope.of(2 * np.array(points))
    assert doubled.lattice_volume == 2**polytope.dimension * polytope.lattice_volume
    flat = NewtonPolytope.of(np.column_stack([points, np.array(points) @ np.array(shift)]))
    assert flat.lattice_volume == polytope.lattice_volume
    assert flat.volume == 0


@settings(max_examples=60)
@given(st.integers(1, 3).flatmap(lambda d: st.tuples(lattice_points(d, 5), lattice_points(d, 5))))
def test_the_polytope_of_a_product_is_the_sum(pair: tuple[Points, Points]) -> None:
    f, g = polynomial(pair[0]), polynomial(pair[1])
    total = f.newton_polytope() + g.newton_polytope()
    assert (f * g).newton_polytope() == total
    assert hash((f * g).newton_polytope()) == hash(total)
    u = list(range(1, f.dimension + 1))
    assert total.support(u) == f.newton_polytope().support(u) + g.newton_polytope().support(u)
    assert (f + g).newton_polytope() == NewtonPolytope.of([*pair[0], *pair[1]])


@given(st.integers(1, 3).flatmap(lambda d: st.tuples(lattice_points(d, 6), lattice_points(d, 8))))
def test_contains_is_the_linear_program(pair: tuple[Points, Points]) -> None:
    points, queries = pair
    polytope = NewtonPolytope.of(points)
    middle = Rationals.of(np.array([[Fraction(sum(c), len(points)) for c in zip(*points, strict=True)]], dtype=object))
    assert polytope.contains(middle).all()
    assert polytope.contains(points).all()
    matrix = flint.fmpq_mat(flint.fmpz_mat([[*point, 1] for point in points]).transpose())
    answers = [maximize(matrix, [*query, 1], [0] * len(points)).status == "optimal" for query in queries]
    assert polytope.contains(queries).tolist() == answers


@pytest.mark.parametrize("dimension", [1, 2, 3, 4, 5])
def test_closed_forms(dimension: int) -> None:
    cube = NewtonPolytope.of(list(product((0, 1), repeat=dimension)))
    assert cube.f_vector == tuple(2 ** (dimension - k) * math.comb(dimension, k) for k in range(dimension + 1))
    assert cube.volume == 1
    unit = np.eye(dimension, dtype=int)
    cross = NewtonPolytope.of(np.vstack([unit, -unit]))
    counts = [2 ** (k + 1) * math.comb(dimension, k + 1) for k in range(dimension)]
    assert cross.f_vector == (*counts, 1)
    assert cross.lattice_volume == 2**dimension
    simplex = NewtonPolytope.of(np.vstack([unit, 0 * unit[:1]]) * 3)
    assert simplex.f_vector == tuple(math.comb(dimension + 1, k + 1) for k in range(dimension + 1))
    assert simplex.lattice_volume == 3**dimension
    full = [p for p in product(range(3), repeat=dimension) if sum(p) <= 2]
    assert NewtonPolytope.of(full).f_vector == simplex.f_vector


def test_polytopes_of_tables() -> None:
    flat = NewtonPolytope.of(list(permutations(range(4))))
    assert flat.f_vector == (24, 36, 14, 1)
    assert flat.equations == (((1, 1, 1, 1), Fraction(6)),)
    assert flat.lattice_volume == math.factorial(3) * 4**2  # the permutohedron: n^(n-2) spanning trees
    signs = [
        [s if k == i else t if k == j else 0 for k in range(4)]
        for i, j in combinations(range(4), 2)
        for s in (-1, 1)
        for t in (-1, 1)
    ]
    assert NewtonPolytope.of(signs).f_vector == (24, 96, 96, 24, 1)  # the 24-cell: octahedra, nowhere simplices
    moment = [[t, t**2, t**3, t**4] for t in range(9)]
    assert NewtonPolytope.of(moment).f_vector[:2] == (9, math.comb(9, 2))  # cyclic: every pair is an edge
    assert len(NewtonPolytope.of(moment).facets) == 9 * 6 // 2


@pytest.mark.parametrize("proposals", ["none", "garbage", "half"])
@pytest.mark.parametrize("dimension", [2, 3, 4])
def test_no_answer_rests_on_qhull(proposals: str, dimension: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(dimension)
    points = rng.integers(0, 4, size=(40, dimension))
    expected = NewtonPolytope.of(points)
    honest = _hull._propose

    def altered(vectors: list[tuple[int, ...]]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        found = honest(vectors)
        if proposals == "none":
            return found[:0]
        if proposals == "half":
            return found[::2]
        return np.random.default_rng(0).integers(0, len(vectors), size=(50, found.shape[1]))

    monkeypatch.setattr(_hull, "_propose", altered)
    found = NewtonPolytope.of(points)
    assert found == expected
    assert found.facets == expected.facets


def test_what_floating_point_cannot_see() -> None:
    tiny = Fraction(1, 2**200)
    square = [[0, 0], [1, 0], [0, 1], [1, 1]]
    many = [[Fraction(i, 12), 0] for i in range(13)]
    for offset, count in ((0, 4), (-tiny, 5), (tiny, 4)):
        points = np.array([*square, *many, [Fraction(1, 2), offset]], dtype=object)
        assert len(NewtonPolytope.of(points).vertices) == count
    far = np.array([[10**30 + x, 10**30 - y] for x, y in product(range(4), repeat=2)], dtype=object)
    assert NewtonPolytope.of(far).volume == 9
    thin = NewtonPolytope.of(np.array([[0, 0], [1, 1], [2, 2 + tiny]], dtype=object))
    assert thin.dimension == 2
    assert thin.volume == tiny / 2
    floats = np.random.default_rng(1).standard_normal((30, 3))
    assert float(NewtonPolytope.of(floats).volume) == pytest.approx(ConvexHull(floats).volume, rel=1e-12)
    huge = np.array([[Fraction(10) ** 400 * x, y] for x, y in product(range(4), repeat=2)], dtype=object)
    assert NewtonPolytope.of(huge).f_vector == (4, 4, 1)


@pytest.mark.parametrize("shift", [0, 3000])
def test_signs_are_exact_beyond_floating_point(shift: int) -> None:
    """Products that nearly cancel, of numbers far outside float64 where shifted."""
    rng = np.random.default_rng(shift)
    rows, normals = [], []
    for _ in range(60):
        a, b = (int(v) for v in rng.integers(2**61, 2**62, 2))
        rows.append(((a << shift) + int(rng.integers(-1, 2)), b, int(rng.integers(-3, 4))))
        normals.append((b, -(a << shift), int(rng.integers(-1, 2))))
    vectors = IntegerVectors([(abs(p), q, r) for p, q, r in rows])
    exact = [[sum(x * y for x, y in zip(n, v, strict=True)) for v in vectors.rows] for n in normals]
    expected = [[(value > 0) - (value < 0) for value in line] for line in exact]
    assert vectors.signs(normals).tolist() == expected
    assert vectors.values(normals).tolist() == exact
    diagonal = [expected[i][i] for i in range(60)]
    assert {-1, 0, 1} <= set(diagonal)


def test_small_and_empty() -> None:
    empty = TropicalPolynomial.zero(2).newton_polytope()
    assert (empty.dimension, empty.volume, empty.lattice_volume, empty.f_vector, empty.facets) == (-1, 0, 0, (), ())
    assert not empty.contains([[0, 0]]).any()
    assert empty + empty == empty
    with pytest.raises(InvalidInput, match="-inf"):
        empty.support([1, 0])
    point = NewtonPolytope.of([[2, 3], [2, 3]])
    assert (point.dimension, point.volume, point.lattice_volume, point.f_vector) == (0, 0, 1, (1,))
    assert point.contains([[2, 3], [2, 4]]).tolist() == [True, False]
    assert point.equations == (((1, 0), 2), ((0, 1), 3))
    origin = NewtonPolytope.of(np.zeros((2, 0)))
    assert origin.volume == 1
    assert origin + origin == origin
    assert (origin + TropicalPolynomial.zero(0).newton_polytope()).dimension == -1
    segment = NewtonPolytope.of([[0, 0], [3, 3], [9, 9]])
    assert (segment.dimension, segment.lattice_volume, segment.f_vector) == (1, 9, (2, 1))
    assert segment.faces(0) == ((0,), (1,))
    assert segment.faces(2) == segment.faces(-1) == ()
    assert segment != point
    assert segment != 3
    halves = NewtonPolytope.of([[0.0], [0.5], [1.0]])
    assert halves == NewtonPolytope.of([[0], [1]])
    assert hash(halves) == hash(NewtonPolytope.of([[0], [1]]))


def test_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    square = NewtonPolytope.of([[0, 0], [1, 0], [0, 1], [1, 1]])
    for call in (
        lambda: NewtonPolytope.of([1, 2]),
        lambda: square.contains([1, 2]),
        lambda: square.support([1, 2, 3]),
        lambda: square + NewtonPolytope.of([[1]]),
        lambda: mixed_volume(square),
        lambda: mixed_volume(),
        lambda: mixed_volume(square, NewtonPolytope.of(np.zeros((0, 2)))),
    ):
        with pytest.raises(InvalidInput):
            call()
    with pytest.raises(TypeError):
        square + 1
    monkeypatch.setattr(_hull, "MAX_SIZE", 30)
    with pytest.raises(Unsupported, match="8 points in 3 dimensions has more than 3 facets"):
        NewtonPolytope.of(list(product((0, 1), repeat=3)))


def test_the_deformation_has_the_same_polytope() -> None:
    weights = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.25, 0.25], [5.0, 5.0]]
    smooth = LogSumExp(weights, [0.0, 0.0, 0.0, 0.0, -np.inf], 0.5)
    assert smooth.newton_polytope() == NewtonPolytope.of(weights[:3])
    assert smooth.newton_polytope().contains(smooth.gradient([[1.0, 2.0], [-30.0, 4.0]])).all()


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_mixed_volumes_of_boxes_are_permanents(dimension: int) -> None:
    sides = np.random.default_rng(dimension).integers(0, 5, size=(dimension, dimension))
    boxes = [
        NewtonPolytope.of([np.array(corner) * row for corner in product((0, 1), repeat=dimension)]) for row in sides
    ]
    permanent = sum(math.prod(sides[i, p[i]] for i in range(dimension)) for p in permutations(range(dimension)))
    assert mixed_volume(*boxes) == permanent


@settings(max_examples=30)
@given(lattice_points(2, 5), lattice_points(2, 5), lattice_points(2, 5))
def test_mixed_area_is_bilinear(a: Points, b: Points, c: Points) -> None:
    p, q, r = (NewtonPolytope.of(points) for points in (a, b, c))
    assert mixed_volume(p, q) == mixed_volume(q, p)
    assert mixed_volume(p + q, r) == mixed_volume(p, r) + mixed_volume(q, r)
    assert mixed_volume(p, p) == 2 * p.volume
