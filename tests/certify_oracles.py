"""Random classifiers with plain evaluations, attacks and exact distances that share no code with the package."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from tropix import LogSumExp, TropicalPolynomial
from tropix.circuits import CircuitBuilder, Gibbs, uniform_segments

Values = Callable[[np.ndarray], np.ndarray]
Rows = list[tuple[np.ndarray, np.ndarray, float]]


@dataclass(frozen=True)
class Subject:
    """A model, its logits (n, K) at points (n, d) by plain NumPy, and its classes (W, b, ε) where each is one ⊕_ε."""

    model: Any
    values: Values
    dimension: int
    rows: Rows | None = None
    piecewise_linear: bool = False

    def margins(self, points: np.ndarray, label: int) -> np.ndarray:
        """The label's logit less the largest other one."""
        found = self.values(points)
        return np.asarray(found[:, label] - np.delete(found, label, axis=1).max(axis=1))


def soft(z: np.ndarray, eps: float) -> np.ndarray:
    """⊕_ε along the last axis."""
    return np.asarray(z.max(axis=-1) if eps == 0 else eps * logsumexp(z / eps, axis=-1))


def value_of(rows: Rows) -> Values:
    return lambda points: np.stack([soft(points @ w.T + b, eps) for w, b, eps in rows], axis=1)


# -- random models --------------------------------------------------------------------------------------------------


def temperature(rng: np.random.Generator) -> float:
    """0, or anything from 10⁻³ to 10."""
    return 0.0 if rng.random() < 0.25 else float(10.0 ** rng.uniform(-3, 1))


def random_rows(rng: np.random.Generator, d: int, classes: int, most: int, eps: float | None = None) -> Rows:
    """Classes of 1 to ``most`` pieces; some have round numbers, duplicate pieces, zero weights, or equal another."""
    rows: Rows = []
    for _ in range(classes):
        count = int(rng.integers(1, most + 1))
        weights, bias = rng.normal(size=(count, d)) * rng.choice([0.3, 1.0, 3.0]), rng.normal(size=count)
        if rng.random() < 0.25:
            weights, bias = np.round(weights), np.round(bias)
        if rng.random() < 0.15:
            weights[-1], bias[-1] = weights[0], bias[0]
        if rng.random() < 0.1:
            weights[int(rng.integers(count))] = 0.0
        if rng.random() < 0.03:
            weights = np.zeros_like(weights)
        rows.append((weights, bias, temperature(rng) if eps is None else eps))
    if rng.random() < 0.08:
        rows[-1] = rows[0]  # ties everywhere
    return rows


def of_rows(rows: Rows, model: Any = None) -> Subject:
    heads = [LogSumExp(w, b, eps) for w, b, eps in rows] if model is None else model
    return Subject(heads, value_of(rows), rows[0][0].shape[1], rows, all(eps == 0 for *_, eps in rows))


def mixed(rng: np.random.Generator) -> Subject:
    return of_rows(random_rows(rng, int(rng.integers(1, 5)), int(rng.integers(2, 5)), 4))


def planar(rng: np.random.Generator) -> Subject:
    return of_rows(random_rows(rng, 2, 3, 3))


def max_affine(rng: np.random.Generator) -> Subject:
    return of_rows(random_rows(rng, 2, int(rng.integers(2, 4)), 4, 0.0))


def affine(rng: np.random.Generator) -> Subject:
    return of_rows(random_rows(rng, int(rng.integers(1, 4)), 3, 1))


def line(rng: np.random.Generator) -> Subject:
    return of_rows(random_rows(rng, 1, 2, 4))


def polynomials(rng: np.random.Generator) -> Subject:
    rows: Rows = []
    for _ in range(3):
        count = int(rng.integers(1, 5))
        exponents = np.unique(rng.integers(-3, 4, size=(count, 2)), axis=0)
        rows.append((exponents.astype(float), np.round(rng.normal(size=len(exponents)), 2), 0.0))
    return of_rows(rows, [TropicalPolynomial(w.astype(int), b) for w, b, _ in rows])


def absent(rng: np.random.Generator) -> Subject:
    """Pieces with bias −∞ are as if they were not there."""
    rows = random_rows(rng, 2, 3, 3)
    heads = []
    for w, b, eps in rows:
        place = int(rng.integers(len(b) + 1))
        heads.append(LogSumExp(np.insert(w, place, rng.normal(size=2), 0), np.insert(b, place, -np.inf), eps))
    return of_rows(rows, heads)


def head_circuit(rng: np.random.Generator, *, softmax: bool) -> Subject:
    """The classes as one circuit, with or without softmax at its end."""
    d, classes, count, eps = int(rng.integers(1, 4)), int(rng.integers(2, 4)), int(rng.integers(1, 4)), temperature(rng)
    weights, bias = rng.normal(size=(classes * count, d)), rng.normal(size=classes * count)
    builder = CircuitBuilder(d)
    pieces = builder.affine([(0, weights)], bias)
    top = builder.log_sum_exp(pieces, eps, uniform_segments(classes, count))
    if softmax:
        top = builder.add(Gibbs(top, 1.0, uniform_segments(1, classes)))
    rows = [(weights[k * count : (k + 1) * count], bias[k * count : (k + 1) * count], eps) for k in range(classes)]
    return of_rows(rows, builder.build(top))


def single_output(rng: np.random.Generator) -> Subject:
    """One output f: class 0 is the function 0, class 1 is f."""
    d, count, eps = int(rng.integers(1, 4)), int(rng.integers(1, 5)), temperature(rng)
    weights, bias = rng.normal(size=(count, d)), rng.normal(size=count) - 1
    builder = CircuitBuilder(d)
    top = builder.log_sum_exp(builder.affine([(0, weights)], bias), eps, uniform_segments(1, count))
    return of_rows([(np.zeros((1, d)), np.zeros(1), 0.0), (weights, bias, eps)], builder.build(top))


def deep(rng: np.random.Generator, kind: str) -> Subject:
    """One or two hidden layers of max(z, 0), maxima, softplus or ⊕_ε of pairs, then affine outputs."""
    d, hidden, classes = int(rng.integers(1, 3)), int(rng.integers(1, 3)), int(rng.integers(1, 4))
    eps = 0.0 if kind in ("relu", "maxout") else float(10.0 ** rng.uniform(-2, 0.5))
    builder, node, size = CircuitBuilder(d), 0, d
    layers: list[tuple[np.ndarray, np.ndarray, int]] = []
    for _ in range(hidden):
        width, group = int(rng.integers(1, 5)), 1 if kind in ("relu", "softplus") else 2
        weights, bias = rng.normal(size=(width * group, size)), rng.normal(size=width * group)
        if rng.random() < 0.2:
            weights, bias = np.round(weights), np.round(bias)
        if rng.random() < 0.1:
            weights[0] = 0.0
        node = builder.affine([(node, weights)], bias)
        if group == 1:
            node = builder.pairs_with_zero(node, eps)
        else:
            node = builder.log_sum_exp(node, eps, uniform_segments(width, group))
        layers.append((weights, bias, group))
        size = width
    weights, bias = rng.normal(size=(classes, size)), rng.normal(size=classes)
    circuit = builder.build(builder.affine([(node, weights)], bias))

    def values(points: np.ndarray) -> np.ndarray:
        z = points
        for w, b, group in layers:
            z = z @ w.T + b
            pairs = np.stack([z, np.zeros_like(z)], axis=-1) if group == 1 else z.reshape(len(z), -1, group)
            z = soft(pairs, eps)
        z = z @ weights.T + bias
        return np.concatenate([np.zeros_like(z), z], axis=1) if classes == 1 else np.asarray(z)

    return Subject(circuit, values, d, None, eps == 0)


HEADS: dict[str, Callable[[np.random.Generator], Subject]] = {
    "mixed": mixed,
    "planar": planar,
    "max-affine": max_affine,
    "affine": affine,
    "line": line,
    "polynomials": polynomials,
    "absent pieces": absent,
    "circuit": lambda rng: head_circuit(rng, softmax=False),
    "softmax": lambda rng: head_circuit(rng, softmax=True),
    "single output": single_output,
}
DEEP: dict[str, Callable[[np.random.Generator], Subject]] = {
    f"deep {kind}": lambda rng, kind=kind: deep(rng, kind) for kind in ("relu", "maxout", "softplus", "log-sum-exp")
}


# -- attacks --------------------------------------------------------------------------------------------------------


def length(shifts: np.ndarray, p: float, scale: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.norm(shifts / scale, ord=p, axis=-1))


def into_ball(shifts: np.ndarray, p: float, scale: np.ndarray, radius: float) -> np.ndarray:
    """Shifts scaled down to the ball where they lie outside."""
    sizes = length(shifts, p, scale)[..., None]
    return np.asarray(shifts * np.minimum(1.0, radius / np.maximum(sizes, 1e-300)))


def lowest_margin(
    subject: Subject, x: np.ndarray, label: int, p: float, scale: np.ndarray, radius: float, box: Any, seed: int
) -> tuple[float, np.ndarray]:
    """The least margin found in the ball and the box: a grid up to two inputs, corners, random points, then descent."""
    rng, d = np.random.default_rng(seed), len(x)
    tries = [np.zeros((1, d)), np.vstack([np.eye(d), -np.eye(d)]), np.array(list(product((-1.0, 1.0), repeat=d)))]
    if d <= 2:
        tries.append(np.array(list(product(np.linspace(-1, 1, 41), repeat=d))))
    tries.append(rng.normal(size=(200, d)))
    shifts = np.concatenate(tries)
    on_sphere = shifts / np.maximum(length(shifts, p, np.ones(d)), 1e-300)[:, None]
    shifts = np.concatenate([into_ball(shifts, p, np.ones(d), 1.0), on_sphere]) * scale * radius

    def points(moves: np.ndarray) -> np.ndarray:
        found = x + into_ball(moves, p, scale, radius)
        return np.asarray(found if box is None else np.clip(found, *box))

    best, where = np.inf, x
    starts = shifts
    for k in range(subject.values(x[None, :]).shape[1]):
        if k == label:
            continue

        def over(found: np.ndarray, k: int = k) -> np.ndarray:
            values = subject.values(found)
            return np.asarray(values[:, label] - values[:, k])

        shifts, step = starts, 0.5 * radius
        for _ in range(25):
            heights = over(points(shifts))
            order = np.argsort(heights)[:5]
            shifts = shifts[order]
            if heights[order[0]] < best:
                best, where = float(heights[order[0]]), points(shifts[:1])[0]
            downhill = shifts - step * direction(over, x + shifts, p, 1e-4 * step / scale.max()) * scale
            near = shifts[:, None, :] + step * scale * rng.normal(size=(5, 20, d))
            shifts = into_ball(np.concatenate([shifts, downhill, near.reshape(-1, d)]), p, scale, radius)
            step *= 0.75
    return float(subject.margins(where[None, :], label)[0]), where


def direction(function: Values, at: np.ndarray, p: float, h: float) -> np.ndarray:
    """The steepest directions of norm 1 by differences: signs for p = ∞, one coordinate for 1."""
    d = at.shape[1]
    step = h + 1e-9 * (1 + np.abs(at).max())
    ends = at[:, None, :] + step * np.vstack([np.eye(d), -np.eye(d)])
    values = function(ends.reshape(-1, d)).reshape(len(at), 2 * d)
    slope = values[:, :d] - values[:, d:]
    if p == np.inf:
        return np.sign(slope)
    if p == 1:
        return np.asarray(np.sign(slope) * (np.abs(slope) == np.abs(slope).max(axis=1, keepdims=True)))
    return np.asarray(slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-300))


# -- exact distances ------------------------------------------------------------------------------------------------


def planar_distance(x: np.ndarray, rows: Rows, label: int, p: float, scale: np.ndarray, box: Any = None) -> float:
    """The distance to a label change of max-affine classes of two inputs, by all candidates for the nearest point.

    The points behind the boundary to one rival piece form a polygon. Its nearest point to 0 is 0 itself, a vertex, or
    on one line: the foot of the perpendicular (p = 2), else where the line meets an axis (1) or a diagonal (∞).
    """
    own_w, own_b, _ = rows[label]
    bounds: list[tuple[np.ndarray, float]] = []
    if box is not None:
        for i, unit in enumerate(np.eye(2)):
            bounds += [(unit * scale[i], float(box[1][i] - x[i])), (-unit * scale[i], float(x[i] - box[0][i]))]
    rays = {1.0: np.eye(2), np.inf: np.array([[1.0, 1.0], [1.0, -1.0]]), 2.0: np.zeros((0, 2))}[p]
    best = np.inf
    for k, (w, b, _) in enumerate(rows):
        if k == label:
            continue
        for u, c in zip(w, b, strict=True):
            table = np.array([(v - u) * scale for v in own_w] + [v for v, _ in bounds])  # table δ ≤ level
            level = np.array([float(u @ x + c - v @ x - e) for v, e in zip(own_w, own_b, strict=True)])
            level = np.append(level, [e for _, e in bounds])
            found = [np.zeros(2)]
            for (a, e), (f, g) in combinations(zip(table, level, strict=True), 2):
                det = a[0] * f[1] - a[1] * f[0]
                if abs(det) > 1e-13:
                    found.append(np.array([e * f[1] - g * a[1], a[0] * g - f[0] * e]) / det)
            for a, e in zip(table, level, strict=True):
                if p == 2 and a.any():
                    found.append(a * e / (a @ a))
                found += [ray * e / (a @ ray) for ray in rays if abs(a @ ray) > 1e-13]
            points = np.array(found)
            slack = 1e-9 * (1 + np.abs(points).max(axis=1) * np.abs(table).max() + np.abs(level).max())
            inside = (points @ table.T <= level + slack[:, None]).all(axis=1)
            if inside.any():
                best = min(best, float(np.linalg.norm(points[inside], ord=p, axis=1).min()))
    return best


def polar_distance(subject: Subject, x: np.ndarray, label: int, p: float, scale: np.ndarray, reach: float) -> float:
    """The distance to a label change of two inputs: the first crossing on rays, least over refined angles."""
    angles = np.linspace(0, 2 * np.pi, 361)[:-1]
    grid = np.linspace(0, 1, 121)[1:]

    def crossing(angle: float) -> float:
        ray = np.array([np.cos(angle), np.sin(angle)])
        ray = ray / np.linalg.norm(ray, ord=p) * scale * reach
        behind = subject.margins(x + grid[:, None] * ray, label) <= 0
        if not behind.any():
            return 2.0
        below, above = float(np.append(0.0, grid)[behind.argmax()]), float(grid[behind.argmax()])
        while above - below > 1e-12:
            times = below + (above - below) * np.linspace(0, 1, 65)[1:]
            place = int((subject.margins(x + times[:, None] * ray, label) <= 0).argmax())
            below, above = (below if place == 0 else float(times[place - 1])), float(times[place])
        return above

    found = np.array([crossing(a) for a in angles])
    best = float(found.min())
    width = 2 * np.pi / 360
    for i in np.argsort(found, kind="stable")[:4]:
        if found[i] <= 1:
            answer = minimize_scalar(
                crossing, bounds=(angles[i] - width, angles[i] + width), method="bounded", options={"xatol": 1e-9}
            )
            best = min(best, float(answer.fun))
    return best * reach if best <= 1 else np.inf


# -- bounds that treat label and rival apart -------------------------------------------------------------------------


def separate_radius(x: np.ndarray, rows: Rows, label: int, p: float, scale: np.ndarray) -> float:
    """The radius up to which the label's least value is above all others' largest ones: interval propagation."""
    q = {1.0: np.inf, 2.0: 2.0, np.inf: 1.0}[p]

    def holds(radius: float) -> bool:
        ends = []
        for k, (w, b, eps) in enumerate(rows):
            spread = radius * np.linalg.norm(w * scale, ord=q, axis=1)
            ends.append(float(soft(w @ x + b + (spread if k != label else -spread), eps)))
        return all(end < ends[label] for k, end in enumerate(ends) if k != label)

    if not holds(0.0):
        return 0.0
    floor, ceiling = 0.0, 1.0
    while holds(ceiling) and ceiling < 1e9:
        floor, ceiling = ceiling, 2 * ceiling
    for _ in range(60):
        middle = (floor + ceiling) / 2
        floor, ceiling = (middle, ceiling) if holds(middle) else (floor, middle)
    return floor


def limit_rows(rows: Rows, label: int, *, above: bool) -> Rows:
    """The tropical limit with each rival raised by ε_k log N_k; or, ``above``, the label raised by ε_c log N_c."""
    return [
        (w, b + (eps * np.log(len(b)) if (k == label) == above else 0.0), 0.0) for k, (w, b, eps) in enumerate(rows)
    ]
