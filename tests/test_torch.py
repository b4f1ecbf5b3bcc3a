"""Functions, layers and optimisers agree with PyTorch's; without PyTorch all of this is skipped.

A row of the table is a function, PyTorch's counterpart and the inputs that both get, in float64.
Where PyTorch has no function of that meaning, the counterpart is composed of those it has.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import ops

from .cases.rows import (
    Case,
    Draw,
    above_one,
    around,
    distinct,
    distinct_nonzero,
    exactly,
    flags,
    fraction,
    joined,
    nonzero,
    normal,
    positive,
    row,
    shares,
)
from .numeric import assert_near, parts

torch = pytest.importorskip("torch")
F = torch.nn.functional

OF_VALUES, OF_GRADIENTS = 1e-12, 1e-9  # of the largest expected value, or of 1


# Counterparts that PyTorch's functions make up together


def _axes(x: Any, axis: Any) -> tuple[int, ...]:
    """NumPy's axis as PyTorch's reductions take it: None is all of them."""
    return tuple(range(x.ndim)) if axis is None else tuple(np.atleast_1d(axis).tolist())


def _over(reduced: Callable[..., Any]) -> Callable[..., Any]:
    """PyTorch's reduction with NumPy's arguments."""
    return lambda x, axis=None, keepdims=False, ddof=None: reduced(
        x, _axes(x, axis), keepdim=keepdims, **({} if ddof is None else {"correction": ddof})
    )


def _prod(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """PyTorch's product is over one axis."""
    axes = _axes(x, axis)
    for k in axes:
        x = torch.prod(x, k, keepdim=True)
    return x if keepdims else torch.squeeze(x, axes)


def _flattened(along: Callable[..., Any]) -> Callable[..., Any]:
    """PyTorch's function along an axis; None: of the flattened array."""
    return lambda x, axis=None: along(x.ravel() if axis is None else x, 0 if axis is None else axis)


def _log_softmax(x: Any, axis: Any) -> Any:
    """PyTorch's is over one axis."""
    return x - torch.logsumexp(x, _axes(x, axis), keepdim=True)


def _dot(a: Any, b: Any) -> Any:
    """PyTorch's is of two vectors."""
    if not (a.ndim and b.ndim):
        return a * b
    return torch.tensordot(a, b, ([a.ndim - 1], [max(b.ndim - 2, 0)]))


def _expand_dims(x: Any, axis: Any) -> Any:
    """PyTorch's unsqueeze is of one axis."""
    axes = _axes(x, axis)
    for k in sorted(k % (x.ndim + len(axes)) for k in axes):
        x = torch.unsqueeze(x, k)
    return x


def _take(x: Any, at: Any, axis: int) -> Any:
    """PyTorch's index_select takes a list of indices, none below 0."""
    at = torch.tensor(at) % x.shape[axis]
    return torch.index_select(x, axis, at.ravel()).unflatten(axis, at.shape)


def _pad(x: Any, pad_width: Any, mode: str, **settings: Any) -> Any:
    """PyTorch's takes the last axis first, and other modes than "constant" for a batch only."""
    widths = np.broadcast_to(pad_width, (x.ndim, 2))[::-1].ravel().tolist()
    return F.pad(x[None, None], widths, mode, **settings)[0, 0]


def _symmetric(x: Any, pad_width: Any) -> Any:
    """PyTorch's pad lacks the mode "symmetric": x between its mirror images."""
    for k, (before, after) in enumerate(np.broadcast_to(pad_width, (x.ndim, 2)).tolist()):
        size = x.shape[k]
        tripled = torch.cat([x.flip(k), x, x.flip(k)], k)
        x = torch.narrow(tripled, k, size - before, before + size + after)
    return x


def _cross_entropy(logits: Any, targets: Any, **settings: Any) -> Any:
    """PyTorch's has the classes on axis 1, or on the only one."""
    classes = min(logits.ndim - 1, 1)
    if targets.is_floating_point():
        targets = torch.movedim(targets, -1, classes)
    return F.cross_entropy(torch.movedim(logits, -1, classes), targets, **settings)


# The table

BROADCAST = [((2, 3), (2, 3)), ((2, 1), (3,)), ((), (2, 3)), ((3, 1, 2), (4, 1)), ((2, 0), (1,))]
COMPARISONS = ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]
ELEMENTWISE = [
    *(
        row(name, theirs, Draw(kind, shape))
        for kind, functions in [
            (normal, [torch.arcsinh, torch.arctan, torch.cos, torch.cosh, torch.exp, torch.expm1,
                      torch.negative, torch.positive, torch.sigmoid, torch.sin, torch.sinh,
                      F.softplus, torch.square, torch.tanh]),
            (nonzero, [torch.abs, torch.reciprocal, torch.relu, torch.sign]),
            (fraction, [torch.arccos, torch.arcsin, torch.arctanh, torch.tan]),
            (positive, [torch.log, torch.log1p, torch.sqrt]),
            (above_one, [torch.arccosh]),
        ]
        for theirs in functions for name in [theirs.__name__] for shape in [(), (2, 3)]
    ),
    *(
        row(name, theirs, Draw(kind, a), Draw(other, b))
        for name, theirs, kind, other in [
            ("add", torch.add, normal, normal),
            ("subtract", torch.subtract, normal, normal),
            ("multiply", torch.multiply, normal, normal),
            ("divide", torch.divide, normal, nonzero),
            ("power", torch.pow, positive, normal),
            ("logaddexp", torch.logaddexp, normal, normal),
            ("maximum", torch.maximum, around(-1, 0, 1), around(-0.5, 0.5)),
            ("minimum", torch.minimum, around(-1, 0, 1), around(-0.5, 0.5)),
        ]
        for a, b in BROADCAST
    ),
    *(
        row(name, getattr(torch, "eq" if name == "equal" else name), a, b, by=())
        for name in COMPARISONS
        for a, b in [
            (Draw(around(-1, 1), (2, 1)), Draw(around(-1, 1), (3,))),
            (exactly([1.0, 2.0, 3.0]), exactly([3.0, 2.0, 1.0])),
        ]
    ),
    *(
        row("power", lambda x, y=y: torch.pow(x, y), Draw(positive if y == 0.5 else nonzero, (4,)),
            call=lambda x, y=y: ops.power(x, y), label=f"to {y}")
        for y in [0, 1, 2, 3.0, 0.5, -1.0, -2]
    ),
    row("power", lambda y: torch.pow(2.0, y), Draw(normal, (3,)), label="of 2",
        call=lambda y: ops.power(2.0, y)),
    *(
        row("where", torch.where, Draw(flags, c), Draw(normal, x), Draw(normal, y), by=(1, 2))
        for c, x, y in [((2, 3), (2, 3), (2, 3)), ((3, 1), (4,), ()), ((), (2, 1), (3,))]
    ),
    row("where", lambda c, x: torch.where(c, x, 0.0), Draw(flags, (3,)), Draw(normal, (3,)),
        by=(1,), label="else a number", call=lambda c, x: ops.where(c, x, 0.0)),
    # PyTorch's walk back fails where x itself is repeated to fit its bounds.
    *(
        row("clip", torch.clamp, Draw(around(-2, -1, 0, 1, 2), x), Draw(around(-1.5, -0.5), low),
            Draw(around(0.5, 1.5), high))
        for x, low, high in [((2, 3), (2, 3), (2, 3)), ((3, 4), (4,), (3, 1)), ((2, 3), (2, 1), ())]
    ),
    *(
        row("clip", lambda x, low=low, high=high: torch.clamp(x, low, high),
            Draw(around(-2, 0, 2), (3, 2)), label=f"between {low} and {high}",
            call=lambda x, low=low, high=high: ops.clip(x, low, high))
        for low, high in [(None, 1.0), (-1.0, None), (-1.0, 1.0)]
    ),
]  # fmt: skip
REDUCE = [
    *(
        row(name, theirs, Draw(kind, (2, 3, 4)), axis=axis, keepdims=keepdims)
        for name, theirs, kind in [
            ("sum", _over(torch.sum), normal),
            ("mean", _over(torch.mean), normal),
            ("max", _over(torch.amax), distinct),
            ("min", _over(torch.amin), distinct),
            ("prod", _prod, nonzero),
            ("logsumexp", _over(torch.logsumexp), normal),
        ]
        for axis in [None, 0, -1, (0, 2), (2, 1)] for keepdims in [False, True]
    ),
    *(
        row(name, theirs, Draw(normal, (3, 2, 4)), axis=axis, keepdims=keepdims, ddof=ddof)
        for name, theirs in [("var", _over(torch.var)), ("std", _over(torch.std))]
        for axis, ddof in [(None, 0), (0, 1), (-1, 0), (-1, 1.5), ((0, 2), 0), ((2, 1), 2)]
        for keepdims in [False, True]
    ),
    *(
        row("norm", torch.linalg.norm, Draw(distinct_nonzero, shape), ord=ord, axis=axis,
            keepdims=keepdims)
        for shape, ord, axis in [
            ((3,), None, None), ((2, 3, 4), None, None), ((2, 3, 4), None, 1), ((2, 3), 2, 0),
            ((2, 3, 4), None, (0, 2)), ((3,), 1, None), ((3,), 3, None), ((3,), 0.5, 0),
            ((2, 3), -1.5, 1), ((3,), np.inf, None), ((2, 3), -np.inf, 1), ((2, 3), "fro", None),
            ((2, 3), 1, None), ((2, 3), -1, None), ((2, 3), np.inf, None), ((2, 3), -np.inf, None),
            ((2, 3, 4), 1, (2, 0)), ((2, 3, 4), "fro", (1, 2)), ((2, 3, 4), np.inf, (-1, 0)),
        ]
        for keepdims in [False, True]
    ),
    *(
        row("cumsum", _flattened(torch.cumsum), Draw(normal, (2, 3, 4)), axis=axis)
        for axis in [None, 0, 1, -1]
    ),
]  # fmt: skip
PRODUCTS = [
    *(
        row("matmul", torch.matmul, Draw(normal, a), Draw(normal, b))
        for a, b in [
            ((3,), (3,)), ((3,), (3, 2)), ((2, 3), (3,)), ((2, 3), (3, 4)), ((4, 1), (1, 5)),
            ((2, 0), (0, 3)), ((3,), (5, 3, 2)), ((5, 2, 3), (3,)), ((5, 2, 3), (3, 4)),
            ((2, 3), (5, 3, 4)), ((5, 2, 3), (1, 3, 4)), ((2, 1, 2, 3), (4, 3, 2)),
        ]
    ),
    *(
        row("addmm", torch.addmm, *(Draw(normal, shape) for shape in shapes))
        for shapes in [((2, 4), (2, 3), (3, 4)), ((4,), (2, 3), (3, 4)), ((), (2, 3), (3, 4)),
                       ((2, 1), (2, 3), (3, 4)), ((4, 5), (4, 1), (1, 5))]
    ),
    *(
        row("addmm", lambda c, a, b: c + torch.matmul(a, b), *(Draw(normal, s) for s in shapes))
        for shapes in [((1, 4), (5, 2, 3), (3, 4)), ((5, 1, 1), (5, 2, 3), (5, 3, 4)),
                       ((2,), (2, 3), (3,)), ((), (3,), (3,))]
    ),
    row("dot", torch.dot, Draw(normal, (3,)), Draw(normal, (3,))),
    *(
        row("dot", _dot, Draw(normal, a), Draw(normal, b))
        for a, b in [((2, 3), (3,)), ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)), ((), (2, 3)),
                     ((2, 3), (4, 3, 5)), ((6, 2, 3), (2, 4, 3, 5))]
    ),
    *(
        row("outer", lambda a, b: torch.outer(a.ravel(), b.ravel()), Draw(normal, a),
            Draw(normal, b))
        for a, b in [((3,), (2,)), ((2, 2), (3,)), ((), (3,))]
    ),
    *(
        row("inner", torch.inner, Draw(normal, a), Draw(normal, b))
        for a, b in [((3,), (3,)), ((2, 3), (3,)), ((5, 2, 3), (4, 3)), ((), (2, 3))]
    ),
    *(
        row("kron", torch.kron, Draw(normal, a), Draw(normal, b))
        for a, b in [((2,), (3,)), ((2, 3), (3, 2)), ((2,), (2, 3)), ((2, 2, 2), (3,)), ((), (3,))]
    ),
    *(
        row("tensordot", lambda a, b, axes: torch.tensordot(a, b, axes), Draw(normal, a),
            Draw(normal, b), axes=axes)
        for a, b, axes in [
            ((2, 3, 4), (3, 4, 5), 2), ((2, 3), (3, 4), 1), ((2, 3), (4,), 0),
            ((2, 3, 4), (4, 3, 5), ([1, 2], [1, 0])), ((2, 3, 4), (5, 3), ([-2], [-1])),
        ]
    ),
    *(
        row("einsum", lambda *xs, s=subscripts: torch.einsum(s, *xs),
            *(Draw(normal, shape) for shape in shapes), label=f"{subscripts} {shapes}",
            call=lambda *xs, s=subscripts: ops.einsum(s, *xs))
        for subscripts, *shapes in [
            ("ij,jk->ik", (2, 3), (3, 4)), ("ij,jk", (2, 3), (3, 4)), ("ij->", (2, 3)),
            ("ji", (2, 3)), ("ii", (3, 3)), ("iij->ji", (2, 2, 3)), ("i,j->ji", (2,), (3,)),
            ("bij,bjk->bik", (2, 3, 2), (2, 2, 4)), ("...ij,...jk->...ik", (5, 2, 3), (3, 4)),
            ("i...->...", (2, 3, 4)), ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)),
            ("i,ij,j", (2,), (2, 3), (3,)), ("ij,ij->i", (1, 3), (2, 3)), (",ij->ij", (), (2, 3)),
            ("i,i,i->i", (3,), (3,), (3,)), ("bthd,bshd->bhts", (1, 2, 2, 3), (1, 4, 2, 3)),
        ]
    ),
    *(
        row("diagonal", lambda x, offset, axis1, axis2: torch.diagonal(x, offset, axis1, axis2),
            Draw(normal, shape), offset=offset, axis1=axis1, axis2=axis2)
        for shape, offset, axis1, axis2 in [((3, 3), 0, 0, 1), ((2, 4), 1, 0, 1),
                                            ((4, 2), -2, 0, 1), ((2, 3, 4), -1, 2, 0)]
    ),
    row("trace", torch.trace, Draw(normal, (3, 3))),
    row("trace", lambda x: torch.diagonal(x, 1, 2, 0).sum(-1), Draw(normal, (2, 3, 4)),
        label="of inner axes", call=lambda x: ops.trace(x, 1, 2, 0)),
    *(
        row(name, lambda x, k, f=theirs: f(x, k), Draw(normal, shape), k=k)
        for name, theirs in [("tril", torch.tril), ("triu", torch.triu)]
        for shape, k in [((3, 3), 0), ((2, 4), 1), ((4, 2), -1), ((2, 3, 3), 0), ((2, 2), 9)]
    ),
]  # fmt: skip
SHAPE = [
    *(
        row("reshape", torch.reshape, Draw(normal, (2, 3)), shape=shape)
        for shape in [(6,), (-1,), (3, -1), (2, 1, 3)]
    ),
    *(row("ravel", torch.ravel, Draw(normal, shape)) for shape in [(), (2, 3)]),
    *(
        row("transpose", lambda x, axes: torch.permute(x, axes or _axes(x, None)[::-1]),
            Draw(normal, (2, 3, 4)), axes=axes)
        for axes in [None, (1, 0, 2), (2, 0, 1), (-1, 0, 1)]
    ),
    *(
        row("swapaxes", lambda x, axis1, axis2: torch.swapaxes(x, axis1, axis2),
            Draw(normal, (2, 3, 4)), axis1=axis1, axis2=axis2)
        for axis1, axis2 in [(0, 1), (0, -1)]
    ),
    *(
        row("moveaxis", torch.moveaxis, Draw(normal, (2, 3, 4)), source=source, destination=place)
        for source, place in [(0, -1), (2, 0), ((0, 1), (2, 0)), ((2, 0), (0, 1))]
    ),
    *(
        row("broadcast_to", lambda x, shape: torch.broadcast_to(x, shape), Draw(normal, old),
            shape=new)
        for old, new in [((3,), (2, 3)), ((2, 1), (2, 3)), ((), (2, 3)), ((1, 3, 1), (2, 4, 3, 2))]
    ),
    *(
        row("expand_dims", _expand_dims, Draw(normal, (2, 3)), axis=axis)
        for axis in [0, 1, -1, (0, 2), (0, -1)]
    ),
    row("squeeze", torch.squeeze, Draw(normal, (1, 2, 1))),
    *(
        row("squeeze", lambda x, axis: torch.squeeze(x, axis), Draw(normal, (1, 2, 1)), axis=axis)
        for axis in [0, -1, (0, -1)]
    ),
    *(
        row("flip", lambda x, axis: torch.flip(x, _axes(x, axis)), Draw(normal, (2, 3, 4)),
            axis=axis)
        for axis in [None, 0, (-1,), (0, 2)]
    ),
    *(
        row("tile", lambda x, reps: torch.tile(x, _axes(x, reps)), Draw(normal, shape), reps=reps)
        for shape, reps in [((3,), 2), ((2, 3), (2, 1)), ((3,), (2, 2)), ((), (2, 3)),
                            ((2, 3), (1, 2, 1)), ((2, 3), 0)]
    ),
    row("astype", lambda x: x.to(torch.float32), Draw(normal, (2, 3)), label="float32",
        call=lambda x: ops.astype(x, np.float32)),
    row("astype", lambda x: x.to(torch.int64), Draw(normal, (2, 3)), by=(), label="int64",
        call=lambda x: ops.astype(x, np.int64)),
]  # fmt: skip
PARTS = [
    *(
        row("concatenate", joined(torch.cat, dim=axis), *(Draw(normal, s) for s in shapes),
            call=joined(ops.concatenate, axis=axis), label=f"{shapes} {axis=}")
        for axis, shapes in [(0, [(2,), (3,), (1,)]), (1, [(2, 3), (2, 1), (2, 2)]),
                             (-2, [(1, 2), (3, 2)]), (0, [(2, 3)])]
    ),
    row("concatenate", lambda *xs: torch.cat([x.ravel() for x in xs]), Draw(normal, (2, 3)),
        Draw(normal, ()), call=joined(ops.concatenate, axis=None), label="flattened"),
    *(
        row("stack", joined(torch.stack, dim=axis), *[Draw(normal, (2, 3))] * 3,
            call=joined(ops.stack, axis=axis), label=f"{axis=}")
        for axis in [0, 1, 2, -1]
    ),
    *(
        row("split", lambda x, at=at, axis=axis: torch.tensor_split(x, at, axis), Draw(normal, s),
            call=lambda x, at=at, axis=axis: ops.split(x, at, axis), label=f"{s} {at=} {axis=}")
        for s, at, axis in [((4,), 2, 0), ((4,), (1, 3), 0), ((2, 6), 3, 1), ((2, 6), (2, 3), -1)]
    ),
    *(
        row("unbind", lambda x, axis: torch.unbind(x, axis), Draw(normal, (2, 3, 2)), axis=axis)
        for axis in [0, 1, -1]
    ),
    *(
        row("getitem", lambda x, i=index: x[i], Draw(normal, (3, 4, 2)), label=str(index),
            call=lambda x, i=index: ops.getitem(x, i))
        for index in [
            1, -1, slice(1, 3), slice(None, None, 2), None, Ellipsis, (slice(None), 1), (0, 1, 1),
            (1, Ellipsis, None, slice(None, None, 2)), [0, 0, 2], [0, -3], ([[0, 1], [1, 1]],),
            [True, False, True], (slice(None), [0, 0, 1]), ([0, 1, 1], [1, 1, 1]),
            ([0, 1], slice(None), [1, 0]), (Ellipsis, [0, 0]), (None, [0, 1, 0]),
            ([[0], [2]], [1, 3]), (slice(1, None), [3, 3], None),
        ]
    ),
    row("getitem", lambda x: x.flip(0)[:, ::2], Draw(normal, (3, 4)), label="backwards",
        call=lambda x: x[::-1, ::2]),
    *(
        row("take", lambda x, at=at: torch.take(x, torch.tensor(at)), Draw(normal, (3, 4)),
            call=lambda x, at=at: ops.take(x, at), label=f"{at}")
        for at in [7, [0, 5, 5], [[1, -1], [0, 0]]]
    ),
    *(
        row("take", lambda x, at=at, axis=axis: _take(x, at, axis), Draw(normal, (3, 4)),
            call=lambda x, at=at, axis=axis: ops.take(x, at, axis), label=f"{at} {axis=}")
        for at, axis in [([1, 1, 0], 0), ([0, -1, 3], 1), ([[0, 1], [1, 1]], -1)]
    ),
    *(
        row("take_along_axis", lambda x, at, axis: torch.take_along_dim(x, at, axis),
            Draw(normal, shape), exactly(indices), by=(0,), axis=axis)
        for shape, indices, axis in [
            ((3,), [0, 2, 2], 0), ((2, 3), [[1, 0, 1]], 0), ((2, 3), [[2, 1], [0, 0]], -1),
            ((2, 3), [[1, 1]], 1), ((2, 3), [4, 4, 0], None), ((1, 3), [[0, 1], [2, 2]], 1),
        ]
    ),
    *(
        row("sort", _flattened(lambda x, axis: torch.sort(x, axis).values), Draw(distinct, (3, 4)),
            axis=axis)
        for axis in [None, 0, -1]
    ),
    *(
        row("repeat", lambda x, repeats, axis: torch.repeat_interleave(
            x, torch.tensor(repeats), axis), Draw(normal, (2, 3)), repeats=repeats, axis=axis)
        for repeats, axis in [(2, None), (2, 0), ([1, 2], 0), ([0, 2, 1], -1)]
    ),
    *(
        row("roll", lambda x, shift, axis: torch.roll(x, shift, () if axis is None else axis),
            Draw(normal, (2, 3)), shift=shift, axis=axis)
        for shift, axis in [(2, None), (1, 1), (-4, 1), ((1, 2), (0, 1)), (0, 0)]
    ),
    *(
        row("pad", lambda x, width, mode=theirs: _pad(x, width, mode), Draw(normal, (3, 4)),
            call=lambda x, width, mode=mode: ops.pad(x, width, mode), width=width,
            label=f"{mode} {width}")
        for mode, theirs in [("constant", "constant"), ("edge", "replicate"),
                             ("reflect", "reflect"), ("wrap", "circular")]
        for width in [1, (1, 2), ((0, 1), (2, 3))]
    ),
    row("pad", lambda x: _pad(x, 2, "constant", value=5), Draw(normal, (2, 3)), label="with 5",
        call=lambda x: ops.pad(x, 2, constant_values=5)),
    *(
        row("pad", lambda x, width: _symmetric(x, width), Draw(normal, (3, 4)), width=width,
            call=lambda x, width: ops.pad(x, width, "symmetric"), label=f"symmetric {width}")
        for width in [1, (3, 2), ((0, 1), (4, 0))]
    ),
]  # fmt: skip
LOSS = [
    *(
        row(name, theirs, Draw(normal, (2, 3, 4)), axis=axis)
        for name, theirs in [("softmax", torch.softmax), ("log_softmax", torch.log_softmax)]
        for axis in [-1, 0, 1]
    ),
    *(
        row(name, theirs, Draw(normal, (2, 3, 4)), axis=axis)
        for name, theirs in [("softmax", lambda x, axis: torch.exp(_log_softmax(x, axis))),
                             ("log_softmax", _log_softmax)]
        for axis in [(0, 2), None]
    ),
    *(
        row("cross_entropy", _cross_entropy, Draw(normal, shape), exactly(targets), by=(0,),
            reduction=reduction, ignore_index=ignored)
        for shape, targets, ignored in [
            ((4,), 2, -100), ((4, 3), [0, 2, 1, 1], -100), ((3, 2), [0, -100, 1], -100),
            ((2, 2, 3), [[0, 9], [2, 9]], 9), ((2, 1, 2, 3), [[[0, 2]], [[1, 1]]], 1),
        ]
        for reduction in ["mean", "sum", "none"]
    ),
    *(
        row("cross_entropy", _cross_entropy, Draw(normal, shape), Draw(shares, shape),
            reduction=reduction)
        for shape in [(4,), (3, 4), (2, 3, 4)] for reduction in ["mean", "sum", "none"]
    ),
    *(
        row(name, theirs, Draw(normal, shape), Draw(kind, shape), reduction=reduction)
        for name, theirs, kind in [
            ("mse_loss", F.mse_loss, normal),
            ("l1_loss", F.l1_loss, normal),
            ("huber_loss", F.huber_loss, normal),
            ("binary_cross_entropy_with_logits", F.binary_cross_entropy_with_logits, fraction),
        ]
        for shape in [(), (2, 3)] for reduction in ["mean", "sum", "none"]
    ),
    row("huber_loss", F.huber_loss, Draw(normal, (4, 5)), Draw(normal, (4, 5)), delta=0.3),
]  # fmt: skip
CASES = [*ELEMENTWISE, *REDUCE, *PRODUCTS, *SHAPE, *PARTS, *LOSS]

# Where mathematics leaves a choice, both choose alike; results that are infinite judge nothing.
POINTS = [
    *(
        row(name, theirs, exactly([-1.0, 0.0, 2.0]))
        for name, theirs in [("relu", torch.relu), ("abs", torch.abs), ("sign", torch.sign)]
    ),
    *(
        row(name, theirs, exactly([2.0, 1.0, -1.0]), exactly([2.0, 3.0, -1.0]))
        for name, theirs in [("maximum", torch.maximum), ("minimum", torch.minimum)]
    ),
    *(
        row(name, _over(theirs), exactly([[3.0, 3, 3], [0, 0, 1], [1, 2, 2]]), axis=axis)
        for name, theirs in [("max", torch.amax), ("min", torch.amin)] for axis in [None, 0, 1]
    ),
    row("sort", _flattened(lambda x, axis: torch.sort(x, dim=axis, stable=True).values),
        exactly([2.0, 1.0, 2.0, 1.0])),
    row("clip", lambda x: torch.clamp(x, 0.0, 1.0), exactly([-1.0, 0.0, 0.5, 1.0, 2.0]),
        call=lambda x: ops.clip(x, 0.0, 1.0)),
    row("clip", torch.clamp, exactly([-1.0, 0.0, 1.0]), exactly([0.0] * 3), exactly([1.0] * 3)),
    row("clip", torch.clamp, exactly([-1.0, 0.5, 2.0]), exactly([1.0] * 3), exactly([0.0] * 3),
        label="crossed"),
    *(
        row("power", lambda x, y=y: torch.pow(x, y), exactly([0.0, -2.0]), label=f"to {y}",
            call=lambda x, y=y: ops.power(x, y))
        for y in [0, 1, 2, 3.0]
    ),
    row("power", torch.pow, exactly([0.0, 0.0]), exactly([0.0, 2.0])),
    *(
        row("norm", torch.linalg.norm, exactly([[0.0, 0.0], [0.0, -2.0]]), ord=ord, axis=axis)
        for ord, axis in [(None, 1), (1, 1), (3, 1), (0.5, 1), (np.inf, 1), ("fro", None),
                          (1, None), (-np.inf, None)]
    ),
    *(
        row(name, _over(theirs), exactly([[2.0, 2.0], [1.0, 3.0]]), axis=1, ddof=0)
        for name, theirs in [("var", torch.var), ("std", torch.std)]
    ),
    *(row("prod", _prod, exactly(x)) for x in [[0.0, 2.0, 3.0], [0.0, 2.0, 0.0, 3.0]]),
    *(
        row(name, theirs, exactly([-1000.0, -36.0, 0.0, 36.0, 1000.0]))
        for name, theirs in [("sigmoid", torch.sigmoid), ("tanh", torch.tanh),
                             ("softplus", F.softplus), ("logsumexp", _over(torch.logsumexp))]
    ),
    *(
        row(name, theirs, exactly([[1000.0, 1000.0, -1000.0], [-1e4, 0.0, 1e4]]), axis=-1)
        for name, theirs in [("softmax", torch.softmax), ("log_softmax", torch.log_softmax)]
    ),
    row("logsumexp", _over(torch.logsumexp), exactly([-np.inf, 0.0])),
    row("logaddexp", torch.logaddexp, exactly([0.0, 1000.0, -1000.0]), exactly([1000.0] * 3)),
    row("cross_entropy", _cross_entropy, exactly([[1e4, 0.0], [-1e4, 0.0]]), exactly([1, 1]),
        by=(0,)),
    row("cross_entropy", _cross_entropy, exactly([[0.0, -np.inf, 1.0]]), exactly([0]), by=(0,)),
    row("binary_cross_entropy_with_logits", F.binary_cross_entropy_with_logits,
        exactly([1000.0, 1000.0, -1000.0, 0.0]), exactly([1.0, 0.0, 0.0, 0.5])),
]  # fmt: skip


# Functions

OURS, THEIRS = (tg.Tensor, tg.grad), (torch.tensor, torch.autograd.grad)

every_seed = pytest.mark.parametrize("seed", [0, 1, 2])
every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_gradient = pytest.mark.parametrize("case", [c for c in CASES if c.by], ids=str)


def drawn(tensors: Sequence[Any], seed: int) -> list[np.ndarray]:
    """Random numbers for each tensor, in its shape and dtype."""
    rng = np.random.default_rng(seed)
    arrays = [t.detach().numpy() for t in tensors]
    return [np.array(rng.normal(size=a.shape)).astype(a.dtype) for a in arrays]


def called(case: Case, seed: int, tensor: Any) -> tuple[list[Any], list[Any]]:
    """The leaves to take gradients of, and the outputs. tensor: this package's or PyTorch's."""
    call = case.call if tensor is tg.Tensor else case.reference
    leaves = [tensor(x, requires_grad=k in case.by) for k, x in enumerate(case.inputs(seed))]
    return [leaves[k] for k in case.by], parts(call(*leaves))


def first_order(case: Case, seed: int, tensor: Any, grad: Any) -> tuple[list[Any], list[Any]]:
    """Values, and gradients with random cotangents, if there are any."""
    of, outputs = called(case, seed, tensor)
    gs = [tensor(g) for g in drawn(outputs, seed=10)]
    return outputs, list(grad(outputs, of, gs)) if of else []


def second_order(case: Case, seed: int, tensor: Any, grad: Any) -> list[Any]:
    """Gradients of <gradient, random> by the inputs and by the cotangents."""
    of, outputs = called(case, seed, tensor)
    gs = [tensor(g, requires_grad=True) for g in drawn(outputs, seed=10)]
    firsts = grad(outputs, of, gs, create_graph=True)
    weights = [tensor(w, requires_grad=True) for w in drawn(of, seed=20)]
    sums = [(first * w).sum() for first, w in zip(firsts, weights, strict=True)]
    seconds = grad(sums, of + gs, allow_unused=True)
    return [0 * x if g is None else g for g, x in zip(seconds, of + gs, strict=True)]


def assert_same(ours: Sequence[Any], theirs: Sequence[Any], rtol: float) -> None:
    """Equal in number, shape, dtype and, up to rtol, in value."""
    for y, right in zip(ours, theirs, strict=True):
        expected = right.numpy(force=True)
        assert y.dtype == expected.dtype
        assert_near(y.numpy(), expected, rtol)


def test_every_function_has_a_row() -> None:
    """Each public function has a counterpart in the table, and nothing else has."""
    assert {case.function for case in CASES} == set(ops.__all__)


def assert_first_order(case: Case, seed: int) -> None:
    """Values and gradients are PyTorch's."""
    values, gradients = first_order(case, seed, *OURS)
    expected_values, expected_gradients = first_order(case, seed, *THEIRS)
    assert_same(values, expected_values, OF_VALUES)
    assert_same(gradients, expected_gradients, OF_GRADIENTS)


@every_seed
@every_case
def test_values_and_gradients_are_pytorchs(case: Case, seed: int) -> None:
    """Whatever the cotangent."""
    assert_first_order(case, seed)


@every_seed
@every_gradient
def test_gradients_of_gradients_are_pytorchs(case: Case, seed: int) -> None:
    """By the inputs and by the cotangents, through the recorded walk back."""
    found, expected = (second_order(case, seed, *whose) for whose in (OURS, THEIRS))

    assert_same(found, expected, OF_GRADIENTS)


@pytest.mark.parametrize("case", POINTS, ids=str)
def test_choices_at_special_points_are_pytorchs(case: Case) -> None:
    """At kinks and ties, at 0 and far out, where the results are finite."""
    assert_first_order(case, 0)


# Layers

RECURRENT = [  # with the number of parts of the state
    ("RNN", {"nonlinearity": "tanh"}, 1),
    ("RNN", {"nonlinearity": "relu"}, 1),
    ("LSTM", {}, 2),
    ("GRU", {}, 1),
]
LAYERS = [
    *(
        ("Linear", (3, 5), {"bias": bias}, [x])
        for bias in [True, False] for x in [(3,), (4, 3), (2, 4, 3)]
    ),
    *(
        (f"{name}Cell", (3, 5), {"bias": bias, **settings}, [x, *[(*x[:-1], 5)] * count])
        for name, settings, states in RECURRENT for bias in [True, False]
        for x in [(3,), (2, 3)] for count in [0, states]
    ),
    *(
        (name, (3, 5, L), {"bidirectional": D == 2, "unroll": unroll, **settings},
         [x, *[(L * D, *x[1:-1], 5)] * count])
        for name, settings, states in RECURRENT
        for L, D, unroll in [(1, 1, False), (1, 2, True), (2, 1, True), (2, 2, False)]
        for x in [(7, 3), (7, 2, 3)] for count in [0, states]
    ),
    *(
        (name, (3, 5, 2), {"batch_first": True, **settings}, [x, *state])
        for name, settings, states in RECURRENT
        for x, state in [((7, 3), []), ((2, 7, 3), []), ((2, 7, 3), [(2, 2, 5)] * states)]
    ),
    *(
        (name, (3, 5), settings, [x])
        for name, _, _ in RECURRENT[1:] for settings, x in [({"bias": False}, (7, 2, 3)),
                                                            ({}, (200, 2, 3))]
    ),
    *(
        ("Embedding", (4, 5), settings, [[[0, 2, 2], [3, 2, 1]]])
        for settings in [{}, {"padding_idx": 2}, {"padding_idx": -1}]
    ),
    *(
        ("LayerNorm", (sizes,), settings, [(4, 3, 5)])
        for sizes in [5, (3, 5)]
        for settings in [{}, {"eps": 0.1, "bias": False}, {"elementwise_affine": False}]
    ),
]  # fmt: skip
"""Name, arguments, settings, and inputs: shapes to draw, or ids."""


def test_every_layer_has_a_row() -> None:
    """Each that PyTorch has, but for what has no arithmetic of its own, or is random."""
    others = {"Dropout", "Module", "Parameter", "Sequential"}
    kinds = {name for name in tg.nn.__all__ if isinstance(getattr(torch.nn, name, None), type)}

    assert {name for name, *_ in LAYERS} == kinds - others


def made(name: str, sizes: tuple[Any, ...], settings: dict[str, Any]) -> tuple[Any, Any]:
    """This package's layer and PyTorch's; random parameters go to one and on to the other."""
    known = {key: value for key, value in settings.items() if key != "unroll"}
    ours = getattr(tg.nn, name)(*sizes, **settings)
    theirs = getattr(torch.nn, name)(*sizes, dtype=torch.float64, **known)
    rng = np.random.default_rng(1)
    state = {key: rng.uniform(-0.5, 0.5, p.shape) for key, p in ours.named_parameters()}
    theirs.load_state_dict({key: torch.tensor(values) for key, values in state.items()})
    ours.load_state_dict({key: values.numpy() for key, values in theirs.state_dict().items()})
    return ours, theirs


def drawn_inputs(shapes: list[Any]) -> list[np.ndarray]:
    """Random numbers of each shape; lists of ids as they are."""
    rng = np.random.default_rng(2)
    return [rng.normal(size=x) if isinstance(x, tuple) else np.array(x) for x in shapes]


def trained(layer: Any, forward: Any, inputs: list[np.ndarray], tensor: Any) -> list[list[Any]]:
    """Outputs of `forward`, and gradients of inputs and parameters with random cotangents."""
    leaves = [tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
    x, *state = leaves
    outputs = flattened(forward(x, *([tuple(state)] if len(state) == 2 else state)))
    gs = [tensor(g) for g in drawn(outputs, seed=10)]
    sum((y * g).sum() for y, g in zip(outputs, gs, strict=True)).backward()
    return [outputs, [t.grad for t in [*leaves, *layer.parameters()] if t.requires_grad]]


def flattened(result: Any) -> list[Any]:
    """The tensors in tuples of tuples of tensors."""
    return [y for part in result for y in flattened(part)] if type(result) is tuple else [result]


@pytest.mark.parametrize(("name", "sizes", "settings", "shapes"), LAYERS, ids=str)
def test_layers_are_pytorchs(name: str, sizes: Any, settings: Any, shapes: list[Any]) -> None:
    """Names of parameters; outputs, last states, and gradients of every input and parameter."""
    ours, theirs = made(name, sizes, settings)
    names, expected_names = ([n for n, _ in x.named_parameters()] for x in (ours, theirs))
    inputs = drawn_inputs(shapes)

    outputs, gradients = trained(ours, ours, inputs, tg.Tensor)
    expected_outputs, expected_gradients = trained(theirs, theirs, inputs, torch.tensor)

    assert names == expected_names
    assert_same(outputs, expected_outputs, OF_VALUES)
    assert_same(gradients, expected_gradients, OF_GRADIENTS)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_lengths_are_pytorchs_packed_sequences(name: str, bidirectional: bool) -> None:
    """Outputs beyond a sequence's end are 0, and its last state is that at its end."""
    ours, theirs = made(name, (3, 5, 2), {"bidirectional": bidirectional})
    inputs, lengths = drawn_inputs([(7, 4, 3)]), [7, 1, 4, 6]

    def packed(x: Any) -> tuple[Any, Any]:
        sequence = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
        output, state = theirs(sequence)
        return torch.nn.utils.rnn.pad_packed_sequence(output)[0], state

    outputs, gradients = trained(ours, lambda x: ours(x, lengths=lengths), inputs, tg.Tensor)
    expected_outputs, expected_gradients = trained(theirs, packed, inputs, torch.tensor)

    assert_same(outputs, expected_outputs, OF_VALUES)
    assert_same(gradients, expected_gradients, OF_GRADIENTS)


# Optimisers and clipping

OPTIMISERS = [
    ("SGD", {}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1, "nesterov": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.3, "weight_decay": 0.1}),
    ("Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.2, "eps": 1e-3}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.8, 0.9), "weight_decay": 0.1}),
    ("Adam", {"lr": 0.1, "betas": (0.0, 0.5), "eps": 1e-2}),
    ("Adam", {"lr": 0.1, "betas": (0.5, 0.5), "amsgrad": True}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.3, "amsgrad": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.1, "alpha": 0.8, "eps": 1e-3, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.1, "momentum": 0.9, "centered": True}),
]


def test_every_optimiser_has_a_row() -> None:
    """Each kind is compared."""
    assert {name for name, _ in OPTIMISERS} == set(tg.optim.__all__) - {"Optimizer", "lr_scheduler"}


def optimised(name: str, settings: dict[str, Any], optim: Any, tensor: Any) -> list[Any]:
    """Two parameters, each in its group, after five steps, the third without one's gradient."""
    rng = np.random.default_rng(0)
    parameters = [tensor(rng.normal(size=shape), requires_grad=True) for shape in [(4,), (2, 3)]]
    groups = [{"params": parameters[:1]}, {"params": parameters[1:], "lr": 0.02}]
    optimizer = getattr(optim, name)(groups, **settings)
    for step in range(5):
        for parameter in parameters:
            parameter.grad = tensor(rng.normal(size=tuple(parameter.shape)))
        if step == 2:
            parameters[1].grad = None
        optimizer.step()
    return parameters


@pytest.mark.parametrize(("name", "settings"), OPTIMISERS, ids=str)
def test_optimisers_step_as_pytorchs_do(name: str, settings: dict[str, Any]) -> None:
    """Five steps along the same gradients lead to the same parameters."""
    expected = optimised(name, settings, torch.optim, torch.tensor)

    assert_same(optimised(name, settings, tg.optim, tg.Tensor), expected, OF_VALUES)


@pytest.mark.parametrize("name", sorted({name for name, _ in OPTIMISERS}))
def test_optimisers_have_pytorchs_arguments(name: str) -> None:
    """The first of PyTorch's, in its order and with its defaults."""
    ours, theirs = (
        [(p.name, p.default) for p in inspect.signature(getattr(optim, name)).parameters.values()]
        for optim in (tg.optim, torch.optim)
    )

    assert ours[1:] == theirs[1 : len(ours)]


LOSSES = [3.0, 2.0, 1.9999, 2.5, 2.0, 1.0, 1.0, 1.0, 1.0, 0.9, 0.9, 0.9]
SCHEDULES = [
    (name, theirs, settings)
    for name, theirs, several in [
        ("StepLR", "StepLR", [{"step_size": 1}, {"step_size": 3, "gamma": 0.5}]),
        ("CosineAnnealingLR", "CosineAnnealingLR", [{"T_max": 12}, {"T_max": 4, "eta_min": 0.01}]),
        ("LinearWarmup", "LinearLR", [{"steps": 5}, {"steps": 20, "start_factor": 0.01}]),
        ("ReduceLROnPlateau", "ReduceLROnPlateau", [
            {"patience": 1}, {"patience": 0, "factor": 0.5, "cooldown": 2, "min_lr": 0.02},
            {"mode": "max", "patience": 2, "threshold": 0.5, "threshold_mode": "abs"},
        ]),
    ]
    for settings in several
]  # fmt: skip


def scheduled(schedule: Any, settings: dict[str, Any], optim: Any, tensor: Any) -> list[float]:
    """The learning rates while a schedule steps."""
    optimizer = optim.SGD([tensor(1.0, requires_grad=True)], lr=0.1)
    made = schedule(optimizer, **settings)
    rates = [optimizer.param_groups[0]["lr"]]
    for loss in LOSSES:
        optimizer.step()
        made.step(*([loss] if "Plateau" in schedule.__name__ else []))
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


@pytest.mark.parametrize(("name", "theirs", "settings"), SCHEDULES, ids=str)
def test_schedules_are_pytorchs(name: str, theirs: str, settings: dict[str, Any]) -> None:
    """Learning rates step by step; PyTorch counts the steps of a warm-up as total_iters."""
    known = {"total_iters" if key == "steps" else key: settings[key] for key in settings}
    ours, their = getattr(tg.optim.lr_scheduler, name), getattr(torch.optim.lr_scheduler, theirs)

    found = scheduled(ours, settings, tg.optim, tg.Tensor)
    expected = scheduled(their, known, torch.optim, torch.tensor)

    assert len(set(expected)) > 1
    np.testing.assert_allclose(found, expected, rtol=OF_VALUES)


def test_every_schedule_has_a_row() -> None:
    """Each kind is compared."""
    assert {name for name, *_ in SCHEDULES} == set(tg.optim.lr_scheduler.__all__) - {"LRScheduler"}


def with_gradients(tensor: Any) -> list[Any]:
    """Two parameters that have gradients."""
    rng = np.random.default_rng(0)
    parameters = [tensor(np.zeros(shape), requires_grad=True) for shape in [(4,), (2, 3)]]
    for parameter in parameters:
        parameter.grad = tensor(rng.normal(size=tuple(parameter.shape)))
    return parameters


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, np.inf])
@pytest.mark.parametrize("max_norm", [0.1, 100.0])
def test_clipping_by_norm_is_pytorchs(max_norm: float, norm_type: float) -> None:
    """The norm that it returns, and the gradients that it leaves."""
    ours, theirs = with_gradients(tg.Tensor), with_gradients(torch.tensor)

    norm = tg.nn.utils.clip_grad_norm_(ours, max_norm, norm_type)
    expected = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)

    assert_near(norm, expected.item(), OF_VALUES)
    assert_same([p.grad for p in ours], [p.grad for p in theirs], OF_VALUES)


def test_clipping_by_value_is_pytorchs() -> None:
    """The gradients that it leaves."""
    ours, theirs = with_gradients(tg.Tensor), with_gradients(torch.tensor)

    tg.nn.utils.clip_grad_value_(ours, 0.3)
    torch.nn.utils.clip_grad_value_(theirs, 0.3)

    assert_same([p.grad for p in ours], [p.grad for p in theirs], OF_VALUES)
