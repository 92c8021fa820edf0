"""Linear regions of tropical polynomials, rational functions and circuits: exact enumeration and inspection."""

from tropix.regions._cell import Cell as Cell
from tropix.regions._cell import CellFacet as CellFacet
from tropix.regions._cell import Neuron as Neuron
from tropix.regions._certificate import Completeness as Completeness
from tropix.regions._certificate import certify_completeness as certify_completeness
from tropix.regions._describe import describe as describe
from tropix.regions._enumerate import enumerate as enumerate
from tropix.regions._files import load as load
from tropix.regions._regions import Regions as Regions
