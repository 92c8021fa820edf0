"""Where a point lies in conv{w_j}, decided exactly: relative interior, a face, or outside with a separation."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import flint
import numpy as np

from tropix.arrays import FloatArray, IntArray
from tropix.exact import Rationals
from tropix.kernels import conjugate_bounds, conjugate_newton
from tropix.polynomials._support import _directions

ULPS = 64
"""A point this many units in the last place of the largest coordinate off a face is answered for on the face."""
UNIT = 2.0**-53


@dataclass(frozen=True, eq=False)
class Flat:
    """The affine hull of sites, exactly: it is injectively projected to the coordinates ``order[leading]``.

    ``basis`` are integer vectors of directions in reduced echelon form with respect to ``order``, ``base`` a site.
    ``thickness`` is how far a site lies off it: 0, but for sites that rounding has bent out of a flat (see `of`).
    """

    order: IntArray
    basis: tuple[tuple[int, ...], ...]
    leading: tuple[int, ...]
    base: tuple[Fraction, ...]
    thickness: Fraction = Fraction(0)

    @classmethod
    def of(cls, sites: FloatArray, tolerance: float = 0.0) -> Flat:
        """Of sites (m, d), m ≥ 1; the coordinates kept are those that float pivoting finds best conditioned.

        Where all sites lie within ``tolerance`` of a smaller flat through some of them, that flat is taken.
        """
        order, few = _pivots(sites, tolerance)
        base = tuple(Fraction(v) for v in sites[0, order].tolist())
        if len(few) <= sites.shape[1] and len(few) < len(sites):
            leading, basis = _directions(Rationals.of(sites[few][:, order]))
            flat = cls(order, basis, leading, tuple(Fraction(v) for v in sites[few[0], order].tolist()))
            thickness = flat._deviation(sites)
            if thickness <= tolerance:
                return cls(order, basis, leading, flat.base, thickness)
        leading, basis = _directions(Rationals.of(sites[:, order]))
        return cls(order, basis, leading, base)

    def _deviation(self, sites: FloatArray) -> Fraction:
        """The largest deviation of a site, in any coordinate, from the point of the flat over it."""
        offsets = Rationals.of(sites[:, self.order]) - Rationals.of(np.array(self.base, dtype=object))[None, :]
        if self.basis:
            slopes = [[Fraction(v, row[lead]) for v in row] for row, lead in zip(self.basis, self.leading, strict=True)]
            offsets = offsets - offsets[:, list(self.leading)] @ Rationals.of(np.array(slopes, dtype=object))
        return Fraction(int(np.abs(offsets.numerators).max(initial=0)), offsets.denominator)

    @property
    def rank(self) -> int:
        """Dimension of the affine hull."""
        return len(self.basis)

    @property
    def kept(self) -> IntArray:
        """The coordinates that determine a point of the affine hull."""
        return self.order[list(self.leading)]

    def place(self, point: FloatArray) -> tuple[list[Fraction], float]:
        """The point of the flat with the same kept coordinates, and a bound of how far from ``point`` (maximum norm).

        The bound covers every convex combination of the sites that has these coordinates.
        """
        given = [Fraction(v) for v in point[self.order].tolist()]
        placed = list(self.base)
        for lead, direction in zip(self.leading, self.basis, strict=True):
            step = (given[lead] - self.base[lead]) / direction[lead]
            placed = [value + step * slope for value, slope in zip(placed, direction, strict=True)]
        shift = max((abs(a - b) for a, b in zip(placed, given, strict=True)), default=Fraction(0)) + self.thickness
        result = [Fraction(0)] * len(placed)
        for position, value in zip(self.order.tolist(), placed, strict=True):
            result[position] = value
        return result, float(np.nextafter(float(shift), np.inf)) if shift else 0.0

    def normals(self) -> Rationals:
        """A basis of the integer vectors orthogonal to all directions, (d − rank, d)."""
        dimension = len(self.base)
        if not self.basis:
            return Rationals.of(np.eye(dimension))
        kernel, nullity = flint.fmpz_mat(self.basis).nullspace()
        rows = np.zeros((nullity, dimension), dtype=object)
        rows[:, self.order] = np.array(
            [[int(v) for v in row] for row in kernel.transpose().tolist()[:nullity]], dtype=object
        ).reshape(nullity, dimension)
        return Rationals(rows, 1)

    def span(self, vector: FloatArray) -> FloatArray:
        """The orthogonal projection of a vector (d,) to the directions of the affine hull."""
        if self.rank == len(self.base):
            return vector
        if not self.rank:
            return np.zeros_like(vector)
        rows = np.array([[v / max(map(abs, row)) for v in row] for row in self.basis])
        orthonormal = np.linalg.qr(rows.T)[0]
        result = np.empty_like(vector)
        result[self.order] = orthonormal @ (orthonormal.T @ vector[self.order])
        return result


@dataclass(frozen=True, eq=False)
class Position:
    """Where y lies: ``status`` "interior", "boundary", "outside" or "unproved" (of the point answered for).

    ``face`` are the sites on the smallest face that holds the answered point, at most ``shift`` away from y in every
    coordinate; ``ray`` (d,) supports conv{w_j} exactly on that face (0 in the relative interior). ``separation`` (d,)
    has separation·y > max_j separation·w_j, NaN where y is not outside.
    """

    status: str
    face: IntArray
    flat: Flat | None
    shift: float
    ray: FloatArray
    separation: FloatArray


@dataclass(frozen=True, eq=False)
class Sites:
    """Sites w_j, (N, d) with N ≥ 1, and exact questions about their convex hull."""

    weights: FloatArray
    _flats: dict[bytes, Flat] = field(default_factory=dict)

    @cached_property
    def scale(self) -> float:
        """The largest magnitude of a coordinate."""
        return float(np.abs(self.weights).max(initial=0.0))

    @cached_property
    def full(self) -> bool:
        """Whether the sites plainly span ℝ^d; where they do not, `flat` decides exactly."""
        centred = self.weights - self.weights.mean(axis=0)
        widths = np.abs(centred).max(axis=0, initial=0.0)
        if not self.weights.shape[1] or not (widths > 0).all():
            return False
        values = np.linalg.eigvalsh((centred / widths).T @ (centred / widths))
        return bool(values[0] > 1e-10 * values[-1])

    def flat(self, face: IntArray) -> Flat:
        """The affine hull of some sites."""
        key = face.tobytes()
        if key not in self._flats:
            whole = len(face) == len(self.weights)
            self._flats[key] = Flat.of(self.weights[face], ULPS * UNIT * self.scale if whole else 0.0)
        return self._flats[key]

    def tolerance(self, y: FloatArray) -> float:
        """How far y may be moved."""
        return ULPS * 2 * UNIT * max(self.scale, float(np.abs(y).max(initial=0.0)))

    def separates(self, direction: FloatArray, y: FloatArray) -> bool:
        """Whether direction·y > max_j direction·w_j: by float bounds, else in rational arithmetic."""
        if not np.isfinite(direction).all() or not direction.any():
            return False
        values, at = self.weights @ direction, float(y @ direction)
        size = np.abs(direction) @ np.maximum(np.abs(self.weights).max(axis=0), np.abs(y))
        margin = at - float(values.max())
        error = 4 * (len(y) + 2) * UNIT * size
        if abs(margin) > error:
            return bool(margin > 0)
        near = np.flatnonzero(values >= values.max() - 2 * error)
        return bool((self.excess(near, Rationals.of(direction), [Fraction(v) for v in y.tolist()]) < 0).all())

    def excess(self, among: IntArray, direction: Rationals, point: list[Fraction]) -> Any:
        """Numerators (over a positive common denominator) of direction·(w_j − point), exactly."""
        row = np.array(point, dtype=object).reshape(1, -1)
        difference = Rationals.of(self.weights[among]) - Rationals.of(row)
        return (difference @ direction[:, None]).numerators[:, 0]

    def locate(self, y: FloatArray) -> Position:
        """Decide where y lies: candidates come from linear programs in floats, proofs from exact arithmetic."""
        everything = np.arange(len(self.weights))
        face, nothing, zero = everything, np.full(len(y), np.nan), np.zeros(len(y))
        tolerance, last = self.tolerance(y), zero
        for _ in range(len(y) + 2):
            flat = self.flat(face)
            placed, shift = flat.place(y)
            if shift > tolerance:
                return self._outside(face, flat, y, last)
            if self._surrounded(face, flat, y):
                ray = zero if len(face) == len(everything) else self._support(face, flat, placed)
                if ray is None:
                    break
                outside = bool(shift) and self.separates(ray, y)
                status = "interior" if len(face) == len(everything) else "boundary"
                return Position(status, face, flat, shift, ray, ray if outside else nothing)
            inner, direction = _largest_support(self.weights[face][:, flat.kept] - y[flat.kept])
            last = np.zeros(len(y))
            last[flat.kept] = direction
            if not len(inner):
                return self._outside(face, flat, y, last)
            if len(inner) == len(face):
                break
            face = face[inner]
        return Position("unproved", face, None, 0.0, zero, nothing)

    def _surrounded(self, face: IntArray, flat: Flat, y: FloatArray) -> bool:
        """Whether the point of the flat lies in the relative interior of the hull of the sites, proved."""
        sites, at = np.ascontiguousarray(self.weights[face][:, flat.kept]), y[None, flat.kept]
        scale = np.exp2(np.round(np.log2(max(1e-300, float(np.abs(sites - at).max(initial=0.0))))))
        if not flat.rank:
            return True
        bias = np.zeros(len(face))
        x, _ = conjugate_newton(at / scale, sites / scale, bias, 1.0, 1.0)
        return bool(np.isfinite(conjugate_bounds(at / scale, sites / scale, bias, 1.0, x)[1][0]))

    def _outside(self, face: IntArray, flat: Flat, y: FloatArray, direction: FloatArray) -> Position:
        """Outside, if one of the directions at hand separates."""
        nothing, zero = np.full(len(y), np.nan), np.zeros(len(y))
        normals = flat.normals()
        candidates = [direction]
        if len(normals):
            rows = _floats(normals)
            orthonormal = np.linalg.qr(rows.T)[0]
            residual = y - self.weights[face[0]]
            across = orthonormal @ (orthonormal.T @ residual)
            candidates = [across, direction, *rows, *(-rows)]
        for candidate in candidates:
            largest = np.abs(candidate).max(initial=0.0)
            if largest > 0 and self.separates(candidate / largest, y):
                return Position("outside", face[:0], None, 0.0, zero, candidate / largest)
        return Position("unproved", face, None, 0.0, zero, nothing)

    def _support(self, face: IntArray, flat: Flat, placed: list[Fraction]) -> FloatArray | None:
        """A direction, as floats, near one that is proved to attain its maximum over all sites on ``face`` alone."""
        normals = flat.normals()
        others = np.setdiff1d(np.arange(len(self.weights)), face)
        rows = _floats(normals)
        at = np.array([float(v) for v in placed])
        weights = _supporting((self.weights[others] - at) @ rows.T)
        if weights is None:
            return None
        scale = Rationals.of(np.array([Fraction(1, max(map(abs, row))) for row in normals.numerators.tolist()]))
        exact = ((Rationals.of(weights) * scale)[None, :] @ normals)[0]
        if not (self.excess(others, exact, placed) < 0).all():
            return None
        floats = _floats(exact[None, :])[0]
        return np.asarray(floats / np.linalg.norm(floats))


def _floats(rows: Rationals) -> FloatArray:
    """Rows scaled to maximum 1, as floats."""
    return np.array([[v / max(1, *map(abs, row)) for v in row] for row in rows.numerators.tolist()]).reshape(rows.shape)


def _pivots(sites: FloatArray, tolerance: float) -> tuple[IntArray, IntArray]:
    """Coordinates in the order in which QR with column pivoting takes them, and sites that span a flat near all."""
    from scipy.linalg import qr

    centred = sites - sites[0]
    if min(centred.shape) == 0 or not centred.any():
        return np.arange(sites.shape[1]), np.zeros(1, dtype=np.int64)
    triangle, order = qr(centred, mode="r", pivoting=True)
    diagonal = np.abs(np.diag(triangle))
    rank = int((diagonal > max(1e-14 * diagonal[0], 4 * np.sqrt(len(sites)) * tolerance)).sum())
    _, rows = qr(centred[:, order[:rank]].T, mode="r", pivoting=True)
    return np.asarray(order, dtype=np.int64), np.append(0, np.sort(rows[:rank])).astype(np.int64)


def _largest_support(differences: FloatArray) -> tuple[IntArray, FloatArray]:
    """The rows a_j that can carry weight in Σ p_j a_j = 0, and a direction that is negative on all others.

    max Σ q_j with Σ (q_j + r_j) a_j = 0, 0 ≤ q_j ≤ 1, r ≥ 0; by strict complementarity q is 0 or 1.
    """
    from scipy.optimize import linprog

    count, dimension = differences.shape
    scaled = differences / max(1e-300, float(np.abs(differences).max(initial=0.0)))
    for method, precision in (("highs-ds", 1e-10), ("highs-ds", 1e-9), ("highs-ipm", 1e-9), ("highs-ds", 1e-7)):
        answer = linprog(
            np.concatenate([-np.ones(count), np.zeros(count)]),
            A_eq=np.hstack([scaled.T, scaled.T]),
            b_eq=np.zeros(dimension),
            bounds=[(0, 1)] * count + [(0, None)] * count,
            method=method,
            options={"primal_feasibility_tolerance": precision, "dual_feasibility_tolerance": precision},
        )
        if answer.status == 0:
            return np.flatnonzero(answer.x[:count] > 0.5), np.asarray(answer.eqlin.marginals)
    return np.arange(count), np.zeros(dimension)


def _supporting(values: FloatArray) -> FloatArray | None:
    """Weights c with values·c < 0 in every row, by the largest margin in |c| ≤ 1; None where there are none."""
    from scipy.optimize import linprog

    count, size = values.shape
    if not count:
        return np.zeros(size)
    scale = np.abs(values).max(axis=1, initial=0.0)
    scaled = values / np.where(scale > 0, scale, 1.0)[:, None]
    if size == 1:
        return -np.sign(scaled[:1, 0])
    answer = linprog(
        np.append(np.zeros(size), -1.0),
        A_ub=np.column_stack([scaled, np.ones(count)]),
        b_ub=np.zeros(count),
        bounds=[(-1, 1)] * size + [(0, 1)],
        method="highs",
    )
    return None if answer.status != 0 or answer.x[-1] <= 0 else np.asarray(answer.x[:-1])
