"""Rows of ops/likelihood.py and ops/loss.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn import ops
from tinygrad_rnn.ops.likelihood import likelihood_gradient, negative_log_likelihood
from tinygrad_rnn.ops.rows import less_one, picked, places, unpicked, zeroed

from .rows import (
    Draw,
    above_one,
    around,
    distinct,
    exactly,
    fraction,
    normal,
    positive,
    row,
    shares,
)


def _softmax(x: Any, axis: Any = -1) -> Any:
    return np.exp(x) / np.sum(np.exp(x), axis=axis, keepdims=True)


def _log_softmax(x: Any, axis: Any = -1) -> Any:
    return np.log(_softmax(x, axis))


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


def _one_hot(where: Any, shape: Any) -> Any:
    """1 at the places of an array of this shape, flattened."""
    found = np.zeros(shape)
    for place in np.ravel(where):
        found.flat[place] = 1
    return found


def _rows_kept(x: Any, rows: Any) -> Any:
    """x times 0 in the rows, times 1 elsewhere."""
    kept = np.asarray(~rows, x.dtype)
    return x * kept.reshape(kept.shape + (1,) * (x.ndim - kept.ndim))


def _reduced(losses: Any, reduction: str) -> Any:
    return {"none": lambda x: x, "mean": np.mean, "sum": np.sum}[reduction](losses)


def _cross_entropy(
    logits: Any,
    targets: Any,
    weight: Any = None,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
    ignore_index: int = -100,
) -> Any:
    """By the definition: -Σ share weight log p, over the weights of the targets that count."""
    V = logits.shape[-1]
    w = np.ones(V, logits.dtype) if weight is None else weight
    counts = np.ones(logits.shape[:-1], logits.dtype)
    shares = targets
    if targets.dtype.kind != "f":
        counts = np.where(
            targets == ignore_index, 0, w[np.where(targets == ignore_index, 0, targets)]
        )
        shares = (np.arange(V) == targets[..., None]).astype(logits.dtype)
    shares = shares * (1 - label_smoothing) + label_smoothing / V
    losses = np.asarray(-(shares * w * _log_softmax(logits)).sum(-1))
    if targets.dtype.kind == "f":
        return _reduced(losses, reduction)
    losses = np.where(targets == ignore_index, 0, losses)
    return losses.sum() / counts.sum() if reduction == "mean" else _reduced(losses, reduction)


def _squared_error(prediction: Any, target: Any, reduction: str = "mean") -> Any:
    return _reduced((prediction - target) ** 2, reduction)


def _absolute_error(prediction: Any, target: Any, reduction: str = "mean") -> Any:
    return _reduced(abs(prediction - target), reduction)


def _huber(prediction: Any, target: Any, delta: float = 1.0, reduction: str = "mean") -> Any:
    size = abs(prediction - target)
    losses = np.where(size <= delta, size * size / 2, delta * (size - delta / 2))
    return _reduced(losses[()], reduction)


def _binary_cross_entropy(
    logits: Any,
    targets: Any,
    weight: Any = 1,
    pos_weight: Any = 1,
    reduction: str = "mean",
) -> Any:
    p = 1 / (1 + np.exp(-logits))
    t = np.asarray(targets, p.dtype)
    losses = -(pos_weight * t * np.log(p)) - (1 - t) * np.log(1 - p)
    return _reduced(weight * losses, reduction)


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
    row("places", lambda t, size: np.arange(t.size).reshape(t.shape) * size + t * (t > 0),
        exactly([[2, 0], [-100, 1]]), by=(), call=places, size=3),
    *(
        row("picked", lambda x, where: np.reshape([x.flat[k] for k in where.flat], where.shape),
            Draw(normal, shape), exactly(where), by=(0,), call=picked)
        for shape, where in [((2, 3), [1, 5]), ((2, 1, 2), [[0], [3]])]
    ),
    row("unpicked", lambda x, where, size: (
            _one_hot(where, (*x.shape, size)).astype(x.dtype) * x[..., None]),
        Draw(normal, (2, 2)), exactly([[0, 5], [7, 9]]), by=(0,), call=unpicked, size=3),
    row("less_one", lambda x, where: x - _one_hot(where, x.shape).astype(x.dtype),
        Draw(normal, (2, 2, 3)), exactly([[0, 5], [7, 9]]), by=(0,), call=less_one),
    *(
        row("zeroed", _rows_kept, Draw(normal, shape), exactly([True, False, True]), by=(0,),
            call=zeroed)
        for shape in [(3,), (3, 2)]
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
        row("cross_entropy", lambda x, w, t=targets, **given: _cross_entropy(x, t, w, **given),
            Draw(normal, shape), Draw(positive, shape[-1:]), label=f"{shape} weighted {given}",
            call=lambda x, w, t=targets, **given: ops.cross_entropy(x, t, weight=w, **given),
            **given)
        for shape, targets in [((4, 3), np.array([0, 2, -100, 1])), ((3,), np.array(2))]
        for given in [{}, {"reduction": "none"}, {"reduction": "sum", "label_smoothing": 0.3},
                      {"label_smoothing": 0.2}, {"label_smoothing": 1.0}]
    ),
    *(
        row("cross_entropy", _cross_entropy, Draw(normal, (2, 2, 3)), exactly([[0, 9], [2, 9]]),
            by=(0,), reduction=reduction, ignore_index=9, label_smoothing=0.1)
        for reduction in ("mean", "sum", "none")
    ),
    row("cross_entropy",
        lambda x, w: _cross_entropy(x, np.eye(2, dtype=int), w, ignore_index=1),
        Draw(normal, (2, 2, 3)), Draw(positive, (3,)), label="weighted, ignores 1",
        call=lambda x, w: ops.cross_entropy(x, np.eye(2, dtype=int), weight=w, ignore_index=1)),
    row("cross_entropy", _cross_entropy, Draw(normal, (2, 3)), exactly(np.array([1, 0], np.int8)),
        by=(0,), label="int8 targets smoothed", label_smoothing=0.1),
    *(
        row("cross_entropy", lambda x, t, w, **given: _cross_entropy(x, t, w, **given),
            Draw(normal, (2, 2, 3)), Draw(shares, (2, 2, 3)), Draw(positive, (3,)),
            label=f"probabilities weighted {given}",
            call=lambda x, t, w, **given: ops.cross_entropy(x, t, weight=w, **given), **given)
        for given in [{}, {"reduction": "none", "label_smoothing": 0.3}, {"reduction": "sum"}]
    ),
    *(
        row(name, reference, Draw(distinct, (2, 3)), Draw(around(0), (2, 3)), reduction=reduction)
        for name, reference in [("l1_loss", _absolute_error), ("huber_loss", _huber)]
        for reduction in ("mean", "sum", "none")
    ),
    row("huber_loss", _huber, Draw(normal, (2, 3)), Draw(normal, (2, 3)), delta=0.3),
    row("huber_loss", _huber, Draw(above_one), Draw(around(0)), delta=1.2),
    row("l1_loss", _absolute_error, Draw(above_one), Draw(around(0))),
    *(
        row("mse_loss", _squared_error, Draw(normal, (2, 3)), Draw(normal, (2, 3)),
            reduction=reduction)
        for reduction in ("mean", "sum", "none")
    ),
    row("mse_loss", _squared_error, Draw(normal, ()), Draw(normal, ())),
    *(
        row("binary_cross_entropy_with_logits", _binary_cross_entropy, Draw(normal, (2, 3)),
            Draw(fraction, (2, 3)), reduction=reduction)
        for reduction in ("mean", "sum", "none")
    ),
    row("binary_cross_entropy_with_logits", _binary_cross_entropy, Draw(normal, (3,)),
        exactly([True, False, True]), by=(0,), label="bool targets"),
    *(
        row("binary_cross_entropy_with_logits",
            lambda x, t, w, p, **given: _binary_cross_entropy(x, t, w, p, **given),
            Draw(normal, (2, 3)), Draw(fraction, (2, 3)), Draw(positive, w), Draw(positive, p),
            label=f"weights {w} {p} {given}", **given,
            call=lambda x, t, w, p, **given: ops.binary_cross_entropy_with_logits(
                x, t, weight=w, pos_weight=p, **given))
        for w, p, given in [((3,), (2, 1), {}), ((2, 3), (), {"reduction": "none"}),
                            ((1, 3), (3,), {"reduction": "sum"})]
    ),
    row("binary_cross_entropy_with_logits",
        lambda x, p: _binary_cross_entropy(x, np.array([True, False, True]), pos_weight=p),
        Draw(normal, (3,)), Draw(positive, (3,)), label="bool targets weighted",
        call=lambda x, p: ops.binary_cross_entropy_with_logits(
            x, [True, False, True], pos_weight=p)),
]  # fmt: skip
