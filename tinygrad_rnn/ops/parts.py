# Rules name ops that are declared further down, which mypy cannot follow:
# mypy: disable-error-code="has-type"
"""Parts of arrays, and arrays made of parts.

What takes parts and what puts them together are each other's derivatives. The gradients of all
parts of one array are put together at once, so that T steps of a sequence cost what the sequence
does, not T times as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from operator import index as as_int
from typing import Any

import numpy as np

from .op import Term, composed, op
from .shape import normalized_axis, reshape, transpose, wide

__all__ = [
    "concatenate",
    "getitem",
    "pad",
    "repeat",
    "roll",
    "sort",
    "split",
    "stack",
    "take",
    "take_along_axis",
    "unbind",
]


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
    if axis == 0 and np.ndim(xs[0]) and len({x.shape for x in xs}) == 1:  # several times faster
        return np.concatenate(xs).reshape(len(xs), *xs[0].shape)
    return np.stack(xs, axis=axis)


@op(
    x=lambda g, z, x, index: Term(unslice, (g,), {"shape": x.shape, "indices": (index,)}),
)
def getitem_(x: Any, *, index: Any) -> Any:
    """The part x[index] for an index of ints, slices, None and Ellipsis: a view.

    >>> getitem_(np.arange(6.0), index=slice(None, None, 2))
    array([0., 2., 4.])
    """
    return x[index]


def _unsliced(terms: list[Term]) -> Term:
    """One array of zeros with the parts of all terms in it."""
    parts: list[Any] = []
    indices: list[Any] = []
    for term in terms:
        parts += term.inputs
        indices += term.settings["indices"]
    shape = terms[0].settings["shape"]
    return Term(unslice, tuple(parts), {"shape": shape, "indices": tuple(indices)})


@op(join=_unsliced, xs=lambda g, z, *xs, shape, indices: [g[index] for index in indices])
def unslice(*xs: Any, shape: tuple[int, ...], indices: tuple[Any, ...]) -> Any:
    """Zeros of a shape with each x added at its index: the transpose of many `getitem`.

    >>> unslice([np.ones(2), np.array(5.0)], shape=(4,), indices=(slice(1, 3), 2))
    array([0., 1., 6., 0.])
    """
    if len(shape) > 1 and indices == tuple(range(shape[0] - 1, -1, -1)):
        total = np.empty(shape, xs[0].dtype)  # a sequence, read backwards: no zeros
        rows = total.reshape(shape[0] * shape[1], *shape[2:])
        np.concatenate(xs[::-1], out=rows, casting="same_kind")
        return total
    total = np.zeros(shape, xs[0].dtype)
    for index, x in zip(indices, xs, strict=True):
        total[index] += x
    return total


@op(
    x=lambda g, z, x, *index: Term(
        scatter, (g, *index), {"shape": x.shape, "counts": (1 + len(index),)}
    )
)
def gather(x: Any, *index: Any) -> Any:
    """The entries x[index] for an index with integer or boolean arrays in it: a copy.

    >>> gather(np.array([5.0, 6.0]), np.array([1, 1, 0]))
    array([6., 6., 5.])
    """
    return x[index]


def _scattered(terms: list[Term]) -> Term:
    """One array of zeros to which the entries of all terms are added."""
    shape = terms[0].settings["shape"]
    counts = tuple([count for term in terms for count in term.settings["counts"]])
    entries = tuple([x for term in terms for x in term.inputs])
    return Term(scatter, entries, {"shape": shape, "counts": counts})


def _with_indices(xs: Sequence[Any], counts: Sequence[int]) -> list[tuple[Any, tuple[Any, ...]]]:
    """Each x of `scatter` with its index."""
    pairs, start = [], 0
    for count in counts:
        pairs.append((xs[start], tuple(xs[start + 1 : start + count])))
        start += count
    return pairs


def _gathered(g: Any, xs: Sequence[Any], counts: Sequence[int]) -> list[Any]:
    """The gradients of `scatter`'s inputs; an index has none."""
    pairs = _with_indices(xs, counts)
    return [part for _, index in pairs for part in (g[index], *(None for _ in index))]


@op(join=_scattered, xs=lambda g, z, *xs, shape, counts: _gathered(g, xs, counts))
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


@composed()
def getitem(x: Any, index: Any) -> Any:
    """x[index], for any index of NumPy's: ints, slices, None, Ellipsis, arrays of ints or bools.

    Entries taken several times get the sum of their gradients. Raises: IndexError out of range.

    >>> getitem(np.array([5.0, 6.0]), [1, 1, 0])
    array([6., 6., 5.])
    """
    return x[index]


@composed()
def unbind(x: Any, axis: int = 0) -> list[Any]:
    """The parts along an axis, which they lose: `x[0], x[1], ...` for axis 0.

    >>> unbind(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=1)
    [array([1., 3.]), array([2., 4.])]
    """
    axis = normalized_axis("unbind", x, axis)
    if axis:
        x = transpose(x, axes=(axis, *(k for k in range(x.ndim) if k != axis)))
    return list(x)


@composed()
def split(x: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """The parts of x along an axis.

    indices_or_sections: the indices between them, or how many parts there are of one size.

    Raises: ValueError where the axis can't be divided into so many equal parts.

    >>> split(np.arange(4.0), [1, 3])
    [array([0.]), array([1., 2.]), array([3.])]
    """
    axis = normalized_axis("split", x, axis)
    size = x.shape[axis]
    if hasattr(indices_or_sections, "__index__"):
        indices_or_sections = as_int(indices_or_sections)
        if indices_or_sections < 1 or size % indices_or_sections:
            raise ValueError(
                f"split: axis {axis} has size {size}, which {indices_or_sections} parts of one "
                "size do not make up; give the indices to split at"
            )
        step = size // indices_or_sections
        indices_or_sections = [step * k for k in range(1, indices_or_sections)]
    ends = [0, *indices_or_sections, size]
    indices = [_at(axis, slice(start, end)) for start, end in pairwise(ends)]
    return [getitem_.apply((x,), {"index": index}) for index in indices]


@composed()
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
    return x[_at(normalized_axis("take", x, axis), indices)]


@composed()
def take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Any:
    """Of each line along the axis the entries at its own indices; None: of the flattened array.

    indices: int, of x's shape but along the axis, or of one that broadcasts to it.
    Raises: IndexError where an index is out of range, ValueError where shapes do not fit.

    >>> take_along_axis(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1], [0]]), axis=1)
    array([[2.],
           [3.]])
    """
    if axis is None:
        x, axis = reshape(x, shape=(-1,)), 0
    return _take_along_axis(x, indices, axis=normalized_axis("take_along_axis", x, axis))


@op(x=lambda g, z, x, indices, axis: add_along_axis(g, indices, shape=x.shape, axis=axis))
def _take_along_axis(x: Any, indices: Any, *, axis: int) -> Any:
    return np.take_along_axis(x, indices, axis)


@op(x=lambda g, z, x, indices, shape, axis: take_along_axis(g, indices, axis))
def add_along_axis(x: Any, indices: Any, *, shape: tuple[int, ...], axis: int) -> Any:
    """Zeros of a shape with x added at each line's indices: the transpose of `take_along_axis`.

    >>> add_along_axis(np.ones((1, 2)), np.array([[1, 1]]), shape=(1, 3), axis=1)
    array([[0., 2., 0.]])
    """
    places = list(np.ix_(*map(np.arange, shape)))
    places[axis] = indices
    total = np.zeros(shape, wide(x).dtype)
    np.add.at(total, tuple(places), x)
    return total.astype(x.dtype, copy=False)


@composed()
def sort(x: Any, axis: int | None = -1) -> Any:
    """The entries from small to large along the axis; None sorts them all, flattened.

    Each gradient goes back to where its entry came from.

    >>> sort(np.array([[3.0, 1.0, 2.0]]))
    array([[1., 2., 3.]])
    """
    if axis is None:
        x, axis = reshape(x, shape=(-1,)), 0
    axis = normalized_axis("sort", x, axis)
    return take_along_axis(x, argsort(x, axis=axis), axis)


@op()
def argsort(x: Any, *, axis: int = -1) -> Any:
    """The indices that sort x along the axis; equals stay in order. They have no gradient.

    >>> argsort(np.array([3.0, 1.0, 2.0]))
    array([1, 2, 0])
    """
    return np.argsort(x, axis=axis, kind="stable")


@composed()
def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    """Each entry along the axis so many times in a row; None: of the flattened array.

    repeats: an int, or one for each place along the axis.

    >>> repeat(np.array([1.0, 2.0]), 2)
    array([1., 1., 2., 2.])
    """
    if axis is None:
        x, axis = reshape(x, shape=(-1,)), 0
    size = x.shape[normalized_axis("repeat", x, axis)]
    return take(x, np.repeat(np.arange(size), repeats), axis)


@composed()
def roll(x: Any, shift: int | Sequence[int], axis: int | Sequence[int] | None = None) -> Any:
    """The entries moved on along the axes; those that leave at the end enter at the front.

    shift: for each axis how far. axis: None rolls the flattened array.

    >>> roll(np.array([1.0, 2.0, 3.0]), 1)
    array([3., 1., 2.])
    """
    if axis is None:
        return reshape(roll(reshape(x, shape=(-1,)), shift, 0), shape=x.shape)
    for step, k in np.broadcast(shift, axis):
        k = normalized_axis("roll", x, int(k))
        start = -int(step) % (x.shape[k] or 1)
        pieces = x[_at(k, slice(start, None))], x[_at(k, slice(None, start))]
        x = concatenate(pieces, axis=k)
    return x


_MODES = ("constant", "edge", "reflect", "symmetric", "wrap")


@composed()
def pad(x: Any, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0) -> Any:
    """x with entries before and after along each axis.

    pad_width: an int, (before, after), or one such pair for each axis. mode: "constant" adds
    constant_values (given like pad_width); "edge", "reflect", "symmetric" and "wrap" copy entries
    of x, as np.pad does. Raises: ValueError for another mode or widths that do not fit.

    >>> pad(np.array([1.0, 2.0]), (1, 2), constant_values=9)
    array([9., 1., 2., 9., 9.])
    """
    if mode not in _MODES:
        raise ValueError(f"pad: mode is {mode!r}; it must be one of {', '.join(_MODES)}")
    if not x.ndim:
        return +x
    widths = np.broadcast_to(pad_width, (x.ndim, 2))
    if mode == "constant":
        frame = np.pad(np.zeros(x.shape, x.dtype), widths, constant_values=constant_values)
        inner = tuple(slice(a, a + n) for a, n in zip(widths[:, 0].tolist(), x.shape, strict=True))
        return frame + unslice([x], shape=frame.shape, indices=(inner,))
    for k, width in enumerate(widths):
        x = take(x, np.pad(np.arange(x.shape[k]), width, mode), k)  # type: ignore[call-overload]
    return x


def _at(axis: int, index: Any) -> Any:
    """An index that is `index` along the axis and everything along the others."""
    return (*(slice(None),) * axis, index) if axis else index
