"""Products of matrices and vectors.

The gradients of a product are products. Where one's result is larger than its operands, as for a
weight that is used at every time step, it is a Term: the tape stacks the operands of many steps
and multiplies once.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..op import Term, op
from .reduce import sum_to
from .shape import reshape, transpose


def _stacked(total: Any, terms: list[Term]) -> Any:
    """A sum of products is one product: a_1 b_1 + a_2 b_2 + ... = [a_1 a_2 ...] [b_1; b_2; ...]."""
    left = np.concatenate([term.inputs[0] for term in terms], axis=1)
    right = np.concatenate([term.inputs[1] for term in terms], axis=0)
    product = np.dot(left, right)
    return product if total is None else np.add(total, product, out=total)


@op(
    accumulate=_stacked,
    a=lambda g, z, a, b: _left_gradient(g, a, b),
    b=lambda g, z, a, b: _right_gradient(g, a, b),
)
def matmul(a: Any, b: Any) -> Any:
    """Matrix product over the last axis of a and the last but one of b, as `a @ b`.

    a: (k,), (n, k) or (..., n, k). b: (k,), (k, m) or (..., k, m); axes before broadcast.
    Equation: for matrices dL/da = g bᵀ and dL/db = aᵀ g.
    Raises: ValueError where the inner sizes differ or one has no axes.

    >>> matmul(np.ones((2, 3)), np.ones((3, 4))).shape
    (2, 4)
    """
    a, b = np.asarray(a), np.asarray(b)
    if not (a.ndim and b.ndim):
        raise ValueError(f"matmul: a has shape {a.shape}, b {b.shape}: use multiply for a number")
    if a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        raise ValueError(
            f"matmul: b has shape {b.shape}, but a, of shape {a.shape}, ends in {a.shape[-1]}: "
            f"b must {'start with' if b.ndim < 3 else 'have as last axis but one'} {a.shape[-1]}"
        )
    if b.ndim > 2:
        return np.matmul(a, b)
    if a.ndim > 2 and b.ndim == 2:  # one product of all rows, not one for each matrix
        return np.dot(_rows(a), b).reshape(*a.shape[:-1], b.shape[-1])
    return np.dot(a, b)


def _left_gradient(g: Any, a: Any, b: Any) -> Any:
    if b.ndim == 1:
        column = reshape(g, shape=(*g.shape, 1))
        return _product(column, reshape(b, shape=(1, -1))) if a.ndim == 2 else column * b
    if a.ndim == 1:
        return sum_to(matmul(b, reshape(g, shape=(*g.shape, 1)))[..., 0], a.shape)
    if b.ndim == 2:
        return _product(g, b.T) if a.ndim == 2 else matmul(g, b.T)
    return sum_to(matmul(g, _swapped(b)), a.shape)


def _right_gradient(g: Any, a: Any, b: Any) -> Any:
    if b.ndim == 1:
        return g * a if a.ndim == 1 else matmul(_rows(a).T, reshape(g, shape=(-1,)))
    if a.ndim == 1:
        column, row = reshape(a, shape=(-1, 1)), reshape(g, shape=(*g.shape[:-1], 1, g.shape[-1]))
        return _product(column, row) if b.ndim == 2 else column * row
    if b.ndim == 2:
        return _product(_rows(a).T, _rows(g))
    return sum_to(matmul(_swapped(a), g), b.shape)


def _product(left: Any, right: Any) -> Any:
    """left @ right, to be stacked with others where that moves less than it saves."""
    (n, k), m = left.shape, right.shape[1]
    return Term(matmul, left, right) if k * (n + m) < n * m else matmul(left, right)


def _rows(x: Any) -> Any:
    """All rows of x as one matrix."""
    if x.ndim == 2:
        return x
    return reshape(x, shape=(math.prod(x.shape[:-1]), x.shape[-1]))


def _swapped(x: Any) -> Any:
    """The matrices of x transposed."""
    return transpose(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def outer(a: Any, b: Any) -> Any:
    """a_i b_j for all entries of a and b, flattened. Result: (a.size, b.size).

    >>> outer(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    array([[3., 4.],
           [6., 8.]])
    """
    return reshape(a, shape=(-1, 1)) * reshape(b, shape=(1, -1))
