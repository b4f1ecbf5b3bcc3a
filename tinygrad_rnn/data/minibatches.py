"""Mini-batches: arrays cut along their first axis, in order or shuffled."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt


def batches(
    *arrays: npt.ArrayLike,
    batch_size: int,
    rng: np.random.Generator | None = None,
    drop_last: bool = False,
) -> Iterator[tuple[npt.NDArray[Any], ...]]:
    """One pass over the rows of some arrays, a mini-batch at a time.

    Row i of every array is the same example, and stays so under shuffling. Without rng the batches
    are views, in order; with it each batch is a copy of its own rows, in an order drawn at the
    call. The arrays are never copied whole, so the views of `sliding_windows` stay cheap.

    arrays: (N, ...) each, of any dtype; the same N.
    batch_size: rows in a batch, at least 1.
    drop_last: leave out a last batch that has fewer rows.
    Result: an iterator of tuples with one (batch_size, ...) array for each argument; a single
    array comes as a tuple of one.

    Raises: ValueError for a batch_size below 1, an array without axes or different lengths;
    TypeError for no arrays, an rng that is no Generator or a batch_size that is not an integer.

    >>> x, y = np.arange(5), np.arange(5) * 10
    >>> [(a.tolist(), b.tolist()) for a, b in batches(x, y, batch_size=2)]
    [([0, 1], [0, 10]), ([2, 3], [20, 30]), ([4], [40])]
    >>> [len(a) for a, in batches(x, batch_size=2, rng=np.random.default_rng(0), drop_last=True)]
    [2, 2]
    """
    columns, size = [np.asarray(array) for array in arrays], operator.index(batch_size)
    rows = _common_length(columns)
    if size < 1:
        raise ValueError(f"batches: batch_size is {size}: it must be at least 1")
    stop = rows - rows % size if drop_last else rows
    return _cut(columns, _order(rows, rng), stop, size)


def _common_length(columns: list[npt.NDArray[Any]]) -> int:
    if not columns:
        raise TypeError("batches: no array was given: give at least one")
    for place, column in enumerate(columns):
        if not column.ndim:
            raise ValueError(f"batches: array {place} is a single number: it must have rows")
        if len(column) != len(columns[0]):
            raise ValueError(
                f"batches: array {place} has {len(column)} rows, but array 0 has "
                f"{len(columns[0])}: all need the same number"
            )
    return len(columns[0])


def _order(rows: int, rng: np.random.Generator | None) -> npt.NDArray[np.int64] | None:
    if rng is None:
        return None
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"batches: rng is of type {type(rng).__name__}: "
            "it must be a Generator, such as np.random.default_rng(0)"
        )
    return rng.permutation(rows)


def _cut(
    columns: list[npt.NDArray[Any]], order: npt.NDArray[np.int64] | None, stop: int, size: int
) -> Iterator[tuple[npt.NDArray[Any], ...]]:
    for start in range(0, stop, size):
        cut = slice(start, start + size)
        rows = cut if order is None else order[cut]
        yield tuple(column[rows] for column in columns)
