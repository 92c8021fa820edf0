"""Claims about circuits, whatever their evidence: margins are those of the circuit's outputs."""

from __future__ import annotations

from typing import Any

import flint

from tropix.certify._certificate import Certificate
from tropix.certify._check_balls import largest
from tropix.certify._check_claim import Claim
from tropix.certify._check_values import circuit_values
from tropix.circuits import Circuit
from tropix.exact import Rationals


class CircuitClaim(Claim):
    """A certificate of a circuit whose largest output names the class."""

    def __init__(self, certificate: Certificate, circuit: Circuit) -> None:
        super().__init__(certificate, circuit.input_size, circuit.output_size)
        self.circuit = circuit

    def margins(self, point: Rationals) -> tuple[list[Any], Any]:
        """Differences of the outputs; the largest of them is the size."""
        values = circuit_values(self.circuit, point)
        own = values[self.claim.label]
        others = [v for k, v in enumerate(values) if k != self.claim.label]
        return [own - v for v in others], largest([abs(flint.arb(v)) for v in values])
