"""Evidence of circuits: slopes of planes at nonlinear nodes, for the whole ball or for the parts it is split into.

The evidence names slopes alone. With them everything else is computed anew in Arb balls: bounds of all nodes, the
constants with which planes of these slopes lie below or above the nodes there, and lower bounds of F_c − F_k by
substituting planes backwards to the input. Any slopes prove something, so wrong ones can only prove too little.

- A part is a leaf, or split: ``{"input": i, "at": t, "parts": […]}`` into x_i ≤ t and x_i ≥ t, or
  ``{"tie": [node, a, b], "at": t, "parts": […]}`` into v_a − v_b ≥ t and ≤ t for entries of one segment of ⊕_ε.
- A leaf has by node ``below`` and ``above``: at ⊕_ε numerators over 2²⁰ of the slopes of all entries but the last of
  each segment (those of one segment add up to 1; below none is negative); at Gibbs pairs and curves a slope an output,
  at products two. Nodes it does not name are bounded by constants. ``pivot``: the entry of each segment that others are
  compared to, by default the last.
- By rival a leaf may have other slopes ``below``, and multipliers ``ties`` ≥ 0 of the decided ties, node by node.

Planes: below ⊕_ε, π·y + ε H(π). Above, α·y + c with c the largest ⊕_ε(y) − α·y: at a corner where ε = 0 or segments are
narrow; else by ε log Σ ≤ ε (log T + Σ/T − 1) with the chords of the exponentials, or max + ε log N.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tropix.certify._check_balls import ONE, zeros
from tropix.certify._check_circuit import CircuitClaim
from tropix.certify._check_fields import Fault, fraction, index
from tropix.certify._check_leaf import Leaf
from tropix.certify._check_part import Part
from tropix.circuits import LogSumExp

MAX_DEPTH = 400
MAX_PARTS = 100_000


class PlanesClaim(CircuitClaim):
    """A certificate whose evidence is slopes of planes."""

    parts = 0

    def check_radius(self) -> None:
        """One tree of parts for each group of rivals."""
        claim, left = self.claim, {k for k in range(self.classes) if k != self.claim.label}
        part = Part.around(fraction(claim.radius), claim.norm.p, self.scales, self.room)
        for proof in claim.evidence["proofs"]:
            rivals = sorted(index(k, self.classes) for k in proof["rivals"])
            if not left.issuperset(rivals) or len(set(rivals)) < len(rivals):
                raise Fault("the evidence names a class twice, or none of the rivals")
            self._part(proof["tree"], rivals, part, 0)
            left -= set(rivals)
        if left:
            raise Fault(f"there is no evidence against class {min(left)}")

    def _part(self, tree: dict[str, Any], rivals: list[int], part: Part, depth: int) -> None:
        self.parts += 1
        if depth > MAX_DEPTH or self.parts > MAX_PARTS:
            raise Fault("the tree is too large")
        if part.empty:
            return
        if "parts" not in tree:
            self._leaf(tree, rivals, part)
            return
        if "tie" in tree:
            node, first, second = (index(v) for v in tree["tie"])
            level = fraction(tree["at"])
            self._require_tie(node, first, second)
            halves = part.tied(node, first, second, level)
        else:
            axis = index(tree["input"], len(self.scales))
            halves = part.cut(axis, fraction(tree["at"]) - self.point.fractions().tolist()[axis])
        if len(tree["parts"]) != 2:
            raise Fault("a split has two parts")
        for inner, half in zip(tree["parts"], halves, strict=True):
            self._part(inner, rivals, half, depth + 1)

    def _require_tie(self, node: int, first: int, second: int) -> None:
        found = self.circuit.nodes[node] if node < len(self.circuit.nodes) else None
        if not isinstance(found, LogSumExp) or first == second:
            raise Fault("a part is split by a tie of a node that has none")
        if len(set(np.searchsorted(found.segments, [first, second], side="right"))) > 1:
            raise Fault("a tie belongs to two segments")
        if max(first, second) >= found.segments[-1]:
            raise Fault("a tie names an entry that the node does not read")

    def _leaf(self, tree: dict[str, Any], rivals: list[int], part: Part) -> None:
        bounds = Leaf(self.circuit, part, self.point, tree.get("nodes", {}))
        if bounds.empty:
            return
        rows = zeros(len(rivals), self.classes)
        rows[:, self.claim.label] = ONE
        rows[np.arange(len(rivals)), rivals] = -ONE
        own: Sequence[dict[str, Any]] = [tree.get("rivals", {}).get(str(k), {}) for k in rivals]
        for k, bound in zip(rivals, bounds.least_margins(rows, own), strict=True):
            if not bound > 0:
                raise Fault(f"the evidence against class {k} does not reach the radius")
