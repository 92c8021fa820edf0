"""Linear algebra over max-plus, min-plus and S_ε: products, stars, eigenvalues, residuation, determinants, ranks.

Matrices are arrays (n, m) or scipy.sparse matrices whose entries that are not stored are the semiring's zero. Integers,
`fractions.Fraction` and object arrays of them are computed with exactly; see `exact`.
"""

from tropix.linalg._carrier import exact as exact
from tropix.linalg._classes import classes as classes
from tropix.linalg._determinant import Determinant as Determinant
from tropix.linalg._determinant import adjugate as adjugate
from tropix.linalg._determinant import determinant as determinant
from tropix.linalg._eigenspace import Eigenspace as Eigenspace
from tropix.linalg._eigenspace import critical_graph as critical_graph
from tropix.linalg._eigenspace import cyclicity as cyclicity
from tropix.linalg._eigenspace import eigenvectors as eigenvectors
from tropix.linalg._eigenspace import spectrum as spectrum
from tropix.linalg._eigenvalue import Eigenvalue as Eigenvalue
from tropix.linalg._eigenvalue import eigenvalue as eigenvalue
from tropix.linalg._independence import Independence as Independence
from tropix.linalg._independence import independent as independent
from tropix.linalg._product import add as add
from tropix.linalg._product import identity as identity
from tropix.linalg._product import matmul as matmul
from tropix.linalg._product import power as power
from tropix.linalg._rank import Rank as Rank
from tropix.linalg._rank import barvinok_rank as barvinok_rank
from tropix.linalg._rank import kapranov_rank as kapranov_rank
from tropix.linalg._rank import tropical_rank as tropical_rank
from tropix.linalg._residuation import Solution as Solution
from tropix.linalg._residuation import residuate as residuate
from tropix.linalg._residuation import residuate_right as residuate_right
from tropix.linalg._residuation import solve as solve
from tropix.linalg._span import Halfspace as Halfspace
from tropix.linalg._span import convex_hull_vertices as convex_hull_vertices
from tropix.linalg._span import extreme_generators as extreme_generators
from tropix.linalg._span import in_convex_hull as in_convex_hull
from tropix.linalg._span import project as project
from tropix.linalg._span import separate as separate
from tropix.linalg._star import Divergent as Divergent
from tropix.linalg._star import least_solution as least_solution
from tropix.linalg._star import plus as plus
from tropix.linalg._star import star as star
from tropix.linalg._transient import Transient as Transient
from tropix.linalg._transient import transient as transient
from tropix.linalg._two_sided import TwoSided as TwoSided
from tropix.linalg._two_sided import two_sided as two_sided
