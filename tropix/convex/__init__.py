"""The convex corner: conjugates with certified gaps, programs for cvxpy, and what follows from them."""

from typing import TYPE_CHECKING, Any

from tropix.convex._calculus import InfimalConvolution as InfimalConvolution
from tropix.convex._calculus import NormalCone as NormalCone
from tropix.convex._calculus import Proximal as Proximal
from tropix.convex._calculus import biconjugate as biconjugate
from tropix.convex._calculus import fenchel_young as fenchel_young
from tropix.convex._calculus import infimal_convolution as infimal_convolution
from tropix.convex._calculus import normal_cone as normal_cone
from tropix.convex._calculus import perspective as perspective
from tropix.convex._calculus import proximal as proximal
from tropix.convex._calculus import recession as recession
from tropix.convex._calculus import subdifferential as subdifferential
from tropix.convex._calculus import support_function as support_function
from tropix.convex._circuit import conjugate_circuit as conjugate_circuit
from tropix.convex._conjugate import Conjugate as Conjugate
from tropix.convex._conjugate import conjugate as conjugate
from tropix.convex._expressions import as_cvxpy as as_cvxpy
from tropix.convex._halves import ConvexConcave as ConvexConcave
from tropix.convex._halves import convex_concave_procedure as convex_concave_procedure
from tropix.convex._halves import convex_halves as convex_halves
from tropix.convex._lower_hull import TropicalConjugate as TropicalConjugate
from tropix.convex._mixed_integer import MixedInteger as MixedInteger
from tropix.convex._mixed_integer import mixed_integer as mixed_integer
from tropix.convex._posynomial import Posynomial as Posynomial

if TYPE_CHECKING:
    from tropix.convex._program import ConjugateProgram as ConjugateProgram
    from tropix.convex._program import conjugate_program as conjugate_program


def __getattr__(name: str) -> Any:
    if name in ("ConjugateProgram", "conjugate_program"):  # cvxpy takes a second to import
        from tropix.convex import _program

        return getattr(_program, name)
    raise AttributeError(f"module 'tropix.convex' has no attribute {name!r}")
