"""Matrix calculus: Jacobians in a named layout, vec, the Kronecker form of one layer."""

from .jacobians import (
    KroneckerJacobian,
    by_entries,
    commutation_matrix,
    jacobian,
    kronecker_jacobian,
    unvec,
    vec,
)

__all__ = [
    "KroneckerJacobian",
    "by_entries",
    "commutation_matrix",
    "jacobian",
    "kronecker_jacobian",
    "unvec",
    "vec",
]
