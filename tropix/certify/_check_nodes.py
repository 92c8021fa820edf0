"""Bounds of nonlinear nodes and planes that lie below and above them, in Arb balls, with slopes from evidence.

Planes below ⊕_ε: π·y + ε H(π). Above, α·y + c with c an upper bound of ⊕_ε(y) − α·y: at a corner where ε = 0 or
segments are narrow; else by ε log Σ ≤ ε (log T + Σ/T − 1) with the chords of the exponentials, or max + ε log N.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise, product
from typing import Any

import flint
import numpy as np

from tropix.arrays import ObjectArray
from tropix.certify._check_balls import ONE, ZERO, Ball, array, balls, ends, gibbs, largest, log_sum_exp, span, zeros
from tropix.certify._check_curves import excess_ends
from tropix.certify._check_fields import Fault, fraction, index
from tropix.circuits import Gibbs, LogSumExp, Pointwise, Product

UNIT, MOST = 1 << 20, 1 << 40
CORNER_WIDTH = 4
SIDES = ("below", "above")
Pair = tuple[ObjectArray, ObjectArray]
"""Lower and upper ends of the entries of a node."""
Tie = tuple[int, int, Fraction]
"""Entries a and b and a level t with v_a − v_b ≥ t."""


@dataclass(frozen=True, eq=False)
class Plane:
    """Planes of a node: from each source, which output reads which entry with which slopes; constants (K,)."""

    taps: list[tuple[int, Any, Any, ObjectArray, ObjectArray]]
    below: ObjectArray
    above: ObjectArray


@dataclass(frozen=True, eq=False)
class Gaps:
    """The entries of segments compared to the pivots ``at`` (E,): ends of differences, and which may be largest.

    ``alive`` is None where the differences contradict each other.
    """

    at: Any
    below: ObjectArray
    above: ObjectArray
    alive: list[list[int]] | None


# -- products and curves ----------------------------------------------------------------------------------------------


def product_plane(node: Product, given: dict[str, Any] | None, left: Pair, right: Pair) -> tuple[Pair, Plane]:
    """Bounds of a product and planes: xy − kx − ly is extreme at a corner."""
    corners = [(x, y) for x in left for y in right]
    found = span([x * y for x, y in corners])
    if given is None:
        return found, Plane([], *found)
    everyone, slopes = np.arange(node.size), []
    for side in SIDES:
        if len(given[side]) != node.size or any(len(pair) != 2 for pair in given[side]):
            raise Fault("slopes at a product are two numbers for each output")
        slopes.append([balls([fraction(pair[n]) for pair in given[side]]) for n in (0, 1)])
    rests = [span([x * y - k * x - m * y for x, y in corners]) for k, m in slopes]
    taps = [(source, everyone, everyone, slopes[0][n], slopes[1][n]) for n, source in enumerate(node.sources)]
    return found, Plane(taps, rests[0][0], rests[1][1])


def curve_plane(node: Pointwise, given: dict[str, Any] | None, inner: Pair) -> tuple[Pair, Plane]:
    """Bounds of a function of one variable and lines."""
    found = ends([excess_ends(node.function, x, y, ZERO) for x, y in zip(*inner, strict=True)])
    if given is None:
        return found, Plane([], *found)
    everyone, slopes = np.arange(node.size), [_slopes(given[side], node.size) for side in SIDES]
    rests = [
        ends([excess_ends(node.function, x, y, k) for x, y, k in zip(*inner, side, strict=True)]) for side in slopes
    ]
    return found, Plane([(node.source, everyone, everyone, slopes[0], slopes[1])], rests[0][0], rests[1][1])


def _slopes(values: Sequence[Any], size: int) -> ObjectArray:
    if len(values) != size:
        raise Fault("slopes at a node are one number for each output")
    return balls([fraction(v) for v in values])


# -- segments ---------------------------------------------------------------------------------------------------------


def pivots_of(node: LogSumExp | Gibbs, given: dict[str, Any] | None) -> Any:
    """The entry of each segment (K,) that others are compared to, by default the last."""
    starts, widths = node.segments[:-1], node.widths
    if given is None or "pivot" not in given:
        return node.segments[1:] - 1
    if len(given["pivot"]) != len(starts):
        raise Fault("pivots are one entry for each segment")
    return starts + np.array([index(v, int(w)) for v, w in zip(given["pivot"], widths, strict=True)], dtype=np.int64)


def dominated(ties: Iterable[Tie]) -> set[int]:
    """Entries that need not be looked at for a maximum: each lies below one that is left, by a chain of ties.

    Of entries that are tied in a circle, and are thus equal, one is left.
    """
    above: dict[int, int] = {}
    for first, second, level in ties:
        top = first
        while top in above:
            top = above[top]
        if level >= 0 and second not in above and top != second:
            above[second] = first
    return set(above)


def clipped(at: Any, ties: Iterable[Tie], below: ObjectArray, above: ObjectArray) -> Pair:
    """Decided ties with the pivot of a segment are bounds of a difference."""
    below, above = below.copy(), above.copy()
    below[np.unique(at)] = above[np.unique(at)] = ZERO
    for first, second, level in ties:
        limit = balls([level])[0]
        if at[first] == second:
            below[first] = below[first].max(limit)
        if at[second] == first:
            above[second] = above[second].min(-limit)
    return below, above


def undecided(node: LogSumExp | Gibbs, at: Any, gone: set[int], below: ObjectArray, above: ObjectArray) -> list[int]:
    """The entries whose differences to their pivots leave anything open."""
    leads = np.repeat([largest(below[a:b].tolist()) for a, b in pairwise(node.segments.tolist())], node.widths)
    entries = [j for j in range(len(at)) if j != at[j]]
    if node.eps > 0:
        return entries
    wide = np.repeat(node.widths, node.widths)
    entries = [j for j in entries if not (j in gone or above[j] < leads[j])]
    return [j for j in entries if not (wide[j] == 2 and below[j] >= 0)]


def living(node: LogSumExp | Gibbs, gone: set[int], below: ObjectArray, above: ObjectArray) -> list[list[int]] | None:
    """By segment the entries that may be largest; None if the differences contradict each other."""
    found = []
    for a, b in pairwise(node.segments.tolist()):
        alive = list(range(a, b))
        if any(below[j] > above[j] for j in alive):
            return None
        if node.eps == 0:
            alive = [j for j in alive if j not in gone]
            lead = largest([below[j] for j in alive])
            alive = [j for j in alive if not above[j] < lead]
            if not alive:
                return None
        found.append(alive)
    return found


def maximum_plane(node: LogSumExp, given: dict[str, Any] | None, inner: Pair, gaps: Gaps) -> tuple[Pair, Plane]:
    """Bounds of ⊕_ε of segments and planes."""
    (low, high), heat, found = inner, flint.arb(node.eps), []
    assert gaps.alive is not None
    parts = [(range(a, b), alive) for (a, b), alive in zip(pairwise(node.segments.tolist()), gaps.alive, strict=True)]
    for everyone, alive in parts:
        p = int(gaps.at[everyone[0]])
        # entries that cannot be largest count below: the largest exceeds them
        rise = [log_sum_exp([s[j] for j in part], heat) for s, part in ((gaps.below, everyone), (gaps.above, alive))]
        whole = [log_sum_exp([s[j] for j in part], heat) for s, part in ((low, everyone), (high, alive))]
        found.append((whole[0].max(low[p] + rise[0]), whole[1].min(high[p] + rise[1])))
    bounds = ends(found)
    if given is None:
        return bounds, Plane([], *bounds)
    owner = np.repeat(np.arange(node.size), node.widths)
    lower, upper = weights(node, given["below"], signed=False), weights(node, given["above"], signed=True)
    tops = array([_ceiling(gaps, upper, alive, everyone, heat) for everyone, alive in parts])
    tap = (node.source, owner, np.arange(len(owner)), lower, upper)
    return bounds, Plane([tap], entropies(node, lower[None])[0], tops)


def _ceiling(gaps: Gaps, slopes: ObjectArray, alive: list[int], entries: range, heat: Ball) -> Ball:
    """The smallest constant known with which the plane of some slopes lies above ⊕_ε of the entries that are alive."""
    low, high, pivot = gaps.below, gaps.above, int(gaps.at[entries[0]])
    others = [j for j in entries if j != pivot]
    rests = {j: largest((-slopes[j] * low[j], -slopes[j] * high[j])) for j in others}
    found = []
    for i in alive:
        rise = ZERO if i == pivot else largest(((1 - slopes[i]) * low[i], (1 - slopes[i]) * high[i]))
        found.append(sum((rests[j] for j in others if j != i), rise))
    best = largest(found)
    if heat == 0 or len(alive) == 1:
        return best
    best = best + heat * flint.arb(len(alive)).log()
    if len(others) < CORNER_WIDTH:
        corners = []
        for choice in product((low, high), repeat=len(others)):
            point = {j: side[j] for j, side in zip(others, choice, strict=True)}
            value = log_sum_exp([ZERO, *point.values()], heat)
            corners.append(value - sum((slopes[j] * d for j, d in point.items()), ZERO))
        return best.min(largest(corners))
    chords = {j: ((low[j] / heat).exp(), (high[j] / heat).exp()) for j in others}
    level = (ONE + sum(((a + b) / 2 for a, b in chords.values()), ZERO)).mid()  # any T > 0 proves something
    rest = heat * (level.log() - 1 + 1 / level)
    for j, (a, b) in chords.items():
        rest += largest((heat * a / level - slopes[j] * low[j], heat * b / level - slopes[j] * high[j]))
    return best.min(rest)


def weights(node: LogSumExp, given: Sequence[Any], *, signed: bool) -> ObjectArray:
    """Slopes of all entries, those of a segment with sum 1, from numerators of all but its last."""
    numbers = list(given)
    if len(numbers) != node.segments[-1] - node.size or any(type(v) is not int or abs(v) > MOST for v in numbers):
        raise Fault("slopes at a node are integers, one for each entry but the last of a segment")
    found: list[Ball] = []
    place = 0
    for width in node.widths.tolist():
        part = numbers[place : place + width - 1]
        place += width - 1
        part.append(UNIT - sum(part))
        if not signed and min(part) < 0:
            raise Fault("weights of a plane below must be nonnegative with sum 1")
        found.extend(flint.arb(v) / UNIT for v in part)
    return array(found)


def entropies(node: LogSumExp, shares: ObjectArray) -> ObjectArray:
    """ε H(π) by segment, (R, K)."""
    if node.eps == 0:
        return zeros(len(shares), node.size)
    return np.add.reduceat(_ENTROPY(shares) * flint.arb(node.eps), node.segments[:-1], axis=1)


def gibbs_plane(node: Gibbs, given: dict[str, Any] | None, gaps: Gaps) -> tuple[Pair, Plane]:
    """Bounds of Gibbs weights, and of pairs planes: logistic functions of their difference."""
    below, above, heat, found = gaps.below, gaps.above, flint.arb(node.eps), []
    for a, b in pairwise(node.segments.tolist()):
        for j in range(a, b):
            worst = [above[k] if k != j else below[k] for k in range(a, b)]
            best = [below[k] if k != j else above[k] for k in range(a, b)]
            found.append((gibbs(worst, j - a, heat), gibbs(best, j - a, heat)))
    bounds = ends(found)
    if given is None or node.eps == 0:
        return bounds, Plane([], *bounds)
    everyone, partner, first = np.arange(node.size), np.arange(node.size), node.segments[:-1][node.widths == 2]
    pairs = np.repeat(node.widths == 2, node.widths)
    partner[first], partner[first + 1] = first + 1, first
    slopes = [np.where(pairs, _slopes(given[side], node.size), ZERO) for side in SIDES]
    rests = [end.copy() for end in bounds]
    for j in np.flatnonzero(pairs).tolist():
        gap = below[j] - above[partner[j]], above[j] - below[partner[j]]
        for k, side in enumerate(slopes):
            rests[k][j] = excess_ends(heat, *gap, side[j])[k]
    own = (node.source, everyone, everyone, slopes[0], slopes[1])
    return bounds, Plane([own, (node.source, everyone, partner, -slopes[0], -slopes[1])], rests[0], rests[1])


_ENTROPY = np.frompyfunc(lambda p: -p * p.log() if p > 0 else ZERO, 1, 1)
