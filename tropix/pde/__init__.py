"""Hamilton–Jacobi equations that log-sum-exp and max-affine functions solve, and a grid solver that checks it."""

from tropix.pde._hopf_cole import HopfCole as HopfCole
from tropix.pde._hopf_lax import HopfLax as HopfLax
from tropix.pde._rates import ViscousGap as ViscousGap
from tropix.pde._rates import viscous_gap as viscous_gap
from tropix.pde._symbolic import SymbolicSolution as SymbolicSolution
