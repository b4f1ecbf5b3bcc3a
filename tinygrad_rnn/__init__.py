"""Reverse-mode automatic differentiation on NumPy, made for recurrent networks.

Write the forward pass; get back the backward pass that you would have derived by hand.
"""

from . import bptt, calculus, data, func, interop, manual, nn, ops, optim
from ._version import __version__
from .derivation import derive
from .engine.anomaly import anomaly_mode
from .engine.gradients import grad
from .engine.mode import no_grad, scope
from .engine.tensor import Tensor
from .func import gradcheck
from .ops import *
from .ops.op import Op, Term, op
from .program import compile
from .training import fit, load, save
from .views import draw, explore, render

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
