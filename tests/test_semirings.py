"""The laws of the semirings, for every one of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tropix.errors import InvalidInput
from tropix.semirings import MAX_PLUS, MIN_PLUS, Deformed, MaxPlus, Semiring, semiring

SEMIRINGS = [MAX_PLUS, MIN_PLUS, Deformed(1e-3), Deformed(0.5), Deformed(1e4)]
finite = st.floats(-1e4, 1e4)


def element(ring: Semiring, value: float | None) -> float:
    return ring.zero if value is None else value


def close(ring: Semiring, a: object, b: object) -> bool:
    eps = ring.eps if isinstance(ring, Deformed) else 0.0
    return bool(np.allclose(a, b, rtol=1e-12, atol=1e-11 + 1e-14 * eps))


@pytest.mark.parametrize("ring", SEMIRINGS, ids=repr)
@given(values=st.tuples(*[st.none() | finite] * 3))
def test_laws(ring: Semiring, values: tuple[float | None, ...]) -> None:
    a, b, c = (element(ring, v) for v in values)
    assert close(ring, ring.add(a, b), ring.add(b, a))
    assert close(ring, ring.mul(a, b), ring.mul(b, a))
    assert close(ring, ring.add(ring.add(a, b), c), ring.add(a, ring.add(b, c)))
    assert close(ring, ring.mul(ring.mul(a, b), c), ring.mul(a, ring.mul(b, c)))
    assert close(ring, ring.mul(a, ring.add(b, c)), ring.add(ring.mul(a, b), ring.mul(a, c)))
    assert close(ring, ring.add(a, ring.zero), a)
    assert ring.mul(a, ring.one) == a
    assert ring.mul(a, ring.zero) == ring.zero
    if ring.idempotent:
        assert ring.add(a, a) == a


@pytest.mark.parametrize("ring", SEMIRINGS, ids=repr)
@given(values=st.lists(st.none() | finite, max_size=6))
def test_sum_is_repeated_addition(ring: Semiring, values: list[float | None]) -> None:
    elements = [element(ring, v) for v in values]
    total: object = ring.zero
    for value in elements:
        total = ring.add(total, value)  # type: ignore[arg-type]
    assert close(ring, ring.sum(elements), total)
    assert close(ring, ring.sum(np.array([elements, elements]).reshape(2, -1), axis=1), [total, total])


@given(x=st.floats(1e-3, 1e3), y=st.floats(1e-3, 1e3))
def test_isomorphism_with_the_positive_reals(x: float, y: float) -> None:
    ring = Deformed(0.7)
    assert close(ring, ring.from_real(x + y), ring.add(ring.from_real(x), ring.from_real(y)))
    assert close(ring, ring.from_real(x * y), ring.mul(ring.from_real(x), ring.from_real(y)))
    assert math.isclose(float(ring.to_real(ring.from_real(x))), x, rel_tol=1e-12)


@given(a=finite, b=finite, eps=st.floats(1e-8, 1e8))
def test_deformation_is_sandwiched(a: float, b: float, eps: float) -> None:
    value = float(Deformed(eps).add(a, b))
    assert max(a, b) <= value <= max(a, b) + eps * math.log(2) * (1 + 1e-12) + 1e-12


def test_zero_and_units() -> None:
    ring = Deformed(2.0)
    assert ring.from_real(0.0) == -np.inf
    assert ring.add(-np.inf, -np.inf) == -np.inf
    assert ring.power(-np.inf, 0) == 0.0
    assert MAX_PLUS.power(3.0, 2.5) == 7.5
    assert MAX_PLUS.sum([]) == -np.inf
    assert MIN_PLUS.sum([]) == np.inf
    assert semiring(0.0) == MaxPlus()
    assert semiring(1.0) == Deformed(1.0)


@pytest.mark.parametrize("eps", [0.0, -1.0, math.nan, math.inf, 1e-310])
def test_bad_temperatures(eps: float) -> None:
    with pytest.raises(InvalidInput, match="eps"):
        Deformed(eps)


def test_negative_powers_are_refused() -> None:
    with pytest.raises(InvalidInput, match="power"):
        MAX_PLUS.power(1.0, -1)
