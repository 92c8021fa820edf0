"""Evidence by slopes: every derivative of a model on a ball, enclosed anew in Arb balls.

By the mean value theorem, F(x+δ) − F(x) = g·δ for some g in the convex hull of the derivatives on the segment (Lebourg
1975, where F has kinks). So F_c − F_k stays positive in the ball of radius r where r·L < (F_c − F_k)(x), with L an
upper bound of ‖s·g‖_q: that of the componentwise largest |g|, or by the triangle inequality through the steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import flint
import numpy as np

from tropix.certify._certificate import Certificate
from tropix.certify._check_balls import Ball, ball, largest, least, mean
from tropix.certify._check_claim import Claim
from tropix.certify._check_derivatives import jacobian
from tropix.certify._check_enclosure import Enclosure, Region
from tropix.certify._check_fields import Fault
from tropix.certify._steps import Join, Reading, Steps
from tropix.exact import Rationals


def difference_rows(steps: Steps, label: int) -> tuple[Reading, list[int]]:
    """The functions F_c − F_k for all rivals k."""
    output = steps.output
    key = "differences", label
    rivals = [k for k in range(output.size) if k != label]
    if key not in output.held:
        terms = {base: rows[label][None, :] - rows[rivals] for base, rows in output.terms.items()}
        constant = output.constant[label : label + 1] - output.constant[rivals]
        output.held[key] = Reading(terms, constant)
    found: Reading = output.held[key]
    return found, rivals


def steepness(enclosure: Enclosure, label: int) -> list[Any | None]:
    """Upper bounds of the Lipschitz constants of F_c − F_k on the region; None without one."""
    rows, rivals = difference_rows(enclosure.steps, label)
    region, ends, norms = enclosure.region, jacobian(enclosure, rows), enclosure.slope(rows)
    width, found = enclosure.steps.dimension, []
    sizes = None
    if ends is not None:
        sizes = [(-a).max(b) for a, b in zip(ends[0].entries(), ends[1].entries(), strict=True)]
    for i, k in enumerate(rivals):
        known = [] if sizes is None else [region.norm(sizes[i * width : (i + 1) * width])]
        known += [] if norms is None else [norms[i]]
        known += pairwise(enclosure, label, k)
        known = [bound for bound in known if bound.is_finite()]
        found.append(least(known) if known else None)
    return found


def pairwise(enclosure: Enclosure, label: int, rival: int) -> list[Any]:
    """Σ π_i ρ_j ‖w_i − u_j‖ bounds the slope of the difference of two classes that are one ⊕_ε each."""
    steps, region = enclosure.steps, enclosure.region
    one, other = steps.steps.get(label + 1), steps.steps.get(rival + 1)
    if not (steps.heads and isinstance(one, Join) and isinstance(other, Join)):
        return []
    key = "pairs", rival, region.key, flint.ctx.prec
    if key not in one.reading.held:
        rows = Rationals.concatenate(
            [other.reading.terms[0] - one.reading.terms[0][i] for i in range(one.reading.size)]
        )
        apart = Reading({0: rows}, Rationals.of(np.zeros(len(rows))))
        one.reading.held[key] = region.norms(apart)
    norms, count = one.reading.held[key], other.reading.size
    own, theirs = enclosure.shares[label + 1], enclosure.shares[rival + 1]
    inner = [mean(norms[i * count : (i + 1) * count], *theirs) for i in range(one.reading.size)]
    return [mean(inner, *own)]


def proves(margins: Sequence[Ball], bounds: Sequence[Ball | None], radius: Fraction) -> bool:
    """Whether r·L is below every margin."""
    pairs = zip(margins, bounds, strict=True)
    return all(bound is not None and bool(margin - ball(radius) * bound > 0) for margin, bound in pairs)


class SlopesClaim(Claim):
    """A certificate whose evidence is where to enclose the slopes: in the ball, or everywhere."""

    def __init__(self, certificate: Certificate, steps: Steps) -> None:
        super().__init__(certificate, steps.dimension, steps.output.size)
        self.steps = steps

    def region(self, point: Rationals, radius: Fraction | None) -> Region:
        """A ball in the norm and box of the claim."""
        return Region(point, radius, self.claim.norm.p, self.scales, self.room if radius else None)

    def margins(self, point: Rationals) -> tuple[list[Any], Any]:
        """Differences of the outputs; the largest output is the size."""
        here = Enclosure(self.steps, self.region(point, Fraction(0)))
        values, apart = here.read(self.steps.output), here.read(difference_rows(self.steps, self.claim.label)[0])
        if values is None or apart is None:
            raise Fault("the model has no value at the point")
        return [a.union(b) for a, b in zip(*apart, strict=True)], largest([abs(v) for v in values[0]])

    @property
    def everywhere(self) -> bool:
        """Where the slopes are to be enclosed: on all of ℝ^d, not in the ball alone."""
        where = self.claim.evidence["region"]
        if where not in ("everywhere", "ball"):
            raise Fault(f"region {where!r}: expected ball or everywhere")
        return bool(where == "everywhere")

    def check_radius(self) -> None:
        """r·L < margin for each rival."""
        radius = Fraction(self.claim.radius)
        enclosure = Enclosure(self.steps, self.region(self.point, None if self.everywhere else radius))
        if not proves(self.margins(self.point)[0], steepness(enclosure, self.claim.label), radius):
            raise Fault("the slopes do not prove the radius")
