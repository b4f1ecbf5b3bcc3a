"""Matrix calculus: Jacobians in a named layout, vec, the Kronecker form of one layer.

Numerator layout has a row for each entry of the result, denominator layout a column: they are each
other's transposes. A matrix is made a vector by vec, which stacks columns (Fortran order "F", as
in books) or rows ("C", as NumPy does). The equations are those of docs/derivation.md, sections 8
and 11.
"""

from .jacobians import by_entries, jacobian
from .kronecker import KroneckerJacobian, kronecker_jacobian
from .layouts import commutation_matrix, unvec, vec

__all__ = [
    "KroneckerJacobian",
    "by_entries",
    "commutation_matrix",
    "jacobian",
    "kronecker_jacobian",
    "unvec",
    "vec",
]
