"""One row or more for each operation: how to draw its inputs, how to call it, and NumPy's answer.

`tests/test_ops.py` runs every row for value, gradient, second order, dtype, layout and aliasing. A
new operation is its definition and its rows here; without a row a test fails.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn import ops
from tinygrad_rnn.ops import linalg, loss, reduce, shape
from tinygrad_rnn.ops.loss import likelihood_gradient, negative_log_likelihood
from tinygrad_rnn.ops.shape import cast, scatter, truncate, unslice

MODULES = (ops.elementwise, linalg, loss, reduce, shape)
INTERNAL = {
    "cast",
    "gather",
    "getitem",
    "likelihood_gradient",
    "negative_log_likelihood",
    "scatter",
    "truncate",
    "unslice",
}


class Draw(NamedTuple):
    """An input still to be drawn: `kind(rng, shape)`."""

    kind: Callable[[np.random.Generator, tuple[int, ...]], Any]
    shape: tuple[int, ...] = ()


class Case(NamedTuple):
    """A call of an operation. `by`: positions of the inputs that have gradients."""

    function: str
    label: str
    call: Callable[..., Any]
    reference: Callable[..., Any]
    draws: tuple[Draw, ...]
    by: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.function}-{self.label}" if self.label else self.function

    def inputs(self, seed: int = 0) -> list[Any]:
        """The arrays to call it with."""
        rng = np.random.default_rng(seed)
        return [np.array(draw.kind(rng, draw.shape)) for draw in self.draws]

    def with_shapes(self, *shapes: tuple[int, ...]) -> Case:
        """The same call on inputs of other shapes."""
        drawn = zip(self.draws, shapes, strict=True)
        return self._replace(draws=tuple(draw._replace(shape=shape) for draw, shape in drawn))


# Kinds of inputs, each away from the points where its operations have no derivative


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal numbers."""
    return rng.normal(size=shape)


def positive(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers between 0.5 and 2."""
    return rng.uniform(0.5, 2, shape)


def nonzero(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers of either sign between 0.5 and 2 in size."""
    return positive(rng, shape) * rng.choice([-1.0, 1.0], shape)


def around(*centres: float) -> Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]:
    """A kind of numbers that differ from one of the centres by less than 0.05."""
    return lambda rng, shape: rng.choice(centres, shape) + rng.uniform(-0.05, 0.05, shape)


def distinct(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers that differ from one another by more than 0.1."""
    size = int(np.prod(shape))
    return rng.permutation(size).reshape(shape) / 4 - size / 8 + around(0)(rng, shape)


def flags(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """True or False."""
    return rng.random(shape) < 0.5


def shares(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers that add up to 1 along the last axis."""
    weights = positive(rng, shape)
    return weights / weights.sum(-1, keepdims=True)


def exactly(values: Any) -> Draw:
    """These values and no others."""
    array = np.array(values)
    return Draw(lambda rng, shape: array.copy(), array.shape)


def row(
    function: str,
    reference: Callable[..., Any],
    *draws: Draw,
    by: tuple[int, ...] | None = None,
    label: str = "",
    call: Callable[..., Any] | None = None,
    **settings: Any,
) -> Case:
    """A case; the settings go to the function and to the reference alike."""
    ours = call or getattr(ops, function)
    shapes = " ".join(str(draw.shape).replace(" ", "") for draw in draws)
    given = " ".join(f"{name}={value}" for name, value in settings.items())
    return Case(
        function,
        label or f"{shapes} {given}".strip(),
        lambda *inputs: ours(*inputs, **settings),
        lambda *inputs: reference(*inputs, **settings),
        draws,
        tuple(range(len(draws))) if by is None else by,
    )


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


def _softmax(x: Any, axis: Any = -1) -> Any:
    return np.exp(x) / np.sum(np.exp(x), axis=axis, keepdims=True)


def _log_softmax(x: Any, axis: Any = -1) -> Any:
    return np.log(_softmax(x, axis))


def _unbind(x: Any, axis: int = 0) -> list[Any]:
    return [np.take(x, k, axis) for k in range(x.shape[axis])]


def _likelihood(logits: Any, targets: Any, ignore_index: int = -100) -> Any:
    """-log p of the targets, example by example."""
    losses = np.zeros(targets.shape, logits.dtype)
    for index in np.ndindex(targets.shape):
        if targets[index] != ignore_index:
            losses[index] = -np.log(_softmax(logits[index])[targets[index]])
    return losses


def _likelihood_gradient(g: Any, logits: Any, targets: Any, ignore_index: int = -100) -> Any:
    """g times softmax minus one-hot, example by example."""
    errors = np.zeros_like(logits)
    for index in np.ndindex(targets.shape):
        if targets[index] != ignore_index:
            errors[index] = _softmax(logits[index]) - np.eye(logits.shape[-1])[targets[index]]
    return np.asarray(g)[..., None] * errors


def _reduced(losses: Any, reduction: str) -> Any:
    return {"none": lambda x: x, "mean": np.mean, "sum": np.sum}[reduction](losses)


def _cross_entropy(
    logits: Any, targets: Any, reduction: str = "mean", ignore_index: int = -100
) -> Any:
    if targets.dtype.kind == "f":
        return _reduced(-(targets * _log_softmax(logits)).sum(-1), reduction)
    losses = _likelihood(logits, targets, ignore_index)
    return _reduced(losses if reduction == "none" else losses[targets != ignore_index], reduction)


def _squared_error(prediction: Any, target: Any, reduction: str = "mean") -> Any:
    return _reduced((prediction - target) ** 2, reduction)


def _joined(join: Callable[..., Any], **settings: Any) -> Callable[..., Any]:
    """Of several arrays, where the function takes one sequence of them."""
    return lambda *xs: join(xs, **settings)


ELEMENTWISE = [
    row("abs", np.abs, Draw(nonzero, (2, 3))),
    row("exp", np.exp, Draw(normal, (2, 3))),
    row("log", np.log, Draw(positive, (2, 3))),
    row("negative", np.negative, Draw(normal, (2, 3))),
    row("positive", np.positive, Draw(normal, (2, 3))),
    row("relu", lambda x: np.where(x > 0, x, x * 0), Draw(nonzero, (2, 3))),
    row("sigmoid", _sigmoid, Draw(normal, (2, 3))),
    row("sign", np.sign, Draw(nonzero, (2, 3))),
    row("sqrt", np.sqrt, Draw(positive, (2, 3))),
    row("tanh", np.tanh, Draw(normal, (2, 3))),
    row("add", np.add, Draw(normal, (2, 3)), Draw(normal, (2, 3))),
    row("subtract", np.subtract, Draw(normal, (2, 3)), Draw(normal, (2, 3))),
    row("multiply", np.multiply, Draw(normal, (2, 3)), Draw(normal, (2, 3))),
    row("divide", np.divide, Draw(normal, (2, 3)), Draw(nonzero, (2, 3))),
    row("power", np.power, Draw(positive, (2, 3)), Draw(normal, (2, 3))),
    row("maximum", np.maximum, Draw(around(-1, 0, 1), (2, 3)), Draw(around(-0.5, 0.5), (2, 3))),
    row("minimum", np.minimum, Draw(around(-1, 0, 1), (2, 3)), Draw(around(-0.5, 0.5), (2, 3))),
    *(
        row(name, getattr(np, name), *[Draw(around(-1, 1), (2, 3))] * 2, by=())
        for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
    ),
    row("where", np.where, Draw(flags, (2, 3)), *[Draw(normal, (2, 3))] * 2, by=(1, 2)),
    row(
        "clip",
        np.clip,
        Draw(around(-2, -1, 0, 1, 2), (2, 3)),
        Draw(around(-1.5, -0.5), (2, 3)),
        Draw(around(0.5, 1.5), (2, 3)),
    ),
]

MORE_ELEMENTWISE = [
    row("equal", np.equal, *[exactly([1.0, 2.0, 2.0])] * 2, by=(), label="ties"),
    row("less_equal", np.less_equal, *[exactly([1.0, 2.0])] * 2, by=(), label="ties"),
    row("greater", np.greater, exactly([1, 2, 3]), exactly([3, 2, 1]), by=(), label="ints"),
    *(
        row(
            "clip",
            lambda x, low=low, high=high: np.clip(x, low, high),
            Draw(around(-2, 0, 2), (3, 2)),
            label=f"between {low} and {high}",
            call=lambda x, low=low, high=high: ops.clip(x, low, high),
        )
        for low, high in [(None, 1.0), (-1.0, None), (-1.0, 1.0), (-1, 1)]
    ),
    *(
        row(
            "power",
            lambda x, y=y: np.power(x, y),
            Draw(positive if y == 0.5 else nonzero, (3, 2)),
            label=f"to {y}",
            call=lambda x, y=y: ops.power(x, y),
        )
        for y in (2, 3.0, 0.5, -1.0, 1, 0)
    ),
    row("power", lambda y: np.power(2.0, y), Draw(normal, (3,)), label="of 2",
        call=lambda y: ops.power(2.0, y)),
    row("where", np.where, Draw(flags, (3, 1)), Draw(normal, (4,)), Draw(normal, ()), by=(1, 2)),
    row("where", lambda c, x: np.where(c, x, 0.0), Draw(flags, (3,)), Draw(normal, (3,)), by=(1,),
        label="else a number", call=lambda c, x: ops.where(c, x, 0.0)),
    row("subtract", lambda x: 1.0 - x, Draw(normal, (3,)), label="from a number",
        call=lambda x: 1.0 - x),
    row("divide", lambda x: 1.0 / x, Draw(nonzero, (3,)), label="of a number",
        call=lambda x: 1.0 / x),
]  # fmt: skip

AXES = [None, 0, 1, -1, (0, 2), (2, 0), (0, -1), (0, 1, 2), ()]
REDUCE = [
    *(
        row(name, reference, Draw(kind, (2, 3, 4)), axis=axis, keepdims=keepdims)
        for name, reference, kind in [
            ("sum", np.sum, normal),
            ("mean", np.mean, normal),
            ("max", np.max, distinct),
            ("logsumexp", _logsumexp, normal),
        ]
        for axis in AXES
        for keepdims in (False, True)
    ),
    *(
        row(name, reference, Draw(normal, ()))
        for name, reference in [
            ("sum", np.sum), ("mean", np.mean), ("max", np.max), ("logsumexp", _logsumexp),
        ]
    ),
    row("sum", np.sum, Draw(normal, (0,))),
    row("sum", np.sum, Draw(normal, (2, 0)), axis=1),
    row("sum", np.sum, Draw(normal, (2, 0)), axis=0),
    row("mean", np.mean, Draw(normal, (2, 0)), axis=0),
    row("max", np.max, Draw(normal, (2, 0)), axis=0),
    row("max", np.max, Draw(distinct, (5,))),
    row("sum", np.sum, Draw(flags, (2, 3)), by=(), axis=0, label="of bools"),
]  # fmt: skip

PRODUCTS = [
    ((3,), (3,)),
    ((0,), (0,)),
    ((3,), (3, 2)),
    ((2, 3), (3,)),
    ((2, 3), (3, 4)),
    ((1, 3), (3, 4)),
    ((2, 3), (3, 1)),
    ((4, 1), (1, 5)),  # rules give a Term: the result is larger than the operands
    ((5, 2), (2, 3)),
    ((2, 0), (0, 3)),
    ((0, 3), (3, 2)),
    ((3,), (5, 3, 2)),
    ((5, 2, 3), (3,)),
    ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)),
    ((5, 2, 3), (5, 3, 4)),
    ((5, 2, 3), (1, 3, 4)),
    ((1, 2, 3), (5, 3, 4)),
    ((2, 1, 2, 3), (4, 3, 2)),
    ((4, 2, 3), (2, 1, 3, 2)),
    ((2, 2, 2, 3), (3, 2)),
    ((2, 2, 2, 3), (3,)),
    ((3,), (2, 2, 3, 2)),
    ((0, 2, 3), (3, 4)),
    ((5, 2, 0), (0, 3)),
    ((5, 2, 0), (5, 0, 3)),
]
LINALG = [
    *(row("matmul", np.matmul, Draw(normal, a), Draw(normal, b)) for a, b in PRODUCTS),
    *(
        row("addmm", lambda c, a, b: c + a @ b, *(Draw(normal, shape) for shape in shapes))
        for shapes in [
            ((2, 4), (2, 3), (3, 4)),
            ((4,), (2, 3), (3, 4)),
            ((), (2, 3), (3, 4)),
            ((1, 4), (5, 2, 3), (3, 4)),
            ((5, 2, 4), (5, 2, 3), (3, 4)),
            ((5, 1, 1), (5, 2, 3), (5, 3, 4)),
            ((), (3,), (3,)),
            ((2,), (2, 3), (3,)),
        ]
    ),
    *(
        row("dot", np.dot, Draw(normal, a), Draw(normal, b))
        for a, b in [
            ((3,), (3,)),
            ((2, 3), (3,)),
            ((2, 3), (3, 4)),
            ((5, 2, 3), (3, 4)),
            ((), (2, 3)),
            ((2, 3), ()),
            ((2, 3), (4, 3, 5)),
            ((3,), (4, 3, 5)),
            ((6, 2, 3), (7, 4, 3, 5)),
        ]
    ),
    row("outer", np.outer, Draw(normal, (3,)), Draw(normal, (2,))),
    row("outer", np.outer, Draw(normal, (2, 2)), Draw(normal, (3,))),
    row("outer", np.outer, Draw(normal, ()), Draw(normal, (3,))),
]

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
        row("concatenate", _joined(np.concatenate, axis=axis), *(Draw(normal, s) for s in shapes),
            call=_joined(ops.concatenate, axis=axis), label=f"{shapes} {axis=}")
        for axis, shapes in [
            (0, [(2,), (3,), (1,)]), (0, [(2, 3), (1, 3)]), (1, [(2, 3), (2, 1), (2, 2)]),
            (-1, [(2, 3), (2, 1)]), (-2, [(1, 2), (3, 2)]), (None, [(2, 3), (2,), ()]),
            (0, [(2, 3)]), (0, [(0,), (2,)]), (0, [(2, 0), (1, 0)]), (2, [(1, 2, 1), (1, 2, 3)]),
        ]
    ),
    *(
        row("stack", _joined(np.stack, axis=axis), *[Draw(normal, s)] * count,
            call=_joined(ops.stack, axis=axis), label=f"{count} of {s} {axis=}")
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
    row(name, lambda x, i=index: x[i], Draw(normal, (3, 4, 2)), call=lambda x, i=index: x[i],
        label=" ".join(repr(index).split()))
    for name, indices in [("getitem", BASIC), ("gather", ADVANCED)]
    for index in indices
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

TARGETS = [
    ((2, 3, 5), [[0, 4, 2], [1, 1, 3]]), ((4, 2), [1, -100, 0, 1]), ((3,), 2),
    ((0, 3), np.zeros(0, int)),
]  # fmt: skip
LOSS = [
    *(
        row(name, reference, Draw(normal, (2, 3, 4)), axis=axis)
        for name, reference in [("softmax", _softmax), ("log_softmax", _log_softmax)]
        for axis in (-1, 0, 1, (0, 2), None)
    ),
    row("softmax", _softmax, Draw(normal, (1,))),
    *(
        row(function.name, reference, Draw(normal, shape), exactly(targets), by=(0,),
            call=function, ignore_index=-100)
        for function, reference in [(negative_log_likelihood, _likelihood)]
        for shape, targets in TARGETS
    ),
    *(
        row("likelihood_gradient", _likelihood_gradient, Draw(normal, shape[:-1]),
            Draw(normal, shape), exactly(targets), by=(0, 1), call=likelihood_gradient,
            ignore_index=-100)
        for shape, targets in TARGETS
    ),
    *(
        row("cross_entropy", _cross_entropy, Draw(normal, (4, 3)), exactly([0, 2, 1, 1]), by=(0,),
            reduction=reduction)
        for reduction in ("mean", "sum", "none")
    ),
    *(
        row("cross_entropy", _cross_entropy, Draw(normal, (2, 2, 3)), exactly([[0, 9], [2, 9]]),
            by=(0,), reduction=reduction, ignore_index=9)
        for reduction in ("mean", "sum", "none")
    ),
    row("cross_entropy", _cross_entropy, Draw(normal, (3, 2)), exactly([0, -100, 1]), by=(0,),
        label="ignores -100"),
    row("cross_entropy", _cross_entropy, Draw(normal, (4,)), exactly(2), by=(0,)),
    row("cross_entropy", _cross_entropy, Draw(normal, (2, 3)),
        exactly(np.array([1, 0], np.int8)), by=(0,), label="int8 targets"),
    row("cross_entropy", lambda x: _cross_entropy(x, np.array([1, 0])), Draw(normal, (2, 3)),
        label="targets in a list", call=lambda x: ops.cross_entropy(x, [1, 0])),
    *(
        row("cross_entropy", _cross_entropy, Draw(normal, (2, 3, 4)), Draw(shares, (2, 3, 4)),
            reduction=reduction, label=f"probabilities {reduction}")
        for reduction in ("mean", "sum", "none")
    ),
    *(
        row("mse_loss", _squared_error, Draw(normal, (2, 3)), Draw(normal, (2, 3)),
            reduction=reduction)
        for reduction in ("mean", "sum", "none")
    ),
    row("mse_loss", _squared_error, Draw(normal, ()), Draw(normal, ())),
]  # fmt: skip

CASES = [
    *ELEMENTWISE,
    *MORE_ELEMENTWISE,
    *REDUCE,
    *LINALG,
    *SHAPE,
    *INDEXING,
    *TRANSPOSED,
    *LOSS,
]
