"""Certificates of deep circuits: sound radii, methods in their order, evidence that the check proves."""

from __future__ import annotations

import numpy as np
import pytest

from tropix.certify import Norm, certify_all, check
from tropix.circuits import Circuit, CircuitBuilder

NORMS = (1, 2, "inf", Norm(2, (1.0, 0.5, 2.0)), Norm(np.inf, (1.0, 0.5, 2.0)))


def deep(seed: int, kind: str, inputs: int = 3, classes: int = 3, sizes: tuple[int, ...] = (6, 6)) -> Circuit:
    """A random network whose hidden layers are of one kind."""
    rng = np.random.default_rng(seed)
    builder = CircuitBuilder(inputs)

    def affine(source: int, size: int) -> int:
        width = builder.size(source)
        matrix = rng.normal(size=(size, width)) / np.sqrt(width)
        return builder.affine([(source, matrix)], 0.3 * rng.normal(size=size))

    layer = 0
    for size in sizes:
        if kind in ("relu", "softplus", "leaky"):
            eps = 0.3 if kind == "softplus" else 0.0
            layer = builder.pairs_with_zero(affine(layer, size), eps, 0.2 if kind == "leaky" else 0.0)
        elif kind in ("maxout", "lse"):
            segments = np.array([0, 1, 3, 6, 11]) if size == 5 else 3 * np.arange(size + 1)
            layer = builder.log_sum_exp(affine(layer, int(segments[-1])), 0.3 if kind == "lse" else 0.0, segments)
        elif kind == "skip":
            inner = builder.pairs_with_zero(affine(layer, size), 0.0)
            matrices = [rng.normal(size=(size, builder.size(v))) / 2 for v in (inner, layer)]
            layer = builder.affine([(inner, matrices[0]), (layer, matrices[1])], np.zeros(size))
    return builder.build(affine(layer, classes))


@pytest.mark.parametrize("kind", ["relu", "softplus", "leaky", "maxout", "lse", "skip"])
@pytest.mark.parametrize("box", [None, (-1.0, 1.0)], ids=["free", "box"])
def test_radii_are_sound_and_proved(kind: str, box: tuple[float, float] | None) -> None:
    circuit = deep(1, kind)
    rng = np.random.default_rng(2)
    points = rng.uniform(-1, 1, size=(4, 3))
    for norm in NORMS:
        before = np.zeros(len(points))
        for method in ("interval", "linear"):
            found = certify_all(circuit, points, norm=norm, box=box, method=method)
            radii = np.array([c.radius for c in found])
            assert (radii > 0).all()
            assert (radii >= before * (1 - 1e-4)).all()
            before = radii
            for certificate in found:
                assert check(certificate, circuit), check(certificate, circuit).reason
                measure = Norm.of(norm)
                steps = rng.normal(size=(3000, 3)) * measure.scales(3)
                steps *= certificate.radius / measure.length(steps)[:, None]
                moved = certificate.point + steps * rng.uniform(size=(3000, 1)) ** 0.2
                moved = moved if box is None else np.clip(moved, *box)
                assert (circuit(moved).argmax(axis=1) == certificate.label).all()
