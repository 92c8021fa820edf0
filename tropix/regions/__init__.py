"""Linear regions of tropical polynomials, rational functions and circuits: exact enumeration and inspection."""

from tropix.regions._boundary import BoundaryPiece as BoundaryPiece
from tropix.regions._boundary import boundary as boundary
from tropix.regions._cell import Cell as Cell
from tropix.regions._cell import CellFacet as CellFacet
from tropix.regions._cell import Neuron as Neuron
from tropix.regions._certificate import Completeness as Completeness
from tropix.regions._certificate import certify_completeness as certify_completeness
from tropix.regions._describe import describe as describe
from tropix.regions._enumerate import enumerate as enumerate
from tropix.regions._files import load as load
from tropix.regions._html import regions_html as regions_html
from tropix.regions._plot import plot_regions as plot_regions
from tropix.regions._regions import Regions as Regions
from tropix.regions._slice import slice_of as slice_of
from tropix.regions._slice import slice_through as slice_through
