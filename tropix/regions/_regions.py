"""The linear regions of a function: cells, their adjacency, and the counts by each definition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from tropix.arrays import FloatArray, IntArray
from tropix.errors import InvalidInput
from tropix.exact import Rationals
from tropix.regions._cell import Cell
from tropix.regions._domain import Domain
from tropix.regions._inscribed import inscribed_radii
from tropix.regions._maps import map_labels
from tropix.regions._search import WALL, State
from tropix.regions._tape import Tape

if TYPE_CHECKING:
    import networkx


@dataclass(frozen=True, eq=False)
class Regions:
    """The activation cells of a piecewise-linear function on a domain, with their facets.

    - An *activation cell* is a full-dimensional cell of the subdivision of the domain by all maxima of the function:
      on it each maximum is attained by one entry (of entries that are equal on the cell, the first counts).
    - An *affine region* is a union of cells, connected through facets, on which the function is one affine map.
    - An *affine map* may occur in several affine regions.

    So ``n_affine_maps ≤ n_affine_regions ≤ n_cells``. ``patterns`` (C, S) hold the winning entry of each segment,
    ``points`` (C, d) a point strictly inside (rational ones that are no floats are in ``exact_points``). Facets of cell
    i are ``facet_offsets[i]:facet_offsets[i+1]``: ``facet_segments`` names a segment whose tie makes the facet, −1 for
    a wall of the domain, ``facet_entries`` the entry that wins behind it, or the wall; ``neighbours`` the cell there,
    −1 behind walls and −2 where the search has not been. For a polynomial
    ``kept`` are its irredundant monomials, which the patterns number. In the plane ``corners`` (F, 2) may hold where
    each facet begins, counterclockwise. If ``exact``, all of it is proved, up to `complete`.
    """

    tape: Tape
    domain: Domain
    patterns: Any
    points: FloatArray
    exact_points: dict[int, Rationals]
    facet_offsets: IntArray
    facet_segments: IntArray
    facet_entries: IntArray
    neighbours: IntArray
    exact: bool
    stopped: str | None
    seconds: float
    state: State | None = None
    kept: IntArray | None = None
    corners: FloatArray | None = None

    @property
    def complete(self) -> bool:
        """Whether every facet has been looked behind, so that these are all cells; else `stopped` says why not."""
        return self.stopped is None

    @property
    def n_cells(self) -> int:
        """Number of activation cells found."""
        return len(self.points)

    def __len__(self) -> int:
        return self.n_cells

    def __getitem__(self, number: int) -> Cell:
        if not -len(self) <= number < len(self):
            raise IndexError(f"cell {number} of {len(self)}")
        number %= len(self)
        point = self.exact_points.get(number)
        a, b = self.facet_offsets[number], self.facet_offsets[number + 1]
        return Cell(
            self.tape,
            self.domain,
            self.patterns[number].astype(np.int64),
            Rationals.of(self.points[number]) if point is None else point,
            number,
            tuple(self.neighbours[a:b].tolist()),
            tuple(zip(self.facet_segments[a:b].tolist(), self.facet_entries[a:b].tolist(), strict=True)),
        )

    def __iter__(self) -> Iterator[Cell]:
        return (self[number] for number in range(len(self)))

    @cached_property
    def map_labels(self) -> IntArray:
        """For each cell (C,) the number of its affine map; equal exactly where the maps are."""
        if self.kept is not None:
            return np.arange(self.n_cells)
        return map_labels(self.tape, self.patterns)

    @property
    def n_affine_maps(self) -> int:
        """Number of distinct affine maps on the cells found."""
        return int(self.map_labels.max(initial=-1)) + 1

    @cached_property
    def region_labels(self) -> IntArray:
        """For each cell (C,) the number of its affine region."""
        import scipy.sparse as sp
        from scipy.sparse.csgraph import connected_components

        if self.kept is not None:
            return self.map_labels  # the cells of a polynomial are convex, and their maps differ
        left, right = self.adjacency
        same = self.map_labels[left] == self.map_labels[right]
        size = self.n_cells
        graph = sp.csr_array((np.ones(int(same.sum()), dtype=np.int8), (left[same], right[same])), shape=(size, size))
        return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)

    @property
    def n_affine_regions(self) -> int:
        """Number of affine regions: unions of cells, connected through facets, with one affine map."""
        return int(self.region_labels.max(initial=-1)) + 1

    @cached_property
    def owners(self) -> IntArray:
        """For each facet the cell it belongs to."""
        return np.repeat(np.arange(self.n_cells), np.diff(self.facet_offsets))

    @cached_property
    def adjacency(self) -> tuple[IntArray, IntArray]:
        """Pairs (i, j), i < j, of cells that share a facet."""
        inner = self.neighbours > self.owners
        return self.owners[inner], self.neighbours[inner]

    @cached_property
    def graph(self) -> networkx.Graph[int]:
        """Cells as nodes, with their ``point``, affine ``map`` and ``region``; an edge a shared facet.

        Edges carry the ``segment`` that ties there, and its ``depth``.
        """
        import networkx as nx

        graph: networkx.Graph[int] = nx.Graph()
        labels, regions = self.map_labels.tolist(), self.region_labels.tolist()
        for i, (point, label, region) in enumerate(zip(self.points, labels, regions, strict=True)):
            graph.add_node(i, point=point, map=label, region=region)
        inner = self.neighbours > self.owners
        segments = self.facet_segments[inner]
        ends = zip(self.owners[inner].tolist(), self.neighbours[inner].tolist(), strict=True)
        for (i, j), segment in zip(ends, segments.tolist(), strict=True):
            graph.add_edge(i, j, segment=segment, depth=int(self.tape.depth[segment]))
        return graph

    @cached_property
    def cells_by_depth(self) -> dict[int, int]:
        """For each depth, from 1, the number of cells into which the maxima up to that depth cut the cells found."""
        counts = {}
        for depth in sorted(set(self.tape.depth.tolist()) - {0}):
            part = np.ascontiguousarray(self.patterns[:, self.tape.depth <= depth])
            counts[depth] = len(np.unique(part.view(np.dtype((np.void, part.shape[1] * part.itemsize)))))
        return counts

    @cached_property
    def facets_by_depth(self) -> dict[int, int]:
        """How many facets between two cells come from maxima of each depth, from 1."""
        inner = (self.neighbours > self.owners) & (self.facet_segments >= 0)
        depths, counts = np.unique(self.tape.depth[self.facet_segments[inner]], return_counts=True)
        return dict(zip(depths.tolist(), counts.tolist(), strict=True))

    @cached_property
    def facet_rows(self) -> FloatArray:
        """The rows (a, b), |a| = 1, of the inequalities a·x + b ≤ 0 of all facets (F, d+1), in floating point."""
        from tropix.kernels import facet_rows

        walls = self.domain.walls.floats()
        names = self.facet_segments.astype(np.int64), self.facet_entries.astype(np.int64)
        return facet_rows(tuple(self.tape.flat), walls, self.patterns, self.facet_offsets, *names)

    @cached_property
    def inradii(self) -> FloatArray:
        """The radius (C,) of a largest ball in each cell, ∞ where balls of every size fit; measured."""
        return inscribed_radii(self.facet_rows, self.facet_offsets, self.points)

    @cached_property
    def degrees(self) -> IntArray:
        """Number of neighbours (C,) of each cell."""
        inner = self.neighbours != WALL
        return np.bincount(self.owners[inner], minlength=self.n_cells).astype(np.int64)

    def to_json(self, cells: bool = True) -> str:
        """Counts, domain, and with ``cells`` every cell with its map, facets and neighbours, as JSON text."""
        from tropix.regions._files import to_json

        return to_json(self, cells)

    def to_csv(self) -> str:
        """A row a cell: number, affine map, affine region, number of neighbours, inner point, pattern, as CSV text."""
        from tropix.regions._files import to_csv

        return to_csv(self)

    def to_npz(self) -> bytes:
        """An NPZ archive that `load` reads back; a search that was stopped goes on from it."""
        from tropix.regions._files import to_npz

        return to_npz(self)

    def locate(self, point: FloatArray) -> int | None:
        """The cell that contains a point (d,); the first one where several meet, None where none was found."""
        from tropix.regions._describe import pattern_at

        row = np.asarray(point, dtype=np.float64)
        if row.shape != (self.tape.inputs,):
            raise InvalidInput(f"point of shape {row.shape}: expected ({self.tape.inputs},)")
        pattern = pattern_at(self.tape, self.domain, Rationals.of(row))
        if pattern is None:
            return None
        return self._numbers.get(pattern.astype(self.patterns.dtype).tobytes())

    @cached_property
    def _numbers(self) -> dict[bytes, int]:
        return {row.tobytes(): i for i, row in enumerate(np.ascontiguousarray(self.patterns))}
