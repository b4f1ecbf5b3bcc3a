"""Rows of ops/shape.py and ops/parts.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn import ops
from tinygrad_rnn.ops.parts import add_along_axis, argsort, scatter, unslice
from tinygrad_rnn.ops.shape import cast, checked_, truncate

from .rows import Draw, distinct, exactly, joined, normal, row


def _added_along(x: Any, indices: Any) -> Any:
    """Zeros (2, 4) with each row of x added at its own indices."""
    total = np.zeros((2, 4), x.dtype)
    for row_of_total, line, at in zip(total, x, indices, strict=True):
        np.add.at(row_of_total, at, line)
    return total


def _unbind(x: Any, axis: int = 0) -> list[Any]:
    return [np.take(x, k, axis) for k in range(x.shape[axis])]


SHAPE = [
    *(
        row("reshape", lambda x, shape: np.reshape(x, shape), Draw(normal, old), shape=new)
        for old, new in [
            ((2, 3), (6,)), ((2, 3), -1), ((2, 3), (3, -1)), ((2, 3), (2, 1, 3)), ((6,), (1, 2, 3)),
            ((), (1, 1)), ((1,), ()), ((0, 3), (0,)), ((0, 3), (3, 0, 2)),
        ]
    ),
    *(
        row("transpose", np.transpose, Draw(normal, old), axes=axes)
        for old, axes in [
            ((2, 3, 4), None), ((2, 3, 4), (1, 0, 2)), ((2, 3, 4), (2, 0, 1)),
            ((2, 3, 4), (-1, 0, 1)), ((2, 3), None), ((3,), None), ((), None), ((0, 3), None),
        ]
    ),
    *(
        row("broadcast_to", np.broadcast_to, Draw(normal, old), shape=new)
        for old, new in [
            ((3,), (2, 3)), ((2, 1), (2, 3)), ((), (2, 3)), ((1,), (3,)), ((2, 3), (2, 3)),
            ((1, 3, 1), (2, 4, 3, 2)), ((1,), (0,)), ((), ()),
        ]
    ),
    row("astype", lambda x, dtype: x.astype(dtype), Draw(normal, (2, 3)), dtype=float),
    row("cast", lambda x, dtype: x.astype(dtype), Draw(normal, (2, 3)), dtype=float, call=cast),
    row("truncate", lambda x, dtype: x.astype(dtype), Draw(normal, (2, 3)), by=(), dtype=int,
        call=truncate),
    row("astype", lambda x, dtype: x.astype(dtype), Draw(normal, (2, 3)), dtype=np.longdouble),
    row("astype", lambda x, dtype: x.astype(dtype), Draw(normal, (3,)), by=(), dtype=np.float32),
    row("astype", lambda x, dtype: x.astype(dtype), exactly([0, 1, 2]), by=(), dtype=float),
    *(
        row("concatenate", joined(np.concatenate, axis=axis), *(Draw(normal, s) for s in shapes),
            call=joined(ops.concatenate, axis=axis), label=f"{shapes} {axis=}")
        for axis, shapes in [
            (0, [(2,), (3,), (1,)]), (0, [(2, 3), (1, 3)]), (1, [(2, 3), (2, 1), (2, 2)]),
            (-1, [(2, 3), (2, 1)]), (-2, [(1, 2), (3, 2)]), (None, [(2, 3), (2,), ()]),
            (0, [(2, 3)]), (0, [(0,), (2,)]), (0, [(2, 0), (1, 0)]), (2, [(1, 2, 1), (1, 2, 3)]),
        ]
    ),
    *(
        row("stack", joined(np.stack, axis=axis), *[Draw(normal, s)] * count,
            call=joined(ops.stack, axis=axis), label=f"{count} of {s} {axis=}")
        for axis, s, count in [
            (0, (2, 3), 2), (1, (2, 3), 3), (2, (2, 3), 2), (-1, (2, 3), 2), (0, (), 3),
            (0, (2,), 1), (0, (0,), 2),
        ]
    ),
    *(
        row("split", lambda x, at=at, axis=axis: np.split(x, at, axis), Draw(normal, s),
            call=lambda x, at=at, axis=axis: ops.split(x, at, axis), label=f"{s} {at=} {axis=}")
        for s, at, axis in [
            ((4,), 2, 0), ((4,), [1, 3], 0), ((4,), (1,), 0), ((2, 6), 3, 1), ((2, 6), [2, 3], -1),
            ((4,), [-1], 0), ((4,), [0, 2], 0), ((4,), [2, 9], 0), ((4, 2), 1, 0), ((0,), 1, 0),
        ]
    ),
    *(
        row("unbind", _unbind, Draw(normal, s), axis=axis)
        for s, axis in [((3,), 0), ((3, 2), 0), ((3, 2), 1), ((2, 3, 2), -1), ((1, 2), 0)]
    ),
    *(
        row("take", lambda x, at=at, axis=axis: np.take(x, at, axis), Draw(normal, (3, 4)),
            call=lambda x, at=at, axis=axis: ops.take(x, at, axis), label=f"{at} {axis=}")
        for at, axis in [
            ([0, 5, 5], None), (7, None), ([1, 1, 0], 0), ([0, -1, 3], 1), ([[0, 1], [1, 1]], 0),
            ([[0, 1], [1, 1]], -1), (2, 0), (np.array([1, 0]), 1), ([], 0),
        ]
    ),
    *(
        row("ravel", np.ravel, Draw(normal, shape)) for shape in [(), (3,), (2, 3), (0, 2)]
    ),
    *(
        row("expand_dims", np.expand_dims, Draw(normal, (2, 3)), axis=axis)
        for axis in [0, 1, -1, (0, 2), (0, -1), ()]
    ),
    *(
        row("squeeze", np.squeeze, Draw(normal, shape), axis=axis)
        for shape, axis in [((1, 2, 1), None), ((1, 2, 1), 0), ((1, 2, 1), (0, -1)), ((2,), None),
                            ((1, 1), None), ((1, 0), 0), ((2, 1), ())]
    ),
    *(
        row("swapaxes", np.swapaxes, Draw(normal, (2, 3, 4)), axis1=axis1, axis2=axis2)
        for axis1, axis2 in [(0, 1), (0, -1), (1, 1), (2, 0)]
    ),
    *(
        row("moveaxis", np.moveaxis, Draw(normal, (2, 3, 4)), source=source, destination=place)
        for source, place in [(0, -1), (2, 0), ((0, 1), (2, 0)), ((2, 0), (0, 1)), ([-1], [0])]
    ),
    *(
        row("flip", np.flip, Draw(normal, shape), axis=axis)
        for shape, axis in [((3,), None), ((2, 3), None), ((2, 3), 0), ((2, 3), (-1,)),
                            ((2, 3, 4), (0, 2)), ((), None), ((0, 2), 0)]
    ),
    *(
        row("tile", np.tile, Draw(normal, shape), reps=reps)
        for shape, reps in [((3,), 2), ((2, 3), 2), ((2, 3), (2, 1)), ((3,), (2, 2)), ((), (2, 3)),
                            ((2, 3), (1, 2, 1)), ((3,), 0), ((2, 3), ()), ((3,), [2])]
    ),
    *(
        row("repeat", np.repeat, Draw(normal, shape), repeats=repeats, axis=axis)
        for shape, repeats, axis in [((3,), 2, 0), ((2, 3), 2, None), ((2, 3), 2, 1), ((), 3, None),
                                     ((2, 3), [1, 2], 0), ((2, 3), [0, 2, 1], -1), ((3,), 0, 0)]
    ),
    *(
        row("roll", np.roll, Draw(normal, shape), shift=shift, axis=axis)
        for shape, shift, axis in [((4,), 1, 0), ((4,), -1, None), ((4,), 9, 0), ((2, 3), 2, None),
                                   ((2, 3), 1, 1), ((2, 3), (1, 2), (0, 1)), ((2, 3), 1, (0, -1)),
                                   ((2, 3), (1, 1), 0), ((0,), 1, 0), ((3,), 0, 0), ((3,), 3, 0)]
    ),
    *(
        row("pad", np.pad, Draw(normal, shape), pad_width=width, mode=mode)
        for shape, width, mode in [
            ((3,), 1, "constant"), ((2, 3), (1, 2), "constant"), ((3,), 0, "constant"),
            ((2, 3), ((0, 1), (2, 0)), "constant"), ((0,), 2, "constant"), ((), 1, "constant"),
            ((3,), 2, "edge"), ((3, 4), 1, "reflect"), ((2, 3), (2, 3), "symmetric"),
            ((2, 3), ((3, 0), (0, 4)), "wrap"), ((3,), 7, "reflect"), ((1, 2), 1, "edge"),
        ]
    ),
    row("pad", np.pad, Draw(normal, (2, 3)), pad_width=1, constant_values=5),
    row("pad", np.pad, Draw(normal, (2, 3)), pad_width=1, constant_values=((1, 2), (3, 4))),
    *(
        row("take_along_axis", np.take_along_axis, Draw(normal, shape), exactly(indices), by=(0,),
            axis=axis, label=f"{shape} {indices} {axis=}")
        for shape, indices, axis in [
            ((3,), [0, 2, 2], 0), ((2, 3), [[1, 0, 1]], 0), ((2, 3), [[2], [0]], 1),
            ((2, 3), [[2, -3], [0, 0]], -1), ((2, 3), [[1, 1]], 1), ((2, 3), [4, 4, 0], None),
            ((1, 3), [[0, 1], [2, 2]], 1), ((2, 2, 2), [[[0, 0]], [[1, 0]]], 1),
        ]
    ),
    row("add_along_axis", _added_along, Draw(normal, (2, 3)), exactly([[0, 0, 3], [1, -1, 1]]),
        by=(0,), call=lambda x, at: add_along_axis(x, at, shape=(2, 4), axis=1)),
    *(
        row("sort", np.sort, Draw(distinct, shape), axis=axis)
        for shape, axis in [((4,), 0), ((2, 3), -1), ((2, 3), 0), ((2, 3, 2), 1), ((2, 3), None),
                            ((0,), 0), ((1,), -1)]
    ),
    row("checked", lambda x: x, exactly([1, 2, 3]), by=(),
        call=lambda x: checked_(x, check=lambda values: None)),
    row("argsort", np.argsort, Draw(distinct, (2, 3)), by=(), axis=0, call=argsort),
]  # fmt: skip

BASIC = [
    1, -1, np.int64(1), slice(1, 3), slice(None, None, 2), slice(None, None, -1), slice(2, 0, -1),
    slice(2, 2), None, Ellipsis, (), (slice(None), 1), (1, Ellipsis, None, slice(None, None, 2)),
    (Ellipsis, 0), (0, 1, 1), (slice(None), None, slice(2, None, -2)), (slice(1, None), 0, ...),
]  # fmt: skip
MASK = np.array([True, False, True])
MATRIX_MASK = np.array([[True, False, True, False], [False] * 4, [True] * 4])
ADVANCED = [
    [0, 0, 2], [0, -3], np.array([[0, 1], [1, 1]]), np.array(1), MASK, MATRIX_MASK,
    np.zeros(3, bool), [], True, (slice(None), [0, 0, 1]), ([0, 1, 1], [1, 1, 1]),
    ([0, 1], slice(None), [1, 0]), ([0, 0], Ellipsis), (Ellipsis, [0, 0]), (None, [0, 1, 0]),
    (MASK, 1), (slice(None, None, -1), [3, 3], None), ([[0], [2]], [1, 3]), (1, [2, 2], [0, 1]),
    (MASK, slice(None), 0), (Ellipsis, np.array([True, False])), np.array([2, 0], np.uint8),
]  # fmt: skip
INDEXING = [
    row("getitem", lambda x: x[1, [0, 0]], Draw(normal, (3, 4, 2)), label="by its name",
        call=lambda x: ops.getitem(x, (1, [0, 0]))),
    *(
        row(name, lambda x, i=index: x[i], Draw(normal, (3, 4, 2)), call=lambda x, i=index: x[i],
            label=" ".join(repr(index).split()))
        for name, indices in [("getitem", BASIC), ("gather", ADVANCED)]
        for index in indices
    ),
]  # fmt: skip


def _placed(shape: tuple[int, ...], parts: list[tuple[Any, Any]]) -> Any:
    """Zeros of a shape with each part added at its index."""
    zeros = np.zeros(shape, parts[0][0].dtype)
    for x, index in parts:
        np.add.at(zeros, index, x)
    return zeros


def _scatter(*xs: Any, at: list[tuple[Any, ...]]) -> Any:
    """`scatter` of each x at its index."""
    inputs = [part for x, index in zip(xs, at, strict=True) for part in (x, *index)]
    return scatter(inputs, shape=(4, 3), counts=tuple(1 + len(index) for index in at))


SLICES = [
    [((3,), 1)],
    [((2, 3), slice(None, None, -2))],
    [((4,), (slice(None), 2))],
    [((3,), 2), ((3,), 0), ((3,), 3)],
    [((3,), 2), ((3,), -2), ((3,), 2)],
    [((3,), -1), ((2, 3), slice(2, 4)), ((), (0, 0))],
    [((3,), 3), ((3,), 2), ((3,), 1), ((3,), 0)],
]
ENTRIES = [
    [((3, 3), (np.array([1, 1, -3]),))],
    [((2,), (np.array([0, 3]), np.array([2, 2])))],
    [((4, 2), (slice(None), np.array([0, 0])))],
    [((2, 3), (np.array([1, 1]),)), ((2,), (np.array([0, 1]), 2)), ((1, 3), (np.array([0]),))],
]
TRANSPOSED = [
    *(
        row("unslice", lambda *xs, at=at: _placed((4, 3), list(zip(xs, at, strict=True))),
            *(Draw(normal, s) for s, _ in parts), label=str(parts),
            call=lambda *xs, at=at: unslice(xs, shape=(4, 3), indices=at))
        for parts in SLICES for at in [tuple(index for _, index in parts)]
    ),
    *(
        row("scatter", lambda *xs, at=at: _placed((4, 3), list(zip(xs, at, strict=True))),
            *(Draw(normal, s) for s, _ in parts), label=" ".join(str(parts).split()),
            call=lambda *xs, at=at: _scatter(*xs, at=at))
        for parts in ENTRIES for at in [[index for _, index in parts]]
    ),
]  # fmt: skip
