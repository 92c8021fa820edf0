"""The residual of the Hopf–Cole solution from its definition, in power series over ball arithmetic."""

from __future__ import annotations

import math
from typing import Any

import flint
import numpy as np

from tropix.arrays import FloatArray
from tropix.errors import InvalidInput

MOST_DIGITS = 10_000


def residual_bounds(
    points: FloatArray, sites: FloatArray, costs: FloatArray, eps: float, t: float, digits: int
) -> FloatArray:
    """See `HopfCole.residual_enclosure`."""
    if not len(costs):
        raise InvalidInput("without present sites u is +inf: there is no residual")
    if not 1 <= digits <= MOST_DIGITS:
        raise InvalidInput(f"{digits} digits: expected 1 to {MOST_DIGITS}")
    before = flint.ctx.dps
    flint.ctx.dps = digits
    try:
        return np.array([_bound(x, sites, costs, eps, t) for x in points.tolist()])
    finally:
        flint.ctx.dps = before


def _bound(x: list[float], sites: FloatArray, costs: FloatArray, eps: float, t: float) -> float:
    residual = _expand(x, sites, costs, eps, t, None)[1]
    for k in range(len(x)):
        series = _expand(x, sites, costs, eps, t, k)
        residual += series[1] ** 2 - 2 * flint.arb(eps) * series[2]
    bound = float(residual.abs_upper())
    return bound if bound >= 0.0 else math.inf  # what overflowed is not bounded


def _expand(x: list[float], sites: FloatArray, costs: FloatArray, eps: float, t: float, axis: int | None) -> Any:
    """Taylor coefficients of u up to order 2 along coordinate ``axis``, or along time for None."""
    series = flint.arb_series
    order = 3
    step = series([0, 1], prec=order)
    time = series([flint.arb(t)], prec=order) + (step if axis is None else 0)
    place = [series([flint.arb(c)], prec=order) + (step if k == axis else 0) for k, c in enumerate(x)]
    terms = []
    for site, cost in zip(sites.tolist(), costs.tolist(), strict=True):
        squares = sum(((p - flint.arb(y)) ** 2 for p, y in zip(place, site, strict=True)), series([0], prec=order))
        terms.append((squares / (4 * time) + flint.arb(cost)) / flint.arb(eps))
    least = min(terms, key=lambda term: float(term[0].mid()))[0].mid()
    total = sum(((least - term).exp() for term in terms), series([0], prec=order))
    kernel = (4 * flint.arb.pi() * flint.arb(eps) * time).log()
    return -flint.arb(eps) * (total.log() - least) + flint.arb(eps) * len(x) / 2 * kernel
