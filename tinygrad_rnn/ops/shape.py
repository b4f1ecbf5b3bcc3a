# Rules name ops that are declared further down, which mypy cannot follow:
# mypy: disable-error-code="has-type"
"""Operations that move entries about and compute nothing: views, joins, parts.

The rule of each is its inverse; parts of one array give their gradients back as Terms, which the
tape writes into one array of zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from operator import index as as_int
from typing import Any

import numpy as np

from ..op import Term, op


@op(x=lambda g, z, x, shape: reshape(g, shape=x.shape))
def reshape(x: Any, *, shape: Any) -> Any:
    """The same entries in another shape; one size may be -1.

    >>> reshape(np.arange(4.0), shape=(2, -1))
    array([[0., 1.],
           [2., 3.]])
    """
    return np.reshape(x, shape)


def _inverse(axes: Sequence[int] | None) -> tuple[int, ...] | None:
    return axes if axes is None else tuple(int(k) for k in np.argsort(np.mod(axes, len(axes))))


def _turned(terms: list[Term], axes: Sequence[int] | None) -> list[Term] | None:
    """What waits for a transpose, for its input: (a b)ᵀ = bᵀ aᵀ for products of matrices."""
    op = terms[0][0]
    if axes is not None or op.turn is None or any(term[0] is not op for term in terms):
        return None
    return [op.turn(op.join(terms))]


@op(passes=_turned, x=lambda g, z, x, axes: transpose(g, axes=_inverse(axes)))
def transpose(x: Any, *, axes: Sequence[int] | None = None) -> Any:
    """The axes in another order, reversed where none is given.

    >>> transpose(np.zeros((2, 3, 4)), axes=(1, 0, 2)).shape
    (3, 2, 4)
    """
    return np.transpose(x, axes)


@op(elementwise=True, x=lambda g, z, x, shape: g)
def broadcast_to(x: Any, *, shape: tuple[int, ...]) -> Any:
    """x repeated along new axes and along axes of size 1.

    >>> broadcast_to(np.array([1.0, 2.0]), shape=(2, 2))
    array([[1., 2.],
           [1., 2.]])
    """
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


@op()
def truncate(x: Any, *, dtype: Any) -> Any:
    """The values as integers or bools, which have no gradient.

    >>> truncate(np.array([1.5]), dtype=int)
    array([1])
    """
    return np.asarray(x).astype(dtype)


def astype(x: Any, dtype: Any) -> Any:
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


@op(xs=lambda g, z, *xs, axis: _cut(g, xs, axis))
def concatenate(*xs: Any, axis: int | None = 0) -> Any:
    """Arrays joined along an axis that they have; None joins them flattened.

    xs: one sequence of arrays, equal in shape but along the axis.
    Raises: ValueError where there are none, or where another axis differs.

    >>> concatenate([np.array([1.0]), np.array([2.0, 3.0])])
    array([1., 2., 3.])
    """
    return np.concatenate(xs, axis=axis)


def _cut(g: Any, xs: Sequence[Any], axis: int | None) -> list[Any]:
    """g in pieces of the sizes of xs along the axis."""
    if axis is None:
        flat = split(g, list(accumulate(x.size for x in xs))[:-1])
        return [reshape(part, shape=x.shape) for part, x in zip(flat, xs, strict=True)]
    return split(g, list(accumulate(x.shape[axis] for x in xs))[:-1], axis=axis)


@op(xs=lambda g, z, *xs, axis: unbind(g, axis=axis))
def stack(*xs: Any, axis: int = 0) -> Any:
    """Arrays joined along a new axis. xs: one sequence of arrays of one shape.

    Raises: ValueError where there are none, or where shapes differ.

    >>> stack([np.array([1.0, 2.0]), np.array([3.0, 4.0])], axis=1)
    array([[1., 3.],
           [2., 4.]])
    """
    if axis == 0 and xs[0].ndim and len({x.shape for x in xs}) == 1:  # several times faster
        return np.concatenate(xs).reshape(len(xs), *xs[0].shape)
    return np.stack(xs, axis=axis)


@op(
    is_part=True,
    x=lambda gs, x, nodes: unslice(
        gs, shape=x.shape, indices=tuple([node.settings["index"] for node in nodes])
    ),
)
def getitem(x: Any, *, index: Any) -> Any:
    """The part x[index] for an index of ints, slices, None and Ellipsis: a view.

    >>> getitem(np.arange(6.0), index=slice(None, None, 2))
    array([0., 2., 4.])
    """
    return x[index]


@op(xs=lambda g, z, *xs, shape, indices: [g[index] for index in indices])
def unslice(*xs: Any, shape: tuple[int, ...], indices: tuple[Any, ...]) -> Any:
    """Zeros of a shape with each x added at its index: the transpose of many `getitem`.

    >>> unslice([np.ones(2), np.array(5.0)], shape=(4,), indices=(slice(1, 3), 2))
    array([0., 1., 6., 0.])
    """
    if len(shape) > 1 and indices == tuple(range(shape[0] - 1, -1, -1)):
        return np.concatenate(xs[::-1]).reshape(shape)  # a sequence, read backwards: no zeros
    total = np.zeros(shape, xs[0].dtype)
    for index, x in zip(indices, xs, strict=True):
        total[index] += x
    return total


@op(is_part=True, x=lambda gs, x, nodes: _scattered(gs, x, [node.inputs[1:] for node in nodes]))
def gather(x: Any, *index: Any) -> Any:
    """The entries x[index] for an index with integer or boolean arrays in it: a copy.

    >>> gather(np.array([5.0, 6.0]), np.array([1, 1, 0]))
    array([6., 6., 5.])
    """
    return x[index]


def _scattered(gs: Sequence[Any], x: Any, indices: Sequence[tuple[Any, ...]]) -> Any:
    """Zeros of x's shape with each gradient added at its index."""
    inputs = [part for g, index in zip(gs, indices, strict=True) for part in (g, *index)]
    return scatter(inputs, shape=x.shape, counts=tuple(1 + len(index) for index in indices))


def _with_indices(xs: Sequence[Any], counts: Sequence[int]) -> list[tuple[Any, tuple[Any, ...]]]:
    """Each x of `scatter` with its index."""
    starts = (0, *accumulate(counts))
    return [(xs[start], tuple(xs[start + 1 : end])) for start, end in pairwise(starts)]


def _gathered(g: Any, xs: Sequence[Any], counts: Sequence[int]) -> list[Any]:
    """The gradients of `scatter`'s inputs; an index has none."""
    pairs = _with_indices(xs, counts)
    return [part for _, index in pairs for part in (g[index], *(None for _ in index))]


@op(xs=lambda g, z, *xs, shape, counts: _gathered(g, xs, counts))
def scatter(*xs: Any, shape: tuple[int, ...], counts: tuple[int, ...]) -> Any:
    """Zeros of a shape with each x added at its index, repeats too: the transpose of many `gather`.

    xs: an x, the parts of its index, the next x, ... counts: how many of xs belong to each x.

    >>> scatter([np.ones(3), np.array([1, 1, 0])], shape=(3,), counts=(2,))
    array([1., 2., 0.])
    """
    total = np.zeros(shape, xs[0].dtype)
    for x, index in _with_indices(xs, counts):
        np.add.at(total, index, x)
    return total


def unbind(x: Any, axis: int = 0) -> list[Any]:
    """The parts along an axis, which they lose: `x[0], x[1], ...` for axis 0.

    >>> unbind(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=1)
    [array([1., 3.]), array([2., 4.])]
    """
    axis = _axis("unbind", x, axis)
    if axis:
        x = transpose(x, axes=(axis, *(k for k in range(x.ndim) if k != axis)))
    return list(x)


def split(x: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """The parts between the indices along an axis, or so many parts of one size.

    Raises: ValueError where the axis can't be divided into so many equal parts.

    >>> split(np.arange(4.0), [1, 3])
    [array([0.]), array([1., 2.]), array([3.])]
    """
    axis = _axis("split", x, axis)
    size = x.shape[axis]
    if hasattr(indices_or_sections, "__index__"):
        indices_or_sections = as_int(indices_or_sections)
        if indices_or_sections < 1 or size % indices_or_sections:
            raise ValueError(
                f"split: axis {axis} has size {size}, which {indices_or_sections} parts of one "
                "size do not make up; give the indices to split at"
            )
        step = size // indices_or_sections
        indices_or_sections = range(step, size, step or 1)
    ends = [0, *indices_or_sections, size]
    return [x[_at(axis, slice(start, end))] for start, end in pairwise(ends)]


def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """The entries at integer indices along an axis, or of the flattened array; repeats allowed.

    Raises: IndexError where an index is out of range.

    >>> take(np.array([[1.0, 2.0], [3.0, 4.0]]), [1, 1, 0], axis=0)
    array([[3., 4.],
           [3., 4.],
           [1., 2.]])
    """
    if axis is None:
        return reshape(x, shape=(-1,))[indices]
    return x[_at(_axis("take", x, axis), indices)]


def _axis(name: str, x: Any, axis: int) -> int:
    """The axis counted from the front. Raises: AxisError where x has no such axis."""
    if not -x.ndim <= axis < x.ndim:
        raise np.exceptions.AxisError(f"{name}: axis {axis} is out of range for shape {x.shape}")
    return int(axis % x.ndim)


def _at(axis: int, index: Any) -> Any:
    """An index that is `index` along the axis and everything along the others."""
    return (*(slice(None),) * axis, index) if axis else index
