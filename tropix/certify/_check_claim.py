"""What every certificate claims, whatever its evidence: the fields fit together, the witness and the ball are right."""

from __future__ import annotations

from abc import ABC, abstractmethod
from fractions import Fraction
from functools import cached_property
from typing import Any

import flint
import numpy as np

from tropix.certify._certificate import Certificate, status_of
from tropix.certify._check_balls import ball
from tropix.certify._check_fields import Fault, fraction
from tropix.certify._check_reach import Reach, room_of
from tropix.exact import Rationals


class Claim(ABC):
    """A certificate of a model with d inputs and some classes. Evidence of one kind is one subclass."""

    def __init__(self, certificate: Certificate, dimension: int, classes: int) -> None:
        self.claim, self.classes = certificate, classes
        if len(certificate.point) != dimension or not 0 <= certificate.label < classes:
            raise Fault("point or label do not fit the model")
        self.point = Rationals.of(np.array(certificate.point))
        scale = certificate.norm.scale
        self.scales = [Fraction(s) for s in ((1.0,) * dimension if scale is None else scale)]
        if len(self.scales) != dimension:
            raise Fault("the norm does not fit the model")
        self.room = None if certificate.box is None else room_of(certificate.box, self.point.fractions().tolist())

    @abstractmethod
    def margins(self, point: Rationals) -> tuple[list[Any], Any]:
        """F_c − F_k for all rivals at a point, rationals or balls, and the size of the numbers they come from."""

    @abstractmethod
    def check_radius(self) -> None:
        """Raise `Fault` unless the evidence proves the radius, which is > 0."""

    def run(self) -> None:
        """Raise `Fault` unless everything that is claimed holds."""
        claim = self.claim
        for value in (claim.margin, claim.radius, claim.upper, claim.seconds):
            if not value == value:
                raise Fault("a number is missing")
        if not 0 <= claim.radius < np.inf or not claim.upper >= claim.radius:
            raise Fault("radius and upper bound contradict each other")
        if claim.asked is not None and not 0 < claim.asked < np.inf:
            # every radius is at least 0, and no witness is at most infinitely far: neither says anything
            raise Fault(f"the radius asked about is {claim.asked!r}: it must be > 0 and finite")
        self._check_margin()
        if claim.status != (status := status_of(claim.radius, claim.upper, claim.asked)):
            raise Fault(f"the status does not follow from radius and upper bound: it is {status}")
        if claim.upper < np.inf:
            self._check_witness()
        if claim.radius > 0:
            self.check_radius()

    def _check_margin(self) -> None:
        margins, size = self.margins(self.point)
        slack = flint.arb((1 + size) / 10**9)
        stated = ball(fraction(self.claim.margin))
        found = [flint.arb(m) for m in margins]
        if not (all(stated < m + slack for m in found) and any(stated > m - slack for m in found)):
            raise Fault("the margin is another one")

    def _check_witness(self) -> None:
        values = self.claim.evidence["witness"]
        witness = Rationals.of(np.array([float(fraction(v)) for v in values]))
        if witness.shape != self.point.shape:
            raise Fault("the witness does not fit the model")
        if self.claim.box is not None:
            ends = zip(self.claim.box[0], values, self.claim.box[1], strict=True)
            if not all(low <= value <= high for low, value, high in ends):
                raise Fault("the witness lies outside the box")
        shift = witness - self.point
        if self.claim.norm.scale is not None:
            shift = shift * Rationals.of(np.array([1 / scale for scale in self.scales], dtype=object))
        sizes = [abs(n) for n in shift.numerators.tolist()]
        upper, p = Fraction(self.claim.upper) * shift.denominator, self.claim.norm.p
        length = sum(a * a for a in sizes) if p == 2 else sum(sizes) if p == 1 else max(sizes)
        if length > (upper * upper if p == 2 else upper):
            raise Fault("the witness is farther away than the upper bound")
        if not self.refutes(witness):
            raise Fault("the witness has the same label")

    def refutes(self, point: Rationals) -> bool:
        """Whether the label is not above all others at a point, beyond doubt."""
        return any(m <= 0 for m in self.margins(point)[0])

    @cached_property
    def reach(self) -> Reach:
        """The ball in the box."""
        return Reach(fraction(self.claim.radius), self.claim.norm.p, self.scales, self.room)
