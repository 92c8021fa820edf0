"""The classes of a model in floats, in the units of a norm, with bounds of all rounding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from tropix.arrays import FloatArray, IntArray, check_logits
from tropix.boxes import Box
from tropix.certify._norms import Norm
from tropix.certify._pieces import Classes
from tropix.polynomials import LogSumExp
from tropix.polynomials._tropical import dual_norms

UNIT = 2.0**-53
CAP = 1e12
"""The largest radius that is reported: no label change up to it is said as none at all."""


@dataclass(frozen=True, eq=False)
class Heads:
    """K functions ⊕_ε (W x + b), joined: weights (P, d), bias (P,), offsets (K+1,), eps (K,).

    ``slopes`` are the weights times the scales of the norm, so that the norm of δ/s is plain, and ``norms`` (P,) their
    dual norms, rounded upwards.
    """

    classes: Classes
    norm: Norm
    weights: FloatArray
    bias: FloatArray
    offsets: IntArray
    eps: FloatArray
    slopes: FloatArray
    norms: FloatArray

    @classmethod
    def of(cls, classes: Classes, norm: Norm) -> Heads:
        """Round the exact numbers, once for each norm."""
        found = classes.known.get(norm)
        if found is None:
            found = classes.known[norm] = cls._rounded(classes, norm)
        return cast(Heads, found)

    @classmethod
    def _rounded(cls, classes: Classes, norm: Norm) -> Heads:
        weights = np.concatenate([f.weights.floats() for f in classes.functions])
        bias = np.concatenate([f.bias.floats() for f in classes.functions])
        offsets = np.concatenate([[0], np.cumsum([len(f.bias) for f in classes.functions])]).astype(np.int64)
        eps = np.array([float(f.eps) for f in classes.functions])
        slopes = weights * norm.scales(classes.dimension)
        norms = dual_norms(slopes, norm.p) * (1 + (classes.dimension + 6) * UNIT)
        return cls(classes, norm, weights, bias, offsets, eps, slopes, norms)

    @property
    def dimension(self) -> int:
        """Number of inputs d."""
        return int(self.weights.shape[1])

    def __len__(self) -> int:
        return len(self.eps)

    def part(self, k: int) -> slice:
        """The pieces of function k."""
        return slice(int(self.offsets[k]), int(self.offsets[k + 1]))

    def function(self, k: int) -> LogSumExp:
        """Function k of x."""
        return LogSumExp(self.weights[self.part(k)], self.bias[self.part(k)], float(self.eps[k]))

    def logits(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """W x + b (n, P) and bounds of their errors, the rounding of weights and biases included."""
        check_logits(points, self.weights, self.bias)
        logits = points @ self.weights.T + self.bias
        sizes = np.abs(points) @ np.abs(self.weights).T + np.abs(self.bias)
        return logits, (self.dimension + 6) * UNIT * sizes + 1e-300

    def values(self, logits: FloatArray) -> FloatArray:
        """⊕_ε of the logits (n, P) of each function, (n, K)."""
        starts = self.offsets[:-1]
        top = np.maximum.reduceat(logits, starts, axis=1)
        if not self.eps.any():
            return np.asarray(top)
        counts = np.diff(self.offsets)
        heat = np.repeat(np.where(self.eps > 0, self.eps, 1.0), counts)
        powers = np.exp((logits - np.repeat(top, counts, axis=1)) / heat)
        return np.asarray(top + self.eps * np.log(np.add.reduceat(powers, starts, axis=1)))

    def gibbs(self, logits: FloatArray, k: int) -> FloatArray:
        """Gibbs weights of function k from the logits (n, P) of all; at ε = 0 all weight on one leading piece."""
        z = logits[:, self.part(k)]
        if self.eps[k] == 0:
            return np.asarray(np.eye(z.shape[1])[z.argmax(axis=1)])
        powers = np.exp((z - z.max(axis=1, keepdims=True)) / self.eps[k])
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def room(self, points: FloatArray, box: Box | None) -> tuple[FloatArray, FloatArray, bool]:
        """How far points may move in the box in the units of the norm, (n, d) each, and whether that is limited."""
        if box is None or (np.isneginf(box.lower).all() and np.isposinf(box.upper).all()):
            return np.full_like(points, -np.inf), np.full_like(points, np.inf), False
        scales = self.norm.scales(self.dimension)
        outward = 1 + 4 * UNIT
        return (box.lower - points) / scales * outward, (box.upper - points) / scales * outward, True
