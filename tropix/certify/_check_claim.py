"""What every certificate claims, whatever its evidence: the fields fit together, the witness and the ball are right."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import flint
import numpy as np

from tropix.certify._certificate import Certificate, status_of
from tropix.exact import Rationals


class Fault(Exception):
    """Why a certificate is not proved."""


def ball(value: Fraction) -> Any:
    """An enclosure of a rational."""
    return flint.arb(flint.fmpq(value.numerator, value.denominator))


def fraction(value: Any) -> Fraction:
    """The rational that a float is; anything else is refused."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Fault(f"expected a number, found {value!r}")
    return Fraction(value)


def index(value: Any) -> int:
    """A number of a class or a corner; anything that would have to be rounded to one is refused."""
    if type(value) is not int or value < 0:
        raise Fault(f"expected a number of a class or a corner, found {value!r}")
    return value


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
        self.room: list[tuple[Fraction | None, Fraction | None]] | None = None
        if certificate.box is not None:
            self.room = self._room(*certificate.box)

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

    def _room(self, lower: Sequence[float], upper: Sequence[float]) -> list[tuple[Fraction | None, Fraction | None]]:
        """How far each coordinate may fall (≤ 0) and rise, None without limit."""
        point = self.point.fractions().tolist()
        if len(lower) != len(point) or len(upper) != len(point):
            raise Fault("the box does not fit the model")
        if not all(a <= x <= b for a, x, b in zip(lower, self.claim.point, upper, strict=True)):
            raise Fault("the point lies outside the box")
        return [
            (None if a == -np.inf else Fraction(a) - x, None if b == np.inf else Fraction(b) - x)
            for a, x, b in zip(lower, point, upper, strict=True)
        ]

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

    def reach(self, slope: list[int], denominator: int) -> Any:
        """An upper bound of max v·δ over the ball in the box, v = slope/denominator."""
        radius, p = Fraction(self.claim.radius), self.claim.norm.p
        if self.claim.norm.scale is not None or self.room is not None:
            return self._reach_in_box([Fraction(v, denominator) for v in slope])
        if p == 2:
            square = Fraction(sum(v * v for v in slope), denominator * denominator)
            return ball(radius) * ball(square).sqrt()
        length = sum(abs(v) for v in slope) if p == np.inf else max(abs(v) for v in slope)
        return ball(radius * Fraction(length, denominator))

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
            return ball(sum((a * w for a, w in zip(sizes, steps, strict=True)), Fraction(0)))
        if p == 1:
            total, left = Fraction(0), radius
            for a, w in sorted(zip(sizes, room, strict=True), key=lambda pair: -pair[0]):
                step = left if w is None else min(left, w)
                total, left = total + a * step, left - step
            return ball(total)
        whole = ball(radius) * ball(sum((a * a for a in sizes), Fraction(0))).sqrt()
        if self.room is None or not any(sizes) or all(w is None for w in room):
            return whole
        # v·δ ≤ v·δ − (|δ|² − r²)/(2t) in the ball, for any t > 0; its maximum over the box is taken termwise
        t = self._length(sizes, room, radius)
        total = radius * radius / (2 * t)
        for a, w in zip(sizes, room, strict=True):
            step = t * a if w is None else min(t * a, w)
            total += a * step - step * step / (2 * t)
        bound = ball(total)
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
