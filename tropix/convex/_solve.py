"""The conjugate of one function at many points: the plain case in one batch, the others one by one."""

from __future__ import annotations

import numpy as np

from tropix.arrays import FloatArray, IntArray
from tropix.convex._conjugate import Conjugate
from tropix.convex._faces import Flat, Position, Sites
from tropix.kernels import conjugate_bounds, conjugate_newton
from tropix.polynomials import LogSumExp

OUTSIDE = 2
DEPTHS = (40.0, 30.0, 25.0, 120.0)
"""Weights below e^−depth of the largest may be left out of the upper bound."""


class Batch:
    """The answers in the making. ``sites`` and ``bias`` hold the present pieces only, ``present`` their indices."""

    def __init__(self, f: LogSumExp, points: FloatArray, tolerance: float) -> None:
        self.f, self.points, self.tolerance = f, points, tolerance
        self.present = np.flatnonzero(np.isfinite(f.bias))
        self.sites = Sites(np.ascontiguousarray(f.weights[self.present]))
        self.bias = np.ascontiguousarray(f.bias[self.present])
        n, d = points.shape
        self.x, self.ray = np.full((n, d), np.nan), np.zeros((n, d))
        self.separation = np.full((n, d), np.nan)
        self.lower, self.upper = np.full(n, -np.inf), np.full(n, np.inf)
        self.shift = np.zeros(n)
        self.status = np.full(n, "unproved", dtype="<U8")
        self.faces: dict[int, IntArray] = {}
        self.p = np.full((n, len(f)), np.nan) if f.eps == 0.0 else None

    def run(self, method: str) -> None:
        """Answer every row."""
        if not len(self.present):
            self.status[:], self.lower[:] = "outside", np.inf
            return
        if self.f.eps > 0.0 and self.sites.full and method == "newton":
            hard = self._plain()
        else:
            hard = np.arange(len(self.points))
        everything = np.arange(len(self.present))
        if self.f.eps == 0.0 and self.sites.full and method == "newton":
            hard = self._tropical(hard, everything, None)
        for q in hard.tolist():
            self._place(q, self.sites.locate(self.points[q]), method)

    def _heats(self, bias: FloatArray) -> list[tuple[float, bool]]:
        """Temperatures to start from, half a standard deviation of the biases or their whole range, and ways to go."""
        with np.errstate(over="ignore"):
            spread, width = float(np.std(bias)) / 2, float(bias.max() - bias.min())
        ways = ((spread, False), (2 * width, True), (2 * width, False), (spread, True))
        return [(max(self.f.eps, heat), careful) for heat, careful in ways if np.isfinite(heat)]

    def _plain(self) -> IntArray:
        """Newton for all rows at once; returns the rows that are left."""
        left = np.arange(len(self.points))
        for heat, careful in self._heats(self.bias):
            points, eps = self.points[left], self.f.eps
            x, state = conjugate_newton(points, self.sites.weights, self.bias, eps, heat, careful=careful)
            lower, upper = conjugate_bounds(self.points[left], self.sites.weights, self.bias, self.f.eps, x)
            good = np.isfinite(upper)
            done = left[good]
            self.x[done], self.lower[done], self.upper[done] = x[good], lower[good], upper[good]
            self.status[done] = "attained"
            for q, direction in zip(left[state == OUTSIDE], x[state == OUTSIDE], strict=True):
                self._separate(int(q), direction)
            left = left[(self.status[left] == "unproved")]
            if not len(left):
                break
        return left

    def _separate(self, q: int, x: FloatArray) -> None:
        """Outside, where the direction x shows it by more than y could be moved."""
        y, largest = self.points[q], float(np.abs(x).max())
        if not 0 < largest < np.inf:
            return
        direction = x / largest
        margin = float(y @ direction - (self.sites.weights @ direction).max()) / float(np.linalg.norm(direction))
        if margin > 4 * len(y) * self.sites.tolerance(y) and self.sites.separates(direction, y):
            self.status[q], self.lower[q], self.separation[q] = "outside", np.inf, direction

    def _place(self, q: int, position: Position, method: str) -> None:
        """Answer one row from where it lies."""
        self.status[q] = position.status
        self.separation[q], self.ray[q], self.shift[q] = position.separation, position.ray, position.shift
        if position.status == "outside":
            self.lower[q] = np.inf
        elif position.flat is not None:
            self.status[q] = "unproved"
            if len(position.face) < len(self.present):
                self.faces[q] = self.present[position.face]
            if self.f.eps == 0.0:
                self.ray[q] = 0.0
                left = self._tropical(np.array([q]), position.face, position.flat)
                solved = not len(left)
            else:
                solved = self._restricted(q, position.face, position.flat, method)
            if solved:
                status = "boundary" if position.ray.any() and self.f.eps > 0.0 else "attained"
                self.status[q] = "moved" if self.shift[q] else status

    def _restricted(self, q: int, face: IntArray, flat: Flat, method: str) -> bool:
        """Newton (or the conic program) on the pieces of a face, in coordinates of its affine hull."""
        at = self.points[q : q + 1, flat.kept]
        sites, bias = np.ascontiguousarray(self.sites.weights[face][:, flat.kept]), self.bias[face]
        if method == "program":
            from tropix.convex._program import maximiser

            starts = [maximiser(LogSumExp(sites, bias, self.f.eps), at[0])[None]]
        else:
            ways = self._heats(bias)
            starts = [conjugate_newton(at, sites, bias, self.f.eps, h, careful=careful)[0] for h, careful in ways]
        for x in starts:
            lower, upper = conjugate_bounds(at, sites, bias, self.f.eps, x)
            if np.isfinite(upper[0]):
                full = np.zeros(self.points.shape[1])
                full[flat.kept] = x[0]
                self.x[q], self.lower[q], self.upper[q] = flat.span(full), lower[0], upper[0]
                return True
        for x in starts:
            for depth in DEPTHS:
                if self._concentrated(q, at, sites, bias, x[0], flat, depth):
                    return True
        return False

    def _concentrated(
        self, q: int, at: FloatArray, sites: FloatArray, bias: FloatArray, x: FloatArray, flat: Flat, depth: float
    ) -> bool:
        """Where all but some sites in a smaller flat have lost their weight at x: those alone bound f* from above.

        A cell of the dual subdivision that is not full-dimensional holds y, as where y is one of the sites and ε small.
        """
        eps = self.f.eps
        logits = (sites - at) @ x + bias
        alive = np.flatnonzero(logits > logits.max() - depth * eps) if np.isfinite(logits).all() else np.arange(0)
        if not 0 < len(alive) < len(sites):
            return False
        inner = Flat.of(sites[alive])
        shift = inner.place(at[0])[1]
        if shift > self.sites.tolerance(at[0]) or inner.rank == flat.rank:
            return False
        point, few = at[:, inner.kept], np.ascontiguousarray(sites[alive][:, inner.kept])
        for heat, careful in self._heats(bias[alive]):
            part = conjugate_newton(point, few, bias[alive], eps, heat, careful=careful)[0]
            upper = conjugate_bounds(point, few, bias[alive], eps, part)[1][0]
            within = np.zeros(len(x))
            within[inner.kept] = part[0]
            whole = inner.span(within) + (x - inner.span(x))
            lower = conjugate_bounds(at, sites, bias, eps, whole[None])[0][0]
            if shift:  # ⟨x, ·⟩ − f(x) bounds f* below at the point moved to
                lower = np.nextafter(lower - 1.01 * shift * float(np.abs(whole).sum()), -np.inf)
            if upper - lower <= self.tolerance:
                full = np.zeros(self.points.shape[1])
                full[flat.kept] = whole
                self.x[q], self.lower[q], self.upper[q] = flat.span(full), lower, upper
                self.shift[q] += shift
                return True
        return False

    def _tropical(self, rows: IntArray, face: IntArray, flat: Flat | None) -> IntArray:
        from tropix.convex._linear import solve_linear

        kept = np.arange(self.points.shape[1]) if flat is None else flat.kept
        sites, bias = self.sites.weights[face][:, kept], self.bias[face]
        found = solve_linear(self.points[rows][:, kept], sites, bias, settle=flat is not None)
        for i, q in enumerate(rows.tolist()):
            if np.isfinite(found.upper[i]):
                full = np.zeros(self.points.shape[1])
                full[kept] = found.x[i]
                self.x[q] = full if flat is None else flat.span(full)
                self.lower[q], self.upper[q] = found.lower[i], found.upper[i]
                assert self.p is not None
                self.p[q] = 0.0
                np.add.at(self.p[q], self.present[face[found.columns[i]]], found.weights[i])
                self.status[q] = "attained"
        return np.asarray(rows[~np.isfinite(found.upper)])

    def answer(self, single: bool) -> Conjugate:
        """The result; rows whose gap exceeds the tolerance are not proved."""
        finite = np.isfinite(self.lower) & np.isfinite(self.upper)
        gap, value = np.full(len(self.lower), np.inf), np.full(len(self.lower), np.nan)
        gap[finite] = np.nextafter(self.upper[finite] - self.lower[finite], np.inf)
        value[finite] = (self.lower[finite] + self.upper[finite]) / 2
        outside = self.status == "outside"
        gap[outside], value[outside] = 0.0, np.inf
        self.status[gap > self.tolerance] = "unproved"
        arrays = (value, gap, self.x, self.lower, self.upper, self.status, self.ray, self.separation, self.shift)
        answer = Conjugate(*arrays, self.f, self.faces, self.p)
        return answer.first() if single else answer
