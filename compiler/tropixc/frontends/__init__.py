"""Front ends: foreign models become circuits."""

from tropixc.frontends._activations import Activation as Activation
from tropixc.frontends._array_files import read_arrays as read_arrays
from tropixc.frontends._arrays import Layer as Layer
from tropixc.frontends._arrays import from_arrays as from_arrays
from tropixc.frontends._sklearn import from_sklearn as from_sklearn
from tropixc.frontends._torch import from_torch as from_torch
