"""Evidence of classes that are each one ⊕_ε of affine functions: multipliers, and parts of the rival's simplex.

What is proved, for the label c, a rival k and all δ with ‖δ/s‖_p ≤ r (in the box):

    F_c(x+δ) ≥ λ·z(x+δ) + ε_c H(λ)                       for every λ in the simplex,
    F_k(x+δ) = max {q·y(x+δ) + ε_k H(q) : q in the simplex}.

So T(q) = max_δ (q·y − F_c)(x+δ) ≤ q·y − λ·z − ε_c H(λ) + max_δ (Uᵀq − Wᵀλ)·δ with y, z taken at x. T is convex. At the
corners of the simplex this gives F_k − F_c ≤ ε_k log Σ_j exp(T_j/ε_k). On a part of it with corners q_v, and any h > 0
with Σ h ≤ 1, H(q) ≤ −Σ_j q_j log h_j is linear, so that F_k − F_c ≤ max_v (T(q_v) − ε_k Σ_j q_vj log h_j) there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from operator import mul
from typing import Any
from weakref import WeakKeyDictionary

import flint
import numpy as np

from tropix.arrays import FloatArray
from tropix.certify._certificate import Certificate
from tropix.certify._check_balls import ball
from tropix.certify._check_claim import Claim
from tropix.certify._check_fields import Fault, by_index, fraction, index
from tropix.certify._pieces import Classes, Pieces
from tropix.exact import Rationals

MAX_DEPTH = 200
MAX_NUMBERS = 4_000_000
"""So many coordinates of midpoints are read: a short text may ask for much memory."""
ZERO, ONE = Fraction(0), Fraction(1)

_tables: WeakKeyDictionary[Pieces, tuple[Any, int]] = WeakKeyDictionary()


def _table(function: Pieces) -> tuple[Any, int]:
    """The numbers (W, b) of a function as integers over one denominator, kept for the next certificate."""
    if function not in _tables:
        rows = Rationals.concatenate([function.weights, function.bias[:, None]], axis=1)
        _tables[function] = rows.to_flint(), rows.denominator
    return _tables[function]


def _entropy(weights: Sequence[int], denominator: int) -> Any:
    """−Σ λ log λ."""
    total = flint.arb(0)
    for weight in weights:
        if weight > 0:
            share = flint.arb(flint.fmpq(weight, denominator))
            total -= share * share.log()
    return total


def _corners(count: int, midpoints: Sequence[Any]) -> list[list[Fraction]]:
    """The corners of a simplex and midpoints of two corners before them, of which none is halved too often."""
    if count * len(midpoints) > MAX_NUMBERS:
        raise Fault("the evidence has too many midpoints")
    corners = [[ONE if i == j else ZERO for j in range(count)] for i in range(count)]
    depths = [0] * count
    for one, other in midpoints:
        a, b = index(one, len(corners)), index(other, len(corners))
        depths.append(max(depths[a], depths[b]) + 1)
        if depths[-1] > MAX_DEPTH:
            raise Fault("a midpoint lies too deep")
        corners.append([(u + v) / 2 for u, v in zip(corners[a], corners[b], strict=True)])
    return corners


class PiecesClaim(Claim):
    """A certificate whose evidence is multipliers for each rival."""

    def __init__(self, certificate: Certificate, classes: Classes) -> None:
        super().__init__(certificate, classes.dimension, len(classes.functions))
        self.functions = classes.functions
        self.own = self.functions[certificate.label]

    def margins(self, point: Rationals) -> tuple[list[Any], Any]:
        """Differences of the functions' values; the largest of their pieces is the size."""
        logits = [self._logits(f, point) for f in self.functions]
        values = [self._value(f, z) for f, z in zip(self.functions, logits, strict=True)]
        own = values.pop(self.claim.label)
        return [own - value for value in values], max(max(max(z), -min(z)) for z in logits)

    def check_radius(self) -> None:
        """One proof for each rival."""
        proofs = by_index(((proof["rival"], proof) for proof in self.claim.evidence["rivals"]), "against class")
        for k in range(self.classes):
            if k != self.claim.label:
                if k not in proofs:
                    raise Fault(f"there is no evidence against class {k}")
                self._check_rival(k, proofs[k])

    @staticmethod
    def _logits(function: Pieces, point: Rationals) -> list[Any]:
        table, scale = _table(function)
        column = flint.fmpz_mat([[int(n)] for n in point.numerators] + [[point.denominator]])
        return [flint.fmpq(z, scale * point.denominator) for z in (table * column).entries()]

    @staticmethod
    def _value(function: Pieces, logits: list[Any]) -> Any:
        top = max(logits)
        if function.eps == 0:
            return top
        heat, total = flint.fmpq(function.eps.numerator, function.eps.denominator), flint.arb(0)
        for z in logits:
            total += flint.arb((z - top) / heat).exp()
        return flint.arb(top) + flint.arb(heat) * total.log()

    def _check_rival(self, k: int, proof: dict[str, Any]) -> None:
        rival = self.functions[k]
        count = len(rival.bias)
        corners = _corners(count, proof.get("midpoints", []))
        rows = proof["multipliers"]
        if len(rows) == 1:
            rows = rows * len(corners)
        heights = self._heights(rival, corners, rows)
        if proof.get("tree") is None:
            self._check_simplex(k, rival, heights[:count])
        else:
            self._check_tree(k, rival, corners, proof, heights, proof["tree"], list(range(count)), 0)

    def _heights(self, rival: Pieces, corners: list[list[Fraction]], rows: list[list[float]]) -> list[Any]:
        """Upper bounds of T at the corners, as balls."""
        array: FloatArray = np.array([[float(fraction(v)) for v in row] for row in rows])
        if array.shape != (len(corners), len(self.own.bias)):
            raise Fault(f"multipliers have shape {array.shape}: expected {(len(corners), len(self.own.bias))}")
        different, places = np.unique(array, axis=0, return_inverse=True)
        multipliers = Rationals.of(different)
        if (multipliers.numerators < 0).any() or (multipliers.numerators.sum(axis=1) != multipliers.denominator).any():
            raise Fault("multipliers must be nonnegative with sum 1")
        table, scale = _table(self.own)
        own, own_scale = multipliers.to_flint() * table, scale * multipliers.denominator
        theirs, their_scale = _table(rival)
        if len(corners) > len(rival.bias):  # not the corners of the simplex alone, whose rows are the table's
            power = max(q.denominator for corner in corners for q in corner)
            weights = flint.fmpz_mat([[int(q * power) for q in corner] for corner in corners])
            theirs, their_scale = weights * theirs, their_scale * power
        # λ·(W, b) and q·(U, c) over one denominator; the last column is taken at x with a 1 beside it
        common = math.lcm(own_scale, their_scale)
        left, right = (theirs * (common // their_scale)).tolist(), (own * (common // own_scale)).tolist()
        eps, found = ball(self.own.eps), []
        whole_rows = multipliers.numerators.tolist() if self.own.eps else []
        heats = [eps * _entropy(row, multipliers.denominator) for row in whole_rows]
        here = [int(n) for n in self.point.numerators]
        for row, place in zip(left, places.ravel().tolist(), strict=True):
            slope = [int(a - b) for a, b in zip(row, right[place], strict=True)]
            level = sum(map(mul, slope[:-1], here)) + slope[-1] * self.point.denominator
            rise, square = self.reach.bound(slope[:-1], common)
            height = flint.arb(flint.fmpq(level, common * self.point.denominator) + rise) + flint.arb(square).sqrt()
            found.append(height - heats[place] if heats else height)
        return found

    def _check_simplex(self, k: int, rival: Pieces, heights: list[Any]) -> None:
        if not all(height < 0 for height in heights):
            raise Fault(f"the evidence against class {k} does not reach the radius")
        if rival.eps > 0:
            eps, total = ball(rival.eps), flint.arb(0)
            for height in heights:
                total += (height / eps).exp()
            if not total < 1:
                raise Fault(f"the evidence against class {k} does not reach the radius")

    def _check_tree(
        self,
        k: int,
        rival: Pieces,
        corners: list[list[Fraction]],
        proof: dict[str, Any],
        heights: list[Any],
        tree: dict[str, Any],
        cell: list[int],
        depth: int,
    ) -> None:
        if depth > MAX_DEPTH:
            raise Fault("the tree is too deep")
        if "at" in tree:
            at = index(tree["at"])
            if at < len(rival.bias):
                raise Fault("a part of the simplex is split at one of its own corners")
            a, b = proof["midpoints"][at - len(rival.bias)]
            if a not in cell or b not in cell or a == b or len(tree["parts"]) != 2:
                raise Fault("a part of the simplex is split at a point that is not on its edge")
            for gone, part in zip((b, a), tree["parts"], strict=True):
                inner = [at if v == gone else v for v in cell]
                self._check_tree(k, rival, corners, proof, heights, part, inner, depth + 1)
            return
        slope = [fraction(v) for v in tree["slope"]]
        if len(slope) != len(rival.bias) or min(slope) <= 0 or sum(slope) > 1:
            raise Fault("the slope of an entropy bound must be positive with sum at most 1")
        logs = [ball(rival.eps) * ball(h).log() for h in slope]
        for v in cell:
            height = heights[v]
            for q, log in zip(corners[v], logs, strict=True):
                if q:
                    height -= ball(q) * log
            if not height < 0:
                raise Fault(f"the evidence against class {k} does not reach the radius")
