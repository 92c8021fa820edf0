"""Nodes that are affine functions of x, as exact rows (gradient, constant)."""

from __future__ import annotations

import numpy as np

from tropix.circuits import Affine, Circuit
from tropix.exact import Rationals


class AffineRows:
    """The rows of each node of a circuit that is affine in x, computed once and exactly."""

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self._forms = circuit.affine_forms
        self._affine = [True]
        for node in circuit.nodes[1:]:
            self._affine.append(isinstance(node, Affine) and all(self._affine[source] for source in node.sources))
        self._held: dict[int, Rationals] = {}

    def of(self, position: int) -> Rationals | None:
        """The rows (size, d+1) of a node; None if it is not affine in x by its construction."""
        if not self._affine[position]:
            return None
        if position not in self._held:
            form = self._forms.of(position)
            flat = Rationals.of(np.zeros((self.circuit.nodes[position].size, self.circuit.input_size)))
            self._held[position] = Rationals.concatenate([form.terms.get(0, flat), form.constant[:, None]], axis=1)
        return self._held[position]
