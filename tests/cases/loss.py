"""Rows of ops/loss.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn import ops
from tinygrad_rnn.ops.loss import (
    likelihood_gradient,
    negative_log_likelihood,
)

from .rows import Draw, exactly, fraction, normal, row, shares


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


def _binary_cross_entropy(logits: Any, targets: Any, reduction: str = "mean") -> Any:
    p = 1 / (1 + np.exp(-logits))
    return _reduced(
        -(targets * np.log(p)) - np.subtract(1, targets, dtype=p.dtype) * np.log(1 - p), reduction
    )


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
    *(
        row("binary_cross_entropy_with_logits", _binary_cross_entropy, Draw(normal, (2, 3)),
            Draw(fraction, (2, 3)), reduction=reduction)
        for reduction in ("mean", "sum", "none")
    ),
    row("binary_cross_entropy_with_logits", _binary_cross_entropy, Draw(normal, (3,)),
        exactly([True, False, True]), by=(0,), label="bool targets"),
]  # fmt: skip
