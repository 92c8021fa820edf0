"""Exact rational arithmetic: arrays of rationals and a simplex method that decides, both over python-flint."""

from tropix.exact._rationals import MAX_BITS as MAX_BITS
from tropix.exact._rationals import Rationals as Rationals
from tropix.exact._rationals import fraction_of as fraction_of
from tropix.exact._simplex import ExactSolution as ExactSolution
from tropix.exact._simplex import maximize as maximize
