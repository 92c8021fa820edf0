"""What every certificate claims, whatever its evidence: the fields fit together, the witness and the ball are right."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property
from typing import Any

import flint
import numpy as np

from tropix.arrays import FloatArray
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
            return self._reach_in_box(slope, denominator)
        if p == 2:
            square = Fraction(sum(v * v for v in slope), denominator * denominator)
            return ball(radius) * ball(square).sqrt()
        length = sum(abs(v) for v in slope) if p == np.inf else max(abs(v) for v in slope)
        return ball(radius * Fraction(length, denominator))

    def _reach_in_box(self, slope: list[int], denominator: int) -> Any:
        """The same with scales or a box. What is chosen in floats is a good choice, and no part of the proof."""
        radius, p = Fraction(self.claim.radius), self.claim.norm.p
        ends, scale = self._ends
        caps = [up if v > 0 else down for v, (down, up) in zip(slope, ends, strict=True)]
        if p == np.inf:
            return ball(Fraction(sum(abs(v) * cap for v, cap in zip(slope, caps, strict=True)), denominator * scale))
        units, unit = self._units
        scaled = [abs(v) * s for v, s in zip(slope, units, strict=True)]  # over denominator·unit
        if p == 1:
            # Σ |v_i||δ_i| ≤ t r + Σ (|v_i| − t/s_i)⁺ |δ_i|, for every t ≥ 0
            t = self._price(scaled, caps, denominator * unit)
            total = ball(t * radius)
            for a, s, cap in zip(scaled, self.scales, caps, strict=True):
                rest = Fraction(a, denominator * unit) - t
                if rest > 0 and cap:
                    total += ball(rest * Fraction(cap, scale) / s)
            return total
        square = sum(a * a for a in scaled)
        whole = ball(radius) * ball(Fraction(square, (denominator * unit) ** 2)).sqrt()
        if self.room is None or not square:
            return whole
        # v·δ ≤ v·δ − (‖δ/s‖² − r²)/(2t) for any t > 0; its maximum over the box is taken termwise, over ℝ where that
        # is nearly the same
        t, held = self._stretch(scaled, caps, denominator * unit)
        free = sum(a * a for a, h in zip(scaled, held, strict=True) if not h)
        fixed = sum(abs(v) * cap for v, cap, h in zip(slope, caps, held, strict=True) if h)
        lengths = [Fraction(cap, scale) / s for cap, s, h in zip(caps, self.scales, held, strict=True) if h]
        taken = sum((w * w for w in lengths), Fraction(0))
        bound = ball((radius * radius - taken) / (2 * t) + t / 2 * Fraction(free, (denominator * unit) ** 2))
        bound += ball(Fraction(fixed, denominator * scale))
        return bound if bound < whole else whole

    @cached_property
    def _ends(self) -> tuple[list[tuple[int, int]], int]:
        """How far each coordinate may fall and rise in the ball and the box, ≥ 0, over a common denominator."""
        radius = Fraction(self.claim.radius)
        steps = [(radius * s, radius * s) for s in self.scales]
        if self.room is not None:
            steps = [
                (w if a is None else min(w, -a), w if b is None else min(w, b))
                for (w, _), (a, b) in zip(steps, self.room, strict=True)
            ]
        common = math.lcm(*(end.denominator for pair in steps for end in pair))
        return [(int(a * common), int(b * common)) for a, b in steps], common

    @cached_property
    def _units(self) -> tuple[list[int], int]:
        """The scales over a common denominator."""
        common = math.lcm(*(s.denominator for s in self.scales))
        return [int(s * common) for s in self.scales], common

    def _floats(self, scaled: list[int], caps: list[int], power: int) -> tuple[FloatArray, FloatArray]:
        """The slopes and the room of δ/s."""
        ends = [Fraction(cap, self._ends[1]) / s for cap, s in zip(caps, self.scales, strict=True)]
        return np.array([a / power for a in scaled]), np.array([float(w) for w in ends])

    def _price(self, scaled: list[int], caps: list[int], power: int) -> Fraction:
        """The slope at which the steepest coordinates have used up the radius."""
        v, room = self._floats(scaled, caps, power)
        order = np.argsort(-v, kind="stable")
        used = np.cumsum(room[order])
        place = int(np.searchsorted(used, self.claim.radius))
        return Fraction(scaled[order[place]], power) if place < len(v) else Fraction(0)

    def _stretch(self, scaled: list[int], caps: list[int], power: int) -> tuple[Fraction, list[bool]]:
        """The t for which min(t·v, room) is about r long, and which coordinates certainly exceed their room."""
        v, room = self._floats(scaled, caps, power)
        radius, held, t = float(self.claim.radius), np.zeros(len(v), dtype=np.bool_), 0.0
        for _ in range(len(v) + 1):
            left, steep = radius**2 - float((room[held] ** 2).sum()), float(np.linalg.norm(v[~held]))
            if not (left > 0 and steep > 0):
                t = max(t, 1e15 * radius / float(np.linalg.norm(v)))
                break
            t = math.sqrt(left) / steep
            found = t * v >= room
            if (found == held).all():
                break
            held = found
        return Fraction(t), (t * v > room * (1 + 1e-9) + 1e-300).tolist()
