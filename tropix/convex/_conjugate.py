"""Convex conjugates of log-sum-exp functions and tropical polynomials, each value between two proved bounds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray, points_array
from tropix.errors import InvalidInput, Unsupported
from tropix.polynomials import LogSumExp, TropicalPolynomial

if TYPE_CHECKING:
    from tropix.arrays import IntArray
    from tropix.circuits import Circuit

Method = Literal["newton", "program"]


@dataclass(frozen=True, eq=False)
class Conjugate:
    """Values f*(y) of n points y with their evidence; for one y the arrays lose their first axis, ``status`` is a text.

    - ``value`` (n,): f*(y) up to ``gap``, +∞ outside conv{w_j}, NaN where nothing finite is known.
    - ``gap`` (n,): ``upper − lower`` rounded up, where ``lower`` ≤ f*(y) ≤ ``upper`` are proved for the real numbers
      (with the point answered for in place of y where ``shift`` > 0: slopes of f* are large near the boundary, so f*(y)
      itself may lie beyond both); 0 where f* = +∞ is proved, +∞ where no bound is.
    - ``x`` (n, d): a maximiser of ⟨x, y⟩ − f(x). It is unique up to the orthogonal complement of the directions of the
      w_j, and the one among them is returned. On the relative boundary at ε > 0 the supremum is not attained: there x
      is the maximiser with f restricted to the pieces on the smallest face that holds y, and
      f*(y) = lim_{t → ∞} ⟨x + t·ray, y⟩ − f(x + t·ray). NaN where f* = +∞ or nothing is known.
    - ``ray`` (n, d): 0 where the supremum is attained.
    - ``p`` (n, N): the minimiser of ε Σ p log p − b·p with Wᵀp = y, the Gibbs weights at x, in floating point.
    - ``status``: "attained"; "boundary" (finite, proved to lie on the relative boundary, not attained); "moved" (y lies
      at most ``shift`` off a face or the affine hull of the w_j, 64 units in the last place of the largest coordinate
      or less, and the nearby point of it is answered for); "outside"; "unproved".
    - ``separation`` (n, d): a direction w with ⟨w, y⟩ > max_j ⟨w, w_j⟩, proved, wherever y is outside — also by less
      than the shift; else NaN.
    - ``shift`` (n,): how far the point answered for lies from y in the maximum norm.
    """

    value: FloatArray
    gap: FloatArray
    x: FloatArray
    lower: FloatArray
    upper: FloatArray
    status: npt.NDArray[np.str_] | str
    ray: FloatArray
    separation: FloatArray
    shift: FloatArray
    _weights: LogSumExp | None = field(repr=False)
    _faces: dict[int, IntArray] = field(repr=False, default_factory=dict)
    _given: FloatArray | None = field(repr=False, default=None)

    def first(self) -> Conjugate:
        """The answer to the first of the n points, without their axis."""
        names = ("value", "gap", "x", "lower", "upper", "ray", "separation", "shift")
        arrays: dict[str, Any] = {name: np.asarray(getattr(self, name)[0]) for name in names}
        given = None if self._given is None else self._given[0]
        return replace(self, **arrays, status=str(self.status[0]), _given=given)

    @property
    def p(self) -> FloatArray:
        """The minimising weights, (n, N) or (N,), computed on demand; NaN where there are none."""
        if self._given is not None:
            return self._given
        if self._weights is None:
            raise InvalidInput("a circuit's conjugate has no single vector of weights: see its flow")
        rows = np.atleast_2d(self.x)
        f, result = self._weights, np.full((len(rows), len(self._weights)), np.nan)
        known = np.asarray(np.isfinite(rows).all(axis=1))
        plain = known.copy()
        plain[list(self._faces)] = False
        result[plain] = f.gibbs(rows[plain])
        for q, face in self._faces.items():
            if known[q]:
                result[q] = 0.0
                result[q, face] = LogSumExp(f.weights[face], f.bias[face], f.eps).gibbs(rows[q])
        return result[0] if self.x.ndim == 1 else result


def conjugate(
    f: LogSumExp | TropicalPolynomial | Circuit,
    y: npt.ArrayLike,
    *,
    tolerance: float = 1e-10,
    method: Method = "newton",
) -> Conjugate:
    """F*(y) = sup_x ⟨x, y⟩ − f(x) = min {ε Σ p log p − b·p : Wᵀp = y, p ≥ 0, Σ p = 1}, +∞ unless y ∈ conv{w_j}.

    ``y`` (n, d) or (d,). ``method`` "newton": Newton's method in d dimensions, batched; at ε = 0 the simplex method.
    "program": the conic program of `conjugate_program`, solved by Clarabel for each row; its x is then bounded in the
    same way. Either way the bounds come from x by arithmetic that trusts no solver. The gap is what float64 allows, for
    data of size one 1e-15 to 1e-11; where it exceeds ``tolerance``, status is "unproved". A circuit
    that is one ⊕_ε of affine functions is that function; for others see `conjugate_circuit`, which is called for them.
    Without pieces f ≡ −∞ and f* ≡ +∞.

    Raises `InvalidInput` for other shapes, non-finite points or another method; `Unsupported` for circuits that are
    not convex.
    Source: Boyd and Vandenberghe, *Convex Optimization* (2004), §3.3; the Newton path: Nesterov (2004), §4.2.

    >>> softplus = LogSumExp([[0.0], [1.0]], [0.0, 0.0], eps=1.0)
    >>> answer = conjugate(softplus, [[0.5], [1.0], [2.0]])
    >>> answer.value.round(6), answer.status.tolist()
    (array([-0.693147,  0.      ,       inf]), ['attained', 'boundary', 'outside'])
    """
    from tropix.circuits import Circuit, single_layer

    if not (tolerance >= 0):
        raise InvalidInput(f"tolerance {tolerance}: expected a number >= 0")
    if method not in ("newton", "program"):
        raise InvalidInput(f"method {method!r}: expected 'newton' or 'program'")
    if isinstance(f, Circuit):
        from tropix.convex._circuit import conjugate_circuit

        try:
            layer = single_layer(f, exact=True) if f.output_size == 1 else None
        except Unsupported:
            layer = None
        if layer is None:
            return conjugate_circuit(f, y, tolerance=tolerance)
        f = layer
    lse = f.deform(0.0) if isinstance(f, TropicalPolynomial) else f
    rows, single = points_array(y, lse.dimension)
    from tropix.convex._solve import Batch

    batch = Batch(lse, rows, tolerance)
    batch.run(method)
    return batch.answer(single)
