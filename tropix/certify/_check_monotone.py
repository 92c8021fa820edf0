"""Evidence of monotonicity: derivatives of one output whose signs are certain on a ball, or everywhere."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from tropix.certify._certificate import Certificate
from tropix.certify._check_balls import Ball, largest
from tropix.certify._check_derivatives import jacobian
from tropix.certify._check_enclosure import Enclosure, Region
from tropix.certify._check_fields import Fault
from tropix.certify._check_slopes import SlopesClaim
from tropix.certify._steps import Steps
from tropix.exact import Rationals


def signed(steps: Steps, region: Region, inputs: list[list[int]]) -> list[tuple[Ball, Ball]] | None:
    """Ends of s·∂F/∂x_i on a region for the inputs i with their signs s; None where one is unbounded."""
    found = jacobian(Enclosure(steps, region), steps.output)
    if found is None:
        return None
    low, high = found[0].entries(), found[1].entries()
    return [(low[i], high[i]) if sign > 0 else (-high[i], -low[i]) for i, sign in inputs]


class MonotoneClaim(SlopesClaim):
    """A certificate that an output rises or falls in some inputs; its margin is the least s·∂F/∂x_i at the point."""

    def __init__(self, certificate: Certificate, steps: Steps) -> None:
        super().__init__(certificate, steps)
        assert certificate.property is not None
        self.inputs: list[list[int]] = certificate.property["inputs"]

    def _signed(self, point: Rationals, radius: Fraction | None) -> list[tuple[Ball, Ball]]:
        found = signed(self.steps, self.region(point, radius), self.inputs)
        if found is None:
            raise Fault("a derivative is unbounded")
        return found

    def margins(self, point: Rationals) -> tuple[list[Any], Any]:
        """The least signed derivatives at a point; where the output has a kink, those of either side count."""
        ends = self._signed(point, Fraction(0))
        return [low for low, _ in ends], largest([(-low).max(high) for low, high in ends])

    def refutes(self, point: Rationals) -> bool:
        """Whether a derivative has the wrong sign at a point beyond doubt."""
        return any(high < 0 for _, high in self._signed(point, Fraction(0)))

    def check_radius(self) -> None:
        """No signed derivative is below 0."""
        radius = None if self.everywhere else Fraction(self.claim.radius)
        if not all(low >= 0 for low, _ in self._signed(self.point, radius)):
            raise Fault("the derivatives do not keep their signs")
