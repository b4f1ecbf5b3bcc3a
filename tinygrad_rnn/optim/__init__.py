"""Optimisers, with PyTorch's arguments and arithmetic."""

from .adagrad import Adagrad
from .adam import Adam
from .optimizer import Optimizer
from .sgd import SGD

__all__ = ["SGD", "Adagrad", "Adam", "Optimizer"]
