"""The laws of matrices over every semiring, in every arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from matrices import ARITHMETICS, INF, SEMIRINGS, rectangular, square, to_dense

from tropix.linalg import (
    Divergent,
    add,
    identity,
    least_solution,
    matmul,
    plus,
    power,
    residuate,
    residuate_right,
    star,
)
from tropix.semirings import Deformed

EVERYWHERE = [pytest.param(s, a, id=f"{s}, {a}") for s in SEMIRINGS for a in ARITHMETICS]
everywhere = pytest.mark.parametrize(("semiring", "arithmetic"), EVERYWHERE)


def given_in(values: np.ndarray, semiring: str, arithmetic: str) -> Any:
    return ARITHMETICS[arithmetic](values if semiring == "max" else -values)


def same(left: Any, right: Any, semiring: str) -> bool:
    zero = -INF if semiring == "max" else INF
    a, b = to_dense(left, zero), to_dense(right, zero)
    return a.shape == b.shape and bool((a == b).all())


def below(left: np.ndarray, right: np.ndarray, semiring: str) -> bool:
    return bool((left <= right).all() if semiring == "max" else (left >= right).all())


@everywhere
@given(matrices=rectangular(sides=4, count=3))
@settings(max_examples=12)
def test_products_are_associative(semiring: str, arithmetic: str, matrices: Any) -> None:
    a, b, c = (given_in(m, semiring, arithmetic) for m in matrices)
    assert same(matmul(matmul(a, b, semiring), c, semiring), matmul(a, matmul(b, c, semiring), semiring), semiring)


@everywhere
@given(matrices=square(count=3, largest=4))
@settings(max_examples=12)
def test_products_distribute_over_sums(semiring: str, arithmetic: str, matrices: Any) -> None:
    a, b, c = (given_in(m, semiring, arithmetic) for m in matrices)
    left = matmul(a, add(b, c, semiring), semiring)
    assert same(left, add(matmul(a, b, semiring), matmul(a, c, semiring), semiring), semiring)
    right = matmul(add(b, c, semiring), a, semiring)
    assert same(right, add(matmul(b, a, semiring), matmul(c, a, semiring), semiring), semiring)


@everywhere
@given(matrix=square())
@settings(max_examples=12)
def test_products_are_maxima_of_sums(semiring: str, arithmetic: str, matrix: np.ndarray) -> None:
    a, n = given_in(matrix, semiring, arithmetic), len(matrix)
    best = max if semiring == "max" else min
    zero = -INF if semiring == "max" else INF
    entries = to_dense(a, zero)
    expected = [[best([entries[i, k] + entries[k, j] for k in range(n)]) for j in range(n)] for i in range(n)]
    assert to_dense(matmul(a, a, semiring), zero).tolist() == expected
    column = entries[:, :1].ravel()
    if n:
        expected_column = [best([entries[i, k] + column[k] for k in range(n)]) for i in range(n)]
        assert matmul(a, column, semiring).tolist() == expected_column


@everywhere
@given(matrix=square(largest=4))
@settings(max_examples=12)
def test_powers_are_repeated_products(semiring: str, arithmetic: str, matrix: np.ndarray) -> None:
    a = given_in(matrix, semiring, arithmetic)
    unit = identity(len(matrix), semiring)
    assert same(power(a, 0, semiring), unit, semiring)
    zero = -INF if semiring == "max" else INF
    assert same(matmul(power(a, 0, semiring), to_dense(a, zero), semiring), a, semiring)
    product = a
    for k in range(1, 6):
        assert same(power(a, k, semiring), product, semiring)
        product = matmul(product, a, semiring)


@everywhere
@given(matrix=square(low=-8, high=2))
@settings(max_examples=20)
def test_stars(semiring: str, arithmetic: str, matrix: np.ndarray) -> None:
    a = given_in(matrix, semiring, arithmetic)
    try:
        s = star(a, semiring)
    except Divergent as caught:
        entries, following = to_dense(a, np.nan), [*caught.cycle[1:], caught.cycle[0]]
        weight = sum(entries[i, j] for i, j in zip(caught.cycle, following, strict=True))
        if not (weight > 0 if semiring == "max" else weight < 0):
            raise
        np.testing.assert_allclose(float(caught.mean) * len(following), float(weight))
        return
    unit = identity(len(matrix), semiring)
    assert same(matmul(s, s, semiring), s, semiring)
    assert same(add(unit.astype(s.dtype), matmul(a, s, semiring), semiring), s, semiring)
    assert same(plus(a, semiring), matmul(a, s, semiring), semiring)
    columns = np.arange(len(matrix) * 2).reshape(len(matrix), 2) % 5
    b = given_in(columns.astype(float), semiring, arithmetic)
    x = least_solution(a, to_dense(b, 0), semiring)
    assert same(x, matmul(s, to_dense(b, 0), semiring), semiring)


@everywhere
@given(matrices=rectangular(sides=4, count=3))
@settings(max_examples=20)
def test_residuation_is_the_adjoint(semiring: str, arithmetic: str, matrices: Any) -> None:
    zero = -INF if semiring == "max" else INF
    matrix, guess, _ = matrices
    a = given_in(matrix, semiring, arithmetic)
    x = to_dense(given_in(guess, semiring, arithmetic), zero)
    bounds = (np.arange(matrix.shape[0] * guess.shape[1]).reshape(matrix.shape[0], guess.shape[1]) * 5) % 13 - 6.0
    b = to_dense(given_in(bounds, semiring, arithmetic), zero)
    largest = residuate(a, b, semiring)
    assert below(matmul(a, x, semiring), b, semiring) == below(x, largest, semiring)
    assert below(matmul(a, largest, semiring), b, semiring)
    image = matmul(a, x, semiring)
    assert same(matmul(a, residuate(a, image, semiring), semiring), image, semiring)
    transposed = residuate_right(b.T, a.T, semiring)
    assert same(transposed.T, largest, semiring)


@given(matrices=square(count=3, largest=4, smallest=1))
@settings(max_examples=10)
def test_deformed_products_satisfy_the_same_laws(matrices: Any) -> None:
    a, b, c = matrices
    for eps in (0.1, 3.0):
        ring = Deformed(eps)
        left, right = matmul(matmul(a, b, ring), c, ring), matmul(a, matmul(b, c, ring), ring)
        np.testing.assert_allclose(left, right, rtol=1e-12, atol=1e-12)
        left = matmul(a, add(b, c, ring), ring)
        np.testing.assert_allclose(left, add(matmul(a, b, ring), matmul(a, c, ring), ring), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(power(a, 3, ring), matmul(a, matmul(a, a, ring), ring), rtol=1e-12, atol=1e-12)
