"""The check of certificates: evidence is evaluated anew in rationals and Arb balls; no solver, no bound is imported.

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
from tropix.certify._certificate import Certificate, Verdict
from tropix.certify._pieces import Classes, Model, Pieces, classes_of
from tropix.exact import Rationals

PRECISIONS = (96, 400)
MAX_DEPTH = 200
ZERO, ONE = Fraction(0), Fraction(1)


class _Fault(Exception):
    """Why a certificate is not proved."""


def check(certificate: Certificate, model: Model) -> Verdict:
    """Whether a certificate is proved for a model, with the reason if it is not.

    All of it counts: the digests, margin, radius, upper bound with its witness, and the status. The claim is about the
    function over real numbers with the stored weights.
    """
    try:
        if certificate.digest != certificate.content_digest():
            raise _Fault("the fields do not have the digest that is stored: something was changed")
        classes = classes_of(model)
        if certificate.model != classes.digest:
            raise _Fault("it is a certificate of another model")
        fault: _Fault | None = None
        for precision in PRECISIONS:
            with flint.ctx.workprec(precision):
                try:
                    _Check(certificate, classes).run()
                    return Verdict(True)
                except _Fault as found:
                    fault = found
        assert fault is not None
        raise fault
    except _Fault as found:
        return Verdict(False, str(found))
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError) as error:
        return Verdict(False, f"the evidence is malformed: {type(error).__name__}: {error}")


def _ball(value: Fraction) -> Any:
    return flint.arb(flint.fmpq(value.numerator, value.denominator))


def _fraction(value: Any) -> Fraction:
    """The rational that a float is; anything else is refused."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Fault(f"expected a number, found {value!r}")
    return Fraction(value)


def _index(value: Any) -> int:
    """A number of a class or a corner; anything that would have to be rounded to one is refused."""
    if type(value) is not int or value < 0:
        raise _Fault(f"expected a number of a class or a corner, found {value!r}")
    return value


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
            ball = flint.arb(flint.fmpq(weight, denominator))
            total -= ball * ball.log()
    return total


class _Check:
    def __init__(self, certificate: Certificate, classes: Classes) -> None:
        self.claim, self.classes = certificate, classes
        d = classes.dimension
        if len(certificate.point) != d or not 0 <= certificate.label < len(classes.functions):
            raise _Fault("point or label do not fit the model")
        self.point = Rationals.of(np.array(certificate.point))
        self.own = classes.functions[certificate.label]
        scale = certificate.norm.scale
        self.scales = [Fraction(s) for s in ((1.0,) * d if scale is None else scale)]
        if len(self.scales) != d:
            raise _Fault("the norm does not fit the model")
        self.room: list[tuple[Fraction | None, Fraction | None]] | None = None
        if certificate.box is not None:
            self.room = self._room(*certificate.box)

    def _room(self, lower: Sequence[float], upper: Sequence[float]) -> list[tuple[Fraction | None, Fraction | None]]:
        """How far each coordinate may fall (≤ 0) and rise, None without limit."""
        point = self.point.fractions().tolist()
        if len(lower) != len(point) or len(upper) != len(point):
            raise _Fault("the box does not fit the model")
        if not all(a <= x <= b for a, x, b in zip(lower, self.claim.point, upper, strict=True)):
            raise _Fault("the point lies outside the box")
        return [
            (None if a == -np.inf else Fraction(a) - x, None if b == np.inf else Fraction(b) - x)
            for a, x, b in zip(lower, point, upper, strict=True)
        ]

    def run(self) -> None:
        claim = self.claim
        for value in (claim.margin, claim.radius, claim.upper, claim.seconds):
            if not value == value:
                raise _Fault("a number is missing")
        if not 0 <= claim.radius < np.inf or not claim.upper >= claim.radius:
            raise _Fault("radius and upper bound contradict each other")
        self._check_margin()
        self._check_status()
        if claim.upper < np.inf:
            self._check_witness()
        if claim.radius > 0:
            proofs = {_index(proof["rival"]): proof for proof in claim.evidence["rivals"]}
            if len(proofs) < len(claim.evidence["rivals"]):
                raise _Fault("there is evidence against one class twice")
            for k in range(len(self.classes.functions)):
                if k != claim.label:
                    if k not in proofs:
                        raise _Fault(f"there is no evidence against class {k}")
                    self._check_rival(k, proofs[k])

    # -- values ---------------------------------------------------------------------------------------------------

    @staticmethod
    def _logits(function: Pieces, point: Rationals) -> list[Any]:
        table, scale = _table(function)
        column = flint.fmpz_mat([[int(n)] for n in point.numerators] + [[point.denominator]])
        return [flint.fmpq(z, scale * point.denominator) for z in (table * column).entries()]

    def _value(self, function: Pieces, point: Rationals) -> Any:
        logits = self._logits(function, point)
        top = max(logits)
        if function.eps == 0:
            return top
        heat, total = flint.fmpq(function.eps.numerator, function.eps.denominator), flint.arb(0)
        for z in logits:
            total += flint.arb((z - top) / heat).exp()
        return flint.arb(top) + flint.arb(heat) * total.log()

    def _margins(self, point: Rationals) -> list[Any]:
        own = self._value(self.own, point)
        others = [f for k, f in enumerate(self.classes.functions) if k != self.claim.label]
        return [own - self._value(f, point) for f in others]

    def _check_margin(self) -> None:
        size = max(abs(z) for f in self.classes.functions for z in self._logits(f, self.point))
        slack = flint.arb((1 + size) / 10**9)
        stated = _ball(_fraction(self.claim.margin))
        margins = [flint.arb(m) for m in self._margins(self.point)]
        if not (all(stated < m + slack for m in margins) and any(stated > m - slack for m in margins)):
            raise _Fault("the margin is another one")

    def _check_status(self) -> None:
        claim = self.claim
        if claim.asked is not None and not 0 < claim.asked < np.inf:
            # every radius is at least 0, and no witness is at most infinitely far: neither says anything
            raise _Fault(f"the radius asked about is {claim.asked!r}: it must be > 0 and finite")
        if claim.asked is None:
            status = "robust" if claim.radius > 0 else "falsified" if claim.upper == 0 else "unknown"
        else:
            status = (
                "robust" if claim.radius >= claim.asked else "falsified" if claim.upper <= claim.asked else "unknown"
            )
        if claim.status != status:
            raise _Fault(f"the status does not follow from radius and upper bound: it is {status}")

    def _check_witness(self) -> None:
        values = self.claim.evidence["witness"]
        witness = Rationals.of(np.array([float(_fraction(v)) for v in values]))
        if witness.shape != self.point.shape:
            raise _Fault("the witness does not fit the model")
        if self.claim.box is not None:
            ends = zip(self.claim.box[0], values, self.claim.box[1], strict=True)
            if not all(low <= value <= high for low, value, high in ends):
                raise _Fault("the witness lies outside the box")
        shift = witness - self.point
        if self.claim.norm.scale is not None:
            shift = shift * Rationals.of(np.array([1 / scale for scale in self.scales], dtype=object))
        sizes = [abs(n) for n in shift.numerators.tolist()]
        upper, p = Fraction(self.claim.upper) * shift.denominator, self.claim.norm.p
        length = sum(a * a for a in sizes) if p == 2 else sum(sizes) if p == 1 else max(sizes)
        if length > (upper * upper if p == 2 else upper):
            raise _Fault("the witness is farther away than the upper bound")
        if not any(m <= 0 for m in self._margins(witness)):
            raise _Fault("the witness has the same label")

    # -- the radius -----------------------------------------------------------------------------------------------

    def _check_rival(self, k: int, proof: dict[str, Any]) -> None:
        rival = self.classes.functions[k]
        count = len(rival.bias)
        corners = [[ONE if i == j else ZERO for j in range(count)] for i in range(count)]
        for a, b in proof.get("midpoints", []):
            corners.append([(u + v) / 2 for u, v in zip(corners[_index(a)], corners[_index(b)], strict=True)])
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
        array: FloatArray = np.array([[float(_fraction(v)) for v in row] for row in rows])
        if array.shape != (len(corners), len(self.own.bias)):
            raise _Fault(f"multipliers have shape {array.shape}: expected {(len(corners), len(self.own.bias))}")
        different, places = np.unique(array, axis=0, return_inverse=True)
        multipliers = Rationals.of(different)
        if (multipliers.numerators < 0).any() or (multipliers.numerators.sum(axis=1) != multipliers.denominator).any():
            raise _Fault("multipliers must be nonnegative with sum 1")
        table, scale = _table(self.own)
        own, own_scale = multipliers.to_flint() * table, scale * multipliers.denominator
        table, scale = _table(rival)
        power = max(q.denominator for corner in corners for q in corner)
        whole = power == 1  # the corners of the simplex itself
        numbers = [[int(q) if whole else int(q * power) for q in corner] for corner in corners]
        weights = flint.fmpz_mat(numbers)
        theirs, their_scale = weights * table, scale * power
        # λ·(W, b) and q·(U, c) over one denominator; the last column is taken at x with a 1 beside it
        common = math.lcm(own_scale, their_scale)
        left, right = (theirs * (common // their_scale)).tolist(), (own * (common // own_scale)).tolist()
        eps, found = _ball(self.own.eps), []
        whole_rows = multipliers.numerators.tolist() if self.own.eps else []
        heats = [eps * _entropy(row, multipliers.denominator) for row in whole_rows]
        here = [int(n) for n in self.point.numerators]
        for row, place in zip(left, places.ravel().tolist(), strict=True):
            slope = [int(a - b) for a, b in zip(row, right[place], strict=True)]
            level = sum(map(mul, slope[:-1], here)) + slope[-1] * self.point.denominator
            height = flint.arb(flint.fmpq(level, common * self.point.denominator)) + self._reach(slope[:-1], common)
            found.append(height - heats[place] if heats else height)
        return found

    def _reach(self, slope: list[int], denominator: int) -> Any:
        """An upper bound of max v·δ over the ball in the box, v = slope/denominator."""
        radius, p = Fraction(self.claim.radius), self.claim.norm.p
        if self.claim.norm.scale is not None or self.room is not None:
            return self._reach_in_box([Fraction(v, denominator) for v in slope])
        if p == 2:
            square = Fraction(sum(v * v for v in slope), denominator * denominator)
            return _ball(radius) * _ball(square).sqrt()
        length = sum(abs(v) for v in slope) if p == np.inf else max(abs(v) for v in slope)
        return _ball(radius * Fraction(length, denominator))

    def _reach_in_box(self, slope: list[Fraction]) -> Any:
        """In coordinates δ/s: v becomes v·s, and the room of the box is divided by s."""
        radius, p = Fraction(self.claim.radius), self.claim.norm.p
        v = [a * s for a, s in zip(slope, self.scales, strict=True)]
        free: tuple[Fraction | None, Fraction | None] = (None, None)
        room: list[Fraction | None] = []  # in the direction in which v rises
        for a, ends, s in zip(v, self.room or [free] * len(v), self.scales, strict=True):
            end = ends[1] if a > 0 else ends[0]
            room.append(None if end is None else abs(end) / s)
        sizes = [abs(a) for a in v]
        if p == np.inf:
            steps = (radius if w is None else min(radius, w) for w in room)
            return _ball(sum((a * w for a, w in zip(sizes, steps, strict=True)), Fraction(0)))
        if p == 1:
            total, left = Fraction(0), radius
            for a, w in sorted(zip(sizes, room, strict=True), key=lambda pair: -pair[0]):
                step = left if w is None else min(left, w)
                total, left = total + a * step, left - step
            return _ball(total)
        whole = _ball(radius) * _ball(sum((a * a for a in sizes), Fraction(0))).sqrt()
        if self.room is None or not any(sizes) or all(w is None for w in room):
            return whole
        # v·δ ≤ v·δ − (|δ|² − r²)/(2t) in the ball, for any t > 0; its maximum over the box is taken termwise
        t = self._length(sizes, room, radius)
        total = radius * radius / (2 * t)
        for a, w in zip(sizes, room, strict=True):
            step = t * a if w is None else min(t * a, w)
            total += a * step - step * step / (2 * t)
        bound = _ball(total)
        return bound if bound < whole else whole

    @staticmethod
    def _length(sizes: list[Fraction], room: list[Fraction | None], radius: Fraction) -> Fraction:
        """The t for which min(t·v, room) is about r long; a good choice, not part of the proof."""
        v = np.array([float(a) for a in sizes])
        ends = np.array([np.inf if w is None else float(w) for w in room])
        floor = np.log(float(radius) / np.linalg.norm(v))
        ceiling = floor + 40
        for _ in range(60):
            middle = (floor + ceiling) / 2
            if np.linalg.norm(np.minimum(np.exp(middle) * v, ends)) < float(radius):
                floor = middle
            else:
                ceiling = middle
        return Fraction(float(np.exp(floor)))

    def _check_simplex(self, k: int, rival: Pieces, heights: list[Any]) -> None:
        if not all(height < 0 for height in heights):
            raise _Fault(f"the evidence against class {k} does not reach the radius")
        if rival.eps > 0:
            eps, total = _ball(rival.eps), flint.arb(0)
            for height in heights:
                total += (height / eps).exp()
            if not total < 1:
                raise _Fault(f"the evidence against class {k} does not reach the radius")

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
            raise _Fault("the tree is too deep")
        if "at" in tree:
            at = _index(tree["at"])
            if at < len(rival.bias):
                raise _Fault("a part of the simplex is split at one of its own corners")
            a, b = proof["midpoints"][at - len(rival.bias)]
            if a not in cell or b not in cell or a == b or len(tree["parts"]) != 2:
                raise _Fault("a part of the simplex is split at a point that is not on its edge")
            for gone, part in zip((b, a), tree["parts"], strict=True):
                inner = [at if v == gone else v for v in cell]
                self._check_tree(k, rival, corners, proof, heights, part, inner, depth + 1)
            return
        slope = [_fraction(v) for v in tree["slope"]]
        if len(slope) != len(rival.bias) or min(slope) <= 0 or sum(slope) > 1:
            raise _Fault("the slope of an entropy bound must be positive with sum at most 1")
        logs = [_ball(rival.eps) * _ball(h).log() for h in slope]
        for v in cell:
            height = heights[v]
            for q, log in zip(corners[v], logs, strict=True):
                if q:
                    height -= _ball(q) * log
            if not height < 0:
                raise _Fault(f"the evidence against class {k} does not reach the radius")
