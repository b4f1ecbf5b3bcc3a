"""Reverse-mode automatic differentiation on NumPy, made for recurrent networks.

Write the forward pass; get back the backward pass that you would have derived by hand.
"""

from . import bptt, calculus, data, func, interop, manual, nn, ops, optim
from ._version import __version__
from .anomaly import anomaly_mode
from .check import gradcheck
from .checkpoint import load, save
from .gradients import grad
from .op import Op, Term, op
from .ops import *
from .program import compile
from .tape import no_grad, scope
from .tensor import Tensor
from .train import fit
from .views import derive, draw, explore, render

__all__ = [
    "Op",
    "Tensor",
    "Term",
    "__version__",
    "anomaly_mode",
    "bptt",
    "calculus",
    "compile",
    "data",
    "derive",
    "draw",
    "explore",
    "fit",
    "func",
    "grad",
    "gradcheck",
    "interop",
    "load",
    "manual",
    "nn",
    "no_grad",
    "op",
    "ops",
    "optim",
    "render",
    "save",
    "scope",
]
__all__ += ops.__all__
