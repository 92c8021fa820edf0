"""Circuits over S_ε: the one object that every model becomes."""

from tropix.circuits._analysis import Curvature as Curvature
from tropix.circuits._analysis import Exactness as Exactness
from tropix.circuits._analysis import Monotonicity as Monotonicity
from tropix.circuits._bounds import Deviation as Deviation
from tropix.circuits._circuit import Circuit as Circuit
from tropix.circuits._circuit import CircuitBuilder as CircuitBuilder
from tropix.circuits._intervals import Interval as Interval
from tropix.circuits._intervals import affine_interval as affine_interval
from tropix.circuits._layers import AffineForms as AffineForms
from tropix.circuits._layers import Layer as Layer
from tropix.circuits._layers import exact_matrix as exact_matrix
from tropix.circuits._layers import exact_single_layer as exact_single_layer
from tropix.circuits._layers import layers as layers
from tropix.circuits._layers import single_layer as single_layer
from tropix.circuits._nodes import Affine as Affine
from tropix.circuits._nodes import Gibbs as Gibbs
from tropix.circuits._nodes import Input as Input
from tropix.circuits._nodes import LogSumExp as LogSumExp
from tropix.circuits._nodes import Matrix as Matrix
from tropix.circuits._nodes import Node as Node
from tropix.circuits._nodes import Pointwise as Pointwise
from tropix.circuits._nodes import Product as Product
from tropix.circuits._nodes import Term as Term
from tropix.circuits._nodes import uniform_segments as uniform_segments
from tropix.circuits._pointwise import FunctionName as FunctionName
