"""The facts of max-plus, min-plus and S_ε: additions, units, and the isomorphism with (ℝ_{≥0}, +, ×)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray, temperature
from tropix.errors import InvalidInput


class Semiring(ABC):
    """A commutative semiring (R, ⊕, ⊗) on ℝ with one infinity, whose ⊗ is the ordinary +.

    For all a, b, c:  ⊕ and ⊗ are associative and commutative, a ⊗ (b ⊕ c) = (a ⊗ b) ⊕ (a ⊗ c),
    a ⊕ zero = a, a ⊗ one = a, a ⊗ zero = zero. Operations broadcast over float64 arrays; in floating point the
    laws hold up to rounding. Elements must not be NaN nor the infinity of the other sign.
    """

    zero: float
    one: float = 0.0
    idempotent: bool

    @abstractmethod
    def add(self, a: npt.ArrayLike, b: npt.ArrayLike) -> FloatArray:
        """A ⊕ b, elementwise."""

    @abstractmethod
    def sum(self, values: npt.ArrayLike, axis: int | None = None) -> FloatArray:
        """⊕ of the values along an axis (all by default); the empty sum is ``zero``."""

    def mul(self, a: npt.ArrayLike, b: npt.ArrayLike) -> FloatArray:
        """A ⊗ b = a + b, elementwise."""
        return np.asarray(np.add(a, b, dtype=np.float64))

    def power(self, a: npt.ArrayLike, exponent: float) -> FloatArray:
        """a^{⊗ r} = r·a for a real r ≥ 0; a^{⊗ 0} = one also for a = zero."""
        if not exponent >= 0:
            raise InvalidInput(f"power {exponent}: expected a number >= 0")
        base = np.asarray(a, dtype=np.float64)
        return np.zeros_like(base) if exponent == 0 else np.asarray(base * exponent)


@dataclass(frozen=True)
class MaxPlus(Semiring):
    """(ℝ ∪ {−∞}, max, +), the limit of S_ε as ε → 0.

    >>> MaxPlus().add(1.0, [0.0, 2.0])
    array([1., 2.])
    """

    zero = -np.inf
    idempotent = True

    def add(self, a: npt.ArrayLike, b: npt.ArrayLike) -> FloatArray:
        """max(a, b)."""
        return np.asarray(np.maximum(a, b), dtype=np.float64)

    def sum(self, values: npt.ArrayLike, axis: int | None = None) -> FloatArray:
        """The maximum along an axis."""
        return np.asarray(np.max(np.asarray(values, dtype=np.float64), axis=axis, initial=-np.inf))


@dataclass(frozen=True)
class MinPlus(Semiring):
    """(ℝ ∪ {+∞}, min, +), isomorphic to max-plus by a ↦ −a."""

    zero = np.inf
    idempotent = True

    def add(self, a: npt.ArrayLike, b: npt.ArrayLike) -> FloatArray:
        """min(a, b)."""
        return np.asarray(np.minimum(a, b), dtype=np.float64)

    def sum(self, values: npt.ArrayLike, axis: int | None = None) -> FloatArray:
        """The minimum along an axis."""
        return np.asarray(np.min(np.asarray(values, dtype=np.float64), axis=axis, initial=np.inf))


@dataclass(frozen=True)
class Deformed(Semiring):
    """S_ε = (ℝ ∪ {−∞}, ⊕_ε, +) with a ⊕_ε b = ε log(e^{a/ε} + e^{b/ε}), ε > 0 (Maslov dequantisation).

    x ↦ ε log x is an isomorphism from (ℝ_{≥0}, +, ×). max(a, b) ≤ a ⊕_ε b ≤ max(a, b) + ε log 2.

    >>> float(Deformed(1.0).add(0.0, 0.0).round(6))
    0.693147
    """

    eps: float
    zero = -np.inf
    idempotent = False

    def __post_init__(self) -> None:
        if temperature(self.eps) == 0.0:
            raise InvalidInput("S_eps needs eps > 0; at eps = 0 use MaxPlus (or semiring(eps))")

    def add(self, a: npt.ArrayLike, b: npt.ArrayLike) -> FloatArray:
        """max(a, b) + ε log(1 + e^{−|a − b|/ε})."""
        high = np.maximum(a, b, dtype=np.float64)
        low = np.minimum(a, b, dtype=np.float64)
        with np.errstate(invalid="ignore", over="ignore"):
            gap = np.where(low == -np.inf, np.inf, high - low) / self.eps
        return np.asarray(high + self.eps * np.log1p(np.exp(-gap)))

    def sum(self, values: npt.ArrayLike, axis: int | None = None) -> FloatArray:
        """Max + ε log Σ exp((v − max)/ε) along an axis."""
        array = np.asarray(values, dtype=np.float64)
        top = np.max(array, axis=axis, initial=-np.inf, keepdims=True)
        finite = np.where(top == -np.inf, 0.0, top)
        with np.errstate(divide="ignore", over="ignore"):
            total = finite + self.eps * np.log(np.exp((array - finite) / self.eps).sum(axis=axis, keepdims=True))
        return np.asarray(np.squeeze(total, axis=axis) if axis is not None else total.reshape(()))

    def from_real(self, x: npt.ArrayLike) -> FloatArray:
        """The isomorphism x ↦ ε log x from (ℝ_{≥0}, +, ×); 0 goes to −∞."""
        with np.errstate(divide="ignore"):
            return np.asarray(self.eps * np.log(np.asarray(x, dtype=np.float64)))

    def to_real(self, a: npt.ArrayLike) -> FloatArray:
        """The inverse isomorphism a ↦ e^{a/ε}."""
        return np.asarray(np.exp(np.asarray(a, dtype=np.float64) / self.eps))


MAX_PLUS = MaxPlus()
MIN_PLUS = MinPlus()


def semiring(eps: float) -> Semiring:
    """S_ε for ε > 0, max-plus for ε = 0."""
    return MAX_PLUS if temperature(eps) == 0.0 else Deformed(eps)
