"""The laws of every structure: semirings of numbers, of polynomials, semifields of rational functions.

One table of structures, one test a law. Exact structures are compared exactly, as functions; the others up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropix import LogSumExp, TropicalPolynomial, TropicalRational
from tropix.exact import Rationals
from tropix.polynomials import DeformedRational
from tropix.semirings import MAX_PLUS, MIN_PLUS, Deformed, Semiring

POINTS = np.random.default_rng(0).integers(-6, 7, size=(12, 2)) / 4
EXACT_POINTS = Rationals.of(POINTS)


@dataclass(frozen=True)
class Structure:
    """A commutative semiring: elements from a seeded generator, operations, and equality."""

    element: Callable[[np.random.Generator], Any]
    add: Callable[[Any, Any], Any]
    mul: Callable[[Any, Any], Any]
    zero: Any
    one: Any
    equal: Callable[[Any, Any], bool]
    power: Callable[[Any, int], Any]
    idempotent: bool
    inverse: Callable[[Any], Any] | None = None


def close(a: Any, b: Any, eps: float = 0.0) -> bool:
    return bool(np.allclose(a, b, rtol=1e-13, atol=1e-13 * (1 + 100 * eps)))


def numbers(ring: Semiring, exact: bool) -> Structure:
    """Dyadic numbers, whose sums are exact, or any; sometimes zero."""

    def element(rng: np.random.Generator) -> float:
        if rng.uniform() < 0.1:
            return ring.zero
        return float(rng.integers(-64, 65) / 8) if exact else float(rng.normal() * 10.0 ** rng.integers(-3, 3))

    eps = ring.eps if isinstance(ring, Deformed) else 0.0
    equal = (lambda a, b: float(a) == float(b)) if exact else (lambda a, b: close(a, b, eps))
    return Structure(element, ring.add, ring.mul, ring.zero, ring.one, equal, ring.power, ring.idempotent)


def rows(rng: np.random.Generator, least: int, denominators: list[int]) -> np.ndarray:
    count = int(rng.integers(least, 4))
    table = np.empty((count, 3), dtype=object)
    for i, j in np.ndindex(count, 3):
        table[i, j] = Fraction(int(rng.integers(-4, 5)), int(rng.choice(denominators)))
    return table


def polynomial(rng: np.random.Generator, denominators: list[int], least: int) -> TropicalPolynomial:
    table = rows(rng, least, denominators)
    if denominators == [1, 2, 4]:  # floats
        return TropicalPolynomial(table[:, :-1].astype(float).reshape(-1, 2), table[:, -1].astype(float))
    return TropicalPolynomial(table[:, :-1].reshape(-1, 2), table[:, -1])


def polynomials(denominators: list[int]) -> Structure:
    return Structure(
        lambda rng: polynomial(rng, denominators, 0),
        lambda f, g: f + g,
        lambda f, g: f * g,
        TropicalPolynomial.zero(2),
        TropicalPolynomial.constant(0, 2),
        lambda f, g: f.equals(g),
        lambda f, k: f**k,
        True,
    )


def rationals(denominators: list[int]) -> Structure:
    """The semifield without its zero, −∞, which no rational function here is."""
    return Structure(
        lambda rng: TropicalRational(polynomial(rng, denominators, 1), polynomial(rng, denominators, 1)),
        lambda f, g: f + g,
        lambda f, g: f * g,
        None,
        TropicalRational.of(TropicalPolynomial.constant(0, 2)),
        lambda f, g: bool(f.equivalent(g)),
        lambda f, k: f**k,
        True,
        lambda f: f**-1,
    )


def smooth(rng: np.random.Generator, eps: float, least: int) -> LogSumExp:
    count = int(rng.integers(least, 4))
    bias = rng.normal(size=count)
    bias[1:][rng.uniform(size=max(count - 1, 0)) < 0.2] = -np.inf
    return LogSumExp(rng.normal(size=(count, 2)), bias, eps)


def deformed(eps: float) -> Structure:
    return Structure(
        lambda rng: smooth(rng, eps, 0),
        lambda f, g: f + g,
        lambda f, g: f * g,
        LogSumExp.zero(2, eps),
        LogSumExp.constant(0.0, 2, eps),
        lambda f, g: close(f(POINTS), g(POINTS), eps),
        lambda f, k: f**k,
        eps == 0.0,
    )


def quotients(eps: float) -> Structure:
    return Structure(
        lambda rng: DeformedRational(smooth(rng, eps, 1), smooth(rng, eps, 1)),
        lambda f, g: f + g,
        lambda f, g: f * g,
        None,
        DeformedRational.of(LogSumExp.constant(0.0, 2, eps)),
        lambda f, g: close(f(POINTS), g(POINTS), eps),
        lambda f, k: f**k,
        eps == 0.0,
        lambda f: f**-1,
    )


STRUCTURES = {
    "max-plus": numbers(MAX_PLUS, True),
    "min-plus": numbers(MIN_PLUS, True),
    "max-plus, floats": numbers(MAX_PLUS, False),
    "min-plus, floats": numbers(MIN_PLUS, False),
    **{f"S_{eps:g}": numbers(Deformed(eps), False) for eps in (1e-8, 0.5, 1e6)},
    "polynomials, floats": polynomials([1, 2, 4]),
    "polynomials, rationals": polynomials([1, 3, 7]),
    "rational functions, floats": rationals([1, 2, 4]),
    "rational functions, rationals": rationals([1, 3, 7]),
    **{f"polynomials over S_{eps:g}": deformed(eps) for eps in (0.0, 1e-8, 0.5, 1e6)},
    **{f"rational functions over S_{eps:g}": quotients(eps) for eps in (0.0, 1e-8, 0.5, 1e6)},
}
SEMIFIELDS = {name: s for name, s in STRUCTURES.items() if s.inverse is not None}
seeds = st.integers(0, 10**9)


def three(structure: Structure, seed: int) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    a, b, c = (structure.element(rng) for _ in range(3))
    return a, b, c


every = pytest.mark.parametrize("name", STRUCTURES)
few = settings(max_examples=15)


@every
@few
@given(seed=seeds)
def test_addition(name: str, seed: int) -> None:
    s = STRUCTURES[name]
    a, b, c = three(s, seed)
    assert s.equal(s.add(a, b), s.add(b, a))
    assert s.equal(s.add(s.add(a, b), c), s.add(a, s.add(b, c)))
    if s.zero is not None:
        assert s.equal(s.add(a, s.zero), a)
    if s.idempotent:
        assert s.equal(s.add(a, a), a)
    elif s.zero is None or not s.equal(a, s.zero):
        assert not np.array_equal(_values(s.add(a, a)), _values(a)) or name.endswith("1e-08")


def _values(element: Any) -> Any:
    return element(POINTS) if callable(element) else element


@every
@few
@given(seed=seeds)
def test_multiplication(name: str, seed: int) -> None:
    s = STRUCTURES[name]
    a, b, c = three(s, seed)
    assert s.equal(s.mul(a, b), s.mul(b, a))
    assert s.equal(s.mul(s.mul(a, b), c), s.mul(a, s.mul(b, c)))
    assert s.equal(s.mul(a, s.one), a)
    if s.zero is not None:
        assert s.equal(s.mul(a, s.zero), s.zero)


@every
@few
@given(seed=seeds)
def test_distributivity(name: str, seed: int) -> None:
    s = STRUCTURES[name]
    a, b, c = three(s, seed)
    assert s.equal(s.mul(a, s.add(b, c)), s.add(s.mul(a, b), s.mul(a, c)))


@every
@few
@given(seed=seeds, i=st.integers(0, 2), j=st.integers(0, 2))
def test_powers(name: str, seed: int, i: int, j: int) -> None:
    s = STRUCTURES[name]
    a, b, _ = three(s, seed)
    assert s.equal(s.power(a, 0), s.one)
    assert s.equal(s.power(a, 1), a)
    assert s.equal(s.power(a, i + j), s.mul(s.power(a, i), s.power(a, j)))
    assert s.equal(s.power(s.mul(a, b), i), s.mul(s.power(a, i), s.power(b, i)))
    if s.idempotent:  # Frobenius
        assert s.equal(s.power(s.add(a, b), 2), s.add(s.power(a, 2), s.power(b, 2)))
    else:  # the binomial theorem, ab counted twice
        mixed = s.add(s.mul(a, b), s.mul(a, b))
        assert s.equal(s.power(s.add(a, b), 2), s.add(s.add(s.power(a, 2), s.power(b, 2)), mixed))


@pytest.mark.parametrize("name", SEMIFIELDS)
@few
@given(seed=seeds, i=st.integers(-2, 2))
def test_quotients(name: str, seed: int, i: int) -> None:
    s = SEMIFIELDS[name]
    assert s.inverse is not None
    a, b, c = three(s, seed)
    assert s.equal(s.mul(a, s.inverse(a)), s.one)
    assert s.equal(a / b, s.mul(a, s.inverse(b)))
    assert s.equal((a + b) / c, a / c + b / c)
    assert s.equal(a / (b / c), a * c / b)
    assert s.equal((a / b) ** i, a**i / b**i)
    assert s.equal((a * b / (a + b)) ** -1, a**-1 + b**-1)
    if s.idempotent:  # 1/(1/a + 1/b) is the minimum
        low = (a**-1 + b**-1) ** -1
        assert s.equal(low + a, a)
        np.testing.assert_allclose(low(POINTS), np.minimum(a(POINTS), b(POINTS)), atol=1e-12)


@few
@given(seed=seeds)
def test_real_powers_of_the_exact_structures(seed: int) -> None:
    rng = np.random.default_rng(seed)
    c, d = (Fraction(int(rng.integers(1, 9)), int(rng.integers(1, 9))) for _ in range(2))
    for name in ("polynomials, rationals", "rational functions, rationals"):
        s = STRUCTURES[name]
        f, g, _ = three(s, seed)
        assert s.equal(f ** (c + d), f**c * f**d)
        assert s.equal((f**c) ** d, f ** (c * d))
        assert s.equal((f * g) ** c, f**c * g**c)
        assert s.equal((f + g) ** c, f**c + g**c)


@few
@given(seed=seeds)
def test_substitution_is_a_homomorphism(seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix, offset = rng.integers(-2, 3, size=(2, 2)) / 2, rng.integers(-2, 3, size=2) / 2
    for name in STRUCTURES:
        s = STRUCTURES[name]
        if hasattr(s.one, "substitute"):
            a, b, _ = three(s, seed)
            for operation in (s.add, s.mul):
                left = operation(a, b).substitute(matrix, offset)
                assert s.equal(left, operation(a.substitute(matrix, offset), b.substitute(matrix, offset)))


@few
@given(seed=seeds)
def test_evaluation_is_a_homomorphism(seed: int) -> None:
    """Of exact polynomials into the rationals, of polynomials over S_ε into S_ε."""
    f, g, _ = three(rationals([1, 3, 7]), seed)
    at_f, at_g = f(EXACT_POINTS).fractions(), g(EXACT_POINTS).fractions()
    assert (f + g)(EXACT_POINTS).fractions().tolist() == np.maximum(at_f, at_g).tolist()
    assert (f / g)(EXACT_POINTS).fractions().tolist() == (at_f - at_g).tolist()
    for eps in (1e-8, 0.5, 1e6):
        ring = Deformed(eps)
        p, q, _ = three(deformed(eps), seed)
        assert close((p + q)(POINTS), ring.add(p(POINTS), q(POINTS)), eps)
        assert close((p * q)(POINTS), ring.mul(p(POINTS), q(POINTS)), eps)
