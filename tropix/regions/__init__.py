"""Linear regions of piecewise-linear functions: cells, lines through them, data in them, and bounds of their number."""

from tropix.regions._ceilings import Ceilings as Ceilings
from tropix.regions._ceilings import Layer as Layer
from tropix.regions._ceilings import ceilings as ceilings
from tropix.regions._ceilings import maxout_layer as maxout_layer
from tropix.regions._ceilings import montufar_lower as montufar_lower
from tropix.regions._ceilings import serra_upper as serra_upper
from tropix.regions._ceilings import zaslavsky as zaslavsky
from tropix.regions._data import BoundaryDistances as BoundaryDistances
from tropix.regions._data import SegmentVisits as SegmentVisits
from tropix.regions._data import Visits as Visits
from tropix.regions._data import boundary_distances as boundary_distances
from tropix.regions._data import visited_between as visited_between
from tropix.regions._data import visited_cells as visited_cells
from tropix.regions._traverse import Piece as Piece
from tropix.regions._traverse import Switch as Switch
from tropix.regions._traverse import Traversal as Traversal
from tropix.regions._traverse import count_pieces as count_pieces
from tropix.regions._traverse import traverse as traverse
from tropix.regions._traverse import traverse_many as traverse_many
