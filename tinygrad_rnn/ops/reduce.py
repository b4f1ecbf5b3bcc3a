"""Operations that take many entries to one along some axes: sums, means, largest values.

axis: None (all), an int or a tuple of ints; keepdims keeps the reduced axes with size 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..op import op
from .elementwise import equal, not_equal
from .shape import astype, broadcast_to, reshape

Axis = int | tuple[int, ...] | None


def sum_to(x: Any, shape: tuple[int, ...]) -> Any:
    """x summed over the axes along which an array of this shape would be repeated to fit it.

    >>> sum_to(np.ones((4, 3, 2)), (3, 1))
    array([[8.],
           [8.],
           [8.]])
    """
    new = x.ndim - len(shape)
    axes = tuple(k for k, n in enumerate(x.shape) if n != 1 and (k < new or shape[k - new] == 1))
    if axes:
        x = sum(x, axis=axes)
    return reshape(x, shape=shape) if x.shape != shape else x


def kept(value: Any, x: Any, axis: Axis) -> Any:
    """The reduced value in the shape that keepdims=True gives, so that it broadcasts against x."""
    return reshape(value, shape=_kept_shape(x.shape, axis))


def _kept_shape(shape: tuple[int, ...], axis: Axis) -> tuple[int, ...]:
    if axis is None:
        return (1,) * len(shape)
    axes = {k % len(shape) for k in (axis if isinstance(axis, tuple) else (axis,))} if shape else ()
    return tuple(1 if k in axes else n for k, n in enumerate(shape))


def _spread(g: Any, x: Any, axis: Axis) -> Any:
    """The gradient of a sum: every entry that was added gets all of it."""
    return broadcast_to(g if axis is None else kept(g, x, axis), shape=x.shape)


@op(x=lambda g, z, x, axis, keepdims: _spread(g, x, axis))
def sum(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Sum along the axes.

    >>> sum(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    array([4., 6.])
    """
    return np.add.reduce(x, axis=axis, keepdims=keepdims)  # type: ignore[call-overload]


@op(x=lambda g, z, x, axis, keepdims: _spread(g / ((x.size or 1) / (z.size or 1)), x, axis))
def mean(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Mean along the axes.

    >>> mean(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    array([2., 3.])
    """
    return np.mean(x, axis=axis, keepdims=keepdims)


def _largest(z: Any, x: Any, axis: Axis) -> Any:
    """Which entries are the largest: 1 or 0, divided by how many there are; NaN counts as such."""
    hit = astype(equal(x, kept(z, x, axis)) + not_equal(x, x), dtype=x.dtype)
    return hit / sum(hit, axis=axis, keepdims=True)


@op(x=lambda g, z, x, axis, keepdims: kept(g, x, axis) * _largest(z, x, axis))
def max(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Largest value along the axes; where several are equal they share the gradient equally.

    Raises: ValueError where there is no entry.

    >>> max(np.array([[1.0, 2.0], [3.0, 0.0]]), axis=1)
    array([2., 3.])
    """
    return np.max(x, axis=axis, keepdims=keepdims)
