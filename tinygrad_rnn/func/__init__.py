"""Functions of functions: gradients, products with Jacobians, Hessians; gradients checked."""

from .differences import GradcheckError, NotDifferentiableError
from .gradcheck import gradcheck
from .transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp

__all__ = [
    "GradcheckError",
    "NotDifferentiableError",
    "grad",
    "gradcheck",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "value_and_grad",
    "vjp",
]
