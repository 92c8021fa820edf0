"""Passes: circuit → circuit, each a frozen dataclass whose fields are its options.

Every pass here is exact: it applies only where the new float64 weights are the exact results, so that the circuit
before and after is the same real-valued function at every temperature (those that take a box: on the box).
"""

from tropixc.passes._common import MergeCommon as MergeCommon
from tropixc.passes._constants import FoldConstants as FoldConstants
from tropixc.passes._dominated import DropDominated as DropDominated
from tropixc.passes._fusion import FuseAffine as FuseAffine
from tropixc.passes._inferred import InferTemperatures as InferTemperatures
from tropixc.passes._nested import MergeNested as MergeNested
from tropixc.passes._pairs import RaisePairs as RaisePairs
from tropixc.passes._pass import Pass as Pass
from tropixc.passes._pass import component_uses as component_uses
from tropixc.passes._pipeline import DEFAULT_PASSES as DEFAULT_PASSES
from tropixc.passes._pipeline import PASSES as PASSES
from tropixc.passes._pipeline import Size as Size
from tropixc.passes._pipeline import Step as Step
from tropixc.passes._pipeline import explain as explain
from tropixc.passes._pipeline import optimize as optimize
from tropixc.passes._settle import SettleOnBox as SettleOnBox
from tropixc.passes._shifts import PullShifts as PullShifts
from tropixc.passes._temperatures import AbsorbScales as AbsorbScales
from tropixc.passes._unused import DropUnused as DropUnused
