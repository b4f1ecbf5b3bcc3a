"""Parts that learn, with PyTorch's names, shapes and returns."""

from . import utils
from .linear import Linear
from .module import Module, Parameter
from .recurrent import RNN, RNNCell

__all__ = ["RNN", "Linear", "Module", "Parameter", "RNNCell", "utils"]
