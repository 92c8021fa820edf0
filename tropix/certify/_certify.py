"""Certificates of the label of inputs: from closed forms to the exact radius."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor

import numpy as np
import numpy.typing as npt

from tropix.boxes import BoxLike
from tropix.certify._batches import Progress, in_blocks
from tropix.certify._certificate import Certificate, status_of
from tropix.certify._certify_cells import CellsEngine
from tropix.certify._certify_circuits import CIRCUIT_METHODS, CircuitEngine
from tropix.certify._certify_curvature import CurvatureEngine
from tropix.certify._certify_heads import HeadsEngine
from tropix.certify._certify_slopes import SlopesEngine
from tropix.certify._engine import Answer, Engine, Method, Request
from tropix.certify._heads import CAP
from tropix.certify._models import Model, Subject
from tropix.certify._norms import NormLike
from tropix.certify._requests import request_of
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
    if np.ndim(x) != 1:
        raise InvalidInput(f"one point (d,) is expected, found shape {np.shape(x)}: use certify_all")
    labels = None if label is None else [label]
    return certify_all(
        model, np.asarray(x)[None, :], labels, norm=norm, radius=radius, box=box, method=method, time_limit=time_limit,
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
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[Certificate]:
    """For points (n, d), radii in which the label of a classifier stays the same, with evidence that `check` proves.

    The model is a circuit of any depth, or one log-sum-exp or tropical polynomial a class; a single output f decides
    between the classes 0 and 1 where it is 0, a sigmoid where it is 1/2. Labels default to the model's own.
    Perturbations are measured in the norm 1, 2 or ∞, or a `Norm` with scales; a box holds the valid inputs. Methods for
    all circuits:

    - ``lipschitz``: margin m over a global Lipschitz constant; with one layer, m / max ‖w_i − u_j‖_q;
    - ``local``: the largest r with r·L(r) < m, L(r) a Lipschitz constant of the margin on the ball of radius r, from
      ranges of all derivatives there; it is never less than ``lipschitz``;
    - ``interval``, ``linear``: bounds of the outputs on the ball by intervals; by planes through every nonlinear node
      that are substituted backwards (CROWN, Zhang and others 2018), with their slopes optimised;
    - ``branching``: ``linear`` on the parts of the ball, split across inputs or along the ties of maxima;
    - ``cells``: for maxima of affine maps, the exact radius by a search of activation cells (`nearest_boundary`);
    - ``exact``: to the relative ``gap`` between radius and the nearest counterexample found: by ``linear``, up to
      10,000 ``cells`` and ``branching``;
    - ``auto``: the same with fewer cells the larger the circuit, and only until the ``radius`` asked about is settled.
      Without a time limit branch and bound looks at 200 parts or fewer, so that the gap may stay open.

    Where each class is one ⊕_ε of affine functions (temperatures may differ), with z the pieces of the label at x and y
    those of a rival:

    - ``tangent``: the r with ⊕_ε (y_j + r‖u_j − ∇F_c‖_q) = F_c;
    - ``combined``: the same with the best multipliers for each piece of the rival in place of the tangent;
    - ``second-order``: the r with m − r‖∇m‖_q − diam_q(U)² r²/(8 ε_k) = 0, U the slopes of the rival: as F_c is convex,
      only its curvature counts. A rival at ε_k = 0 with several pieces has kinks: `Unsupported`;
    - ``transfer``: the best radius of the tropical limit for the margin less ε_k log N_k;
    - ``exact`` is branch and bound over the rival's Gibbs weights; without rivals of two or more pieces and for
      max-affine rivals ``combined`` is exact; ``auto`` is ``combined``, then that.

    The ``time_limit`` in seconds is for each point; what is found for a block of points together takes at most about
    half of it.

    Work is done in ``workers`` processes (1: in this one) or by any ``executor``; ``progress`` is told how many points
    are done, of how many. All but the ``seconds`` depends on the seed alone, unless time is over. Ctrl-C ends the call
    without a result: `certify_each` gives certificates one after another. Raises `Unsupported` for other models and
    `InvalidInput` for bad points, labels, radii.

    >>> from tropix import LogSumExp
    >>> model = [LogSumExp([[0.0], [1.0]], [0.0, 0.0], 0.5), LogSumExp([[0.0]], [1.0], 0.5)]
    >>> found = certify(model, [0.0], norm="inf")
    >>> found.label, found.status, round(found.radius, 5), round(found.upper, 5)
    (1, 'robust', 0.92729, 0.92729)
    """
    return list(
        certify_each(
            model, points, labels, norm=norm, radius=radius, box=box, method=method, time_limit=time_limit, gap=gap,
            seed=seed, executor=executor, workers=workers, progress=progress,
        )
    )  # fmt: skip


def certify_each(
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
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Iterator[Certificate]:
    """The certificates of `certify_all`, in the order of the points, each as soon as it is there."""
    subject = Subject(model)
    request = request_of(
        subject, points, labels, norm=norm, radius=radius, box=box, method=method, gap=gap, seed=seed
    )  # fmt: skip
    return in_blocks(certified, subject, request, time_limit, executor=executor, workers=workers, progress=progress)


def certify_subject(
    subject: Subject,
    points: npt.ArrayLike,
    *,
    norm: NormLike,
    radius: float | None,
    box: BoxLike | None,
    method: Method,
    time_limit: float | None,
) -> list[Certificate]:
    """The certificates of a property of a model: class 0 is the label everywhere."""
    labels = np.zeros(len(np.atleast_1d(np.asarray(points))), dtype=np.int64)
    request = request_of(subject, points, labels, norm=norm, radius=radius, box=box, method=method)
    return list(in_blocks(certified, subject, request, time_limit))


def certified(subject: Subject, request: Request, time_limit: float | None) -> Iterator[Certificate]:
    """The certificates of one block of points."""
    started, count = time.perf_counter(), len(request.points)
    engine = _engine(subject, request, Deadline(None if time_limit is None else 0.5 * time_limit * count))
    shared = (time.perf_counter() - started) / count
    left = None if time_limit is None else time_limit - min(0.5 * time_limit, shared)
    for i in range(count):
        begun = time.perf_counter()
        answer = engine.answer(i, Deadline(left))
        yield _certificate(subject, request, engine, i, answer, shared + time.perf_counter() - begun)


def _engine(subject: Subject, request: Request, deadline: Deadline) -> Engine:
    if request.method == "cells":
        return CellsEngine(subject, request)
    if request.method in CIRCUIT_METHODS:
        return CircuitEngine(subject, request, deadline)
    if request.method == "local" or (request.method == "lipschitz" and not subject.steps.heads):
        return SlopesEngine(subject.steps, request)
    try:
        classes = subject.classes
    except Unsupported:
        if request.method not in ("auto", "exact"):
            raise
        return CircuitEngine(subject, request, deadline)
    return CurvatureEngine(classes, request) if request.method == "second-order" else HeadsEngine(classes, request)


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
        property=None if subject.property is None else dict(subject.property),
    )
