"""Max-plus kernels against their NumPy twins, rational arithmetic, scipy and networkx."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import floyd_warshall

from tropix import InvalidInput, kernels
from tropix.kernels._simd import ROWS, TILE_BYTES

TYPES = [np.float64, np.float32]
SHAPES = [
    (0, 3, 4),
    (3, 0, 4),
    (4, 3, 0),
    (1, 1, 1),
    (1, 300, 1),
    (8, 256, 24),
    (9, 257, 49),
    (97, 13, 50),
    (3, 2, 500),
]


def entries(shape: tuple[int, ...], kind: type, seed: int = 0, *, absent: float = 0.3) -> np.ndarray:
    """Small integers, so that ties are common, with −∞ in between."""
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-4, 5, size=shape).astype(kind)
    matrix[rng.random(shape) < absent] = -np.inf
    return matrix


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_products_equal_their_twins(shape: tuple[int, int, int], kind: type) -> None:
    n, inner, m = shape
    a, b = entries((n, inner), kind), entries((inner, m), kind, 1)
    if n > 2:
        a[1] = -np.inf
    expected, where = kernels.max_plus_product_argmax_numpy(a, b)
    found, indices = kernels.max_plus_product_argmax(a, b)
    for product in (found, kernels.max_plus_product(a, b), kernels.max_plus_product_numpy(a, b)):
        assert product.dtype == kind
        np.testing.assert_array_equal(product, expected)
    assert indices.dtype == np.int64
    np.testing.assert_array_equal(indices, where)


def test_the_twin_is_the_definition() -> None:
    a, b = entries((5, 6), np.float64), entries((6, 4), np.float64, 1)
    found, indices = kernels.max_plus_product_argmax_numpy(a, b)
    for i in range(5):
        for j in range(4):
            sums = [a[i, k] + b[k, j] for k in range(6)]
            assert found[i, j] == max(sums)
            assert indices[i, j] == (-1 if max(sums) == -np.inf else sums.index(max(sums)))


NUMBERS = st.one_of(
    st.just(-np.inf),
    st.sampled_from([5e-324, -5e-324, 2.0**-1022, 1.0, 1.0 + 2.0**-52, 2.0**53, 2.0**53 + 2, -(2.0**53), 0.1, -0.3]),
    st.floats(-1e300, 1e300, allow_subnormal=True),
)


@settings(max_examples=150)
@given(a=st.lists(NUMBERS, min_size=3, max_size=3), b=st.lists(NUMBERS, min_size=3, max_size=3))
def test_entries_are_the_rounded_rational_maximum(a: list[float], b: list[float]) -> None:
    # rounding is monotone: the largest rounded sum is the largest sum, rounded; Fraction to float rounds correctly
    exact = [Fraction(p) + Fraction(q) for p, q in zip(a, b, strict=True) if p > -np.inf and q > -np.inf]
    expected = float(max(exact)) if exact else -np.inf
    left, right = np.array([a]), np.array(b)[:, None]
    assert kernels.max_plus_product(left, right)[0, 0] == expected
    value, index = kernels.max_plus_product_argmax(left, right)
    assert value[0, 0] == expected
    assert index[0, 0] == (-1 if expected == -np.inf else [p + q for p, q in zip(a, b, strict=True)].index(expected))
    assert kernels.max_plus_vector(left, right[:, 0])[0] == expected
    assert kernels.max_plus_sparse_product(left[0], np.arange(3), np.array([0, 3]), right)[0, 0] == expected


@given(seed=st.integers(0, 10**6), kind=st.sampled_from(TYPES))
def test_laws_of_the_matrix_semiring(seed: int, kind: type) -> None:
    product = kernels.max_plus_product
    a, b, c = entries((5, 7), kind, seed), entries((7, 4), kind, seed + 1), entries((4, 6), kind, seed + 2)
    d, one = entries((7, 4), kind, seed + 3), np.full((5, 5), -np.inf, dtype=kind)
    np.fill_diagonal(one, 0.0)
    np.testing.assert_array_equal(product(product(a, b), c), product(a, product(b, c)))
    np.testing.assert_array_equal(product(a, np.maximum(b, d)), np.maximum(product(a, b), product(a, d)))
    np.testing.assert_array_equal(product(one, a), a)
    np.testing.assert_array_equal(product(b.T, a.T), product(a, b).T)


def test_minus_infinity_absorbs_plus_infinity() -> None:
    a, b = np.array([[np.inf, 1.0], [-np.inf, np.inf]]), np.array([[-np.inf], [2.0]])
    for product in (kernels.max_plus_product, kernels.max_plus_product_numpy):
        np.testing.assert_array_equal(product(a, b), [[3.0], [np.inf]])
    np.testing.assert_array_equal(kernels.max_plus_product_argmax(a, b)[1], [[1], [1]])
    for of_vector in (kernels.max_plus_vector, kernels.max_plus_vector_numpy):
        np.testing.assert_array_equal(of_vector(a, b[:, 0]), [3.0, np.inf])
    data = (a.ravel(), np.array([0, 1, 0, 1]), np.array([0, 2, 4]))
    for sparse in (kernels.max_plus_sparse_product, kernels.max_plus_sparse_product_numpy):
        np.testing.assert_array_equal(sparse(*data, b), [[3.0], [np.inf]])


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("shape", [(200, 300, 150), (31, 300, 2000)])
def test_threads_change_no_bit_of_a_product(shape: tuple[int, int, int], kind: type) -> None:
    n, inner, m = shape
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(n, inner)).astype(kind), rng.normal(size=(inner, m)).astype(kind)
    a[3, 5] = b[5, 3] = 0.0
    a[4, 5] = -0.0
    serial = kernels.max_plus_product(a, b, threads=1)
    _, indices = kernels.max_plus_product_argmax(a, b, threads=1)
    np.testing.assert_array_equal(serial, kernels.max_plus_product_numpy(a, b))
    for threads in (2, 3):
        assert kernels.max_plus_product(a, b, threads=threads).tobytes() == serial.tobytes()
        values, others = kernels.max_plus_product_argmax(a, b, threads=threads)
        np.testing.assert_array_equal(values, serial)
        np.testing.assert_array_equal(others, indices)


def test_views_and_read_only_arrays() -> None:
    a, b = entries((20, 30), np.float64), entries((30, 40), np.float64, 1)
    expected = kernels.max_plus_product_numpy(a, b)
    frozen = a.copy()
    frozen.flags.writeable = False
    wide = np.repeat(b, 2, axis=1)
    for left in (a, np.asfortranarray(a), frozen, a[::-1][::-1], np.repeat(a, 3, axis=0)[::3]):
        for right in (b, np.asfortranarray(b), wide[:, ::2], b[:, ::-1][:, ::-1]):
            np.testing.assert_array_equal(kernels.max_plus_product(left, right), expected)
        np.testing.assert_array_equal(kernels.max_plus_vector(left, b[:, 3]), expected[:, 3])
    assert not frozen.flags.writeable
    np.testing.assert_array_equal(kernels.max_plus_product(a.astype(np.float32), b), expected)
    assert kernels.max_plus_product(a.astype(np.float32), b).dtype == np.float64


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"\(2, 3\) and \(2, 3\)"):
        kernels.max_plus_product(np.zeros((2, 3)), np.zeros((2, 3)))
    with pytest.raises(InvalidInput, match=r"\(2, 3\) and \(2,\)"):
        kernels.max_plus_vector(np.zeros((2, 3)), np.zeros(2))
    with pytest.raises(InvalidInput, match="square"):
        kernels.max_plus_closure(np.zeros((2, 3)))
    with pytest.raises(InvalidInput, match="column 3"):
        kernels.max_plus_sparse_product(np.zeros(1), np.array([3]), np.array([0, 1]), np.zeros((3, 2)))
    with pytest.raises(InvalidInput, match="indptr"):
        kernels.max_plus_sparse_product(np.zeros(1), np.array([0]), np.array([0, 2]), np.zeros((3, 2)))


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (1, 1), (7, 3), (5, 64), (6, 65), (40, 200)])
def test_matrix_times_vector(shape: tuple[int, int], kind: type) -> None:
    a, x = entries(shape, kind), entries(shape[1:], kind, 1)
    expected = kernels.max_plus_product_numpy(a, x[:, None])[:, 0]
    for matrix in (a, np.asfortranarray(a)):
        found = kernels.max_plus_vector(matrix, x)
        assert found.dtype == kind
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(kernels.max_plus_vector_numpy(matrix, x), expected)


def test_matrix_times_vector_in_threads() -> None:
    a, x = np.random.default_rng(0).normal(size=(2100, 2000)), np.random.default_rng(1).normal(size=2000)
    for matrix in (a, np.asfortranarray(a)):
        serial = kernels.max_plus_vector(matrix, x, threads=1)
        np.testing.assert_array_equal(serial, (a + x).max(axis=1))
        np.testing.assert_array_equal(kernels.max_plus_vector(matrix, x, threads=3), serial)


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("width", [0, 1, 2, TILE_BYTES // 8, TILE_BYTES // 4 + 3])
def test_sparse_products(width: int, kind: type, index: type) -> None:
    dense, b = entries((ROWS + 3, 11), kind, absent=0.7), entries((11, width), kind, 1)
    dense[2] = -np.inf
    rows = [np.flatnonzero(row > -np.inf) for row in dense]
    indices = np.concatenate(rows).astype(index)
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(index)
    data = dense[dense > -np.inf]
    expected = kernels.max_plus_product_numpy(dense, b)
    for product in (kernels.max_plus_sparse_product, kernels.max_plus_sparse_product_numpy):
        found = product(data, indices, indptr, b)
        assert found.dtype == kind
        np.testing.assert_array_equal(found, expected)
        if width:
            np.testing.assert_array_equal(product(data, indices, indptr, b[:, 0]), expected[:, 0])


def test_sparse_products_in_threads_and_with_duplicates() -> None:
    rng = np.random.default_rng(0)
    matrix = sp.random_array((3000, 500), density=0.05, format="csr", rng=rng)
    b = rng.normal(size=(500, 77))
    parts = (matrix.data, matrix.indices, matrix.indptr)
    serial = kernels.max_plus_sparse_product(*parts, b, threads=1)
    np.testing.assert_array_equal(serial, kernels.max_plus_sparse_product_numpy(*parts, b))
    np.testing.assert_array_equal(kernels.max_plus_sparse_product(*parts, b, threads=3), serial)
    twice = kernels.max_plus_sparse_product(np.array([1.0, 4.0]), np.array([0, 0]), np.array([0, 2]), np.zeros((1, 1)))
    assert twice.tolist() == [[4.0]]


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("n", [0, 1, 2, 40, 96, 97, 200])
def test_closures_equal_their_twin_and_scipy(n: int, kind: type) -> None:
    rng = np.random.default_rng(n)
    a = -rng.integers(1, 60, size=(n, n)).astype(kind)  # scipy takes 0 for no edge
    a[rng.random((n, n)) < 0.9] = -np.inf
    closure, diverges = kernels.max_plus_closure(a)
    star, star_diverges = kernels.max_plus_star(a)
    assert not diverges
    assert not star_diverges
    assert closure.dtype == star.dtype == kind
    expected, _ = kernels.max_plus_closure_numpy(a)
    np.testing.assert_array_equal(closure, expected)
    if n:
        np.testing.assert_array_equal(star, -floyd_warshall(-a.astype(np.float64)))
    np.fill_diagonal(expected, np.maximum(expected.diagonal(), 0.0))
    np.testing.assert_array_equal(star, expected)


def test_closures_in_threads() -> None:
    a = -np.random.default_rng(0).random((500, 500)) * 9
    serial, _ = kernels.max_plus_star(a, threads=1)
    for threads in (2, 3):
        np.testing.assert_array_equal(kernels.max_plus_star(a, threads=threads)[0], serial)
    np.testing.assert_allclose(serial, -floyd_warshall(-a), rtol=1e-14)


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 7))
def test_divergence_is_where_positive_cycles_are(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    a = rng.integers(-6, 3, size=(n, n)).astype(float)
    a[rng.random((n, n)) < 0.6] = -np.inf
    graph = nx.DiGraph([(i, j, {"weight": a[i, j]}) for i, j in zip(*np.nonzero(a > -np.inf), strict=True)])
    graph.add_nodes_from(range(n))
    cycles = [c for c in nx.simple_cycles(graph) if sum(a[p, q] for p, q in zip(c, [*c[1:], c[0]], strict=True)) > 0]
    reach = {v: nx.descendants(graph, v) | {v} for v in graph}
    bad = {v for cycle in cycles for v in cycle}
    infinite = [[any(v in reach[i] and j in reach[v] for v in bad) for j in range(n)] for i in range(n)]
    for closure, diverges in (kernels.max_plus_closure(a), kernels.max_plus_closure_numpy(a)):
        assert diverges == bool(cycles)
        np.testing.assert_array_equal(closure == np.inf, infinite)
        walks = a.copy()  # walks of up to 2n edges: longer ones are of no use where no cycle is positive
        for _ in range(2 * n):
            walks = np.maximum(a, kernels.max_plus_product_numpy(a, walks))
        np.testing.assert_array_equal(closure[closure < np.inf], walks[closure < np.inf])


def test_large_divergence_overflows_to_nothing_else() -> None:
    a = np.full((300, 300), 1.0)
    closure, diverges = kernels.max_plus_closure(a)
    assert diverges
    assert (closure == np.inf).all()


def test_calls_from_several_threads_at_once() -> None:
    rng = np.random.default_rng(3)
    pairs = [(rng.normal(size=(220, 170)), rng.normal(size=(170, 190))) for _ in range(6)]  # large enough to be split
    alone = [kernels.max_plus_product(a, b, threads=1) for a, b in pairs]
    with ThreadPoolExecutor(6) as pool:
        for _ in range(5):
            together = list(pool.map(lambda pair: kernels.max_plus_product(*pair, threads=2), pairs))
            assert all((x == y).all() for x, y in zip(alone, together, strict=True))


def test_read_only_operands_compile_nothing_anew() -> None:
    from tropix.kernels._max_plus_product import accumulate

    a = np.zeros((3, 3))
    kernels.max_plus_product(a, a)
    before = len(accumulate.signatures)
    a.flags.writeable = False
    kernels.max_plus_product(a, a)
    assert len(accumulate.signatures) == before
