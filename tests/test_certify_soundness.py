"""Certified radii of random models of every kind: no attack enters them, exact ones are exact, methods are in order.

A slice of the models is tried always; ``-m slow`` tries 2,100.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from certify_oracles import (
    DEEP,
    HEADS,
    Subject,
    limit_rows,
    lowest_margin,
    planar_distance,
    polar_distance,
    separate_radius,
)

from tropix.certify import Norm, certify, check
from tropix.errors import Unsupported

EXPONENTS = (1.0, 2.0, np.inf)
HEAD_METHODS = ("lipschitz", "local", "second-order", "tangent", "transfer", "combined", "exact", "auto")
DEEP_METHODS = ("lipschitz", "local", "interval", "linear", "branching", "auto")
FAMILIES = {name: (family, HEAD_METHODS) for name, family in HEADS.items()}
FAMILIES |= {name: (family, DEEP_METHODS) for name, family in DEEP.items()}
SOME = ("second-order", "lipschitz", "local")
"""Methods that have no bound for some models: kinks have no curvature, products no slope."""
BLOCK, FULL = 4, 150
"""Models of a family in the ordinary run and in the full one."""


def rounded(rng: np.random.Generator, d: int) -> np.ndarray:
    """A point, often of few digits: ties happen there."""
    return np.round(rng.normal(size=d), int(rng.integers(0, 6)))


ONE_LAYER = ("tangent", "combined", "exact")


def the_radii_hold(subject: Subject, methods: tuple[str, ...], rng: np.random.Generator) -> None:
    """Every method's certificate is proved, no attack finds another label in its ball, and the order is right."""
    d = subject.dimension
    x = rounded(rng, d)
    scale = rng.uniform(0.2, 2, size=d) if rng.random() < 0.25 else np.ones(d)
    p = float(rng.choice(EXPONENTS))
    norm = Norm(p, None if (scale == 1).all() else tuple(scale.tolist()))
    box: Any = None
    if rng.random() < 0.25:
        box = (x - rng.choice([0.0, 0.2, 2.0], size=d), x + rng.choice([0.0, 0.1, 1.0], size=d))
    found: dict[str, Any] = {}
    for method in methods:
        try:
            found[method] = certify(subject.model, x, norm=norm, box=box, method=method, time_limit=1.0)  # type: ignore[arg-type]
        except Unsupported:
            assert method in SOME
    label = next(iter(found.values())).label
    assert subject.margins(x[None, :], label)[0] >= -1e-9
    for method, certificate in found.items():
        verdict = check(certificate, subject.model)
        assert verdict, (method, verdict)
        assert certificate.label == label
        assert certificate.margin == pytest.approx(float(subject.margins(x[None, :], label)[0]), abs=1e-8)
        if np.isfinite(certificate.upper):
            witness = np.array(certificate.evidence["witness"])
            assert subject.margins(witness[None, :], label)[0] <= 1e-9
            assert np.linalg.norm((witness - x) / scale, ord=p) <= certificate.upper * (1 + 1e-12)
            assert box is None or ((box[0] <= witness) & (witness <= box[1])).all()
    largest = max(c.radius for c in found.values())
    if largest > 0:
        radius = min(largest, 1e6)
        least, where = lowest_margin(subject, x, label, p, scale, radius, box, int(rng.integers(2**31)))
        size = 1 + np.abs(where).max() + float(np.abs(subject.values(where[None, :])).max())
        assert least > -1e-9 * size, (found, where)
    the_order_is_right(subject, found, x, label, p, scale, box)


def the_order_is_right(
    subject: Subject, found: dict[str, Any], x: np.ndarray, label: int, p: float, scale: np.ndarray, box: Any
) -> None:
    radii = {method: c.radius for method, c in found.items()}
    uppers = [c.upper for c in found.values()]
    assert max(radii.values()) <= min(uppers) * (1 + 1e-12)  # every attack is outside of every certified ball
    slack = 1 + 1e-9
    if "combined" in radii:
        assert radii["lipschitz"] <= radii["tangent"] * slack
        assert radii["tangent"] <= radii["combined"] * slack
        assert radii["combined"] <= radii["exact"] * slack
        assert radii["combined"] <= radii["auto"] * slack
        if box is None or p == np.inf:
            assert min(radii["transfer"], 1e6) <= radii["combined"] * (1 + 1e-6)
        assert subject.rows is not None
        apart = separate_radius(x, subject.rows, label, p, scale)
        assert min(apart, 1e6) <= radii["combined"] * (1 + 1e-7) + 1e-12
        sandwich(subject, found["exact"], x, label, p, scale, box)
    else:
        assert radii["interval"] <= radii["linear"] * slack
        assert radii["linear"] <= radii["branching"] * slack
        # where classes are single layers after all, auto closes the gap to 1e-3, and rounds multipliers
        assert min(radii["linear"], 1e9) <= radii["auto"] * (
            1 + 1.001e-3 if found["auto"].method in ONE_LAYER else slack
        )


def sandwich(subject: Subject, exact: Any, x: np.ndarray, label: int, p: float, scale: np.ndarray, box: Any) -> None:
    """r_trop(margin − ε_k log N_k) ≤ r ≤ r_trop(margin + ε_c log N_c), by the geometry of the limit's polygons."""
    assert subject.rows is not None
    if subject.dimension == 2 and exact.radius > 0:
        lower = planar_distance(x, limit_rows(subject.rows, label, above=False), label, p, scale, box)
        upper = planar_distance(x, limit_rows(subject.rows, label, above=True), label, p, scale, box)
        assert min(lower, 1e6) <= exact.upper * (1 + 1e-7)
        assert min(exact.radius, 1e6) <= upper * (1 + 1e-7)


@pytest.mark.parametrize("name", FAMILIES)
def test_no_attack_enters_a_certified_ball(name: str) -> None:
    family, methods = FAMILIES[name]
    for seed in range(BLOCK):
        rng = np.random.default_rng([seed, *name.encode()])
        the_radii_hold(family(rng), methods, rng)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
@pytest.mark.parametrize("name", FAMILIES)
def test_no_attack_enters_a_certified_ball_of_two_thousand_models(name: str, block: int) -> None:
    family, methods = FAMILIES[name]
    for seed in range(block * FULL // 10, (block + 1) * FULL // 10):
        rng = np.random.default_rng([seed, *name.encode()])
        the_radii_hold(family(rng), methods, rng)


def exact_max_affine(seed: int) -> None:
    rng = np.random.default_rng(seed)
    subject = HEADS["max-affine" if rng.random() < 0.7 else "polynomials"](rng)
    assert subject.rows is not None
    x, p = rounded(rng, 2), float(rng.choice(EXPONENTS))
    scale = rng.uniform(0.2, 2, size=2) if rng.random() < 0.3 else np.ones(2)
    box = (x - rng.choice([0.2, 2.0], size=2), x + rng.choice([0.1, 1.0], size=2)) if rng.random() < 0.2 else None
    found = certify(subject.model, x, norm=Norm(p, tuple(scale.tolist())), box=box, method="exact", gap=1e-7)
    brute = planar_distance(x, subject.rows, found.label, p, scale, box)
    if found.margin <= 0:
        assert brute <= 1e-9
    elif box is None or p == np.inf:
        assert min(found.radius, 1e6) == pytest.approx(min(brute, 1e6), rel=1e-6)
        assert min(found.upper, 1e6) == pytest.approx(min(brute, 1e6), rel=1e-6)
    else:
        assert found.radius <= min(brute, 1e12) * (1 + 1e-9)
        assert found.upper >= brute * (1 - 1e-9)


@pytest.mark.parametrize("block", range(2))
def test_exact_radii_of_maxima_are_those_of_the_polygons(block: int) -> None:
    for seed in range(40 * block, 40 * block + 40):
        exact_max_affine(seed)


def exact_smooth(seed: int) -> None:
    rng = np.random.default_rng([seed, 1])
    subject = HEADS["planar"](rng)
    x, p = rng.normal(size=2), float(rng.choice(EXPONENTS))
    scale = rng.uniform(0.2, 2, size=2) if rng.random() < 0.3 else np.ones(2)
    found = certify(subject.model, x, norm=Norm(p, tuple(scale.tolist())), method="exact", gap=2e-7)
    if 0 < found.upper < 1e3:
        brute = polar_distance(subject, x, found.label, p, scale, 1.5 * found.upper)
        assert found.gap <= 1e-6 * found.upper
        assert found.radius <= brute * (1 + 1e-9)
        # the rays may miss a narrow corner: then the witness must be one by the formula as well
        witness = np.array(found.evidence["witness"])
        behind = subject.margins(witness[None, :], found.label)[0] <= 1e-13 * (
            1 + np.abs(subject.values(x[None, :])).max()
        )
        closer = float(np.linalg.norm((witness - x) / scale, ord=p)) if behind else np.inf
        assert min(brute, closer) == pytest.approx(found.radius, rel=1e-6)


@pytest.mark.parametrize("block", range(2))
def test_exact_radii_of_smooth_classes_are_those_of_fine_rays(block: int) -> None:
    for seed in range(5 * block, 5 * block + 5):
        exact_smooth(seed)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_exact_radii_of_many_models(block: int) -> None:
    for seed in range(1000 + 20 * block, 1020 + 20 * block):
        exact_max_affine(seed)
        exact_smooth(seed)


def test_the_attack_would_notice() -> None:
    """Just beyond the exact radius the attack of these tests finds the other label."""
    tried = caught = 0
    for seed in range(30):
        rng = np.random.default_rng([seed, 2])
        subject = HEADS["mixed"](rng)
        x, p = rng.normal(size=subject.dimension), float(rng.choice(EXPONENTS))
        found = certify(subject.model, x, norm=p, method="exact")
        if 0 < found.upper < 1e6:
            ones, radius = np.ones(len(x)), 1.01 * found.upper
            tried += 1
            caught += lowest_margin(subject, x, found.label, p, ones, radius, None, seed)[0] <= 0
    assert tried > 15
    assert caught >= 0.95 * tried
