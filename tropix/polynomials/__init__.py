"""Tropical polynomials, their deformation at ε > 0, and exact pruning."""

from tropix.polynomials._division import Cancellation as Cancellation
from tropix.polynomials._division import divide as divide
from tropix.polynomials._dominance import Domination as Domination
from tropix.polynomials._equivalence import Equivalence as Equivalence
from tropix.polynomials._equivalence import equivalent as equivalent
from tropix.polynomials._log_sum_exp import LogSumExp as LogSumExp
from tropix.polynomials._map import TropicalMap as TropicalMap
from tropix.polynomials._product import ProductPruning as ProductPruning
from tropix.polynomials._product import prune_product as prune_product
from tropix.polynomials._pruning import Pruning as Pruning
from tropix.polynomials._rational import TropicalRational as TropicalRational
from tropix.polynomials._tropical import TropicalPolynomial as TropicalPolynomial
