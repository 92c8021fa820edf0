"""Passes: circuit → circuit, each a frozen dataclass whose fields are its options.

Every pass here is exact: it applies only where the new float64 weights are the exact results, so that the circuit
before and after is the same real-valued function at every temperature.
"""

from tropixc.passes._constants import FoldConstants as FoldConstants
from tropixc.passes._fusion import FuseAffine as FuseAffine
from tropixc.passes._pass import Pass as Pass
from tropixc.passes._pipeline import DEFAULT_PASSES as DEFAULT_PASSES
from tropixc.passes._pipeline import optimize as optimize
from tropixc.passes._shifts import PullShifts as PullShifts
from tropixc.passes._temperatures import AbsorbScales as AbsorbScales
