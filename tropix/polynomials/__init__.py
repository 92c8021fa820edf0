"""Tropical polynomials, their deformation at ε > 0, and exact pruning."""

from tropix.polynomials._classical import tropicalize as tropicalize
from tropix.polynomials._deformed_rational import DeformedRational as DeformedRational
from tropix.polynomials._dominance import Domination as Domination
from tropix.polynomials._equivalence import Equivalence as Equivalence
from tropix.polynomials._equivalence import equivalent as equivalent
from tropix.polynomials._interpolation import NotConvex as NotConvex
from tropix.polynomials._interpolation import interpolate as interpolate
from tropix.polynomials._lattice import LatticeForm as LatticeForm
from tropix.polynomials._lattice import lattice_form as lattice_form
from tropix.polynomials._log_sum_exp import LogSumExp as LogSumExp
from tropix.polynomials._product import ProductPruning as ProductPruning
from tropix.polynomials._product import prune_product as prune_product
from tropix.polynomials._pruning import Pruning as Pruning
from tropix.polynomials._rational import TropicalRational as TropicalRational
from tropix.polynomials._tropical import TropicalPolynomial as TropicalPolynomial
