"""Rational arrays against `fractions`, the exact simplex method against HiGHS and its own certificates."""

from __future__ import annotations

from fractions import Fraction

import flint
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from tropix.errors import InvalidInput
from tropix.exact import Rationals, maximize

floats = st.floats(allow_nan=False, allow_infinity=False, width=64)


@given(st.lists(floats, min_size=1, max_size=8))
def test_floats_are_the_rationals_they_are(values: list[float]) -> None:
    exact = Rationals.of(values)
    assert list(exact.fractions()) == [Fraction(v) for v in values]
    assert exact.floats().tolist() == [v + 0.0 for v in values]
    assert exact.float_mask().all()


@given(st.lists(st.fractions(max_denominator=10**6), min_size=1, max_size=6))
def test_nearest_floats(values: list[Fraction]) -> None:
    assert Rationals.of(np.array(values, dtype=object)).floats().tolist() == [float(v) for v in values]


@given(st.lists(st.tuples(st.fractions(), st.fractions()), min_size=1, max_size=6))
def test_arithmetic(pairs: list[tuple[Fraction, Fraction]]) -> None:
    a, b = (Rationals.of(np.array(part, dtype=object)) for part in zip(*pairs, strict=True))
    assert list((a + b).fractions()) == [x + y for x, y in pairs]
    assert list((a - b).fractions()) == [x - y for x, y in pairs]
    assert list((a * b).fractions()) == [x * y for x, y in pairs]
    assert list((-a).fractions()) == [-x for x, _ in pairs]
    product = a[None, :] @ b[:, None]
    assert product.fractions()[0, 0] == sum(x * y for x, y in pairs)
    assert (a + b).equals(b + a)


@pytest.mark.parametrize(
    "bad", [[np.nan], [np.inf], [True], ["1/2"], [None], [10 ** (10**5)], [Fraction(1, 10 ** (10**5))], [1j]]
)
def test_what_is_no_rational(bad: list[object]) -> None:
    with pytest.raises(InvalidInput):
        Rationals.of(np.array(bad, dtype=object))


def test_overflow_is_an_error() -> None:
    with pytest.raises(InvalidInput, match="range of float64"):
        Rationals.of(np.array([Fraction(10) ** 400], dtype=object)).floats()


@pytest.mark.parametrize("seed", range(150))
def test_simplex_agrees_with_highs_and_certifies_itself(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, columns = int(rng.integers(1, 5)), int(rng.integers(1, 9))
    matrix = rng.integers(-2, 3, size=(rows, columns))
    if seed % 3 == 0:
        matrix[-1] = matrix[0]  # a redundant or contradictory equation
    right = matrix @ rng.integers(0, 3, size=columns) if seed % 2 else rng.integers(-3, 4, size=rows)
    costs = rng.integers(-3, 4, size=columns)
    answer = maximize(flint.fmpq_mat(flint.fmpz_mat(matrix.tolist())), right.tolist(), costs.tolist())
    reference = linprog(-costs, A_eq=matrix, b_eq=right, bounds=(0, None))
    expected = {0: "optimal", 2: "infeasible", 3: "unbounded"}[reference.status] if reference.status != 4 else None
    assert expected in (None, answer.status)
    if answer.status == "unbounded":
        return
    reduced = [sum(y * int(a) for y, a in zip(answer.dual, matrix[:, j], strict=True)) for j in range(columns)]
    if answer.status == "optimal":
        value = sum(int(costs[j]) * v for j, v in zip(answer.basis, answer.values, strict=True) if j < columns)
        assert value == sum(y * int(r) for y, r in zip(answer.dual, right, strict=True))
        assert all(r >= int(c) for r, c in zip(reduced, costs, strict=True))
        assert all(v >= 0 for v in answer.values)
        assert float(Fraction(int(value.p), int(value.q)) if value != 0 else 0) == pytest.approx(-reference.fun)
    if answer.status == "infeasible":
        assert all(r >= 0 for r in reduced)
        assert sum(y * int(r) for y, r in zip(answer.dual, right, strict=True)) < 0


def test_simplex_on_beales_degenerate_example() -> None:
    # Beale (1955): every basis on the way is degenerate; the optimum is 1/20.
    quarter = flint.fmpq(1, 4)
    matrix = flint.fmpq_mat(
        [
            [quarter, -60, -flint.fmpq(1, 25), 9, 1, 0, 0],
            [flint.fmpq(1, 2), -90, -flint.fmpq(1, 50), 3, 0, 1, 0],
            [0, 0, 1, 0, 0, 0, 1],
        ]
    )
    costs = [flint.fmpq(3, 4), -150, flint.fmpq(1, 50), -6, 0, 0, 0]
    answer = maximize(matrix, [0, 0, 1], costs)
    value = sum((costs[j] * v for j, v in zip(answer.basis, answer.values, strict=True)), flint.fmpq(0))
    assert value == flint.fmpq(1, 20)


def test_integers_of_any_size_and_numpy_scalars_are_exact() -> None:
    assert Rationals.of([2**53 + 1]).numerators[0] == 2**53 + 1
    assert Rationals.of([2**70 + 1]).numerators[0] == 2**70 + 1
    mixed = np.array([np.int64(2**53 + 1), np.float32(0.5), Fraction(1, 3)], dtype=object)
    assert list(Rationals.of(mixed).fractions()) == [2**53 + 1, Fraction(1, 2), Fraction(1, 3)]
    with pytest.raises(InvalidInput, match="found"):
        Rationals.of(np.array([np.longdouble(1)]))
