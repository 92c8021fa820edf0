"""Certificates of the label of inputs: from closed forms to the exact radius."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from tropix.arrays import FloatArray, IntArray, points_array
from tropix.boxes import Box, BoxLike
from tropix.certify._attack import Witness, cross, descend, nearest, polish
from tropix.certify._ball import Ball
from tropix.certify._certificate import Certificate, Status
from tropix.certify._heads import CAP, Heads
from tropix.certify._heads_exact import Simplices
from tropix.certify._norms import Norm, NormLike
from tropix.certify._pieces import Model, classes_of
from tropix.deadline import Deadline
from tropix.errors import InvalidInput
from tropix.kernels import head_radii
from tropix.polynomials._steepness import largest_difference

Method: TypeAlias = Literal["auto", "lipschitz", "tangent", "combined", "transfer", "exact"]
MOST_CORNERS = 4000


def certify(
    model: Model,
    x: npt.ArrayLike,
    label: int | None = None,
    *,
    norm: NormLike = 2,
    radius: float | None = None,
    box: BoxLike | None = None,
    method: Method = "auto",
    time_limit: float | None = None,
    gap: float = 1e-3,
    seed: int = 0,
) -> Certificate:
    """A radius around x (d,) in which the label stays the same, with evidence; see `certify_all`."""
    point = np.asarray(x, dtype=np.float64)
    if point.ndim != 1:
        raise InvalidInput(f"one point (d,) is expected, found shape {point.shape}: use certify_all")
    labels = None if label is None else [label]
    return certify_all(
        model, point[None, :], labels, norm=norm, radius=radius, box=box, method=method, time_limit=time_limit,
        gap=gap, seed=seed,
    )[0]  # fmt: skip


def certify_all(
    model: Model,
    points: npt.ArrayLike,
    labels: Sequence[int] | npt.ArrayLike | None = None,
    *,
    norm: NormLike = 2,
    radius: float | None = None,
    box: BoxLike | None = None,
    method: Method = "auto",
    time_limit: float | None = None,
    gap: float = 1e-3,
    seed: int = 0,
) -> list[Certificate]:
    """For points (n, d), radii in which the label of a classifier stays the same, with evidence that `check` proves.

    The model is a circuit, or one log-sum-exp or tropical polynomial a class; each class must be one ⊕_ε of affine
    functions (temperatures may differ). Labels default to the model's own. Perturbations are measured in the norm 1, 2
    or ∞, or a `Norm` with scales; a box holds the valid inputs. Methods, with z the pieces of the label at x, y those
    of a rival, margin m:

    - ``lipschitz``: m / max ‖w_i − u_j‖_q;
    - ``tangent``: the r with ⊕_ε (y_j + r‖u_j − ∇F_c‖_q) = F_c;
    - ``combined``: the same with the best multipliers for each piece of the rival in place of the tangent;
    - ``transfer``: the best radius of the tropical limit for the margin less ε_k log N_k;
    - ``exact``: to the relative ``gap`` between radius and the nearest counterexample found, by branch and bound over
      the rival's Gibbs weights; without rivals of two or more pieces and for max-affine rivals ``combined`` is exact;
    - ``auto``: ``combined``, then ``exact`` unless that settles the ``radius`` asked about.

    With a box and the norms 1 and 2, multipliers are those for the ball without it: the radius is sound, and the gap
    stated, but it need not close. The ``time_limit`` in seconds is for each point. Results depend on the seed alone.
    Raises `Unsupported` for other models and `InvalidInput` for bad points, labels, radii.

    >>> from tropix import LogSumExp
    >>> model = [LogSumExp([[0.0], [1.0]], [0.0, 0.0], 0.5), LogSumExp([[0.0]], [1.0], 0.5)]
    >>> found = certify(model, [0.0], norm="inf")
    >>> found.label, found.status, round(found.radius, 5), round(found.upper, 5)
    (1, 'robust', 0.92729, 0.92729)
    """
    read = Norm.of(norm, None)
    started = time.perf_counter()
    classes = classes_of(model)
    read = Norm.of(read, classes.dimension)
    heads = Heads.of(classes, read)
    rows, _ = points_array(points, classes.dimension)
    rows = rows + 0.0
    if rows.ndim != 2 or np.ndim(points) != 2:
        raise InvalidInput(f"points have shape {np.shape(points)}: expected (n, {classes.dimension})")
    domain = None if box is None else Box.of(box, classes.dimension)
    if domain is not None and type(domain) is not Box:
        raise InvalidInput("the valid inputs must be a box, not a polyhedron")
    if domain is not None and domain.outside(rows):
        raise InvalidInput(f"point {domain.outside(rows)[0]} lies outside the box of valid inputs")
    if radius is not None and not 0 < radius < CAP:
        raise InvalidInput(f"radius {radius!r}: expected a number > 0 and below {CAP:g}")
    if method not in get_args(Method):
        raise InvalidInput(f"method {method!r}: expected one of {', '.join(get_args(Method))}")
    if not 0 < gap < 1:
        raise InvalidInput(f"gap {gap!r}: expected a number between 0 and 1")
    Deadline(time_limit)
    if not len(rows):
        return []
    batch = _Batch(heads, rows, labels, domain, radius, method, gap, seed)
    found = batch.closed_forms()
    shared = (time.perf_counter() - started) / len(rows)
    results = []
    for i in range(len(rows)):
        begun = time.perf_counter()
        answer = batch.finish(i, found, Deadline(time_limit))
        results.append(batch.certificate(i, answer, shared + time.perf_counter() - begun))
    return results


@dataclass(frozen=True, eq=False)
class _Closed:
    """Radii (n, K) and multipliers (n, P, N), with the method behind each point's."""

    radii: FloatArray
    multipliers: FloatArray
    methods: list[str]


@dataclass(frozen=True, eq=False)
class _Answer:
    radius: float
    witness: Witness | None
    method: str
    rivals: list[dict[str, Any]]


class _Batch:
    def __init__(
        self,
        heads: Heads,
        points: FloatArray,
        labels: Sequence[int] | npt.ArrayLike | None,
        box: Box | None,
        asked: float | None,
        method: Method,
        gap: float,
        seed: int,
    ) -> None:
        self.heads, self.points, self.box, self.asked = heads, points, box, asked
        self.method, self.gap, self.seed = method, gap, seed
        self.logits, self.errors = heads.logits(points)
        self.values = heads.values(self.logits)
        self.labels = self._labels(labels)
        everyone = np.arange(len(points))
        others = self.values.copy()
        others[everyone, self.labels] = -np.inf
        self.margins = self.values[everyone, self.labels] - others.max(axis=1)

    def _labels(self, labels: Sequence[int] | npt.ArrayLike | None) -> IntArray:
        if labels is None:
            return np.asarray(self.values.argmax(axis=1), dtype=np.int64)
        read = np.asarray(labels)
        if read.dtype.kind not in "iu" or read.shape != (len(self.points),):
            raise InvalidInput(f"labels: expected {len(self.points)} integers, one a point")
        wrong = np.flatnonzero((read < 0) | (read >= len(self.heads)))
        if wrong.size:
            raise InvalidInput(f"label {read[wrong[0]]} of point {wrong[0]}: the model has {len(self.heads)} classes")
        return read.astype(np.int64)

    # -- closed forms ---------------------------------------------------------------------------------------------

    def closed_forms(self) -> _Closed:
        """The radii of the method, or those from which the search for the exact one starts."""
        n = len(self.points)
        if self.method == "lipschitz":
            tangent = self._radii(optimise=False)
            return _Closed(np.minimum(tangent.radii, self._lipschitz()), tangent.multipliers, ["lipschitz"] * n)
        if self.method == "tangent":
            return self._radii(optimise=False)
        if self.method == "transfer":
            return self._transfer()
        return self._radii(optimise=True)

    def _radii(self, *, optimise: bool) -> _Closed:
        heads, enough = self.heads, self.asked
        low, high, bounded = heads.room(self.points, self.box)
        limit = np.inf if enough is None or self.method != "auto" else enough
        radii, multipliers = head_radii(
            heads.slopes, heads.norms, self.logits, self.errors, heads.offsets, heads.eps, self.labels,
            heads.norm.code, (low, high), bounded, CAP, limit, optimise=optimise,
        )  # fmt: skip
        return _Closed(radii, multipliers, ["combined" if optimise else "tangent"] * len(self.points))

    def _lipschitz(self) -> FloatArray:
        heads = self.heads
        steep = np.zeros((len(heads), len(heads)))
        for c in range(len(heads)):
            for k in range(c):
                one, other = heads.slopes[heads.part(c)], heads.slopes[heads.part(k)]
                steep[c, k] = steep[k, c] = largest_difference(one, other, heads.norm.p) * (1 + 1e-12)
        everyone = np.arange(len(self.points))
        margins = np.maximum(self.values[everyone, self.labels][:, None] - self.values, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.where(steep[self.labels] > 0, margins / steep[self.labels], np.where(margins > 0, CAP, 0.0))
        found[everyone, self.labels] = CAP
        return np.asarray(np.minimum(found * (1 - 1e-12), CAP))

    def _transfer(self) -> _Closed:
        """The tropical limit with each rival raised by ε_k log N_k; its multipliers hold for the model itself."""
        heads = self.heads
        counts = np.diff(heads.offsets)
        raised = np.repeat(heads.eps * np.log(counts), counts)
        own = np.zeros_like(self.logits)
        for i, label in enumerate(self.labels):
            own[i, heads.part(int(label))] = raised[heads.part(int(label))]
        low, high, bounded = heads.room(self.points, self.box)
        logits = self.logits + raised - own
        errors = self.errors + 4 * 2.0**-53 * (np.abs(self.logits) + raised)
        radii, multipliers = head_radii(
            heads.slopes, heads.norms, logits, errors, heads.offsets, np.zeros(len(heads)), self.labels,
            heads.norm.code, (low, high), bounded, CAP, np.inf, optimise=True,
        )  # fmt: skip
        return _Closed(radii, multipliers, ["transfer"] * len(self.points))

    # -- one point ------------------------------------------------------------------------------------------------

    def finish(self, i: int, found: _Closed, deadline: Deadline) -> _Answer:
        """The answer for one point: counterexamples, and branch and bound where the method asks for it."""
        ball = Ball(self.heads, self.points[i], int(self.labels[i]), self.box)
        radii = found.radii[i].copy()
        best = float(radii.min())
        rivals = [self._evidence(ball, k, found.multipliers[i]) for k in range(len(self.heads)) if k != ball.label]
        if self.margins[i] <= 0:
            excess, error = ball.excess(ball.point[None, :])
            rival = int(excess[0].argmax())
            same = excess[0, rival] >= error[0] or not self.heads.eps.any()
            witness = Witness(ball.point, 0.0, rival) if same else None
            return _Answer(0.0, witness, found.methods[i], [])
        settled = best >= CAP or (self.asked is not None and best >= self.asked)
        if self.method not in ("auto", "exact") or settled:
            return _Answer(min(best, CAP), None, found.methods[i], rivals)
        witness = self._attack(ball, radii, found.multipliers[i])
        if self.asked is not None and witness is not None and witness.distance <= self.asked:
            return _Answer(best, witness, found.methods[i], rivals)
        return self._refine(ball, radii, found, i, witness, deadline)

    def _evidence(self, ball: Ball, k: int, multipliers: FloatArray) -> dict[str, Any]:
        own = self.heads.part(ball.label)
        rows = multipliers[self.heads.part(k), : own.stop - own.start]
        shared = bool((rows == rows[0]).all())
        return {"rival": k, "multipliers": (rows[:1] if shared else rows).tolist()}

    def _attack(self, ball: Ball, radii: FloatArray, multipliers: FloatArray) -> Witness | None:
        """The nearest counterexample: from the maxima of the bounds, then from descent, each polished."""
        witness: Witness | None = None
        for k in np.argsort(radii).tolist():
            if k == ball.label or (witness is not None and radii[k] >= witness.distance) or radii[k] >= CAP:
                continue
            for start in self._starts(ball, k, radii[k], multipliers):
                tight = start.distance <= radii[k] * (1 + 1e-7)
                found = start if tight else polish(ball, start)
                if witness is None or found.distance < witness.distance:
                    witness = found
                if tight:
                    break
        if witness is None:
            witness = self._descent(ball, float(radii.min()))
        return witness

    def _starts(self, ball: Ball, k: int, radius: float, multipliers: FloatArray) -> Iterator[Witness]:
        """Points behind the boundary to rival k: where single pieces of it rise most."""
        part, own = self.heads.part(k), self.heads.part(ball.label)
        count = part.stop - part.start
        heights = []
        for j, q in enumerate(np.eye(count)):
            bound = ball.plane(k, q, multipliers[part.start + j, : own.stop - own.start])
            heights.append(ball.ceiling(bound, radius))
        order = np.argsort(heights)[::-1]
        for j in order[: 3 if self.heads.eps[k] > 0 else count].tolist():
            if heights[j] < heights[order[0]] - max(8 * self.heads.eps[k], 0.05 * float(self.margins.max())):
                break
            shift = nearest(ball, k, np.eye(count)[j], radius)
            crossed = None if shift is None else cross(ball, shift, k, beyond=4.0)
            if crossed is not None:
                yield crossed
            if crossed is None or crossed.distance > radius * (1 + self.gap):
                # the rival may reach the label's function without ever exceeding it
                _, shift = ball.best(k, np.eye(count)[j], radius, 1e-9 * (abs(heights[j]) + radius))
                touched = cross(ball, shift, k, beyond=1 + 0.5 * self.gap)
                if touched is not None:
                    yield touched

    def _descent(self, ball: Ball, radius: float) -> Witness | None:
        for factor in (2.0, 8.0, 64.0):
            shift, margin = descend(
                self.heads, ball.point[None, :], np.array([ball.label]), np.array([max(radius, 1e-9) * factor]),
                self.box, seed=self.seed,
            )  # fmt: skip
            if margin[0] < 0:
                found = cross(ball, shift[0])
                if found is not None:
                    return polish(ball, found)
        return None

    def _refine(
        self, ball: Ball, radii: FloatArray, found: _Closed, i: int, witness: Witness | None, deadline: Deadline
    ) -> _Answer:
        """Prove the radius up to the gap below the nearest counterexample, rival by rival."""
        own = self.heads.part(ball.label)
        searches: dict[int, Simplices] = {}
        goal = self.asked if witness is None else witness.distance * (1 - self.gap)
        stuck = False
        while goal is not None and float(radii.min()) < goal and not stuck:
            k = int(radii.argmin())
            if k not in searches:
                rows = found.multipliers[i][self.heads.part(k), : own.stop - own.start]
                searches[k] = Simplices(ball, k, rows)
            answer = searches[k].search(goal, deadline, MOST_CORNERS)
            if answer is True:
                radii[k] = goal
            elif isinstance(answer, np.ndarray):
                crossed = cross(ball, answer, k, beyond=1.01)
                better = None if crossed is None else polish(ball, crossed)
                if better is None or (witness is not None and better.distance >= witness.distance):
                    stuck = True
                else:
                    witness = better
                    goal = witness.distance * (1 - self.gap)
            else:
                stuck = True
        if stuck:
            k = int(radii.argmin())
            radii[k] = self._largest(searches[k], float(radii[k]), float(goal or radii[k]))
        best = float(radii.min())
        rivals = []
        for k in range(len(self.heads)):
            if k == ball.label:
                continue
            if k in searches and searches[k].holds(best):
                rivals.append(searches[k].evidence())
            else:
                rivals.append(self._evidence(ball, k, found.multipliers[i]))
        return _Answer(best, witness, "exact" if searches else found.methods[i], rivals)

    @staticmethod
    def _largest(search: Simplices, floor: float, ceiling: float) -> float:
        """The largest radius between two that the parts found so far prove."""
        for _ in range(20):
            middle = (floor + ceiling) / 2
            floor, ceiling = (middle, ceiling) if search.holds(middle) else (floor, middle)
        return floor

    def certificate(self, i: int, answer: _Answer, seconds: float) -> Certificate:
        """The answer as a certificate."""
        upper = np.inf if answer.witness is None else answer.witness.distance
        radius = min(answer.radius, CAP, upper)
        evidence: dict[str, Any] = {"rivals": answer.rivals}
        if answer.witness is not None:
            evidence["witness"] = answer.witness.point.tolist()
        box = self.box
        return Certificate(
            model=self.heads.classes.digest,
            point=tuple(self.points[i].tolist()),
            label=int(self.labels[i]),
            margin=float(self.margins[i]),
            radius=radius,
            upper=upper,
            method=answer.method,
            status=_status(radius, upper, self.asked),
            evidence=evidence,
            seconds=seconds,
            norm=self.heads.norm,
            box=None if box is None else (tuple(box.lower.tolist()), tuple(box.upper.tolist())),
            asked=self.asked,
        )


def _status(radius: float, upper: float, asked: float | None) -> Status:
    if asked is None:
        return "robust" if radius > 0 else "falsified" if upper == 0 else "unknown"
    return "robust" if radius >= asked else "falsified" if upper <= asked else "unknown"
