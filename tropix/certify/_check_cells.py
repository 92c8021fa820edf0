"""The check of radii found cell by cell: exact affine functions of patterns, sums by multipliers, no solver.

Let S be the ball in the box. The evidence is a list V of activation patterns, the first one with x in its cell
Q_P = {gaps g_e ≥ 0}, and for each P in V

- for each rival k, multipliers that show that Q_P ∩ S ∩ {F_k − F_c ≥ 0} is empty;
- for each entry e that is not chosen, either the pattern with e in place of the chosen entry of its segment is in V, or
  multipliers show that Q_P ∩ S ∩ {−g_e ≥ 0} is empty.

A set {h_t ≥ 0 for all t} ∩ S is empty if Σ λ_t h_t < 0 on S for some λ ≥ 0, which is one linear function's maximum.

Then F_c > F_k on all of S. Say that P is valid at y if y ∈ Q_P. At y exactly the products of choices of largest entries
are valid, and each becomes each other one by exchanging entries in topological order, through valid patterns only. So
if one pattern of V is valid at y in S, all are in V, the second kind of emptiness being impossible. Hence the set of
points of S at which a pattern of V is valid is closed, being a finite union of cells, and open in S, since near y only
patterns valid at y are valid. It contains x, and S is convex, thus connected: it is S.
Patterns whose chosen entries are the same functions count as one: the argument holds for them with "same functions" in
place of "same entries", as an exchange changes no function in front of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from operator import mul
from typing import Any

import flint
import numpy as np

from tropix.arrays import BoolArray, FloatArray
from tropix.boxes import Box
from tropix.certify._cells_forms import CellForms, Pattern, PatternForms, forms_of
from tropix.certify._check_circuit import CircuitClaim
from tropix.certify._check_claim import Fault, fraction
from tropix.certify._norms import Norm
from tropix.circuits import Circuit
from tropix.exact import Rationals

BISECTIONS = 60


def check_cells(
    circuit: Circuit,
    point: Sequence[float],
    label: int,
    radius: float,
    norm: Norm,
    box: Box | None,
    evidence: dict[str, Any],
) -> None:
    """Raise `Fault` unless the evidence proves that the label's output exceeds all others in the ball in the box.

    The outputs are those of `Subject.circuit`: at least two. A radius of 0 claims nothing.
    """
    if radius == 0:
        return
    forms = forms_of(circuit)
    ball = ExactBall(point, radius, norm, box)
    if len(point) != forms.inputs or not 0 <= label < forms.classes:
        raise Fault("point or label do not fit the model")
    cells = {_pattern(forms, cell): cell for cell in evidence["cells"]}
    first = forms.of(_pattern(forms, evidence["cells"][0]))
    if any(ball.level(row) < 0 for row in first.gaps):
        raise Fault("the point does not lie in the first cell")
    for pattern, cell in cells.items():
        _Proof(forms, ball, forms.of(pattern), label).run(cell, cells)


class CellsClaim(CircuitClaim):
    """A certificate whose evidence is cells and what is behind their facets."""

    def check_radius(self) -> None:
        """One proof for each cell."""
        claim = self.claim
        box = None if claim.box is None else Box(np.array(claim.box[0]), np.array(claim.box[1]))
        check_cells(self.circuit, claim.point, claim.label, claim.radius, claim.norm, box, claim.evidence)


def _pattern(forms: PatternForms, cell: dict[str, Any]) -> Pattern:
    pattern = tuple(_index(choice, None) for choice in cell["pattern"])
    if not forms.fits(pattern):
        raise Fault("a pattern does not fit the model")
    return forms.of(pattern).canonical


def _index(value: Any, end: int | None) -> int:
    if type(value) is not int or value < 0 or (end is not None and value >= end):
        raise Fault(f"expected an index, found {value!r}")
    return value


def _weight(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value < math.inf:
        raise Fault(f"expected a multiplier, a number >= 0, found {value!r}")
    return float(value)


class ExactBall:
    """The points x + δ of a box with ‖δ/s‖_p ≤ r, in rational numbers."""

    def __init__(self, point: Sequence[float], radius: float, norm: Norm, box: Box | None) -> None:
        here = Rationals.of(np.array([float(fraction(v)) for v in point]))
        self.point = [*map(int, here.numerators), here.denominator]
        self.radius, self.p = fraction(radius), norm.p
        if self.radius < 0:
            raise Fault("a radius must not be negative")
        self.sizes = norm.scales(len(point))
        if len(self.sizes) != len(point):
            raise Fault("the norm does not fit the model")
        scales = Rationals.of(self.sizes)
        self.scales, self.unit = [int(s) for s in scales.numerators], scales.denominator
        self.room: list[tuple[Fraction | None, Fraction | None]] | None = None
        if box is not None:
            self.room = self._room(box, here.fractions().tolist(), scales.fractions().tolist())

    @staticmethod
    def _room(
        box: Box, point: list[Fraction], scales: list[Fraction]
    ) -> list[tuple[Fraction | None, Fraction | None]] | None:
        """How far δ/s may go down and up, None without limit."""
        if box.dimension != len(point):
            raise Fault("the box does not fit the model")
        ends = list(zip(box.lower.tolist(), box.upper.tolist(), strict=True))
        if not all(low <= x <= high for (low, high), x in zip(ends, point, strict=True)):
            raise Fault("the point lies outside the box")
        room = [
            (None if low == -np.inf else (x - Fraction(low)) / s, None if high == np.inf else (Fraction(high) - x) / s)
            for (low, high), x, s in zip(ends, point, scales, strict=True)
        ]
        return room if any(end is not None for pair in room for end in pair) else None

    def level(self, row: Sequence[Any]) -> int:
        """A row (d+1) at x, times the denominator of x."""
        return int(sum(map(mul, row, self.point)))

    def below_zero(self, row: Sequence[Any]) -> bool:
        """Whether a row (d+1) of integers is below zero on all of the ball in the box."""
        level = self.level(row)
        if level >= 0:
            return False  # at x
        slopes = [int(a) * s for a, s in zip(row, self.scales, strict=False)]
        rise, room = self.radius.numerator * self.point[-1], -level * self.unit * self.radius.denominator
        if self.p == 2:
            inside = rise * rise * sum(map(mul, slopes, slopes)) < room * room
        else:
            sizes = list(map(abs, slopes))
            inside = rise * (max(sizes) if self.p == 1 else sum(sizes)) < room
        return inside or (self.room is not None and self._below_zero_in_box(level, slopes))

    def surely_below_zero(self, sums: FloatArray, errors: FloatArray) -> BoolArray:
        """Whether rows (P, d+1), constants taken at x, with bounds of their errors are below zero beyond doubt."""
        unit = 2.0**-52
        slopes = (np.abs(sums) + errors)[:, :-1] * self.sizes
        if self.p == 2:
            reach = np.sqrt((slopes * slopes).sum(axis=1)) + 1e-150  # squares may be lost that are below 1e-308
        else:
            # slopes times scales may lose up to 2⁻¹⁰⁷⁴ each, which counts where the radius is large
            reach = (slopes.max(axis=1) if self.p == 1 else slopes.sum(axis=1)) + 1e-300
        high = float(self.radius) * reach * (1 + (len(self.point) + 8) * unit) + 1e-290
        return np.asarray(-sums[:, -1] * (1 - 4 * unit) - errors[:, -1] * (1 + 4 * unit) > high)

    def _below_zero_in_box(self, level: int, slopes: list[int]) -> bool:
        assert self.room is not None
        largest = max(map(abs, slopes))
        sizes = [Fraction(abs(a), largest) for a in slopes]
        room = [high if a > 0 else low for a, (low, high) in zip(slopes, self.room, strict=True)]
        allowed = Fraction(-level * self.unit, self.point[-1] * largest)
        if self.p == np.inf:
            steps = (self.radius if w is None else min(self.radius, w) for w in room)
            return sum(map(mul, sizes, steps), Fraction(0)) < allowed
        if self.p == 1:
            total, left = Fraction(0), self.radius
            for a, w in sorted(zip(sizes, room, strict=True), key=lambda pair: -pair[0]):
                step = left if w is None else min(left, w)
                total, left = total + a * step, left - step
            return total < allowed
        # v·δ ≤ v·δ − (|δ|² − r²)/(2t) in the ball, for any t > 0; its maximum over the box is taken termwise
        t = self._length(sizes, room)
        total = self.radius * self.radius / (2 * t)
        for a, w in zip(sizes, room, strict=True):
            step = t * a if w is None else min(t * a, w)
            total += a * step - step * step / (2 * t)
        return total < allowed

    def _length(self, sizes: list[Fraction], room: list[Fraction | None]) -> Fraction:
        """The t for which min(t·v, room) is about r long; a good choice, not part of the proof."""
        v = np.array([float(a) for a in sizes])
        ends = np.array([np.inf if w is None else float(w) for w in room])
        floor = np.log(float(self.radius) / np.linalg.norm(v))
        ceiling = floor + 40
        for _ in range(BISECTIONS):
            middle = (floor + ceiling) / 2
            if np.linalg.norm(np.minimum(np.exp(middle) * v, ends)) < float(self.radius):
                floor = middle
            else:
                ceiling = middle
        return Fraction(float(np.exp(floor)))


@dataclass(frozen=True, eq=False)
class _Claim:
    """That Σ λ_t h_t < 0 on the ball, by the numbers of rows h_t: those of the gaps, then those of the margins."""

    places: list[int]
    weights: list[float]


class _Proof:
    """What has to be shown of one cell. Rows are its gaps g_e and, behind them, the margins F_c − F_k."""

    def __init__(self, forms: PatternForms, ball: ExactBall, cell: CellForms, label: int) -> None:
        self.forms, self.ball, self.cell, self.label = forms, ball, cell, label
        margins = forms.margins(cell, label)
        self.rivals = [k for k, _ in margins]
        self.rows = [*cell.gaps, *(row for _, row in margins)]
        self.units = [*forms.denominators, *[forms.output_denominator] * len(margins)]

    def run(self, evidence: dict[str, Any], cells: dict[Pattern, Any]) -> None:
        """Raise `Fault` where the evidence does not show it."""
        rivals, flips = ({_index(key, None): rest for key, *rest in evidence[name]} for name in ("rivals", "flips"))
        count = len(self.cell.gaps)
        claims = [self._claim(count + i, rivals.get(k)) for i, k in enumerate(self.rivals)]
        others = []
        for e, row in enumerate(self.cell.gaps):
            if any(row):
                other = self.forms.flipped(self.cell.canonical, e)
                if other not in cells:
                    claims.append(self._claim(e, flips.get(e)))
                    others.append((e, other))
        shown = self._below_zero(claims)
        for k, proved in zip(self.rivals, shown, strict=False):
            if not proved:
                raise Fault(f"the evidence against class {k} does not reach the radius")
        for (e, other), proved in zip(others, shown[len(self.rivals) :], strict=True):
            if not proved and self.forms.of(other).canonical not in cells:
                raise Fault(f"the cell behind entry {e} is neither listed nor out of reach")

    def _claim(self, row: int, proof: list[Any] | None) -> _Claim:
        """That −row ≥ 0 holds nowhere in the cell and the ball, by the multipliers (its own, those of gaps)."""
        if proof is None:
            return _Claim([row], [-1.0])
        own, others = proof
        places = [row, *(_index(e, len(self.cell.gaps)) for e, _ in others)]
        return _Claim(places, [-_weight(own), *(_weight(weight) for _, weight in others)])

    def _below_zero(self, claims: list[_Claim]) -> list[bool]:
        """Floats with bounds of their errors show most claims, integers the others."""
        table = self.forms.table(self.cell, self.label, self.ball.point)[1]
        weights, sizes = np.zeros((2, len(claims), len(table)))
        for i, claim in enumerate(claims):
            for t, weight in zip(claim.places, claim.weights, strict=True):
                weights[i, t] += weight
                sizes[i, t] += abs(weight)
        with np.errstate(all="ignore"):
            # terms have relative errors up to 4u, sums of n terms n·u; numbers below 2⁻¹⁰²² absolute ones
            terms = len(table) + max((len(claim.places) for claim in claims), default=0) + 8
            errors = terms * 2.0**-52 * (sizes @ np.abs(table)) + 1e-300 * sizes.sum(axis=1)[:, None] + 1e-290
            sure = self.ball.surely_below_zero(weights @ table, errors)
        return [bool(s) or self._exactly_below_zero(claim) for s, claim in zip(sure, claims, strict=True)]

    def _exactly_below_zero(self, claim: _Claim) -> bool:
        weights = [Fraction(w) for w in claim.weights]
        units = [w.denominator * self.units[t] for t, w in zip(claim.places, weights, strict=True)]
        common, total = math.lcm(*units), [flint.fmpz(0)] * len(self.ball.point)
        for t, weight, unit in zip(claim.places, weights, units, strict=True):
            factor = weight.numerator * (common // unit)
            total = [a + factor * b for a, b in zip(total, self.rows[t], strict=True)]
        return self.ball.below_zero(total)
