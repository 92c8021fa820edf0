"""The convex corner: conjugates with certified gaps, programs for cvxpy, and what follows from them."""

from tropix.convex._circuit import conjugate_circuit as conjugate_circuit
from tropix.convex._conjugate import Conjugate as Conjugate
from tropix.convex._conjugate import conjugate as conjugate
from tropix.convex._expressions import as_cvxpy as as_cvxpy
from tropix.convex._program import ConjugateProgram as ConjugateProgram
from tropix.convex._program import conjugate_program as conjugate_program
