"""The passes by name, the default order, and what each of them did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tropix.boxes import Box, BoxLike
from tropix.circuits import Affine, Circuit, Gibbs, LogSumExp
from tropix.errors import InvalidInput
from tropixc.passes._common import MergeCommon
from tropixc.passes._constants import FoldConstants
from tropixc.passes._dominated import DropDominated
from tropixc.passes._fusion import FuseAffine
from tropixc.passes._inferred import InferTemperatures
from tropixc.passes._nested import MergeNested
from tropixc.passes._pairs import RaisePairs
from tropixc.passes._pass import Pass
from tropixc.passes._rows import nonzeros
from tropixc.passes._settle import SettleOnBox
from tropixc.passes._shifts import PullShifts
from tropixc.passes._temperatures import AbsorbScales
from tropixc.passes._unused import DropUnused

PASSES: dict[str, Callable[[Box | None], Pass | None]] = {
    "fold-constants": lambda box: FoldConstants(),
    "absorb-scales": lambda box: AbsorbScales(),
    "fuse-affine": lambda box: FuseAffine(),
    "pull-shifts": lambda box: PullShifts(),
    "raise-pairs": lambda box: RaisePairs(),
    "merge-nested": lambda box: MergeNested(),
    "merge-common": lambda box: MergeCommon(),
    "settle-on-box": lambda box: None if box is None else SettleOnBox(box),
    "drop-dominated": lambda box: DropDominated(box),
    "infer-temperatures": lambda box: InferTemperatures(),
    "drop-unused": lambda box: DropUnused(),
}
"""Each pass by its name; None where it needs a box and there is none."""

DEFAULT_PASSES: tuple[str, ...] = (
    "fold-constants",
    "merge-common",
    "absorb-scales",
    "fuse-affine",
    "pull-shifts",
    "fuse-affine",
    "absorb-scales",
    "fuse-affine",
    "settle-on-box",
    "raise-pairs",
    "fuse-affine",
    "merge-nested",
    "drop-dominated",
    "merge-common",
    "fuse-affine",
    "drop-dominated",
    "infer-temperatures",
    "fuse-affine",
    "drop-unused",
    "fold-constants",
)


@dataclass(frozen=True)
class Size:
    """How large a circuit is: nodes, pieces (entries of ⊕_ε and Gibbs nodes), and nonzero weights."""

    nodes: int
    pieces: int
    weights: int

    @classmethod
    def of(cls, circuit: Circuit) -> Size:
        """Count."""
        pieces = sum(int(n.segments[-1]) for n in circuit.nodes if isinstance(n, LogSumExp | Gibbs))
        affine = [node for node in circuit.nodes if isinstance(node, Affine)]
        weights = sum(nonzeros(term.matrix) for node in affine for term in node.terms)
        return cls(len(circuit.nodes), pieces, weights)


@dataclass(frozen=True, eq=False)
class Step:
    """What one pass did: its name, the circuit after it, the sizes before and after."""

    name: str
    circuit: Circuit
    before: Size
    after: Size


def optimize(circuit: Circuit, box: BoxLike | None = None, passes: Sequence[str | Pass] = DEFAULT_PASSES) -> Circuit:
    """Apply passes in order: the same real-valued function at every temperature scale, on ℝ^d or on the box.

    ``passes`` are names (keys of `PASSES`) or passes; those that need a box are left out where there is none.
    Raises `InvalidInput` for unknown names.
    """
    steps = explain(circuit, box, passes)
    return steps[-1].circuit if steps else circuit


def explain(circuit: Circuit, box: BoxLike | None = None, passes: Sequence[str | Pass] = DEFAULT_PASSES) -> list[Step]:
    """Apply passes as :func:`optimize` does, and tell what each of them did."""
    domain = None if box is None else Box.of(box, circuit.input_size)
    steps: list[Step] = []
    done: dict[str | Pass, Circuit | None] = {}
    size = Size.of(circuit)
    for chosen in passes:
        if isinstance(chosen, str) and chosen not in PASSES:
            raise InvalidInput(f"pass {chosen!r}: known are {', '.join(PASSES)}")
        step = PASSES[chosen](domain) if isinstance(chosen, str) else chosen
        if step is None:
            continue
        if done.get(chosen) is not circuit:  # else the pass has just found nothing to do here
            before, circuit = circuit, step(circuit)
            done[chosen] = circuit if circuit is before else None
        after = Size.of(circuit)
        steps.append(Step(chosen if isinstance(chosen, str) else type(step).__name__, circuit, size, after))
        size = after
    return steps
