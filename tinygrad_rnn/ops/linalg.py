"""The product of matrices, and parts of a matrix.

The gradients of a product are products. Where one's result is larger than its operands, as for a
weight that is used at every time step, it is a Term: the tape stacks the operands of many steps
and multiplies once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .elementwise import where
from .op import Term, composed, op
from .parts import concatenate
from .reduce import sum, sum_to
from .shape import moveaxis, reshape, transpose

__all__ = ["addmm", "diagonal", "matmul", "trace", "tril", "triu"]

_NO_SETTINGS: dict[str, Any] = {}


def _joined(terms: list[Term]) -> Term:
    """A sum of products is one product: a_1 b_1 + a_2 b_2 + ... = [a_1 a_2 ...] [b_1; b_2; ...]."""
    if len(terms) == 1:
        return terms[0]
    left = concatenate.apply(tuple([term.inputs[0].T for term in terms]), {"axis": 0}).T
    right = concatenate.apply(tuple([term.inputs[1] for term in terms]), {"axis": 0})
    return Term(matmul, (left, right), _NO_SETTINGS)


def _left_gradient(g: Any, z: Any, a: Any, b: Any) -> Any:
    if a.ndim == 2 and b.ndim == 2:
        b = b.T
        return g.dot(b) if g.size + b.size >= a.size else Term(matmul, (g, b), _NO_SETTINGS)
    if b.ndim == 2 and a.ndim > 2:
        return matmul(g, b.T)
    if b.ndim == 1:
        column = reshape(g, shape=(*g.shape, 1))
        return column * b if a.ndim != 2 else _product(column, reshape(b, shape=(1, -1)), a.size)
    if a.ndim == 1:
        return sum_to(matmul(b, reshape(g, shape=(*g.shape, 1)))[..., 0], a.shape)
    return sum_to(matmul(g, _swapped(b)), a.shape)


def _right_gradient(g: Any, z: Any, a: Any, b: Any) -> Any:
    if a.ndim == 2 and b.ndim == 2:
        a = a.T
        return matmul(a, g) if a.size + g.size >= b.size else Term(matmul, (a, g), _NO_SETTINGS)
    if b.ndim == 2 and a.ndim > 2:
        return _product(_rows(a).T, _rows(g), b.size)
    if b.ndim == 1:
        return g * a if a.ndim == 1 else matmul(_rows(a).T, reshape(g, shape=(-1,)))
    if a.ndim == 1:
        column, row = reshape(a, shape=(-1, 1)), reshape(g, shape=(*g.shape[:-1], 1, g.shape[-1]))
        return column * row if b.ndim != 2 else _product(column, row, b.size)
    return sum_to(matmul(_swapped(a), g), b.shape)


def _transposed(product: Term, axes: Sequence[int] | None) -> Term | None:
    """The transpose of a product of matrices is a product: (a b)ᵀ = bᵀ aᵀ."""
    left, right = product.inputs
    return None if axes is not None else Term(matmul, (right.T, left.T), _NO_SETTINGS)


@op(join=_joined, through={transpose: _transposed}, a=_left_gradient, b=_right_gradient)
def matmul(a: Any, b: Any) -> Any:
    """Matrix product over the last axis of a and the last but one of b, as `a @ b`.

    a: (k,), (n, k) or (..., n, k). b: (k,), (k, m) or (..., k, m); axes before broadcast.
    Equation: for matrices dL/da = g bᵀ and dL/db = aᵀ g.
    Raises: ValueError where the inner sizes differ or one has no axes.

    >>> matmul(np.ones((2, 3)), np.ones((3, 4))).shape
    (2, 4)
    """
    try:
        if a.ndim < 3 and b.ndim < 3:
            return a.dot(b) if a.ndim and b.ndim else np.matmul(a, b)
        if b.ndim == 2:  # one product of all rows, not one for each matrix
            return _rows(a).dot(b).reshape(*a.shape[:-1], b.shape[-1])
        return np.matmul(a, b)
    except (ValueError, AttributeError) as error:
        raise _mismatch(a, b) from error


def _mismatch(a: Any, b: Any) -> Exception:
    for x in (a, b):
        if x is None:
            return TypeError("matmul: cannot multiply by None; give an array of one axis or more")
    a, b = np.asarray(a), np.asarray(b)
    if not (a.ndim and b.ndim):
        return ValueError(f"matmul: a has shape {a.shape}, b {b.shape}: use multiply for a number")
    if a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        return ValueError(
            f"matmul: b has shape {b.shape}, but a, of shape {a.shape}, ends in {a.shape[-1]}: "
            f"b must {'start with' if b.ndim < 3 else 'have as last axis but one'} {a.shape[-1]}"
        )
    return ValueError(f"matmul: the stacks of matrices {a.shape} and {b.shape} do not broadcast")


@op(
    decomposition=lambda c, a, b: matmul(a, b) + c,
    c=lambda g, z, c, a, b: g if g.shape == c.shape else sum_to(g, c.shape),
    a=lambda g, z, c, a, b: _left_gradient(g, z, a, b),
    b=lambda g, z, c, a, b: _right_gradient(g, z, a, b),
)
def addmm(c: Any, a: Any, b: Any) -> Any:
    """c + a @ b in one operation.

    a, b: as for matmul. c: a shape that broadcasts to the product's, which is the result's.
    Raises: ValueError where shapes do not fit.

    >>> addmm(np.ones(4), np.ones((2, 3)), np.ones((3, 4)))
    array([[4., 4., 4., 4.],
           [4., 4., 4., 4.]])
    """
    product = matmul.forward(a, b)
    if type(c) is np.ndarray and c.shape == product.shape and c.dtype is product.dtype:
        product += c
        return product
    result = product + c
    if result.shape != product.shape:
        raise ValueError(
            f"addmm: c has shape {c.shape}, but a @ b {product.shape}: c must broadcast to it"
        )
    return result


def _product(left: Any, right: Any, size: int) -> Any:
    """left @ right, which has `size` entries: to be stacked where the operands have fewer."""
    if left.size + right.size < size:
        return Term(matmul, (left, right), _NO_SETTINGS)
    return matmul(left, right)


def _rows(x: Any) -> Any:
    """All rows of x as one matrix."""
    if x.ndim == 2:
        return x
    return reshape(x, shape=(math.prod(x.shape[:-1]), x.shape[-1]))


def _swapped(x: Any) -> Any:
    """The matrices of x transposed."""
    return transpose(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


@composed()
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The entries x[k, k + offset] of the matrices of axis1 and axis2, along a new last axis.

    Raises: ValueError where x has less than two axes or both are one, AxisError for no such axis.

    >>> diagonal(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([1., 4.])
    """
    if x.ndim < 2:
        raise ValueError(f"diagonal: x has shape {x.shape}; it must have two axes or more")
    x = moveaxis(x, (axis1, axis2), (-2, -1))
    rows = np.arange(x.shape[-2])
    rows = rows[(rows + offset >= 0) & (rows + offset < x.shape[-1])]
    return x[..., rows, rows + offset]


@composed()
def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The sum of each diagonal; see `diagonal`.

    >>> trace(np.array([[1.0, 2.0], [3.0, 4.0]]))
    np.float64(5.0)
    """
    return sum(diagonal(x, offset, axis1, axis2), axis=-1)


@composed()
def tril(x: Any, k: int = 0) -> Any:
    """The matrices of the last two axes with zeros above the k-th diagonal.

    >>> tril(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[1., 0.],
           [3., 4.]])
    """
    return where(_lower(x.shape[-2:], k), x, 0)


@composed()
def triu(x: Any, k: int = 0) -> Any:
    """The matrices of the last two axes with zeros below the k-th diagonal.

    >>> triu(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[1., 2.],
           [0., 4.]])
    """
    return where(_lower(x.shape[-2:], k - 1), 0, x)


def _lower(shape: tuple[int, ...], k: int) -> Any:
    """True on the k-th diagonal and below."""
    rows, columns = np.arange(shape[0])[:, None], np.arange(shape[-1])
    return columns <= rows + k
