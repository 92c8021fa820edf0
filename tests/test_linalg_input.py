"""What matrices may be, what comes back, and what is refused."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from matrices import INF

from tropix import linalg
from tropix.errors import InvalidInput, Unsupported
from tropix.linalg import (
    add,
    determinant,
    eigenvalue,
    exact,
    identity,
    independent,
    least_solution,
    matmul,
    power,
    project,
    residuate,
    separate,
    solve,
    star,
    two_sided,
)

SQUARE = [[0.0, 1.0], [2.0, -INF]]


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        (np.array(SQUARE), np.float64),
        (np.array(SQUARE, dtype=np.float32), np.float32),
        (np.array(SQUARE, dtype=np.float16), np.float32),
        (np.array([[0, 1], [2, 3]]), object),
        (np.array([[0, 1], [2, 3]], dtype=np.uint8), object),
        (exact(SQUARE), object),
        ([[0, 1], [2, 3]], object),
        (SQUARE, np.float64),
    ],
)
def test_results_have_the_arithmetic_of_the_operands(given: Any, dtype: Any) -> None:
    for result in (matmul(given, given), add(given, given), power(given, 2), residuate(given, given)):
        assert result.dtype == dtype
        assert matmul(given, given, "min" if np.isfinite(np.asarray(given, float)).all() else "max").dtype == dtype
    if dtype is object:
        assert all(isinstance(v, (int, Fraction)) or v == -INF for v in matmul(given, given).flat)


def test_mixed_operands() -> None:
    assert matmul(np.array([[1]]), np.array([[0.5]])).dtype == np.float64
    assert matmul(np.array([[1.0]], dtype=np.float32), np.array([[0.5]])).dtype == np.float64
    assert matmul(exact([[0.5]]), [[1]]).tolist() == [[Fraction(3, 2)]]


def test_exact_numbers_are_whole_where_they_can_be() -> None:
    result = matmul(exact([[0.5, 0.25]]), exact([[0.5], [0.25]]))
    assert result.tolist() == [[1]]
    assert type(result[0, 0]) is int
    assert exact(sp.csr_array([[1.5]]).todense()).tolist() == [[Fraction(3, 2)]]
    assert exact(0.1)[()] == Fraction(0.1)


def test_operands_are_not_changed_and_results_are_not_shared() -> None:
    a = np.array([[-1.0, -2.0], [-3.0, -4.0]])
    before = a.copy()
    for call in (star, eigenvalue, determinant, lambda m: power(m, 1), lambda m: residuate(m, m), linalg.spectrum):
        call(a)
        assert (a == before).all()
    result = power(a, 1)
    result[:] = 0
    assert (a == before).all()
    x = np.zeros(2)
    least = least_solution(a, x)
    least[:] = 5
    assert (x == 0).all()


def test_stored_zeros_of_sparse_matrices_are_ones_of_the_semiring() -> None:
    stored = sp.csr_array((np.array([0.0, -INF]), np.array([1, 0]), np.array([0, 1, 2])), shape=(2, 2))
    result = matmul(stored, [5.0, 7.0])
    assert result.tolist() == [7.0, -INF]
    assert matmul(stored, stored).nnz == 0
    duplicates = sp.csr_array((np.array([1.0, 2.0]), np.array([0, 0]), np.array([0, 2])), shape=(1, 1))
    assert matmul(duplicates, [0.0]).tolist() == [3.0]
    assert duplicates.nnz == 2  # untouched
    wide = sp.csr_array(np.array([[2**60]]))
    with pytest.raises(Unsupported, match="dense object array"):
        matmul(wide, wide)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: matmul([[1.0, 2.0]], [[1.0]]), "shapes"),
        (lambda: matmul([1.0], [[1.0]]), "shapes"),
        (lambda: matmul([[np.nan]], [[1.0]]), "NaN"),
        (lambda: matmul(np.array([[Fraction(1), np.nan]], dtype=object), [[1], [1]]), "NaN"),
        (lambda: matmul([[1e301]], [[1.0]]), "rescale"),
        (lambda: matmul([[-1e301, -INF]], [[1.0], [1.0]]), "rescale"),
        (lambda: star([[INF]]), "infinity"),
        (lambda: star(exact([[INF]])), "infinity"),
        (lambda: star([[-INF]], "min"), "infinity"),
        (lambda: star([[1.0, 2.0]]), "square"),
        (lambda: star([["a"]]), "entries are"),
        (lambda: star(np.array([[True]])), "entries are"),
        (lambda: star(np.array([[1j]])), "entries are"),
        (lambda: star(np.array([["a"]], dtype=object)), "rational"),
        (lambda: star([[1.0], [1.0, 2.0]]), "rectangular"),
        (lambda: star([[-1.0]], "plus"), "semiring"),  # type: ignore[arg-type]
        (lambda: power([[1.0]], -1), "exponent"),
        (lambda: power([[1.0]], 0.5), "exponent"),  # type: ignore[arg-type]
        (lambda: eigenvalue([[1.0]], method="lawler"), "method"),  # type: ignore[arg-type]
        (lambda: add([[1.0]], [[1.0, 2.0]]), "shapes"),
        (lambda: residuate([[1.0]], [1.0, 2.0]), "shapes"),
        (lambda: solve([[1.0]], [[1.0]]), "vector"),
        (lambda: two_sided([[1.0]], [[1.0, 2.0]]), "shapes"),
        (lambda: project([[1.0]], [1.0, 2.0]), "shapes"),
        (lambda: separate([[1.0]], [1.0, 2.0]), "shapes"),
        (lambda: least_solution([[1.0]], [1.0, 2.0]), "shape"),
        (lambda: independent([[1.0]], "linear"), "kind"),  # type: ignore[arg-type]
        (lambda: determinant([[1.0, 2.0]]), "square"),
        (lambda: linalg.tropical_rank([1.0]), "two axes"),
        (lambda: star(5), "square"),
        (lambda: determinant(np.array(5.0)), "square"),
        (lambda: eigenvalue(None), "rational"),
        (lambda: linalg.convex_hull_vertices(5), "points have shape"),
        (lambda: add([sp.csr_array(np.eye(2))], [[1]]), "rational"),
        (lambda: matmul([[1.0]], sp.coo_array(np.array([1.0]))), "two axes"),
        (lambda: matmul(np.ma.masked_array([[1.0]], mask=[[True]]), [[1.0]]), "masked"),
        (lambda: exact(sp.csr_array([[1.5]])), "dense"),
        (lambda: identity(-1), "order"),
        (lambda: identity(2, dtype=int), "infinite"),
        (lambda: power([[-1e300]], 1 << 40), "overflow"),
        (lambda: power(np.array([[1e36]], dtype=np.float32), 1000), "overflow"),
    ],
)
def test_bad_input_is_named(call: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        call()


def test_exact_numbers_have_a_largest_size() -> None:
    with pytest.raises(Unsupported, match="bits"):
        determinant(exact([[1.0]]) * 10**310)
    with pytest.raises(Unsupported, match="bits"):
        eigenvalue(exact([[1e-310, 1.0], [1.0, 1.0]]))
    tiny = eigenvalue([[1e-310, -1.0], [-1.0, 0.0]], exact=True)  # floats need no common denominator
    assert (tiny.value, tiny.cycle) == (Fraction(1e-310), (0,))


def test_zero_rows_and_columns() -> None:
    for n in (0, 1, 3):
        zero = np.full((n, n), -INF)
        assert star(zero).tolist() == identity(n).tolist()
        assert eigenvalue(zero).value == -INF
        assert matmul(zero, zero).tolist() == zero.tolist()
        assert determinant(zero).value == (0 if n == 0 else -INF)
        assert power(zero, 0).tolist() == identity(n).tolist()
    assert identity(2, "min").tolist() == [[0, INF], [INF, 0]]
    assert identity(2, dtype=object)[0, 0] == 0
    assert matmul(np.zeros((2, 0)), np.zeros((0, 3))).tolist() == [[-INF] * 3] * 2


def test_exact_results_beyond_2_to_the_53() -> None:
    big = 2**52 + 1
    assert matmul([[big]], [[big + 1]])[0, 0] == 2 * big + 1
    assert power([[big]], 3)[0, 0] == 3 * big
    walk = np.array([[-1, -big, -1], [-1, -1, -big], [-big - 1, -1, -1]])
    assert star(exact([[-INF, 1.0, -INF], [-INF, -INF, 1.0], [-INF] * 3]) * big)[0, 2] == 2 * big
    assert determinant(np.diag([big] * 3) + np.where(np.eye(3), 0, -big)).value == 3 * big
    assert eigenvalue(walk).value == -1
    chain = np.full((9, 9), -INF, dtype=object)
    chain[np.arange(8), np.arange(1, 9)] = 2**51 + 1
    assert star(chain)[0, 8] == 8 * (2**51 + 1)  # each entry is a float64 integer, this sum is none
    assert least_solution(chain, np.array([-INF] * 8 + [1], dtype=object))[0] == 8 * (2**51 + 1) + 1
