"""Rows of ops/reduce.py."""

from __future__ import annotations

import numpy as np

from tinygrad_rnn.ops.reduce import _p_norm

from .rows import Draw, distinct, distinct_nonzero, exactly, flags, logsumexp, nonzero, normal, row

AXES = [None, 0, 1, -1, (0, 2), (2, 0), (0, -1), (0, 1, 2), ()]
REDUCE = [
    *(
        row(name, reference, Draw(kind, (2, 3, 4)), axis=axis, keepdims=keepdims)
        for name, reference, kind in [
            ("sum", np.sum, normal),
            ("mean", np.mean, normal),
            ("max", np.max, distinct),
            ("min", np.min, distinct),
            ("prod", np.prod, nonzero),
            ("var", np.var, normal),
            ("std", np.std, normal),
            ("logsumexp", logsumexp, normal),
        ]
        for axis in AXES
        for keepdims in (False, True)
    ),
    *(
        row(name, reference, Draw(normal, ()))
        for name, reference in [
            ("sum", np.sum), ("mean", np.mean), ("max", np.max), ("logsumexp", logsumexp),
            ("min", np.min), ("prod", np.prod), ("var", np.var),
        ]
    ),
    *(
        row(name, reference, Draw(normal, (5, 4)), axis=axis, ddof=ddof)
        for name, reference in [("var", np.var), ("std", np.std)]
        for axis, ddof in [(0, 1), (None, 2), (-1, 1.5)]
    ),
    *(
        row("prod", np.prod, Draw(normal, shape), axis=axis)
        for shape, axis in [((0,), None), ((2, 0), 0), ((2, 0), 1), ((1, 7), 1), ((8,), 0)]
    ),
    row("prod", np.prod, exactly([0.0, 2.0, 3.0]), label="with a zero"),
    row("prod", np.prod, exactly([0.0, 2.0, 0.0, 3.0]), label="with two zeros"),
    row("prod", np.prod, exactly(np.array([[2, 3], [4, 5]], np.int8)), by=(), axis=0, label="int8"),
    row("min", np.min, Draw(normal, (2, 0)), axis=0),
    row("min", np.min, Draw(distinct, (5,))),
    *(
        row("norm", np.linalg.norm, Draw(nonzero, shape), axis=axis, keepdims=keepdims)
        for shape, axis in [
            ((3,), None), ((2, 3), None), ((2, 3, 4), None), ((2, 3, 4), 1), ((2, 3, 4), (0, 2)),
            ((2, 3, 4), -1),
        ]
        for keepdims in (False, True)
    ),
    *(
        row("norm", np.linalg.norm, Draw(distinct_nonzero, shape), ord=ord, axis=axis)
        for shape, ord, axis in [
            ((3,), 2, None), ((3,), 1, None), ((3,), 3, None), ((3,), 0.5, 0), ((2, 3), 1, 0),
            ((3,), np.inf, None), ((2, 3), -np.inf, 1), ((2, 3), "fro", None), ((2, 3), -1.5, 1),
            ((2, 3), 1, None), ((2, 3), -1, None), ((2, 3), np.inf, None), ((2, 3), -np.inf, None),
            ((2, 3, 4), 1, (2, 0)), ((2, 3, 4), "fro", (1, 2)), ((2, 3, 4), np.inf, (-1, 0)),
        ]
    ),
    row("p_norm", lambda x: np.linalg.norm(x, 3, axis=0), Draw(nonzero, (4, 2)), label="cubes",
        call=lambda x: _p_norm(x, p=3, axis=0, keepdims=False)),
    row("norm", np.linalg.norm, Draw(nonzero, (2, 3, 4)), ord=1, axis=(0, 1), keepdims=True),
    *(
        row("cumsum", np.cumsum, Draw(normal, shape), axis=axis)
        for shape, axis in [
            ((4,), 0), ((2, 3), 0), ((2, 3), 1), ((2, 3, 4), -2), ((2, 3), None), ((), None),
            ((0,), 0), ((2, 0), 0),
        ]
    ),
    row("cumsum", np.cumsum, Draw(flags, (3,)), by=(), axis=0, label="of bools"),
    row("sum", np.sum, Draw(normal, (0,))),
    row("sum", np.sum, Draw(normal, (2, 0)), axis=1),
    row("sum", np.sum, Draw(normal, (2, 0)), axis=0),
    row("mean", np.mean, Draw(normal, (2, 0)), axis=0),
    row("max", np.max, Draw(normal, (2, 0)), axis=0),
    row("max", np.max, Draw(distinct, (5,))),
    row("sum", np.sum, Draw(flags, (2, 3)), by=(), axis=0, label="of bools"),
]  # fmt: skip
