"""Proofs that an enumeration is complete, made anew from patterns and weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from tropix.arrays import ObjectArray
from tropix.deadline import Deadline
from tropix.errors import InvalidInput, Unsupported
from tropix.exact import Rationals
from tropix.regions._cell import EXACT_VOLUME
from tropix.regions._exact_cells import ExactCell
from tropix.regions._regions import Regions
from tropix.regions._volume import exact_volume


@dataclass(frozen=True)
class Completeness:
    """Whether the cells of an enumeration are all there are, and how that was seen.

    - ``volumes``: the patterns are distinct, so the cells do not overlap; their exact volumes add up to that of the
      domain.
    - ``facets``: the exact facets of each cell are those stored; behind each of them is the wall of the domain or one
      cell of the enumeration, which has a facet back. Cells that are connected by facets and have no facet left
      without a neighbour fill a convex domain.

    ``holds`` is True (proved), False (disproved, ``reason`` says at which cell) or None (out of time).
    """

    kind: Literal["volumes", "facets"]
    holds: bool | None
    checked: int
    reason: str | None = None

    def __bool__(self) -> bool:
        return self.holds is True


def certify_completeness(
    regions: Regions,
    kind: Literal["volumes", "facets"] | None = None,
    *,
    time_limit: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Completeness:
    """Check anew, in rational arithmetic, that the cells of an enumeration are all the cells of its domain.

    Only the patterns, inner points, facets and neighbours are taken from the enumeration; inequalities, facets and
    volumes are computed again from the weights; only rows that floats with error bounds show to be implied are left
    out. ``kind`` defaults to volumes for boxes of up to four dimensions, and to facets otherwise. Raises `Unsupported`
    for volumes of other domains. Takes a millisecond or more a cell.

    >>> from tropix import TropicalPolynomial
    >>> from tropix import regions
    >>> f = TropicalPolynomial([[0, 0], [1, 0], [0, 1]], [0, 0, 0])
    >>> certify_completeness(regions.enumerate(f, (-1, 1)))
    Completeness(kind='volumes', holds=True, checked=3, reason=None)
    """
    box = regions.domain.box
    measurable = box is not None and box.bounded and regions.tape.inputs <= EXACT_VOLUME
    chosen = kind or ("volumes" if measurable else "facets")
    if chosen not in ("volumes", "facets"):
        raise InvalidInput(f"kind {kind!r}: expected 'volumes' or 'facets'")
    if chosen == "volumes" and not measurable:
        raise Unsupported(f"volumes prove completeness on bounded domains of up to {EXACT_VOLUME} dimensions only")
    if not _fits(regions):
        return Completeness(chosen, False, 0, "the arrays of the enumeration do not fit together")
    if len({row.tobytes() for row in regions.patterns}) < len(regions):
        return Completeness(chosen, False, 0, "two cells have the same pattern")
    deadline = Deadline(time_limit)
    total = Fraction(0)
    for number in range(len(regions)):
        if deadline.passed:
            return Completeness(chosen, None, number, f"the time limit of {deadline.seconds:g} s was reached")
        cell = _cell(regions, number)
        if cell is None:
            return Completeness(chosen, False, number, f"the pattern of cell {number} has no interior")
        if chosen == "volumes":
            total += exact_volume(_negated(cell.rows[list(cell.facets)]))
        else:
            fault = _unmatched(regions, number, cell)
            if fault is not None:
                return Completeness(chosen, False, number, fault)
        if progress is not None:
            progress(number + 1, len(regions))
    if chosen == "volumes":
        assert box is not None
        whole = exact_volume(_negated(regions.domain.walls.numerators))
        if total != whole:
            return Completeness(
                chosen, False, len(regions), f"the volumes add up to {float(total):g} of {float(whole):g}"
            )
    elif not _connected(regions):
        return Completeness(chosen, False, len(regions), "the cells are not connected through facets")
    return Completeness(chosen, True, len(regions))


def _fits(regions: Regions) -> bool:
    """Whether there is one pattern of entries that exist, and one list of facets, for each cell."""
    patterns, offsets = regions.patterns, regions.facet_offsets
    facets = len(regions.neighbours)
    return (
        patterns.dtype.kind in "iu"
        and patterns.shape == (len(regions), regions.tape.segment_count)
        and bool(((patterns >= 0) & (patterns < np.diff(regions.tape.flat.entry))).all())
        and offsets.shape == (len(regions) + 1,)
        and facets == len(regions.facet_segments) == len(regions.facet_entries) == offsets[-1]
        and bool((np.diff(offsets, prepend=0) >= 0).all())
        and bool((regions.neighbours < len(regions)).all())
    )


def _cell(regions: Regions, number: int) -> ExactCell | None:
    point = regions.exact_points.get(number)
    near = Rationals.of(regions.points[number]) if point is None else point
    pattern = regions.patterns[number].astype(np.int64)
    return ExactCell.around(regions.tape, regions.domain, pattern, near, shorten=False)


def _negated(rows: ObjectArray) -> Rationals:
    """Rows (a, b) of a·x + b ≤ 0 as rows of a·x ≤ −b."""
    turned = rows.copy()
    turned[:, -1] = -turned[:, -1]
    return Rationals(turned, 1)


def _unmatched(regions: Regions, number: int, cell: ExactCell) -> str | None:
    """What is wrong with the stored facets of a cell, if anything."""
    a, b = regions.facet_offsets[number], regions.facet_offsets[number + 1]
    stored = zip(regions.facet_segments[a:b].tolist(), regions.facet_entries[a:b].tolist(), strict=True)
    behind = dict(zip(stored, regions.neighbours[a:b].tolist(), strict=True))
    if len(cell.facets) != b - a:
        return f"cell {number} has {len(cell.facets)} facets, of which {b - a} are known"
    for i in cell.facets:
        names = [(-1, wall) for wall in cell.origins.walls(i)] or cell.origins.ties(i)
        found = [behind[name] for name in names if name in behind]
        if len(found) != 1:
            return f"a facet of cell {number} is missing"
        across = cell.behind(i)
        if across is None:
            if found[0] != -1:
                return f"behind a wall at cell {number} there is no cell {found[0]}"
            continue
        if found[0] < 0 or not np.array_equal(regions.patterns[found[0]], across[0]):
            return f"the cell behind a facet of cell {number} is missing"
        c, d = regions.facet_offsets[found[0]], regions.facet_offsets[found[0] + 1]
        if (regions.neighbours[c:d] == number).sum() != 1:
            return f"cell {found[0]} has no facet back to cell {number}"
    return None


def _connected(regions: Regions) -> bool:
    import scipy.sparse as sp
    from scipy.sparse.csgraph import connected_components

    left, right = regions.adjacency
    size = len(regions)
    graph = sp.csr_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(size, size))
    return int(connected_components(graph, directed=False)[0]) == 1
