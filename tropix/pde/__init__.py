"""Hamilton–Jacobi equations that log-sum-exp and max-affine functions solve, and a grid solver that checks it."""

from tropix.pde._convergence import ConvergenceRow as ConvergenceRow
from tropix.pde._convergence import convergence_table as convergence_table
from tropix.pde._grid import Grid as Grid
from tropix.pde._grid import GridSolution as GridSolution
from tropix.pde._hopf_cole import HopfCole as HopfCole
from tropix.pde._hopf_lax import HopfLax as HopfLax
from tropix.pde._rates import ViscousGap as ViscousGap
from tropix.pde._rates import viscous_gap as viscous_gap
from tropix.pde._symbolic import SymbolicSolution as SymbolicSolution
from tropix.pde.grid import solve_on_grid as solve_on_grid
