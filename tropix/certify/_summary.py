"""Certificates of a data set in a few numbers: accuracies at radii, average radius, gaps, times."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tropix.arrays import BoolArray, FloatArray
from tropix.certify._attacks import AttackResult
from tropix.certify._certificate import Certificate
from tropix.errors import InvalidInput

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False)
class Summary:
    """What certificates and attacks say about n points; a point is right if its label is the true one, margin > 0.

    - ``clean_accuracy``: the share of right points.
    - ``certified``: at each of ``radii`` the share of right points whose certified radius is at least that.
    - ``attacked``: the share of right points with no counterexample up to that distance; certified ≤ attacked.
    - ``average_radius``: the mean over all points of the certified radius, 0 where the label is wrong (Zhai and others
      2020). ``median_gap``: the median of upper − radius over right points, ∞ where most have no counterexample.
    - ``statuses`` and ``methods`` are counted; ``seconds`` in total and the median of a point.

    Shares of no points are NaN.
    """

    right: BoolArray
    lower: FloatArray
    upper: FloatArray
    radii: tuple[float, ...]
    statuses: dict[str, int]
    methods: dict[str, int]
    seconds: float
    median_seconds: float

    def __len__(self) -> int:
        return len(self.right)

    @property
    def clean_accuracy(self) -> float:
        """Share of right points."""
        return _share(self.right)

    def certified_accuracy(self, radius: float) -> float:
        """Share of points that are right everywhere within a radius, as is proved."""
        return _share(self.right & (self.lower >= radius))

    def attack_accuracy(self, radius: float) -> float:
        """Share of right points for which nothing else was found within a radius."""
        return _share(self.right & ~(self.upper <= radius))

    @property
    def certified(self) -> tuple[float, ...]:
        """Certified accuracy at each radius."""
        return tuple(self.certified_accuracy(r) for r in self.radii)

    @property
    def attacked(self) -> tuple[float, ...]:
        """Accuracy under attack at each radius."""
        return tuple(self.attack_accuracy(r) for r in self.radii)

    @property
    def average_radius(self) -> float:
        """Mean certified radius."""
        return float(np.where(self.right, self.lower, 0.0).mean()) if len(self) else math.nan

    @property
    def median_gap(self) -> float:
        """Median distance between certified radius and nearest counterexample, over right points."""
        gaps = self.upper[self.right] - self.lower[self.right]
        return float(_median(gaps)) if len(gaps) else math.nan

    def rows(self) -> list[tuple[str, str]]:
        """Names and values, for people."""
        rows = [
            ("points", str(len(self))),
            ("clean accuracy", f"{self.clean_accuracy:.4f}"),
            *((f"certified accuracy at {r:g}", f"{a:.4f}") for r, a in zip(self.radii, self.certified, strict=True)),
            *((f"attack accuracy at {r:g}", f"{a:.4f}") for r, a in zip(self.radii, self.attacked, strict=True)),
            ("average certified radius", f"{self.average_radius:.6g}"),
            ("median gap", f"{self.median_gap:.3g}"),
        ]
        for name, counts in (("status", self.statuses), ("method", self.methods)):
            rows.append((name, ", ".join(f"{count} {key}" for key, count in counts.items()) or "none"))
        return [*rows, ("time", f"{self.seconds:.2f} s, median {1000 * self.median_seconds:.3g} ms a point")]

    def to_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON: None for what is infinite or a share of nothing."""
        accuracies = zip(self.radii, self.certified, self.attacked, strict=True)
        return {
            "points": len(self),
            "clean_accuracy": _plain(self.clean_accuracy),
            "accuracies": [
                {"radius": r, "certified": _plain(certified), "attack": _plain(attacked)}
                for r, certified, attacked in accuracies
            ],
            "average_radius": _plain(self.average_radius),
            "median_gap": _plain(self.median_gap),
            "statuses": self.statuses,
            "methods": self.methods,
            "seconds": self.seconds,
            "median_seconds": _plain(self.median_seconds),
        }

    def to_json(self) -> str:
        """`to_dict` as text."""
        return json.dumps(self.to_dict(), indent=1, allow_nan=False)

    def to_csv(self) -> str:
        """One line a radius: radius, certified accuracy, accuracy under attack."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["radius", "certified_accuracy", "attack_accuracy"])
        writer.writerows(zip(self.radii, self.certified, self.attacked, strict=True))
        return out.getvalue()

    def plot(self, ax: Axes | None = None, *, most: float | None = None) -> Axes:
        """Draw both accuracies over the radius; see `plot_summary`."""
        from tropix.certify._plot import plot_summary

        return plot_summary(self, ax, most=most)


def summarise(
    certificates: Sequence[Certificate],
    attacks: Sequence[AttackResult | None] | None = None,
    true_labels: npt.ArrayLike | None = None,
    radii: Sequence[float] = (),
) -> Summary:
    """Sum up certificates of points, attacks on the same points, and their true labels (n,).

    Without true labels every label that the model gives counts as true. A counterexample of an attack on the label of
    the certificate bounds the radius from above as that of the certificate does. Raises `InvalidInput` for lengths that
    differ, radii < 0, or certificates of different models or norms.

    >>> from tropix import LogSumExp
    >>> from tropix.certify import certify_all
    >>> model = [LogSumExp([[0.0], [1.0]], [0.0, 0.0], 0.5), LogSumExp([[0.0]], [1.0], 0.5)]
    >>> found = summarise(certify_all(model, [[0.0], [5.0]]), true_labels=[1, 0], radii=[0.5, 2.0])
    >>> found.clean_accuracy, found.certified, found.attacked
    (1.0, (1.0, 0.5), (1.0, 0.5))
    """
    n = len(certificates)
    if len({(c.model, c.norm) for c in certificates}) > 1:
        raise InvalidInput("certificates of different models or norms cannot be summed up together")
    given = [None] * n if attacks is None else list(attacks)
    labels = np.array([c.label for c in certificates], dtype=np.int64)
    truth = labels if true_labels is None else np.asarray(true_labels)
    if len(given) != n or truth.shape != (n,):
        raise InvalidInput(f"{n} certificates, {len(given)} attacks, {truth.size} labels: expected one of each a point")
    for r in radii:
        if not 0 <= r < math.inf:
            raise InvalidInput(f"radius {r!r}: expected a finite number >= 0")
    upper = np.array([c.upper for c in certificates], dtype=np.float64)
    for i, found in enumerate(given):
        if found is not None and found.label == labels[i]:
            upper[i] = min(upper[i], found.distance)
    seconds = np.array([c.seconds for c in certificates], dtype=np.float64)
    return Summary(
        right=np.asarray((labels == truth) & (np.array([c.margin for c in certificates], dtype=np.float64) > 0)),
        lower=np.array([c.radius for c in certificates], dtype=np.float64),
        upper=upper,
        radii=tuple(float(r) for r in radii),
        statuses=_counts(c.status for c in certificates),
        methods=_counts(c.method for c in certificates),
        seconds=float(seconds.sum()),
        median_seconds=_median(seconds) if n else math.nan,
    )


def _counts(names: Any) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _share(chosen: BoolArray) -> float:
    return float(chosen.mean()) if len(chosen) else math.nan


def _median(values: FloatArray) -> float:
    """The median; ∞ rather than NaN between two infinities."""
    ordered = np.sort(values)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return float(low) if low == high else float(0.5 * (low + high))


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
