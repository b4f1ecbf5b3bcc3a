"""Losses of one time step: the value, and its derivative by the output, derived by hand.

A loss takes the output y and its target and gives (value, dy): a scalar, summed over the batch,
and an array of y's shape. Numbers in brackets are the equations of docs/derivation.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .records import Array, Layout, check_layout, floating


def softmax_cross_entropy(
    y: ArrayLike, target: ArrayLike, *, layout: Layout = "column"
) -> tuple[np.floating[Any], Array]:
    """-log softmax(y)[target], summed over the batch, and its gradient. Equations (37) to (39).

    y: (O, B) in column layout, (B, O) in row layout, real floating. target: class numbers (B,),
    or a distribution over the classes per example in y's shape (one-hot or probabilities).
    Result: value >= 0 and dy in y's shape, both in y's dtype; exp never overflows.
    Raises: ValueError for a wrong shape or layout, TypeError for a wrong dtype, IndexError for a
    class number outside 0..O-1.

    >>> value, dy = softmax_cross_entropy(np.array([[1000.0], [0.0]]), [1])
    >>> value.item(), dy.tolist()
    (1000.0, [[1.0], [-1.0]])
    """
    check_layout(layout)
    y = floating("y", y)
    axis = 0 if layout == "column" else 1
    q = _distribution(y, np.asarray(target), layout)
    shifted = y - y.max(axis=axis, keepdims=True)  # (37)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))  # (37)
    value = np.sum(q * -log_p)  # (38)
    dy = np.exp(log_p) * q.sum(axis=axis, keepdims=True) - q  # (39)
    return value, dy


def squared_error(
    y: ArrayLike, target: ArrayLike, *, layout: Layout = "column"
) -> tuple[np.floating[Any], Array]:
    """Sum of (y - target)**2 over entries and batch, and its gradient. Equations (40), (41).

    y: (O, B) in column layout, (B, O) in row layout, real floating; target: y's shape.
    Result: value >= 0 and dy in y's shape, both in y's dtype.
    Raises: ValueError for a wrong shape or layout, TypeError for a wrong dtype.

    >>> value, dy = squared_error(np.array([[3.0, 0.0]]), [[1.0, 1.0]])
    >>> value.item(), dy.tolist()
    (5.0, [[4.0, -2.0]])
    """
    check_layout(layout)
    y, target = floating("y", y), np.asarray(target)
    if target.shape != y.shape:
        raise ValueError(_wrong_shape(target, f"{layout} layout needs the shape of y, {y.shape}"))
    error = y - target.astype(y.dtype, casting="same_kind")
    value = np.sum(error * error)  # (40)
    dy = 2 * error  # (41)
    return value, dy


def _distribution(y: Array, target: Array, layout: Layout) -> Array:
    """q, in y's shape: the probability that the target gives to each class."""
    if y.ndim != 2:
        needed = "(O, B)" if layout == "column" else "(B, O)"
        raise ValueError(f"y has shape {y.shape}, but {layout} layout needs {needed}")
    if target.shape == y.shape:
        return target.astype(y.dtype, casting="same_kind")
    classes, batch = y.shape if layout == "column" else y.shape[::-1]
    if target.shape != (batch,):
        needed = f"{layout} layout needs (B,) = {(batch,)} or the shape of y, {y.shape}"
        raise ValueError(_wrong_shape(target, needed))
    one_hot = _one_hot(target, classes).astype(y.dtype)
    return one_hot.T if layout == "column" else one_hot


def _one_hot(target: Array, classes: int) -> Array:
    if not np.issubdtype(target.dtype, np.integer):
        raise TypeError(f"target has dtype {target.dtype}, but class numbers are integers")
    outside = target[(target < 0) | (target >= classes)]
    if outside.size:
        raise IndexError(f"target has class {outside[0]}, but classes go from 0 to {classes - 1}")
    one_hot: Array = target[:, np.newaxis] == np.arange(classes)
    return one_hot


def _wrong_shape(target: Array, needed: str) -> str:
    return f"target has shape {target.shape}, but {needed}"
