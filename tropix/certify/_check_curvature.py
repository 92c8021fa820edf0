"""Evidence by curvature: gradients at the point, and how fast the rival's may turn.

F_c is convex, F_c(x+δ) ≥ F_c(x) + g_c·δ, and the second derivative of F_k along δ is the variance of u_j·δ under the
Gibbs weights over ε_k, at most diam_q(U)²‖δ‖²/(4ε_k) (Popoviciu 1935). So for ‖δ/s‖_p ≤ r

    (F_c − F_k)(x+δ) ≥ (F_c − F_k)(x) − r‖s·(g_c − g_k)‖_q − diam_q(s·U)² r²/(8 ε_k).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import flint

from tropix.certify._check_balls import ZERO, Ball, ball, largest
from tropix.certify._check_fields import Fault
from tropix.certify._check_heads import PiecesClaim
from tropix.certify._pieces import Pieces
from tropix.exact import Rationals


class CurvatureClaim(PiecesClaim):
    """A certificate that needs no evidence beside the model: gradients and diameters are computed anew."""

    def check_radius(self) -> None:
        """The bound is above 0 for each rival."""
        radius = ball(Fraction(self.claim.radius))
        own = self.gradient(self.own, self.point)
        rivals = [f for k, f in enumerate(self.functions) if k != self.claim.label]
        for k, (rival, margin) in enumerate(zip(rivals, self.margins(self.point)[0], strict=True)):
            theirs = self.gradient(rival, self.point)
            fall = radius * self._norm([a - b for a, b in zip(own, theirs, strict=True)])
            if not margin - fall - radius * radius * self._bend(rival) > 0:
                raise Fault(f"slope and curvature do not prove the radius against rival number {k}")

    def gradient(self, function: Pieces, point: Rationals) -> list[Ball]:
        """The gradient; at ε = 0 that of one leading piece."""
        logits = self._logits(function, point)
        top = max(logits)
        if function.eps == 0:
            row = function.weights[logits.index(top)]
            return [ball(w) for w in row.fractions().tolist()]
        eps = flint.fmpq(function.eps.numerator, function.eps.denominator)
        powers = [flint.arb((z - top) / eps).exp() for z in logits]
        shares = flint.arb_mat(1, len(powers), powers)
        weights = function.weights
        found = (shares * flint.arb_mat(weights.to_flint())).entries()
        scale = sum(powers, ZERO) * weights.denominator
        return [v / scale for v in found]

    def _norm(self, values: Sequence[Ball]) -> Ball:
        sizes = [abs(v) * ball(s) for v, s in zip(values, self.scales, strict=True)]
        p = self.claim.norm.p
        if p == 2:
            return sum((a * a for a in sizes), ZERO).sqrt()
        return largest(sizes) if p == 1 else sum(sizes, ZERO)

    def _bend(self, function: Pieces) -> Ball:
        """diam_q(s·U)²/(8 ε)."""
        count, rows = len(function.bias), function.weights
        if count == 1:
            return ZERO
        if function.eps == 0:
            raise Fault("a maximum of several pieces has no bounded curvature")
        numerators = rows.numerators.tolist()
        apart = [
            self._norm([ball(Fraction(a - b, rows.denominator)) for a, b in zip(one, other, strict=True)])
            for i, one in enumerate(numerators)
            for other in numerators[:i]
        ]
        diameter = largest(apart)
        return diameter * diameter / (8 * ball(function.eps))
