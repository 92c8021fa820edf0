"""From the cells of the planar subdivision to `Regions`, and on from them where it was stopped."""

from __future__ import annotations

from collections import deque

import numpy as np

from tropix.regions._domain import Domain
from tropix.regions._planar import PlanarCells
from tropix.regions._regions import Regions
from tropix.regions._search import Facets, Search, State
from tropix.regions._tape import Tape


def planar_regions(tape: Tape, domain: Domain, cells: PlanarCells, stopped: str | None, seconds: float) -> Regions:
    """The same cells, with a state to go on from where some are missing."""
    exact_points = dict(cells.exact_points)
    regions = Regions(
        tape,
        domain,
        cells.patterns,
        cells.points,
        exact_points,
        cells.offsets.astype(np.int64),
        cells.ties[:, 0].astype(np.int32),
        cells.ties[:, 1].astype(np.int32),
        cells.neighbours.astype(np.int64),
        cells.exact,
        stopped,
        seconds,
        None,
        None,
        cells.vertices,
    )
    if stopped is not None:
        object.__setattr__(regions, "state", _state(regions))
    return regions


def _state(regions: Regions) -> State:
    """What a search over facets would have: cells with an unknown neighbour have not been looked at."""
    count = len(regions)
    if not count:
        return Search(regions.tape, regions.domain, regions.exact).state  # nothing leads on: begin anew
    open_cells = np.unique(regions.owners[regions.neighbours == -2])
    looked = np.ones(count, dtype=np.bool_)
    looked[open_cells] = False
    order = np.concatenate([np.flatnonzero(looked), open_cells])
    place = np.empty(count, dtype=np.int64)
    place[order] = np.arange(count)
    done = int(looked.sum())
    facets = Facets()
    for number in order[:done].tolist():
        a, b = int(regions.facet_offsets[number]), int(regions.facet_offsets[number + 1])
        facets.counts.append(b - a)
        facets.segments += regions.facet_segments[a:b].tolist()
        facets.entries += regions.facet_entries[a:b].tolist()
        facets.neighbours += [int(place[n]) if n >= 0 else int(n) for n in regions.neighbours[a:b].tolist()]
    keys = [row.tobytes() for row in np.ascontiguousarray(regions.patterns[order])]
    points = regions.points[order]
    nowhere = np.zeros(2)
    return State(
        {key: i for i, key in enumerate(keys)},
        keys,
        deque((point, nowhere) for point in points[done:]),
        [-1] * count,
        list(points[:done]),
        {int(place[number]): point for number, point in regions.exact_points.items()},
        facets,
    )
