"""How fast gaps close as the temperature falls, beside what theory says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tropix.diagram._rows import Edge, Row, Verdict

THEORY = {
    Edge.LIMIT: "1 where pieces tie: the gap there is eps log of their number; faster where none do",
    Edge.VISCOSITY: "1 without the heat kernel's normalisation, which adds (d/2) eps log(1/eps)",
    Edge.CONJUGATE_LIMIT: "1: the entropy times eps",
}
"""The order in ε of each edge whose gap closes."""


@dataclass(frozen=True, eq=False)
class Order:
    """Gaps at falling heats, and between each two of them the rate log(gap/gap') / log(s/s')."""

    edge: Edge
    subject: str
    heats: tuple[float, ...]
    gaps: tuple[float, ...]
    rates: tuple[float, ...]

    @property
    def theory(self) -> str:
        """What is known about the rate."""
        return THEORY[self.edge]

    def to_json(self) -> dict[str, Any]:
        """The order as plain data; rates that are not finite as null."""
        return {
            "edge": self.edge.value,
            "subject": self.subject,
            "heats": list(self.heats),
            "gaps": list(self.gaps),
            "rates": [rate if math.isfinite(rate) else None for rate in self.rates],
            "theory": self.theory,
        }


def orders(rows: Sequence[Row]) -> list[Order]:
    """The measured orders of all edges whose gap closes, for subjects with rows at two heats or more."""
    groups: dict[tuple[Edge, str], list[Row]] = {}
    for row in rows:
        if row.edge in THEORY and row.heat > 0 and row.verdict is not Verdict.NOT_APPLICABLE:
            groups.setdefault((row.edge, row.subject.split(", worst ")[0]), []).append(row)
    found = []
    for (edge, subject), group in groups.items():
        by_heat = {row.heat: row.gap for row in sorted(group, key=lambda row: -row.heat)}
        if len(by_heat) < 2:
            continue
        rates = [_rate(one, two) for one, two in pairwise(by_heat.items())]
        found.append(Order(edge, subject, tuple(by_heat), tuple(by_heat.values()), tuple(rates)))
    return found


def _rate(hotter: tuple[float, float], cooler: tuple[float, float]) -> float:
    if not (hotter[1] > 0 and cooler[1] > 0):
        return math.nan
    return math.log(hotter[1] / cooler[1]) / math.log(hotter[0] / cooler[0])
