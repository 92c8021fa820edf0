"""Better slopes of the planes below ⊕_ε, and multipliers of halfspaces, for given rows (after α,β-CROWN, 2021).

The lower bound of a row is concave in neither, but its gradient is cheap: with λ_k the coefficient of output k and
v the values of the substituted planes at the corner of the box where the bound is attained, the derivative by π_i is
λ_k⁺ (v_i − ε log π_i − ε), and by the multiplier of v_i ≥ v_j it is v_j − v_i. Weights move by multiplicative steps,
which keep them in the simplex. Any slopes give a sound bound, so the best of all steps is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from tropix.arrays import FloatArray
from tropix.certify._planes import Layout, entropy_constant, on_grid, tangent_weights
from tropix.certify._planes_nodes import Differences, Planes, Tap
from tropix.certify._propagation import Propagation
from tropix.certify._propagation_backward import Bounded, Forms, Halfspaces
from tropix.circuits import Affine, LogSumExp

SMOOTHING = 0.1
STEP, DECAY = 2.0, 0.88
MULTIPLIER_STEP = 0.4
FLOOR = 1e-6
"""First step of log weights and its decay, first step of multipliers, least weight."""


@dataclass(eq=False)
class Optimised:
    """The best bound (B, R) found for each row, its forms, and where to branch.

    ``loose`` (B, K) by node: by how much its planes miss the maximum at the corner where the bound of the best row is
    attained, times the row; ``values``: of its source there, (B, size). ``weights`` (B, R, M) by node: of the planes
    below that gave the bound, where they differ from the state's; ``multipliers`` by node: (H, R) of the halfspaces.
    """

    bound: FloatArray
    forms: Forms
    loose: dict[int, FloatArray]
    values: dict[int, FloatArray]
    weights: dict[int, FloatArray] = field(default_factory=dict)
    multipliers: dict[int, FloatArray] = field(default_factory=dict)


def optimised(
    propagation: Propagation,
    state: Bounded,
    gaps: Mapping[int, Differences],
    rows: Mapping[int, FloatArray],
    cuts: Mapping[int, Halfspaces],
    steps: int,
) -> Optimised:
    """Lower bounds of Σ rows[i]·(values of node i) with slopes and multipliers improved in ``steps`` steps."""
    batch, count = len(state.lower), max(row.shape[1] for row in rows.values())
    nodes = [i for i in state.planes if isinstance(propagation.circuit.nodes[i], LogSumExp)]
    logs = {i: _start(propagation, i, gaps[i], count) for i in nodes} if steps else {}
    multipliers = {i: np.zeros((len(cut.box), count)) for i, cut in cuts.items()}
    planes: Mapping[int, Planes] = state.planes
    tried = {i: _weights_of(propagation, state, i, count) for i in nodes} if steps else {}
    best: Optimised | None = None
    for step in range(steps + 1):
        record: dict[int, FloatArray] = {}
        held = {i: (cuts[i], multipliers[i]) for i in cuts}
        forms = propagation.forms(state, rows, planes, held, record)
        bound, corner = state.least(forms), state.lowest(forms)
        values = planes_at(propagation, planes, record, corner)
        improved = bound > (best.bound if best is not None else -np.inf)
        if best is None:
            first = np.argmax(bound, axis=1)
            best = Optimised(bound, forms, {}, {})
            best.loose, best.values = looseness(propagation, gaps, record, values, first)
            best.weights, best.multipliers = dict(tried), dict(multipliers)
        elif improved.any():
            pick = improved[..., None]
            best.bound = np.where(improved, bound, best.bound)
            best.forms = Forms(
                np.where(pick, forms.slopes, best.forms.slopes),
                np.where(improved, forms.constant, best.forms.constant),
                np.where(improved, forms.error, best.forms.error),
            )
            best.weights = {i: np.where(pick, tried[i], best.weights[i]) for i in tried}
            best.multipliers = {
                i: np.where(improved[cuts[i].box], multipliers[i], best.multipliers[i]) for i in multipliers
            }
        if step == steps:
            if steps:
                best.loose, best.values = looseness(propagation, gaps, record, values, best.bound.argmax(axis=1))
            break
        size = DECAY**step
        for i, cut in cuts.items():
            source = propagation.circuit.nodes[i].sources[0]
            slack = values[source][cut.box, :, cut.winner] - values[source][cut.box, :, cut.loser]
            if cut.level is not None:
                slack = slack - cut.level[:, None]
            scale = np.abs(record[i]).mean(axis=2) if i in record else np.ones((batch, count))
            scale = np.broadcast_to(scale, (batch, count))[cut.box] + 1e-12
            multipliers[i] = np.maximum(multipliers[i] - size * MULTIPLIER_STEP * scale * np.sign(slack), 0.0)
        planes = dict(state.planes)
        for i in nodes:
            logs[i] = _moved(propagation, i, logs[i], values, size)
            layout = propagation.layouts[i]
            tried[i] = layout.flat(on_grid(layout.table(np.exp(logs[i]), 0.0), propagation.grid))
            planes[i] = _with_weights(propagation, state, i, tried[i])
    assert best is not None
    return best


def _weights_of(propagation: Propagation, state: Bounded, i: int, count: int) -> FloatArray:
    """The weights (B, R, M) of the state's own planes below."""
    own = state.whole[i].taps[0].lower
    return np.broadcast_to(own, (len(own), count, own.shape[2]))


def _start(propagation: Propagation, i: int, gaps: Differences, count: int) -> FloatArray:
    """Logarithms (B, R, M) of the first weights: smoothed Gibbs weights of the middle, −∞ where an entry is out."""
    layout = propagation.layouts[i]
    alive = layout.flat(gaps.upper > -np.inf)
    share = alive / np.maximum(np.add.reduceat(alive.astype(float), layout.segments[:-1], axis=1), 1.0)[:, layout.owner]
    finite = np.isfinite(gaps.lower) & np.isfinite(gaps.upper)
    middle = 0.5 * (np.where(finite, gaps.lower, 0.0) + np.where(finite, gaps.upper, 0.0))
    middle = np.where(gaps.upper > -np.inf, middle, -np.inf)
    own = layout.flat(tangent_weights(middle, propagation.circuit.nodes[i].eps))  # type: ignore[union-attr]
    with np.errstate(divide="ignore"):
        logs = np.log((1.0 - SMOOTHING) * own + SMOOTHING * share)
    return np.repeat(logs[:, None], count, axis=1)


def _moved(
    propagation: Propagation, i: int, logs: FloatArray, values: Mapping[int, FloatArray], size: float
) -> FloatArray:
    node, layout = propagation.circuit.nodes[i], propagation.layouts[i]
    assert isinstance(node, LogSumExp)
    alive = logs > -np.inf
    with np.errstate(invalid="ignore"):
        pull = np.where(alive, values[node.source] - node.eps * logs, np.nan)
    high = np.fmax.reduceat(pull, layout.segments[:-1], axis=2)[..., layout.owner]
    low = np.fmin.reduceat(pull, layout.segments[:-1], axis=2)[..., layout.owner]
    with np.errstate(invalid="ignore", divide="ignore"):
        change = np.where(high > low, (pull - high) / (high - low), 0.0)
    if node.eps > 0.0:  # the whole step to the tangent at the corner's values is e^{v/ε}
        change = np.maximum((high - low) / node.eps, 1e-300) * change * min(1.0, 0.5 * size)
    else:
        change = STEP * size * change
    moved = np.where(alive, logs + change, -np.inf)
    top = np.maximum.reduceat(moved, layout.segments[:-1], axis=2)[..., layout.owner]
    moved = np.where(alive, np.maximum(moved - top, np.log(FLOOR)), -np.inf)
    total = np.add.reduceat(np.exp(moved), layout.segments[:-1], axis=2)[..., layout.owner]
    return np.asarray(moved - np.log(total))


def _with_weights(propagation: Propagation, state: Bounded, i: int, weights: FloatArray) -> Planes:
    """The planes of a node with other weights (B, R, M) below."""
    node, layout = propagation.circuit.nodes[i], propagation.layouts[i]
    assert isinstance(node, LogSumExp)
    whole = state.whole[i]
    tap = whole.taps[0]
    below = _entropy(layout, weights, node.eps)
    below = np.where(np.isfinite(whole.lower), below, -np.inf)
    inner = state.ends[node.source].size
    size = whole.size + np.add.reduceat(inner, layout.segments[:-1], axis=1)
    changed = replace(whole, taps=(Tap(tap.source, tap.owner, None, weights, tap.upper),), lower=below, size=size)
    return propagation.folded(changed)


def _entropy(layout: Layout, weights: FloatArray, eps: float) -> FloatArray:
    if eps == 0.0:
        return np.zeros((*weights.shape[:2], len(layout.widths)))
    return entropy_constant(layout.table(weights, 0.0), eps)


def planes_at(
    propagation: Propagation, planes: Mapping[int, Planes], rows: Mapping[int, FloatArray], points: FloatArray
) -> dict[int, FloatArray]:
    """The values (B, R, size) of every node where each nonlinear one is replaced by the plane its row chose.

    points (B, R, d); rows[i] (1 or B, R, K) as recorded by `Substitution.forms`: the plane below where λ ≥ 0.
    """
    values: dict[int, FloatArray] = {0: points}
    shape = points.shape[:2]
    for i in propagation.needed[1:]:
        node = propagation.circuit.nodes[i]
        if isinstance(node, Affine):
            total = np.broadcast_to(node.bias, (*shape, node.size))
            for term in node.terms:
                flat = values[term.source].reshape(-1, term.matrix.shape[1])
                total = total + np.asarray((term.matrix @ flat.T).T).reshape(*shape, node.size)
            values[i] = np.asarray(total)
            continue
        plane, row = planes[i], rows.get(i)
        below = np.ones((1, 1, node.size), dtype=bool) if row is None else row >= 0
        constants = np.where(below, plane.lower, plane.upper)
        total = np.broadcast_to(np.where(np.isfinite(constants), constants, 0.0), (*shape, node.size)).copy()
        for tap in plane.taps:
            live = propagation.live.get(tap.source)
            entries = values[tap.source] if live is None else values[tap.source][..., live]
            entries = entries if tap.columns is None else entries[..., tap.columns]
            products = np.where(below[..., tap.owner], tap.lower, tap.upper) * entries
            if len(tap.owner) == node.size and bool((tap.owner == np.arange(node.size)).all()):
                total += products
            else:
                np.add.at(total, (slice(None), slice(None), tap.owner), products)  # type: ignore[arg-type]
        values[i] = total
    return values


def looseness(
    propagation: Propagation,
    gaps: Mapping[int, Differences],
    rows: Mapping[int, FloatArray],
    values: Mapping[int, FloatArray],
    best: np.ndarray,
) -> tuple[dict[int, FloatArray], dict[int, FloatArray]]:
    """For the row ``best`` (B,) of each box: |λ|·|maximum − plane| (B, K) of each maximum, and its source's values."""
    at = np.arange(len(best))
    loose: dict[int, FloatArray] = {}
    inner: dict[int, FloatArray] = {}
    for i, bounds in gaps.items():
        node, layout = propagation.circuit.nodes[i], propagation.layouts[i]
        if not isinstance(node, LogSumExp) or node.eps > 0.0 or i not in rows:
            continue
        alive = bounds.upper > -np.inf
        source = np.where(layout.flat(alive), values[node.source][at, best], -np.inf)
        true = np.maximum.reduceat(source, node.segments[:-1], axis=1)
        row = np.broadcast_to(rows[i], (len(best), *rows[i].shape[1:]))[at, best]
        loose[i] = np.where(alive.sum(axis=2) > 1, np.abs(row * (true - values[i][at, best])), 0.0)
        inner[i] = source
    return loose, inner
