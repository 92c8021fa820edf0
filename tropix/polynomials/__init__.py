"""Tropical polynomials, their deformation at ε > 0, exact pruning, and the geometry of polytopes and curves."""

from tropix.polynomials._curves import CurveEdge as CurveEdge
from tropix.polynomials._curves import CurveLine as CurveLine
from tropix.polynomials._curves import CurveRay as CurveRay
from tropix.polynomials._curves import TropicalCurve as TropicalCurve
from tropix.polynomials._dominance import Domination as Domination
from tropix.polynomials._equivalence import Equivalence as Equivalence
from tropix.polynomials._equivalence import equivalent as equivalent
from tropix.polynomials._log_sum_exp import LogSumExp as LogSumExp
from tropix.polynomials._mixed import IntersectionPoint as IntersectionPoint
from tropix.polynomials._mixed import MixedCell as MixedCell
from tropix.polynomials._mixed import MixedSubdivision as MixedSubdivision
from tropix.polynomials._mixed import mixed_subdivision as mixed_subdivision
from tropix.polynomials._mixed import stable_intersection as stable_intersection
from tropix.polynomials._newton import Facet as Facet
from tropix.polynomials._newton import NewtonPolytope as NewtonPolytope
from tropix.polynomials._newton import mixed_volume as mixed_volume
from tropix.polynomials._pruning import Pruning as Pruning
from tropix.polynomials._rational import TropicalRational as TropicalRational
from tropix.polynomials._roots import Factorisation as Factorisation
from tropix.polynomials._roots import TropicalRoot as TropicalRoot
from tropix.polynomials._subdivision import DualCell as DualCell
from tropix.polynomials._subdivision import DualSubdivision as DualSubdivision
from tropix.polynomials._tropical import TropicalPolynomial as TropicalPolynomial
