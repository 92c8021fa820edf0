"""The commutative diagram: network, tropical, viscous and convex corner, and a check of every edge between them."""

from tropix.diagram._diagram import SWEEP as SWEEP
from tropix.diagram._diagram import Diagram as Diagram
from tropix.diagram._diagram import check as check
from tropix.diagram._order import Order as Order
from tropix.diagram._plot import check_drawable as check_drawable
from tropix.diagram._plot import figure_bytes as figure_bytes
from tropix.diagram._plot import plot_corners as plot_corners
from tropix.diagram._plot import plot_gaps as plot_gaps
from tropix.diagram._rows import STATEMENTS as STATEMENTS
from tropix.diagram._rows import Edge as Edge
from tropix.diagram._rows import Row as Row
from tropix.diagram._rows import Verdict as Verdict
from tropix.diagram._supremum import Supremum as Supremum
from tropix.diagram._supremum import gap_supremum as gap_supremum
