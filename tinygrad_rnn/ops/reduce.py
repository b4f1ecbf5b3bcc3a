# Rules name ops that are declared further down, which mypy cannot follow:
# mypy: disable-error-code="has-type"
"""Operations that take many entries to one along some axes: sums, means, extremes, lengths.

axis: None (all), an int or a tuple of ints; keepdims keeps the reduced axes with size 1. What is
added up or counted of float16 is so in float32, in which 70,000 has a place.
"""

from __future__ import annotations

import builtins
import math
from typing import Any, Literal

import numpy as np

from .elementary import sqrt
from .elementwise import abs, equal, not_equal, sign, where
from .op import composed, op
from .parts import concatenate, stack
from .shape import (
    HALF,
    astype,
    broadcast_to,
    flip,
    normalized_axis,
    reshape,
    squeeze,
    transpose,
    wide,
)

__all__ = ["cumsum", "max", "mean", "min", "norm", "prod", "std", "sum", "var"]

Axis = int | tuple[int, ...] | None


def sum_to(x: Any, shape: tuple[int, ...]) -> Any:
    """x summed over the axes along which an array of this shape would be repeated to fit it.

    >>> sum_to(np.ones((4, 3, 2)), (3, 1))
    array([[8.],
           [8.],
           [8.]])
    """
    if x.shape == shape:
        return x
    if x.size == math.prod(shape):  # what was repeated was repeated once
        return x.reshape(shape)
    new = x.ndim - len(shape)
    axes = tuple(k for k, n in enumerate(x.shape) if n != 1 and (k < new or shape[k - new] == 1))
    x = sum(x, axis=axes)
    return x if x.shape == shape else x.reshape(shape)


def restore_axes(value: Any, x: Any, axis: Axis) -> Any:
    """The reduced value in the shape that keepdims=True gives, so that it broadcasts against x."""
    return reshape(value, shape=_keepdims_shape(x.shape, axis))


def _keepdims_shape(shape: tuple[int, ...], axis: Axis) -> tuple[int, ...]:
    if axis is None:
        return (1,) * len(shape)
    axes = {k % len(shape) for k in (axis if isinstance(axis, tuple) else (axis,))} if shape else ()
    return tuple(1 if k in axes else n for k, n in enumerate(shape))


def _broadcast(g: Any, x: Any, axis: Axis) -> Any:
    """The gradient of a sum: every entry that was added gets all of it."""
    return broadcast_to(g if axis is None else restore_axes(g, x, axis), shape=x.shape)


def _sum_in_single(x: Any, *, axis: Axis, keepdims: bool) -> Any:
    if x.dtype.char != HALF:
        return None
    return astype(sum(wide(x), axis=axis, keepdims=keepdims), x.dtype)


@op(decomposition=_sum_in_single, x=lambda g, z, x, axis, keepdims: _broadcast(g, x, axis))
def sum(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Sum along the axes.

    >>> sum(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    array([4., 6.])
    """
    if type(x) is np.ndarray and x.dtype.char == HALF:
        return sum.forward(wide(x), axis=axis, keepdims=keepdims).astype(x.dtype)
    return np.add.reduce(x, axis=axis, keepdims=keepdims)  # type: ignore[call-overload]


def _count(x: Any, z: Any) -> float:
    """How many entries of x made one of z."""
    return (x.size or 1) / (z.size or 1)


def _sum_over_count(x: Any, *, axis: Axis, keepdims: bool) -> Any:
    if x.dtype.kind != "f" or x.dtype.char == HALF or not x.size:
        return None
    total = sum(x, axis=axis, keepdims=keepdims)
    return total / _count(x, total)


@op(
    decomposition=_sum_over_count,
    x=lambda g, z, x, axis, keepdims: _broadcast(wide(g) / _count(x, z), x, axis),
)
def mean(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Mean along the axes.

    >>> mean(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    array([2., 3.])
    """
    return np.mean(x, axis=axis, keepdims=keepdims)


def _extreme(z: Any, x: Any, axis: Axis) -> Any:
    """Which entries are the result: 1 or 0, divided by how many there are; NaN counts as such."""
    hit = wide(astype(equal(x, restore_axes(z, x, axis)) + not_equal(x, x), dtype=x.dtype))
    return hit / sum(hit, axis=axis, keepdims=True)


@op(x=lambda g, z, x, axis, keepdims: restore_axes(g, x, axis) * _extreme(z, x, axis))
def max(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Largest value along the axes; where several are equal they share the gradient equally.

    Raises: ValueError where there is no entry.

    >>> max(np.array([[1.0, 2.0], [3.0, 0.0]]), axis=1)
    array([2., 3.])
    """
    return np.max(x, axis=axis, keepdims=keepdims)


@op(x=lambda g, z, x, axis, keepdims: restore_axes(g, x, axis) * _extreme(z, x, axis))
def min(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Smallest value along the axes; where several are equal they share the gradient equally.

    Raises: ValueError where there is no entry.

    >>> min(np.array([[1.0, 2.0], [3.0, 0.0]]), axis=1)
    array([1., 0.])
    """
    return np.min(x, axis=axis, keepdims=keepdims)


def _deviations(x: Any, axis: Axis) -> Any:
    x = wide(x)
    return x - mean(x, axis=axis, keepdims=True)


def _freedom(x: Any, z: Any, ddof: float) -> float:
    """How many entries made one of the result, less ddof."""
    return float(builtins.max(_count(x, z) - ddof, 0))


@op(
    x=lambda g, z, x, axis, ddof, keepdims: (
        restore_axes(2 * wide(g) / _freedom(x, z, ddof), x, axis) * _deviations(x, axis)
    )
)
def var(x: Any, *, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Any:
    """Variance along the axes: squared deviations from the mean over their number less ddof.

    >>> var(np.array([1.0, 3.0, 5.0]), ddof=1)
    np.float64(4.0)
    """
    x = np.asarray(x)
    variance = np.var(wide(x), axis=axis, ddof=ddof, keepdims=keepdims)
    return variance.astype(x.dtype) if x.dtype.char == HALF else variance


@op(
    x=lambda g, z, x, axis, ddof, keepdims: (
        restore_axes(wide(g) / _freedom(x, z, ddof), x, axis) * _scores(x, z, axis, ddof)
    )
)
def std(x: Any, *, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Any:
    """Standard deviation along the axes, the square root of `var`; its derivative at 0 is 0.

    >>> std(np.array([1.0, 3.0, 5.0]), ddof=1)
    np.float64(2.0)
    """
    x = np.asarray(x)
    if x.dtype.char == HALF:
        return std.forward(wide(x), axis=axis, ddof=ddof, keepdims=keepdims).astype(x.dtype)
    with np.errstate(over="ignore"):
        variance = np.var(x, axis=axis, ddof=ddof, keepdims=keepdims)
    if _in_range(variance):
        return np.sqrt(variance)
    length = _scaled_norm(x - np.mean(x, axis=axis, keepdims=True), 2, axis, keepdims)
    return length / math.sqrt(_freedom(x, length, ddof))


def _scores(x: Any, z: Any, axis: Axis, ddof: float) -> Any:
    """The deviations over the standard deviation z, of float16 before it was rounded."""
    if x.dtype.char == HALF:
        z = std(wide(x), axis=axis, ddof=ddof)
    return _deviations(x, axis) / restore_axes(_or_inf(z), x, axis)


def _or_inf(z: Any) -> Any:
    """z, but infinity where z is 0: by which a quotient, and its slope, is 0."""
    return where(equal(z, 0), math.inf, z)


@composed()
def norm(
    x: Any,
    ord: float | Literal["fro"] | None = None,
    axis: Axis = None,
    keepdims: bool = False,
) -> Any:
    """Length of vectors or matrices, as np.linalg.norm; its derivative at 0 is 0.

    ord: of vectors None or 2 (Euclid's), 1, another number p, inf or -inf; of matrices None or
    "fro" (Frobenius's), 1, -1, inf or -inf. axis: one for vectors, two for matrices; None: the
    whole of x, as one vector where ord is None.
    Raises: ValueError for another ord, or where x has too many axes for it.

    >>> norm(np.array([3.0, 4.0])), norm(np.array([3.0, -4.0]), ord=1)
    (np.float64(5.0), np.float64(7.0))
    """
    if x.dtype.kind in "iub":
        x = astype(x, float)
    if x.dtype.char == HALF:
        return astype(norm(wide(x), ord, axis, keepdims), x.dtype)
    axes = _as_tuple(x, axis)
    if ord is None or (ord == "fro" and len(axes) == 2) or (ord == 2 and len(axes) == 1):
        return _norm(x, axis=axis, keepdims=keepdims)
    if len(axes) == 1 and ord in (1, np.inf, -np.inf):
        return {1: sum, np.inf: max, -np.inf: min}[ord](abs(x), axis=axes, keepdims=keepdims)
    if len(axes) == 1 and isinstance(ord, (int, float)) and ord:
        return _p_norm(x, p=ord, axis=axes, keepdims=keepdims)
    if len(axes) == 2 and ord in (1, -1, np.inf, -np.inf):
        first, second = axes if builtins.abs(ord) == 1 else axes[::-1]
        sums = sum(abs(x), axis=first, keepdims=True)
        result = (max if ord > 0 else min)(sums, axis=second, keepdims=True)
        return result if keepdims else squeeze(result, axes)
    raise ValueError(
        f"norm: ord is {ord!r} for {len(axes)} axes; vectors (one axis) take None or a number but "
        "0, matrices (two) None, 'fro', 1, -1, inf or -inf"
    )


@op(
    x=lambda g, z, x, axis, keepdims: (
        restore_axes(g, x, axis) * (x / restore_axes(_or_inf(z), x, axis))
    )
)
def _norm(x: Any, *, axis: Axis, keepdims: bool) -> Any:
    with np.errstate(over="ignore"):
        total = sum.forward(np.square(x), axis=axis, keepdims=keepdims)
    return np.sqrt(total) if _in_range(total) else _scaled_norm(x, 2, axis, keepdims)


@op(
    x=lambda g, z, x, p, axis, keepdims: (
        restore_axes(g, x, axis) * (sign(x) * _power_of_share(x, restore_axes(z, x, axis), p))
    )
)
def _p_norm(x: Any, *, p: float, axis: Axis, keepdims: bool) -> Any:
    with np.errstate(over="ignore", divide="ignore"):
        total = sum.forward(np.abs(x) ** p, axis=axis, keepdims=keepdims)
    return total ** (1 / p) if _in_range(total) else _scaled_norm(x, p, axis, keepdims)


def _in_range(total: Any) -> bool:
    """Whether no sum of powers is infinite, or so small that powers may have underflown."""
    if getattr(total, "dtype", np.dtype(object)).kind != "f":
        return True
    limits = np.finfo(total.dtype)
    return not np.count_nonzero((total <= limits.tiny / limits.eps) | (total == np.inf))


def _scaled_norm(x: Any, p: float, axis: Axis, keepdims: bool) -> Any:
    """(Σ |x|^p)^(1/p), with entries divided by that which counts most, as LAPACK's nrm2 does."""
    sizes = np.abs(x)
    most, start = (np.max, 0) if p > 0 else (np.min, np.inf)
    scale = most(sizes, axis=axis, keepdims=True, initial=start)
    scale = np.where((scale > 0) & (scale < np.inf), scale, 1)
    with np.errstate(divide="ignore", over="ignore"):
        z = np.sum((sizes / scale) ** p, axis=axis, keepdims=True) ** (1 / p)
    z = scale * z
    return z if keepdims else np.squeeze(z, axis=axis)[()]


def _power_of_share(x: Any, z: Any, p: float) -> Any:
    """(|x| / z)^(p - 1) in ways that stay in range; where x is 0 the sign makes 0 of it."""
    if p < 0:
        return (z / where(equal(x, 0), 1, abs(x))) ** (1 - p)
    if p > 2:
        return (abs(x) / _or_inf(z)) ** (p - 1)
    z = where(equal(z, 0), 1, z)
    size = where(equal(x, 0), z, abs(x))
    return (sqrt(size) / sqrt(z)) ** (2 * (p - 1))  # 1e-200 / 1e200 alone would be 0


@composed()
def prod(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Product along the axes; its gradient needs no division, so zeros too have theirs.

    >>> prod(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    array([3., 8.])
    """
    axes = [normalized_axis("prod", x, k) for k in _as_tuple(x, axis)]
    others = tuple(n for k, n in enumerate(x.shape) if k not in axes)
    shape = _keepdims_shape(x.shape, tuple(axes)) if keepdims else others
    return reshape(_prod(_in_front(x, axes)), shape=shape)


@op(x=lambda g, z, x: g * _products_of_others(x))
def _prod(x: Any) -> Any:
    return np.multiply.reduce(x, axis=0)


def _products_of_others(x: Any) -> Any:
    """For each entry along the first axis the product of all others there, by pairs of pairs."""
    if len(x) < 2:
        return where(equal(x, x), 1, x)
    end = len(x) // 2 * 2
    even, odd = x[:end:2], x[1:end:2]
    of_pairs = _products_of_others(concatenate([even * odd, x[end:]]))
    both = stack([of_pairs[: end // 2] * odd, of_pairs[: end // 2] * even], axis=1)
    return concatenate([reshape(both, shape=(end, *x.shape[1:])), of_pairs[end // 2 :]])


def _as_tuple(x: Any, axis: Axis) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(x.ndim))
    return axis if isinstance(axis, tuple) else (axis,)


def _in_front(x: Any, axes: list[int]) -> Any:
    """x with these axes as one, the first; the others follow."""
    others = [k for k in range(x.ndim) if k not in axes]
    together = math.prod(x.shape[k] for k in axes)
    sizes = [x.shape[k] for k in others]
    return reshape(transpose(x, axes=(*axes, *others)), shape=(together, *sizes))


@composed()
def cumsum(x: Any, axis: int | None = None) -> Any:
    """Sums of the entries up to each one, along the axis; None: of the flattened array.

    >>> cumsum(np.array([1.0, 2.0, 3.0]))
    array([1., 3., 6.])
    """
    if axis is None:
        x, axis = reshape(x, shape=(-1,)), 0
    return _cumsum(x, axis=normalized_axis("cumsum", x, axis))


@op(x=lambda g, z, x, axis: flip(_cumsum(flip(g, axis), axis=axis), axis))
def _cumsum(x: Any, *, axis: int) -> Any:
    sums = np.cumsum(wide(x), axis=axis)
    return sums.astype(x.dtype) if x.dtype.char == HALF else sums
