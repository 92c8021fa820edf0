"""Numba kernels over float64 arrays (most also over float32), each beside the NumPy twin that specifies it.

Kernels check nothing but what would take them outside their arrays: dtypes and finiteness are the callers' business. −∞
is an ordinary number, NaN is none. They compile on first use and are cached on disk; work is split over threads when it
is large, and the result does not depend on how.

The fast ones are loops around tiles: `_simd` says what a tile is and how LLVM code is written, `_max_plus_tiles` and
`_affine_tiles` have the tiles, `_panels` the order in which they read memory.
"""

from tropix.kernels._alignment import aligned_empty as aligned_empty
from tropix.kernels._atomic_sums import AtomicSums as AtomicSums
from tropix.kernels._atomic_sums import atomic_minimum as atomic_minimum
from tropix.kernels._atomic_sums import atomic_minimum_numpy as atomic_minimum_numpy
from tropix.kernels._atomic_sums import atomic_sums as atomic_sums
from tropix.kernels._atomic_sums import atomic_sums_numpy as atomic_sums_numpy
from tropix.kernels._ball_supports import ball_supports as ball_supports
from tropix.kernels._ball_supports import ball_supports_numpy as ball_supports_numpy
from tropix.kernels._cell_facets import Expansion as Expansion
from tropix.kernels._cell_facets import expand_cells as expand_cells
from tropix.kernels._cell_forms import facet_rows as facet_rows
from tropix.kernels._cell_forms import output_forms as output_forms
from tropix.kernels._cell_forms import used_patterns as used_patterns
from tropix.kernels._cell_integers import integer_forms as integer_forms
from tropix.kernels._cell_integers import integer_rows as integer_rows
from tropix.kernels._cell_polygons import clip_polygons as clip_polygons
from tropix.kernels._cell_programs import cell_programs as cell_programs
from tropix.kernels._cell_programs import cell_programs_numpy as cell_programs_numpy
from tropix.kernels._conjugate import conjugate_newton as conjugate_newton
from tropix.kernels._conjugate import conjugate_newton_numpy as conjugate_newton_numpy
from tropix.kernels._conjugate_proof import conjugate_bounds as conjugate_bounds
from tropix.kernels._distance_programs import EMPTY as EMPTY
from tropix.kernels._distance_programs import OPTIMAL as OPTIMAL
from tropix.kernels._distance_programs import distance_program as distance_program
from tropix.kernels._distance_programs import distance_program_numpy as distance_program_numpy
from tropix.kernels._exact_product import exact_product as exact_product
from tropix.kernels._exact_product import exact_product_fractions as exact_product_fractions
from tropix.kernels._facet_proposals import FACET as FACET
from tropix.kernels._facet_proposals import IMPLIED as IMPLIED
from tropix.kernels._facet_proposals import PERHAPS_IMPLIED as PERHAPS_IMPLIED
from tropix.kernels._facet_proposals import propose_facets as propose_facets
from tropix.kernels._hamilton_jacobi import HALO as HALO
from tropix.kernels._hamilton_jacobi import laplacian as laplacian
from tropix.kernels._hamilton_jacobi import largest_differences as largest_differences
from tropix.kernels._hamilton_jacobi import one_sided_slopes as one_sided_slopes
from tropix.kernels._hamilton_jacobi import one_sided_slopes_numpy as one_sided_slopes_numpy
from tropix.kernels._hamilton_jacobi import quadratic_stage as quadratic_stage
from tropix.kernels._head_radii import dual_norm as dual_norm
from tropix.kernels._head_radii import head_radii as head_radii
from tropix.kernels._head_radii import plane as plane
from tropix.kernels._head_radii import snap as snap
from tropix.kernels._head_radii import support as support
from tropix.kernels._hessian_product import log_sum_exp_hessian_product as log_sum_exp_hessian_product
from tropix.kernels._hessian_product import log_sum_exp_hessian_product_numpy as log_sum_exp_hessian_product_numpy
from tropix.kernels._line_traversal import LineProgram as LineProgram
from tropix.kernels._line_traversal import LineRecord as LineRecord
from tropix.kernels._line_traversal import LineState as LineState
from tropix.kernels._line_traversal import sweep_line as sweep_line
from tropix.kernels._line_traversal import sweep_line_fractions as sweep_line_fractions
from tropix.kernels._log_sum_exp import entropy as entropy
from tropix.kernels._log_sum_exp import gibbs as gibbs
from tropix.kernels._log_sum_exp import log_sum_exp as log_sum_exp
from tropix.kernels._log_sum_exp import log_sum_exp_numpy as log_sum_exp_numpy
from tropix.kernels._log_sum_exp_product import log_sum_exp_product as log_sum_exp_product
from tropix.kernels._log_sum_exp_product import log_sum_exp_product_numpy as log_sum_exp_product_numpy
from tropix.kernels._max_affine import max_affine as max_affine
from tropix.kernels._max_affine import max_affine_numpy as max_affine_numpy
from tropix.kernels._max_plus_closure import max_plus_closure as max_plus_closure
from tropix.kernels._max_plus_closure import max_plus_closure_numpy as max_plus_closure_numpy
from tropix.kernels._max_plus_closure import max_plus_star as max_plus_star
from tropix.kernels._max_plus_product import max_plus_product as max_plus_product
from tropix.kernels._max_plus_product import max_plus_product_argmax as max_plus_product_argmax
from tropix.kernels._max_plus_product import max_plus_product_argmax_numpy as max_plus_product_argmax_numpy
from tropix.kernels._max_plus_product import max_plus_product_numpy as max_plus_product_numpy
from tropix.kernels._max_plus_sparse import max_plus_sparse_product as max_plus_sparse_product
from tropix.kernels._max_plus_sparse import max_plus_sparse_product_numpy as max_plus_sparse_product_numpy
from tropix.kernels._max_plus_vector import max_plus_vector as max_plus_vector
from tropix.kernels._max_plus_vector import max_plus_vector_numpy as max_plus_vector_numpy
from tropix.kernels._multipliers import best_multipliers as best_multipliers
from tropix.kernels._planar_cells import PlanarStatus as PlanarStatus
from tropix.kernels._planar_forms import PlanarProgram as PlanarProgram
from tropix.kernels._planar_machine import PlanarCellChunk as PlanarCellChunk
from tropix.kernels._planar_machine import PlanarMachine as PlanarMachine
from tropix.kernels._planar_machine import PlanarQuestions as PlanarQuestions
from tropix.kernels._plane_substitution import substitute_constants as substitute_constants
from tropix.kernels._plane_substitution import substitute_constants_numpy as substitute_constants_numpy
from tropix.kernels._plane_substitution import substitute_slopes as substitute_slopes
from tropix.kernels._plane_substitution import substitute_slopes_numpy as substitute_slopes_numpy
from tropix.kernels._point_cells import PointCells as PointCells
from tropix.kernels._point_cells import PointState as PointState
from tropix.kernels._point_cells import point_cells as point_cells
from tropix.kernels._point_cells import point_distances_numpy as point_distances_numpy
from tropix.kernels._segments import segment_gibbs as segment_gibbs
from tropix.kernels._segments import segment_gibbs_numpy as segment_gibbs_numpy
from tropix.kernels._segments import segment_log_sum_exp as segment_log_sum_exp
from tropix.kernels._segments import segment_log_sum_exp_numpy as segment_log_sum_exp_numpy
from tropix.kernels._simplex_parts import part_bound as part_bound
from tropix.kernels._sparse_affine import add_sparse_product as add_sparse_product
from tropix.kernels._sparse_affine import add_sparse_product_numpy as add_sparse_product_numpy
from tropix.kernels._threads import over_rows as over_rows
