"""Certificates of the label of inputs: from closed forms to the exact radius."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import get_args

import numpy as np
import numpy.typing as npt

from tropix.arrays import points_array
from tropix.boxes import Box, BoxLike
from tropix.certify._certificate import Certificate, status_of
from tropix.certify._certify_circuits import CIRCUIT_METHODS, CircuitEngine
from tropix.certify._certify_heads import HeadsEngine
from tropix.certify._engine import Answer, Engine, Method, Request
from tropix.certify._heads import CAP
from tropix.certify._models import Model, Subject
from tropix.certify._norms import Norm, NormLike
from tropix.deadline import Deadline
from tropix.errors import InvalidInput, Unsupported


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
    started = time.perf_counter()
    subject = Subject(model)
    dimension = subject.dimension
    measure = Norm.of(norm, dimension)
    rows, _ = points_array(points, dimension)
    rows = rows + 0.0
    if rows.ndim != 2 or np.ndim(points) != 2:
        raise InvalidInput(f"points have shape {np.shape(points)}: expected (n, {dimension})")
    domain = None if box is None else Box.of(box, dimension)
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
    request = Request(rows, labels, measure, radius, domain, method, gap, seed)
    engine = _engine(subject, request)
    shared = (time.perf_counter() - started) / len(rows)
    results = []
    for i in range(len(rows)):
        begun = time.perf_counter()
        answer = engine.answer(i, Deadline(time_limit))
        results.append(_certificate(subject, request, engine, i, answer, shared + time.perf_counter() - begun))
    return results


def _engine(subject: Subject, request: Request) -> Engine:
    if request.method in CIRCUIT_METHODS:
        return CircuitEngine(subject, request)
    try:
        classes = subject.classes
    except Unsupported:
        if request.method not in ("auto", "exact"):
            raise
        return CircuitEngine(subject, request)
    return HeadsEngine(classes, request)


def _certificate(
    subject: Subject, request: Request, engine: Engine, i: int, answer: Answer, seconds: float
) -> Certificate:
    upper = np.inf if answer.witness is None else answer.witness.distance
    radius = min(answer.radius, CAP, upper)
    evidence = dict(answer.evidence)
    if answer.witness is not None:
        evidence["witness"] = answer.witness.point.tolist()
    box = request.box
    return Certificate(
        model=subject.digest,
        point=tuple(request.points[i].tolist()),
        label=int(engine.labels[i]),
        margin=float(engine.margins[i]),
        radius=radius,
        upper=upper,
        method=answer.method,
        status=status_of(radius, upper, request.asked),
        evidence=evidence,
        seconds=seconds,
        norm=request.norm,
        box=None if box is None else (tuple(box.lower.tolist()), tuple(box.upper.tolist())),
        asked=request.asked,
    )
