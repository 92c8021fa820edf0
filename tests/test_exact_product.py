"""The kernel that says which sparse products are exact, against rational arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from tropix.kernels import exact_product, exact_product_fractions

FINITE = (
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 3.0, 2.0**-30, 1 - 2.0**53, 1 / 3, 5e-324, 2.0**-1050, 1e300])
    | st.floats(-1e3, 1e3, width=32)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-8, 8).map(float)
)


@st.composite
def pairs(draw: st.DrawFn, numbers: st.SearchStrategy[float] = FINITE) -> tuple[np.ndarray, np.ndarray]:
    rows, inner, columns = (draw(st.integers(1, 3)) for _ in range(3))
    values = draw(st.lists(numbers, min_size=(rows + columns) * inner, max_size=(rows + columns) * inner))
    return np.reshape(values[: rows * inner], (rows, inner)), np.reshape(values[rows * inner :], (inner, columns))


@settings(max_examples=500)
@given(pairs(), st.booleans())
def test_exact_rows_are_exact(matrices: tuple[np.ndarray, np.ndarray], cancel: bool) -> None:
    left, right = matrices
    if cancel:
        left, right = np.hstack([left, left]), np.vstack([right, -right])
    try:
        expected, truth = exact_product_fractions(left, right)
    except OverflowError:  # some entry is larger than every float
        expected = None
    product, exact = exact_product(sp.csr_array(left), sp.csr_array(right))
    if expected is None:
        assert not exact.all()
        return
    assert not (exact & ~truth).any()
    np.testing.assert_array_equal(product.toarray()[exact], expected[exact])
    assert (product.data[np.repeat(exact, np.diff(product.indptr))] != 0).all()


@given(st.lists(st.floats(2.0**-400, 2.0**400), min_size=4, max_size=4), st.integers(-400, 400))
def test_powers_of_two_and_selections_are_exact(values: list[float], exponent: int) -> None:
    right = sp.csr_array(np.reshape(values, (2, 2)))
    for left in (np.eye(2), np.eye(2)[::-1] * 2.0**exponent, -np.eye(2)):
        product, exact = exact_product(sp.csr_array(left), right)
        assert exact.all()
        assert (product.toarray() == left @ right.toarray()).all()


def test_every_multiple_of_a_unit_below_its_limit_is_exact() -> None:
    top = 2.0**53
    for total, expected in ((top - 1, True), (top, False)):
        product, exact = exact_product(sp.csr_array([[1.0, 1.0]]), sp.csr_array([[total - 1], [1.0]]))
        assert exact.tolist() == [expected]
        assert product.toarray().tolist() == [[total]]


def test_entries_that_cancel_are_not_stored() -> None:
    product, exact = exact_product(sp.csr_array([[1.0, 1.0], [1.0, 0.0]]), sp.csr_array([[2.5], [-2.5]]))
    assert exact.all()
    assert product.nnz == 1


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, 5e-324, 2.0**-1000, 2.0**1023])
def test_what_leaves_the_range_is_not_called_exact(value: float) -> None:
    for factor in (1.0, 2.0, value) if not math.isfinite(value) else (value,):
        assert not exact_product(sp.csr_array([[factor]]), sp.csr_array([[value]]))[1].any()


def test_one_row_does_not_spoil_another() -> None:
    left = sp.csr_array([[1 / 3, 0.0], [0.0, 2.0], [1 / 3, 1.0]])
    assert exact_product(left, sp.csr_array([[1 / 3], [5.0]]))[1].tolist() == [False, True, False]


def test_empty_rows_and_columns() -> None:
    product, exact = exact_product(sp.csr_array((3, 2)), sp.csr_array((2, 4)))
    assert product.shape == (3, 4)
    assert product.nnz == 0
    assert exact.all()


def test_nothing_below_the_least_size_is_called_exact() -> None:
    for value, expected in ((2.0**-900, True), (2.0**-901, False)):
        assert exact_product(sp.csr_array([[1.0]]), sp.csr_array([[value]]))[1].tolist() == [expected]
