"""Front ends: foreign models become circuits."""

from tropixc.frontends._arrays import Activation as Activation
from tropixc.frontends._arrays import Layer as Layer
from tropixc.frontends._arrays import from_arrays as from_arrays
