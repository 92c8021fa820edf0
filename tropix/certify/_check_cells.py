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
from tropix.certify._check_fields import Fault, by_index, fraction, index, multiplier
from tropix.certify._check_reach import Reach, room_of
from tropix.certify._norms import Norm
from tropix.circuits import Circuit
from tropix.exact import Rationals


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
    here = Rationals.of(np.array([float(fraction(v)) for v in point]))
    scales = norm.scales(len(here))
    if len(here) != forms.inputs or len(scales) != forms.inputs or not 0 <= label < forms.classes:
        raise Fault("point, norm or label do not fit the model")
    room = None if box is None else room_of((box.lower.tolist(), box.upper.tolist()), here.fractions().tolist())
    _run(forms, here, Reach(fraction(radius), norm.p, [Fraction(s) for s in scales.tolist()], room), label, evidence)


def _run(forms: PatternForms, point: Rationals, reach: Reach, label: int, evidence: dict[str, Any]) -> None:
    ball = _Ball(point, reach)
    cells = {_pattern(forms, cell): cell for cell in evidence["cells"]}
    if len(cells) < len(evidence["cells"]):
        raise Fault("a cell is listed twice")
    first = forms.of(_pattern(forms, evidence["cells"][0]))
    if any(ball.level(row) < 0 for row in first.gaps):
        raise Fault("the point does not lie in the first cell")
    for pattern, cell in cells.items():
        _Proof(forms, ball, forms.of(pattern), label).run(cell, cells)


class CellsClaim(CircuitClaim):
    """A certificate whose evidence is cells and what is behind their facets."""

    def check_radius(self) -> None:
        """One proof for each cell."""
        _run(forms_of(self.circuit), self.point, self.reach, self.claim.label, self.claim.evidence)


def _pattern(forms: PatternForms, cell: dict[str, Any]) -> Pattern:
    pattern = tuple(index(choice) for choice in cell["pattern"])
    if not forms.fits(pattern):
        raise Fault("a pattern does not fit the model")
    return forms.of(pattern).canonical


class _Ball:
    """The points x + δ of the claim. Rows (d+1) are integers: slopes and a constant."""

    def __init__(self, point: Rationals, reach: Reach) -> None:
        self.point = [*map(int, point.numerators), point.denominator]
        self.reach, self.sizes = reach, np.array([float(s) for s in reach.scales])

    def level(self, row: Sequence[Any]) -> int:
        """A row at x, times the denominator of x."""
        return int(sum(map(mul, row, self.point)))

    def below_zero(self, row: Sequence[Any]) -> bool:
        """Whether a row is below zero on all of the ball in the box."""
        return self.reach.below(flint.fmpq(self.level(row), self.point[-1]), row[:-1], 1)

    def surely_below_zero(self, sums: FloatArray, errors: FloatArray) -> BoolArray:
        """Whether rows (P, d+1), constants taken at x, with bounds of their errors are below zero beyond doubt."""
        unit = 2.0**-52
        slopes = (np.abs(sums) + errors)[:, :-1] * self.sizes
        if self.reach.p == 2:
            reach = np.sqrt((slopes * slopes).sum(axis=1))
        else:
            reach = slopes.max(axis=1) if self.reach.p == 1 else slopes.sum(axis=1)
        reach = reach + 1e-150  # products and squares below 2⁻¹⁰²² are lost, which a large radius would multiply
        high = float(self.reach.radius) * reach * (1 + (len(self.point) + 8) * unit) + 1e-290
        below = -sums[:, -1] * (1 - 4 * unit) - errors[:, -1] * (1 + 4 * unit) > high
        return np.asarray(below & np.isfinite(sums).all(axis=1))  # what overflows has no bound of its errors


@dataclass(frozen=True, eq=False)
class _Claim:
    """That Σ λ_t h_t < 0 on the ball, by the numbers of rows h_t: those of the gaps, then those of the margins."""

    places: list[int]
    weights: list[float]


class _Proof:
    """What has to be shown of one cell. Rows are its gaps g_e and, behind them, the margins F_c − F_k."""

    def __init__(self, forms: PatternForms, ball: _Ball, cell: CellForms, label: int) -> None:
        self.forms, self.ball, self.cell, self.label = forms, ball, cell, label
        margins = forms.margins(cell, label)
        self.rivals = [k for k, _ in margins]
        self.rows = [*cell.gaps, *(row for _, row in margins)]
        self.units = [*forms.denominators, *[forms.output_denominator] * len(margins)]

    def run(self, evidence: dict[str, Any], cells: dict[Pattern, Any]) -> None:
        """Raise `Fault` where the evidence does not show it."""
        rivals = by_index(((key, rest) for key, *rest in evidence["rivals"]), "against class")
        flips = by_index(((key, rest) for key, *rest in evidence["flips"]), "for entry")
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
        places = [row, *(index(e, len(self.cell.gaps)) for e, _ in others)]
        return _Claim(places, [-multiplier(own), *(multiplier(weight) for _, weight in others)])

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
