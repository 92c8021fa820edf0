"""Which cells have an interior? The common refinement of max-affine functions, decided cell by cell.

For functions p_g = max_k (w_gk·x + c_gk) and one row of each, the cell of that choice is where all chosen rows attain
their maxima. Where the rows of each function are distinct on the domain, the choices whose cell has an interior are the
irredundant monomials of the product ⊗_g p_g: their cells cover the domain, and inside a cell its rows are strictly the
largest. One function alone: its irredundant monomials. A cell has an interior exactly if some x makes the chosen rows
strictly the largest; it has none exactly if multipliers λ ≥ 0, Σ λ = 1, make Σ λ_gk (row_gk − chosen_g) nonnegative on
the domain (linear programming duality). Floating point proposes the point or the multipliers; a rigorous error bound
confirms them, or else rational arithmetic decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tropix.arrays import BoolArray, FloatArray, IntArray, ObjectArray
from tropix.boxes import Box
from tropix.errors import InvalidInput
from tropix.exact import Rationals
from tropix.kernels import cell_programs
from tropix.polynomials._dominance import DominanceTest, Domination, box_ends

Progress = Callable[[int, int], None]

UNIT = 2.0**-53
FAR = 1e6
"""Half-width, in scaled coordinates, of the box that keeps the linear programs feasible."""
CHUNK = 4096
WORK = 3e8
"""Choices are decided so many at a time, or as many as take about this many multiply-adds, whichever is less."""
TIE = 1e-11
"""Scaled gaps within this of zero look like ties: multipliers are sought first, and exactly."""
SMALLEST = 1e-290
SUBNORMAL = 2.0**-1074
"""Rational numbers below the smallest normal float are rounded to multiples of this."""
LONG = 900
"""Rows of integers of more bits are scaled before they become floats: their size does not matter."""


@dataclass(frozen=True, eq=False)
class Verdicts:
    """For each of Q choices whether its cell has an ``interior``, and why.

    ``points`` holds, for the cells with an interior in their order, a point of the domain where the chosen rows are
    strictly the largest. ``bases`` (Q, d+1) names for the others the columns that carry the multipliers: rows of all
    functions one after the other, then the finite ends of the box in the order of `box_ends`; −1 where fewer do.
    ``settled`` holds the multipliers of the choices that needed the exact method.
    """

    interior: BoolArray
    points: Rationals
    bases: IntArray
    settled: dict[int, Domination]


@dataclass(frozen=True, eq=False)
class Proposals:
    """What the linear programs suggest: scaled gaps (negative: an interior), points of the domain, and bases."""

    gaps: FloatArray
    points: FloatArray
    bases: IntArray


class Cells:
    """The cells of max-affine functions with distinct rows, on ℝ^d, a box of full dimension or a part of it.

    A choice is a row of G positions in ``rows``, in which the rows of all functions follow one another. Halfspaces
    a·x ≤ r (``walls`` with rows (a, −r)) cut the domain: they make one more function, max(0, a_h·x − r_h), of which 0
    is always chosen. Raises `InvalidInput` if nothing is left of the interior.
    """

    def __init__(self, functions: Sequence[Rationals], box: Box | None, walls: Rationals | None = None) -> None:
        self.own = sum(len(rows) for rows in functions)
        if walls is not None:
            zero = Rationals(np.zeros((1, walls.shape[1]), dtype=object), 1)
            functions = [*functions, Rationals.concatenate([zero, walls])]
        self.walled = walls is not None
        self.offsets = np.cumsum([0, *(len(rows) for rows in functions)]).astype(np.int64)
        self.rows = Rationals.concatenate(list(functions))
        self.count, self.dimension = self.rows.shape[0], self.rows.shape[1] - 1
        self.floats = self.rows.floats()
        self.box = box
        self.ends = np.array([np.full(self.dimension, -np.inf), np.full(self.dimension, np.inf)])
        if box is not None:
            self.ends = np.array([box.lower, box.upper])
        self.exact_ends = box_ends(box, self.dimension)
        self._scale()
        if walls is not None and self.own and not self._has_interior(walls, box):
            raise InvalidInput("the polyhedron has no interior: its halfspaces leave no open set of the box")

    @staticmethod
    def _has_interior(walls: Rationals, box: Box | None) -> bool:
        cells = Cells([], box, walls)
        return bool(cells.decide(np.zeros((1, 0), dtype=np.int64)).interior[0])

    def complete(self, choices: IntArray) -> IntArray:
        """Choices with the zero row of the walls, if there are any."""
        if not self.walled or choices.shape[1] == len(self.offsets) - 1:
            return choices
        return np.column_stack([choices, np.full(len(choices), self.own)])

    def _scale(self) -> None:
        """Centre the rows of each function, and scale coordinates and constants to about one, by powers of two."""
        table = np.zeros_like(self.floats)
        with np.errstate(over="ignore", invalid="ignore"):
            for a, b in zip(self.offsets[:-1], self.offsets[1:], strict=True):
                table[a:b] = self.floats[a:b] - self.floats[a:b].sum(axis=0) / max(1, b - a)
            size = np.abs(table).max(axis=0, initial=0.0)
            if not np.isfinite(size).all():  # the proposals will be of no use; exact arithmetic decides
                table, size = np.zeros_like(table), np.ones_like(size)
            self.widths = np.exp2(np.round(np.log2(np.where(size > SMALLEST, size, 1.0))))
            self.slopes = np.clip(self.widths[-1] / self.widths[:-1], SMALLEST, 1 / SMALLEST)
            self.table = table / self.widths
            scaled = np.clip(self.ends / self.slopes, -FAR, FAR)
        self.scaled_ends = np.where(np.isfinite(self.ends), scaled, self.ends)

    @property
    def block(self) -> int:
        """How many choices to decide at a time, between two reports of progress."""
        steps = 4 * (self.dimension + 1)
        return int(np.clip(WORK / (steps * (self.dimension + 1) * (self.count + steps)), 16, CHUNK))

    def decide(self, choices: IntArray, among: IntArray | None = None, *, progress: Progress | None = None) -> Verdicts:
        """The verdict on each choice (Q, G).

        ``among`` (one function only): multipliers are sought among these rows alone. Each verdict is sound all the
        same; the exact method decides where they do not suffice.
        """
        choices = self.complete(choices)
        if among is not None and len(among) < 2:
            among = None
        interior = np.zeros(len(choices), dtype=np.bool_)
        bases = np.full((len(choices), self.dimension + 1), -1, dtype=np.int64)
        settled: dict[int, Domination] = {}
        if self.count < len(self.offsets):  # one row a function: no rivals
            point = np.tile(self._base_point(), (len(choices), 1))
            return Verdicts(~interior, Rationals.of(point), bases, settled)
        points = [Rationals(np.empty((0, self.dimension), dtype=object), 1)]
        block = self.block
        for start in range(0, len(choices), block):
            chosen = choices[start : start + block]
            proposals = self.propose(chosen, among)
            inside = ~(proposals.gaps >= -TIE)
            inside[inside] = self.strictly_largest(chosen[inside], proposals.points[inside])
            outside = ~inside
            outside[outside] = self.empty(chosen[outside], proposals.bases[outside], proposals.gaps[outside])
            bases[start : start + block][outside] = proposals.bases[outside]
            exact: dict[int, Rationals] = {}
            for q in np.flatnonzero(~inside & ~outside).tolist():
                answer = self.settle(chosen[q], proposals.points[q])
                if isinstance(answer, Domination):
                    settled[start + q] = answer
                else:
                    exact[q] = answer
            points.append(_in_order(proposals.points, inside, exact))
            inside[list(exact)] = True
            interior[start : start + block] = inside
            if progress is not None:
                progress(min(start + block, len(choices)), len(choices))
        return Verdicts(interior, Rationals.concatenate(points), bases, settled)

    def propose(self, chosen: IntArray, among: IntArray | None = None) -> Proposals:
        """Solve the linear program of each choice in floating point."""
        chosen = self.complete(chosen)
        columns, offsets = np.arange(self.count), self.offsets
        if among is not None:
            columns = np.concatenate([among, np.arange(self.own, self.count)])
            offsets = np.unique([0, len(among), len(columns)]).astype(np.int64)
        position = np.full(self.count, -1, dtype=np.int64)
        position[columns] = np.arange(len(columns))
        table = np.ascontiguousarray(self.table[columns].T)
        gaps, points, bases = cell_programs(table, offsets, self.table[chosen], position[chosen], self.scaled_ends, FAR)
        with np.errstate(over="ignore", invalid="ignore"):
            points = np.clip(points * self.slopes, *self.ends)
        points[~np.isfinite(points).all(axis=1)] = self._base_point()
        return Proposals(gaps, points, self._named(bases, columns))

    def _named(self, bases: IntArray, columns: IntArray) -> IntArray:
        """Columns of the program as rows, and ends of the box in the order of `box_ends`; −1 for the far bounds."""
        size, d = len(columns), self.dimension
        names = np.full(size + 4 * d, -1, dtype=np.int64)
        names[:size] = columns
        finite = np.isfinite(self.ends[::-1].T).ravel()  # upper then lower, coordinate by coordinate
        order = np.where(finite, self.count + np.cumsum(finite) - 1, -1).reshape(d, 2)
        names[size : size + d], names[size + d : size + 2 * d] = order[:, 0], order[:, 1]
        return names[bases]

    def sample(self, count: int) -> FloatArray:
        """Scaled points of the domain, (count, d), spread over several magnitudes where it is unbounded."""
        rng = np.random.default_rng(0)
        points = rng.normal(size=(count, self.dimension)) * 10.0 ** rng.uniform(-1.5, 1.5, size=(count, 1))
        low, high = self.scaled_ends
        bounded = np.isfinite(low) & np.isfinite(high)
        low, high = np.where(bounded, low, -FAR), np.where(bounded, high, FAR)
        inner = low + (high - low) * rng.random((count, self.dimension))
        return np.asarray(np.where(bounded, inner, np.clip(points, *self.scaled_ends)))

    def _base_point(self) -> FloatArray:
        return np.asarray(np.clip(np.zeros(self.dimension), *self.ends))

    def strictly_largest(self, chosen: IntArray, points: FloatArray) -> BoolArray:
        """For each point, whether the chosen rows are strictly the largest of their functions there: exactly.

        The rounding error of w·x + c, with w and c themselves rounded, is at most (d + 4)·u·(|w|·|x| + |c|), and where
        numbers are subnormal 2⁻¹⁰⁷⁴ (|x|₁ + d + 1) more.
        """
        if len(chosen) == 0:
            return np.zeros(0, dtype=np.bool_)
        weights, constants = self.floats[:, :-1], self.floats[:, -1]
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            values = points @ weights.T + constants
            size = np.abs(points) @ np.abs(weights.T) + np.abs(constants)
            error = (self.dimension + 5) * UNIT * size + 1e-300
            error += SUBNORMAL * np.abs(points).sum(axis=1)[:, None]
            low = np.take_along_axis(values - error, chosen, axis=1)
            values += error
        np.put_along_axis(values, chosen, -np.inf, axis=1)
        high = np.maximum.reduceat(values, self.offsets[:-1], axis=1)
        certain = (low > high).all(axis=1) & np.isfinite(size).all(axis=1)
        for q in np.flatnonzero(~certain).tolist():
            close = np.flatnonzero(~(values[q] < np.repeat(low[q], np.diff(self.offsets))))
            certain[q] = self.holds_strictly(chosen[q], Rationals.of(points[q : q + 1]), close)
        return np.asarray(certain)

    def holds_strictly(self, chosen: IntArray, point: Rationals, rivals: IntArray | None = None) -> bool:
        """Whether the chosen rows are strictly larger at a point (1, d) than the rivals, by default all other rows.

        In rational arithmetic; of the rivals those that are chosen do not count.
        """
        others = np.setdiff1d(np.arange(self.count) if rivals is None else rivals, chosen)
        if len(others) == 0:
            return True
        group = np.searchsorted(self.offsets, others, side="right") - 1
        differences = self.rows[others] - self.rows[chosen[group]]
        values = differences[:, :-1] @ point.transpose + differences[:, -1:]
        return bool((values.numerators < 0).all())

    def empty(self, chosen: IntArray, bases: IntArray, gaps: FloatArray) -> BoolArray:
        """For each choice, whether the multipliers of its basis show that its cell has no interior: exactly."""
        chosen = self.complete(chosen)
        certain = np.zeros(len(chosen), dtype=np.bool_)
        clear = np.flatnonzero((gaps > TIE) & (bases >= 0).all(axis=1))
        if len(clear):
            certain[clear] = self._multipliers_certain(chosen[clear], bases[clear])
        near = np.flatnonzero(~certain & (gaps > -100 * TIE))
        for q in near.tolist():
            certain[q] = self.multipliers(chosen[q], bases[q]) is not None
        return certain

    def _multipliers_certain(self, chosen: IntArray, bases: IntArray) -> BoolArray:
        """Whether B λ = e, Σ λ cost > 0 has a solution λ ≥ 0, by an approximate inverse R of B and |I − R B| < 1.

        With M a bound of |I − R B|, for the exact B that the floats stand for, the true λ differs from λ̃ = R e by at
        most ‖M |λ̃|‖∞ / (1 − ‖M‖∞) in every entry (Rump, *Verification methods*, Acta Numerica 2010, §10).
        """
        matrix, matrix_error, costs, cost_error = self._basis_matrices(chosen, bases)
        size = self.dimension + 1
        with np.errstate(all="ignore"):
            singular = ~(np.abs(np.linalg.det(matrix)) > 0)
        matrix[singular] = np.eye(size)
        inverse = np.linalg.inv(matrix)
        with np.errstate(all="ignore"):
            gamma = (size + 3) * UNIT
            magnitude = np.abs(inverse)
            off = np.abs(np.eye(size) - inverse @ matrix)
            off += gamma * (np.eye(size) + magnitude @ np.abs(matrix)) + 1.01 * (magnitude @ matrix_error)
            contraction = off.sum(axis=2).max(axis=1) * 1.01
            solution = inverse[:, :, -1]
            error = (off @ np.abs(solution)[:, :, None])[:, :, 0].max(axis=1) / (1 - contraction) * 1.01
            level = (solution * costs).sum(axis=1)
            slack = ((np.abs(solution) + error[:, None]) * cost_error).sum(axis=1)
            slack += error * np.abs(costs).sum(axis=1) + gamma * np.abs(solution * costs).sum(axis=1)
            good = ~singular & (contraction < 0.5) & (solution.min(axis=1) >= error) & (level > 1.01 * slack + 1e-300)
        return np.asarray(good & np.isfinite(level))

    def _basis_matrices(
        self, chosen: IntArray, bases: IntArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """The columns of each basis, coordinates scaled by powers of two, their costs, and bounds of the errors."""
        real = bases < self.count
        rows = np.where(real, bases, 0)
        group = np.searchsorted(self.offsets, rows, side="right") - 1
        reference = np.take_along_axis(chosen, group, axis=1)
        with np.errstate(all="ignore"):
            picked = self.floats[rows] / self.widths
            base = self.floats[reference] / self.widths
            difference = (picked - base) * real[:, :, None]
            error = 4 * UNIT * (np.abs(picked) + np.abs(base)) * real[:, :, None] + 1e-300
            error += 2 * SUBNORMAL / self.widths
        columns = difference.copy()
        columns[:, :, -1] = real
        costs, cost_error = difference[:, :, -1].copy(), error[:, :, -1].copy()
        matrix_error = error.copy()
        matrix_error[:, :, -1] = 0.0
        q, j = np.nonzero(~real)
        if len(q):
            ends = self._ends_table()
            coordinate, sign, end = (ends[k][bases[q, j] - self.count] for k in range(3))
            index = coordinate.astype(np.int64)
            # x = slope·x' with slope = widths[-1]/widths[i]: only exact where the slope was not clipped
            columns[q, j, index] = sign
            with np.errstate(all="ignore"):
                slope = self.widths[-1] / self.widths[index]
                slope[~np.isfinite(slope) | (slope == 0.0)] = np.nan  # out of range: nothing is certain
                costs[q, j] = -sign * (end / slope)
                cost_error[q, j] = 4 * UNIT * np.abs(costs[q, j]) + 1e-300
        return columns.transpose(0, 2, 1), matrix_error.transpose(0, 2, 1), costs, cost_error

    def _ends_table(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Coordinate, sign and value of the finite ends, in the order of `box_ends`."""
        coordinate, sign, value = [], [], []
        for i in range(self.dimension):
            for s, end in ((1.0, self.ends[1, i]), (-1.0, self.ends[0, i])):
                if np.isfinite(end):
                    coordinate.append(float(i))
                    sign.append(s)
                    value.append(float(end))
        return np.array(coordinate), np.array(sign), np.array(value)

    def multipliers(self, chosen: IntArray, basis: IntArray) -> Domination | None:
        """The multipliers on the columns of a basis, exactly; None if they do not show that the cell has no interior.

        The support holds positions in ``rows``.
        """
        chosen = self.complete(chosen[None])[0]
        named = [int(j) for j in basis if j >= 0]
        real = [j for j in named if j < self.count]
        if not real or not set(chosen.tolist()).isdisjoint(real):  # a row does not dominate itself
            return None
        test = self._test(chosen, real)
        columns = [1 + real.index(j) if j < self.count else j - self.count + 1 + len(real) for j in named]
        found = test.by_basis(0, columns) or test.restricted(0, columns)
        return None if found is None else self._named_support(found, real)

    def settle(self, chosen: IntArray, near: FloatArray) -> Domination | Rationals:
        """Decide one choice in rational arithmetic: multipliers that show the cell empty, or a point (1, d) inside it.

        The rows that are nearly largest at the point ``near`` are asked first: they mostly settle it.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            at = self.table @ np.append(near / self.slopes, 1.0)
            excess = at - np.repeat(at[chosen], np.diff(self.offsets))
        rivals = np.setdiff1d(np.arange(self.count), chosen)
        few = rivals[excess[rivals] > -1e-6]
        for among in (few, rivals):
            test = self._test(chosen, among.tolist())
            answer = test.decide(0, list(range(1, test.count)))
            if isinstance(answer, Domination):
                return self._named_support(answer, among.tolist())
            point = Rationals.of(np.array([answer], dtype=object).reshape(1, self.dimension))
            if self.holds_strictly(chosen, point):
                break
        return point

    def _named_support(self, found: Domination, real: list[int]) -> Domination:
        pairs = [(real[j - 1], weight) for j, weight in zip(found.support, found.weights, strict=True)]
        rows = [(j, weight) for j, weight in pairs if j < self.own]
        walls = [(j - self.own - 1, weight) for j, weight in pairs if j > self.own]
        return Domination(
            -1,
            tuple(j for j, _ in rows),
            tuple(weight for _, weight in rows),
            tuple(h for h, _ in walls),
            tuple(weight for _, weight in walls),
        )

    def _test(self, chosen: IntArray, real: list[int]) -> DominanceTest:
        """The rows ``real`` minus the chosen rows of their functions, behind a zero row that stands for these."""
        zero = Rationals(np.zeros((1, self.dimension + 1), dtype=object), 1)
        if not real:
            return DominanceTest(zero, self.box, self.exact_ends)
        group = np.searchsorted(self.offsets, real, side="right") - 1
        differences = Rationals.concatenate([zero, self.rows[real] - self.rows[chosen[group]]])
        return DominanceTest(differences, self.box, self.exact_ends)


def _in_order(proposed: FloatArray, inside: BoolArray, exact: dict[int, Rationals]) -> Rationals:
    """The proposed points of the choices ``inside`` and the points found exactly, in the order of the choices."""
    points = Rationals.of(proposed[inside])
    if not exact:
        return points
    order = np.argsort([*np.flatnonzero(inside).tolist(), *exact], kind="stable")
    return Rationals.concatenate([points, *exact.values()])[order]


def point_beyond(rows: ObjectArray, which: Sequence[int]) -> list[Rationals | None]:
    """For some of k distinct rows (a, b) of integers, a point (d,) with a·x + b > 0 and all others negative, or None.

    Such a point exists exactly if the row carries a facet of {x : a·x + b ≤ 0 for all rows}, provided that this
    polyhedron has an interior. No row may be zero.
    """
    zero = np.zeros_like(rows[:1])
    sizes = [max(int(value).bit_length() for value in row) for row in rows.tolist()]
    units = [1 << size if size > LONG else 1 for size in sizes]
    functions = [Rationals(np.concatenate([zero, rows[i : i + 1]]), unit) for i, unit in enumerate(units)]
    choices = np.tile(2 * np.arange(len(rows)), (len(which), 1))
    choices[np.arange(len(which)), list(which)] += 1
    verdicts = Cells(functions, None).decide(choices)
    found: list[Rationals | None] = [None] * len(which)
    for n, i in enumerate(np.flatnonzero(verdicts.interior).tolist()):
        found[i] = verdicts.points[n].reduced()
    return found
