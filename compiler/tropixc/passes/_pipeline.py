"""The default order of the passes."""

from __future__ import annotations

from collections.abc import Sequence

from tropix.circuits import Circuit
from tropixc.passes._constants import FoldConstants
from tropixc.passes._fusion import FuseAffine
from tropixc.passes._pass import Pass
from tropixc.passes._shifts import PullShifts
from tropixc.passes._temperatures import AbsorbScales

DEFAULT_PASSES: tuple[Pass, ...] = (
    FoldConstants(),
    AbsorbScales(),
    FuseAffine(),
    PullShifts(),
    FuseAffine(),
    AbsorbScales(),
    FuseAffine(),
    FoldConstants(),
)


def optimize(circuit: Circuit, passes: Sequence[Pass] = DEFAULT_PASSES) -> Circuit:
    """Apply passes in order; the result is the same real-valued function at every temperature scale."""
    for step in passes:
        circuit = step(circuit)
    return circuit
