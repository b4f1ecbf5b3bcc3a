"""Layouts of derivatives, and vec, which makes a matrix a vector in column or row order."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops.op import Array, array

__all__ = ["commutation_matrix", "unvec", "vec"]

LAYOUTS = ("numerator", "denominator")
ORDERS = ("F", "C")


def vec(x: Any, order: str = "F") -> Any:
    """The entries of x as a vector (x.size,), column after column, or row after row for "C".

    x: an array, a list, or a Tensor, which is recorded; with more than two axes "F" lets the first
    vary fastest. Raises: ValueError for another order.

    >>> vec(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([1., 3., 2., 4.])
    """
    check_one_of("calculus.vec", "order", order, ORDERS)
    x = array(x)
    return (x.T if order == "F" else x).reshape(x.size)


def unvec(v: Any, shape: tuple[int, ...], order: str = "F") -> Any:
    """What vec makes v of: `unvec(vec(x), x.shape)` is x.

    v: (n,), an array, a list or a Tensor. shape: of the result, n entries. order: as for `vec`.
    Raises: ValueError for another order, or where v does not fill the shape.

    >>> unvec([1.0, 3.0, 2.0, 4.0], (2, 2))
    array([[1., 2.],
           [3., 4.]])
    """
    check_one_of("calculus.unvec", "order", order, ORDERS)
    v, shape = array(v), tuple(shape)
    if v.ndim != 1 or min(shape, default=0) < 0 or v.size != int(np.prod(shape)):
        raise ValueError(
            f"calculus.unvec: v has shape {v.shape}, but shape {shape} needs "
            f"({int(np.prod(shape))},); give what vec gave"
        )
    return v.reshape(shape[::-1]).T if order == "F" else v.reshape(shape)


def commutation_matrix(m: int, n: int, *, dtype: Any = float) -> Array:
    """K, (m·n, m·n), for which K vec(A) = vec(Aᵀ) for every A of shape (m, n); vec stacks columns.

    dtype: of K. Its transpose, which is its inverse, is `commutation_matrix(n, m)`. Equation: (49).
    Raises: ValueError where m or n is negative.

    >>> A = np.arange(6.0).reshape(2, 3)
    >>> commutation_matrix(2, 3) @ vec(A)
    array([0., 1., 2., 3., 4., 5.])
    """
    if min(m, n) < 0:
        raise ValueError(
            f"calculus.commutation_matrix: m is {m} and n is {n}; give sizes from 0 on"
        )
    places = np.arange(m * n).reshape((m, n), order="F")
    K: Array = np.eye(m * n, dtype=dtype)[places.ravel()]  # row by row: the columns of Aᵀ
    return K


def check_one_of(name: str, what: str, came: Any, known: tuple[Any, ...]) -> None:
    """Raises: ValueError for what is not one of those known."""
    if not any(came == x for x in known):
        raise ValueError(f"{name}: {what} is {came!r}; give {', '.join(map(repr, known))}")
