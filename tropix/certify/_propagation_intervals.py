"""Interval bounds of nodes over a batch of boxes, rounded outwards."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from tropix.arrays import FloatArray
from tropix.certify._planes import Layout
from tropix.certify._planes_nodes import Differences, Ends
from tropix.circuits import Affine, Gibbs, Input, Interval, LogSumExp, Matrix, Node, Pointwise, Product, affine_interval

UNIT = 2.0**-53
SMALL_PRODUCT = 1 << 18
"""Multiply-adds of a dense product that BLAS does on one thread."""
LEAST = 2.0**-460
"""Nonzero factors of error bounds are at least this, so that no product of two is lost by underflow."""


def node_ends(
    node: Node, found: list[Ends], lower: FloatArray, upper: FloatArray, layout: Layout | None, gaps: Differences | None
) -> Ends:
    """Bounds (B, size) of a node's values from those of its sources; ``gaps`` bound differences within segments."""
    if isinstance(node, Input):
        return Ends(lower, upper)
    if isinstance(node, LogSumExp):
        assert layout is not None
        assert gaps is not None
        return _log_sum_exp(node, layout, found[node.source], gaps)
    if isinstance(node, Gibbs):
        assert layout is not None
        assert gaps is not None
        return _gibbs(node, layout, gaps)
    if isinstance(node, Product):
        return _product(found[node.left], found[node.right])
    assert isinstance(node, Pointwise)
    return _pointwise(node, found[node.source])


def affine_ends(node: Affine, absolute: list[Matrix], found: list[Ends]) -> tuple[Ends, FloatArray]:
    """Bounds of Σ A v + b, and of Σ |A||v| + |b|; ``absolute`` holds the |A|."""
    batch = len(found[0].lower)
    lower = np.broadcast_to(node.bias, (batch, node.size))
    upper = lower
    size = np.abs(lower)
    for term, matrix in zip(node.terms, absolute, strict=True):
        low, high, weight = _term(term.matrix, matrix, found[term.source])
        lower, upper, size = lower + low, upper + high, size + weight
    widest = max((term.matrix.shape[1] for term in node.terms), default=0)
    slack = 4 * (widest + len(node.terms) + 4) * UNIT * size
    with np.errstate(invalid="ignore"):
        return _ends(lower - slack, upper + slack), size


def _term(matrix: Matrix, absolute: Matrix, inner: Ends) -> tuple[FloatArray, FloatArray, FloatArray]:
    if not (np.isfinite(inner.lower).all() and np.isfinite(inner.upper).all()):
        rows = [affine_interval(matrix, Interval(a, b)) for a, b in zip(inner.lower, inner.upper, strict=True)]
        ends = np.array([row.lower for row in rows]), np.array([row.upper for row in rows])
        return (*ends, np.where(np.isfinite(ends[0]) & np.isfinite(ends[1]), np.abs(ends[0]) + np.abs(ends[1]), 0.0))
    middle, radius = 0.5 * (inner.lower + inner.upper), 0.5 * (inner.upper - inner.lower)
    centre = times(middle[:, None], matrix.T)[:, 0]
    both = times(np.stack([radius, felt(inner.size)], axis=1), absolute.T)
    return centre - both[:, 0], centre + both[:, 0], both[:, 1]


def _log_sum_exp(node: LogSumExp, layout: Layout, inner: Ends, gaps: Differences) -> Ends:
    from tropix.kernels import segment_log_sum_exp

    def joined(values: FloatArray) -> FloatArray:
        return segment_log_sum_exp(np.ascontiguousarray(values.T), node.segments, node.eps).T

    with np.errstate(invalid="ignore"):
        lower, upper = joined(inner.lower), joined(inner.upper)
        at_pivot = [
            np.take_along_axis(layout.table(end, -np.inf), gaps.pivot[..., None], axis=2)[..., 0]
            for end in (inner.lower, inner.upper)
        ]
        rise = [np.maximum.reduce(end, axis=2) for end in (gaps.lower, gaps.upper)]
        count = np.log(layout.widths) * node.eps
        lower, upper = np.fmax(lower, at_pivot[0] + rise[0]), np.fmin(upper, at_pivot[1] + rise[1] + count)
        if node.eps == 0.0:
            size = np.abs(lower) + np.abs(upper) + np.abs(at_pivot[0]) + np.abs(at_pivot[1])
        else:
            size = np.maximum.reduceat(inner.size, node.segments[:-1], axis=1) + np.abs(rise[0]) + np.abs(rise[1])
            size = size + node.eps * (layout.widths + 32)
        slack = np.where(np.isfinite(size), 32 * UNIT * size, 0.0)
        return _ends(lower - slack, upper + slack)


def _gibbs(node: Gibbs, layout: Layout, gaps: Differences) -> Ends:
    """π_i = 1/(1 + Σ_{j≠i} e^{(y_j − y_i)/ε}), with y_j − y_i from the differences to the pivot."""
    present = np.broadcast_to(layout.present, gaps.lower.shape)
    width = present.shape[2]
    lower, upper = np.zeros_like(gaps.lower), np.ones_like(gaps.lower)
    for i in range(width):
        others = np.arange(width) != i
        if node.eps == 0.0:
            with np.errstate(invalid="ignore"):
                first = (gaps.lower[..., i] > gaps.upper[..., others].max(axis=2, initial=-np.inf)) | ~others.any()
                behind = gaps.upper[..., i] < gaps.lower[..., others].max(axis=2, initial=-np.inf)
            lower[..., i] = first
            upper[..., i] = ~behind
            continue
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            for mine, theirs, out in ((gaps.lower, gaps.upper, lower), (gaps.upper, gaps.lower, upper)):
                steps = (theirs[..., others] - mine[..., i, None]) / node.eps
                slack = 8 * UNIT * (np.abs(theirs[..., others]) + np.abs(mine[..., i, None])) / node.eps
                steps = np.where(present[..., others], steps + (slack if out is lower else -slack), -np.inf)
                rest = np.exp(steps).sum(axis=2)
                share = 1.0 / (1.0 + rest)
                room = (width + 32) * 2 * UNIT * share + 1e-300
                out[..., i] = share - room if out is lower else share + room
    lower = np.where(np.isnan(lower), 0.0, np.clip(lower, 0.0, 1.0))
    upper = np.where(np.isnan(upper), 1.0, np.clip(upper, 0.0, 1.0))
    alone = (layout.widths == 1)[:, None]
    return Ends(layout.flat(np.where(alone, 1.0, lower)), layout.flat(np.where(alone, 1.0, upper)))


def _product(left: Ends, right: Ends) -> Ends:
    from tropix.circuits._intervals import _product as one

    found = one(Interval(left.lower, left.upper), Interval(right.lower, right.upper))
    return Ends(found.lower, found.upper)


def _pointwise(node: Pointwise, inner: Ends) -> Ends:
    from tropix.circuits._intervals import _pointwise as one

    shape = inner.lower.shape
    found = one(
        Pointwise(node.source, node.function, inner.lower.size), Interval(inner.lower.ravel(), inner.upper.ravel())
    )
    return Ends(found.lower.reshape(shape), found.upper.reshape(shape))


def _ends(lower: FloatArray, upper: FloatArray) -> Ends:
    return Ends(np.where(np.isnan(lower), -np.inf, lower), np.where(np.isnan(upper), np.inf, upper))


def felt(sizes: FloatArray) -> FloatArray:
    """Sizes ≥ 0 with those between 0 and `LEAST` raised to it."""
    small = (sizes > 0.0) & (sizes < LEAST)
    return np.where(small, LEAST, sizes) if small.any() else sizes


def magnitudes(matrix: Matrix) -> Matrix:
    """Bounds of the absolute values of a matrix, none of them between 0 and `LEAST`."""
    if isinstance(matrix, np.ndarray):
        return felt(np.abs(matrix))
    found = sp.csr_array(abs(matrix))
    found.data = felt(found.data)
    return found


def times(rows: FloatArray, matrix: Matrix) -> FloatArray:
    """Rows (B, R, n) times a matrix (n, m)."""
    if isinstance(matrix, np.ndarray) and rows.shape[1] * matrix.size <= SMALL_PRODUCT:
        return np.asarray(rows @ matrix)  # box by box: BLAS starts no threads, which cost more than such products
    flat = rows.reshape(-1, rows.shape[2])
    product = flat @ matrix if isinstance(matrix, np.ndarray) else (sp.csr_array(matrix.T) @ flat.T).T
    return np.ascontiguousarray(product).reshape(*rows.shape[:2], matrix.shape[1])
