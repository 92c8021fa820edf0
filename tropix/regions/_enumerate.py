"""Enumeration of linear regions."""

from __future__ import annotations

from concurrent.futures import Executor

import numpy as np

from tropix.arrays import IntArray
from tropix.boxes import Box, BoxLike
from tropix.deadline import Deadline
from tropix.errors import InvalidInput, Unsupported
from tropix.polynomials import Pruning, TropicalPolynomial
from tropix.regions._domain import Domain
from tropix.regions._planar import planar_cells
from tropix.regions._planar_program import moderate
from tropix.regions._plane import planar_regions
from tropix.regions._regions import Regions
from tropix.regions._search import Progress, Search, State
from tropix.regions._tape import Function, Tape


def enumerate(
    function: Function,
    box: BoxLike | None = None,
    *,
    exact: bool = True,
    time_limit: float | None = None,
    max_cells: int | None = None,
    progress: Progress | None = None,
    executor: Executor | None = None,
    adjacency: bool = True,
    resume: Regions | None = None,
) -> Regions:
    """All linear regions of a piecewise-linear function on a box or polyhedron, or on all of ℝ^d.

    ``function`` is a circuit (its limit ε → 0 is taken), a tropical polynomial, rational function or map. Cells are
    found from one another through their facets. With ``exact`` every decision is proved: in floating point with bounds
    of its errors, or in rational arithmetic where rounding or ties leave it open; without, what is nearly certain
    passes for certain. ``progress(done, met)`` is called now and then. The work is spread over ``executor`` (by default
    threads: the kernel releases the GIL). After ``time_limit`` seconds, ``max_cells`` cells or an interrupt the result
    is partial: `Regions.complete` is false, and ``resume`` continues from it, on its domain and in its mode.

    A polynomial is pruned first: its cells are those of its irredundant monomials, `Regions.kept`. Without
    ``adjacency`` that is all that is done: facets and neighbours stay unknown (polynomials only).

    Functions of two inputs on bounded domains go another way, by subdivision of a polygon (one thread, unless an
    executor is given).

    Raises `Unsupported` for functions that are not piecewise linear, `InvalidInput` for domains without interior,
    and for regions to resume of another function or domain.
    Source: the facet search of Avis and Fukuda, *Reverse search for enumeration* (1996), with a table of cells.

    >>> from tropix import TropicalPolynomial
    >>> regions = enumerate(TropicalPolynomial([[0, 0], [1, 0], [0, 1]], [0, 0, 0]))
    >>> regions.n_cells, regions.complete
    (3, True)
    """
    deadline = Deadline(time_limit)
    if max_cells is not None and max_cells < 1:
        raise InvalidInput(f"max_cells = {max_cells}: expected a positive number")
    if resume is not None:
        _check_same(function, box, resume)
        if resume.state is None:
            return resume
        search = Search(resume.tape, resume.domain, resume.exact, resume.state.copy())
        stopped = search.run(deadline, max_cells, progress, executor)
        return result_of(search, stopped, resume.seconds + deadline.elapsed, resume.kept)
    kept = None
    if isinstance(function, TropicalPolynomial):
        domain = _domain(box, function.dimension)
        pruning = function.pruning(domain.box)
        function, kept = pruning.polynomial, pruning.kept
        if not adjacency:
            return _cells_alone(pruning, domain, deadline)
    elif not adjacency:
        raise Unsupported("cells without their facets are found for polynomials only")
    tape = Tape.of(function)
    domain = _domain(box, tape.inputs)
    flat = tape.inputs == 2 and kept is None and executor is None
    if flat and domain.box is not None and domain.box.bounded and moderate(tape, domain.box):
        return _in_the_plane(tape, domain, exact, deadline, max_cells, progress)
    search = Search(tape, domain, exact)
    stopped = search.run(deadline, max_cells, progress, executor)
    return result_of(search, stopped, deadline.elapsed, kept)


def _check_same(function: Function, box: BoxLike | None, resume: Regions) -> None:
    """Raise `InvalidInput` if regions are of another function, or on another domain than one that is given."""
    tape = Tape.of_kept(function, resume.kept)
    if tape is None or tape.digest != resume.tape.digest:
        raise InvalidInput("the regions to resume are those of another function")
    if box is not None:
        given, walls = _domain(box, tape.inputs).walls, resume.domain.walls
        if given.shape != walls.shape or not given.equals(walls):
            raise InvalidInput("the regions to resume are those of another domain: leave the box out, or give the same")


def _domain(box: BoxLike | None, dimension: int) -> Domain:
    return Domain.of(None if box is None else Box.of(box, dimension), dimension)


def _in_the_plane(
    tape: Tape, domain: Domain, exact: bool, deadline: Deadline, limit: int | None, progress: Progress | None
) -> Regions:
    """By subdivision of the domain's polygon, layer by layer."""
    assert domain.box is not None
    cells = planar_cells(tape, domain.box, exact=exact, deadline=deadline, progress=progress, limit=limit)
    stopped = None
    if not cells.complete:
        stopped = "interrupted"
        if deadline.passed:
            stopped = f"the time limit of {deadline.seconds:g} s was reached"
        elif limit is not None and len(cells) >= limit:
            stopped = f"the limit of {limit} cells was reached"
    return planar_regions(tape, domain, cells, stopped, deadline.elapsed)


def _cells_alone(pruning: Pruning, domain: Domain, deadline: Deadline) -> Regions:
    """The cells of a polynomial from the proof that its monomials are needed."""
    count = len(pruning.kept)
    points = pruning.witnesses.floats()
    exact_points = {
        i: pruning.witnesses[i] for i in np.flatnonzero(~pruning.witnesses.float_mask().all(axis=1)).tolist()
    }
    nothing = np.zeros(0, dtype=np.int64)
    return Regions(
        Tape.of(pruning.polynomial),
        domain,
        np.arange(count, dtype=np.uint16)[:, None],
        points,
        exact_points,
        np.zeros(count + 1, dtype=np.int64),
        nothing,
        nothing,
        nothing,
        True,
        None,
        deadline.elapsed,
        None,
        pruning.kept,
    )


def result_of(search: Search, stopped: str | None, seconds: float, kept: IntArray | None = None) -> Regions:
    """The cells of a search that have been looked at, numbered anew without void ones."""
    state: State = search.state
    count = len(state.points)
    keep = np.ones(count, dtype=np.bool_)
    keep[[number for number in state.void if number < count]] = False
    place = np.full(len(state.keys) + 1, -2, dtype=np.int64)
    place[:count][keep] = np.arange(int(keep.sum()))
    place[-1] = -1  # walls have the number −1
    counts = np.array(state.facets.counts, dtype=np.int64)
    columns = [
        np.array(column, dtype=np.int64)
        for column in (state.facets.segments, state.facets.entries, state.facets.neighbours)
    ]
    if state.replaced:
        parts = [np.split(column, np.cumsum(counts)[:-1]) for column in columns]
        for number, facets in state.replaced.items():
            counts[number] = facets.counts[0]
            for part, new in zip(parts, (facets.segments, facets.entries, facets.neighbours), strict=True):
                part[number] = np.array(new, dtype=np.int64)
        columns = [np.concatenate(part) for part in parts]
    segments, entries, neighbours = columns
    points = np.array(state.points).reshape(count, search.tape.inputs)
    return Regions(
        search.tape,
        search.domain,
        search.patterns(state.keys[:count])[keep],
        points[keep],
        {int(place[number]): point for number, point in state.exact_points.items() if number < count and keep[number]},
        np.concatenate([[0], np.cumsum(counts[keep])]).astype(np.int64),
        segments.astype(np.int32),
        entries.astype(np.int32),
        place[neighbours],
        search.exact,
        stopped,
        seconds,
        state if stopped is not None else None,
        kept,
    )
