# Rules name ops that are declared further down, which mypy cannot follow:
# mypy: disable-error-code="has-type"
"""Operations on the shape: the same entries in another order or number, in another dtype."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .op import array, composed, op

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__ = [
    "astype",
    "broadcast_to",
    "expand_dims",
    "flip",
    "moveaxis",
    "ravel",
    "reshape",
    "squeeze",
    "swapaxes",
    "tile",
    "transpose",
]


@op(x=lambda g, z, x, shape: reshape(g, shape=x.shape))
def reshape(x: Any, *, shape: int | Sequence[int]) -> Any:
    """The same entries in another shape; one size may be -1.

    >>> reshape(np.arange(4.0), shape=(2, -1))
    array([[0., 1.],
           [2., 3.]])
    """
    return array(x).reshape(shape)


def _inverse(axes: Sequence[int] | None) -> tuple[int, ...] | None:
    return axes if axes is None else tuple(int(k) for k in np.argsort(np.mod(axes, len(axes))))


@op(x=lambda g, z, x, axes: transpose(g, axes=_inverse(axes)))
def transpose(x: Any, *, axes: Sequence[int] | None = None) -> Any:
    """The axes in another order, reversed where none is given.

    >>> transpose(np.zeros((2, 3, 4)), axes=(1, 0, 2)).shape
    (3, 2, 4)
    """
    return array(x).transpose(axes)


@op(elementwise=True, x=lambda g, z, x, shape: g)
def broadcast_to(x: Any, *, shape: tuple[int, ...]) -> Any:
    """x repeated along new axes and along axes of size 1.

    >>> broadcast_to(np.array([1.0, 2.0]), shape=(2, 2))
    array([[1., 2.],
           [1., 2.]])
    """
    x = np.asarray(x)
    result = np.empty(shape, x.dtype)
    result[...] = x
    return result


@op(x=lambda g, z, x, dtype: cast(g, dtype=x.dtype))
def cast(x: Any, *, dtype: Any) -> Any:
    """The values in another float dtype.

    >>> cast(np.array([1.0]), dtype=np.float32)
    array([1.], dtype=float32)
    """
    return np.asarray(x).astype(dtype)


HALF = "e"  # NumPy's letter for float16


def wide(x: Any) -> Any:
    """float16 as float32, where sums, counts and squares of it have room; all else as it is.

    >>> wide(np.ones(2, np.float16)).dtype
    dtype('float32')
    """
    return cast(x, dtype="float32") if x.dtype.char == HALF else x


@op()
def truncate(x: Any, *, dtype: Any) -> Any:
    """The values as integers or bools, which have no gradient.

    >>> truncate(np.array([1.5]), dtype=int)
    array([1])
    """
    return np.asarray(x).astype(dtype)


@composed()
def astype(x: Any, dtype: DTypeLike) -> Any:
    """The values in another dtype: a float, an int or bool.

    Raises: TypeError for another dtype.

    >>> astype(np.array([1.0]), np.float32).dtype
    dtype('float32')
    """
    try:
        dtype = np.dtype(dtype)
    except TypeError as error:
        raise TypeError(f"astype: {error}; give a float, an int or bool") from error
    if dtype.kind not in "fiub":
        raise TypeError(f"astype: dtype is {dtype}; it must be a float, an int or bool")
    return (cast if dtype.kind == "f" else truncate)(x, dtype=dtype)


def ravel(x: Any) -> Any:
    """All entries along one axis, the last axis fastest.

    >>> ravel(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([1., 2., 3., 4.])
    """
    return reshape(x, shape=(-1,))


@composed()
def expand_dims(x: Any, axis: int | Sequence[int]) -> Any:
    """New axes of size 1, so that they are at these places in the result.

    Raises: AxisError where the result has no such axis, ValueError for one given twice.

    >>> expand_dims(np.ones((2, 3)), (0, -1)).shape
    (1, 2, 3, 1)
    """
    return reshape(x, shape=np.expand_dims(_hollow(x), axis).shape)


@composed()
def squeeze(x: Any, axis: int | Sequence[int] | None = None) -> Any:
    """Without these axes of size 1, or without all of that size.

    Raises: ValueError where an axis has another size, AxisError where there is none.

    >>> squeeze(np.ones((1, 2, 1))).shape
    (2,)
    """
    axis = axis if axis is None or isinstance(axis, int) else tuple(axis)
    return reshape(x, shape=np.squeeze(_hollow(x), axis).shape)


def _hollow(x: Any) -> Any:
    """An array of x's shape that takes no memory."""
    return np.broadcast_to(np.int8(0), x.shape)


@composed()
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """axis1 and axis2 in each other's place.

    >>> swapaxes(np.ones((2, 3, 4)), 0, -1).shape
    (4, 3, 2)
    """
    first, second = normalized_axis("swapaxes", x, axis1), normalized_axis("swapaxes", x, axis2)
    axes = list(range(x.ndim))
    axes[first], axes[second] = second, first
    return transpose(x, axes=tuple(axes))


@composed()
def moveaxis(x: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
    """The source axes moved to the destination places; the rest stay in order.

    Raises: ValueError where one is given twice or the numbers differ, AxisError for no such axis.

    >>> moveaxis(np.ones((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    sources, destinations = _named("source", x, source), _named("destination", x, destination)
    if len(sources) != len(destinations):
        raise ValueError(f"moveaxis: {len(sources)} source axes, but {len(destinations)} places")
    axes = [k for k in range(x.ndim) if k not in sources]
    for place, k in sorted(zip(destinations, sources, strict=True)):
        axes.insert(place, k)
    return transpose(x, axes=tuple(axes))


def _named(which: str, x: Any, axes: int | Sequence[int]) -> list[int]:
    several = axes if isinstance(axes, Sequence) else [axes]
    counted = [normalized_axis("moveaxis", x, axis) for axis in several]
    if len(set(counted)) < len(counted):
        raise ValueError(f"moveaxis: {which} {axes} names an axis twice")
    return counted


@composed()
def flip(x: Any, axis: int | Sequence[int] | None = None) -> Any:
    """The entries in reverse order along an axis or several, or along all where axis is None.

    >>> flip(np.array([[1.0, 2.0], [3.0, 4.0]]), 0)
    array([[3., 4.],
           [1., 2.]])
    """
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, Sequence) else [axis]
    flipped = {normalized_axis("flip", x, k) for k in axes}
    return x[tuple(slice(None, None, -1 if k in flipped else None) for k in range(x.ndim))]


@composed()
def tile(x: Any, reps: int | Sequence[int]) -> Any:
    """x repeated as a whole reps times, a number for each axis; new axes come first.

    >>> tile(np.array([1.0, 2.0]), (2, 2))
    array([[1., 2., 1., 2.],
           [1., 2., 1., 2.]])
    """
    times = tuple(reps) if isinstance(reps, Sequence) else (reps,)
    ndim = max(x.ndim, len(times))
    sizes = (1,) * (ndim - x.ndim) + x.shape
    times = (1,) * (ndim - len(times)) + times
    apart = reshape(x, shape=[n for size in sizes for n in (1, size)])
    shape = tuple(n for pair in zip(times, sizes, strict=True) for n in pair)
    return reshape(
        broadcast_to(apart, shape=shape),
        shape=tuple(count * size for count, size in zip(times, sizes, strict=True)),
    )


def normalized_axis(name: str, x: Any, axis: int) -> int:
    """The axis counted from the front. Raises: AxisError where x has no such axis."""
    if not -x.ndim <= axis < x.ndim:
        raise np.exceptions.AxisError(f"{name}: axis {axis} is out of range for shape {x.shape}")
    return int(axis % x.ndim)


def checked(x: Any, check: Callable[[Any], None]) -> Any:
    """x itself, after a check of its values, which a compiled step repeats at each call.

    check: takes an array and raises where something is wrong with it.

    >>> checked(np.array([1, 2]), lambda values: None)
    array([1, 2])
    """
    check(getattr(x, "_array", x))
    return checked_(x, check=check) if getattr(x, "traced", False) else x


@op()
def checked_(x: Any, *, check: Callable[[Any], None]) -> Any:
    check(x)
    return x[...]
