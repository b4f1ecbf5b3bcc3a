# Rules name ops that are declared further down, which mypy cannot follow:
# mypy: disable-error-code="has-type"
"""The softmax family and the losses that sequences are trained with. Classes lie on one axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..op import composed, op
from .elementary import sigmoid
from .elementwise import not_equal, where
from .reduce import Axis, kept, mean, sum
from .shape import astype

__all__ = [
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "log_softmax",
    "logsumexp",
    "mse_loss",
    "softmax",
]


@op(x=lambda g, z, x, axis, keepdims: kept(g, x, axis) * softmax(x, axis=axis))
def logsumexp(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))) along the axes, without overflow; -inf where every entry is.

    >>> logsumexp(np.array([1000.0, 1000.0]))
    np.float64(1000.6931471805599)
    """
    top = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore", over="ignore"):
        result = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return result if keepdims else np.squeeze(result, axis=axis)[()]


@op(x=lambda g, z, x, axis: _through_softmax(g, z, axis))
def softmax(x: Any, *, axis: Axis = -1) -> Any:
    """exp(x) over its sum along the axis, without overflow: probabilities that add up to 1.

    An entry of -inf gets 0; where all are -inf, or one is inf, the result is NaN.

    >>> softmax(np.array([1000.0, 1000.0, -np.inf]))
    array([0.5, 0.5, 0. ])
    """
    x = np.asarray(x)
    if not x.size:
        return x.copy()
    with np.errstate(invalid="ignore"):
        powers = np.exp(x - x.max(axis=axis, keepdims=True))
        powers /= powers.sum(axis=axis, keepdims=True)
        return powers


def _through_softmax(g: Any, p: Any, axis: Axis) -> Any:
    """The gradient by x of p = softmax(x): p ⊙ (g - Σ g p)."""
    return p * (g - sum(g * p, axis=axis, keepdims=True))


@op(x=lambda g, z, x, axis: g - softmax(x, axis=axis) * sum(g, axis=axis, keepdims=True))
def log_softmax(x: Any, *, axis: Axis = -1) -> Any:
    """log(softmax(x)), without overflow.

    >>> log_softmax(np.array([1000.0, 0.0]))
    array([    0., -1000.])
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        x = x - np.max(x, axis=axis, keepdims=True, initial=-np.inf)
        return x - np.log(np.sum(np.exp(x), axis=axis, keepdims=True))


@op(
    logits=lambda g, z, logits, targets, ignore_index: likelihood_gradient(
        g, logits, targets, ignore_index=ignore_index
    )
)
def negative_log_likelihood(logits: Any, targets: Any, *, ignore_index: int) -> Any:
    """-log(softmax(logits)[target]) for each example, 0 where the target is ignore_index.

    logits: (..., V) float. targets: (...) int, in [0, V) or ignore_index. Result: (...).
    Exact for any logits. Equation: dL/dlogits = softmax(logits) - one-hot(target).

    >>> negative_log_likelihood(np.array([[1000.0, 0.0]]), np.array([1]), ignore_index=-100)
    array([1000.])
    """
    x, classes, ignored = _examples(logits, targets, ignore_index)
    with np.errstate(invalid="ignore"):
        x = x - np.maximum.reduce(x, axis=1, keepdims=True)
        losses = np.log(np.add.reduce(np.exp(x), axis=1)) - x[np.arange(len(x)), classes]
    losses[ignored] = 0
    return losses.reshape(targets.shape)


def _examples(logits: Any, targets: Any, ignore_index: int) -> tuple[Any, Any, Any]:
    """One example a row, its target, and whether it is ignored (then its target is 0)."""
    targets = targets.ravel()
    ignored = targets == ignore_index
    if ignore_index < 0:
        return logits.reshape(-1, logits.shape[-1]), np.maximum(targets, 0), ignored
    return logits.reshape(-1, logits.shape[-1]), np.where(ignored, 0, targets), ignored


def _counted(g: Any, targets: Any, ignore_index: int) -> Any:
    """g where the target counts, else 0."""
    return where(not_equal(targets, ignore_index), g, 0)


@op(
    scale=lambda g, z, scale, logits, targets, ignore_index: sum(
        g * _unscaled(scale, logits, targets, ignore_index), axis=-1
    ),
    logits=lambda g, z, scale, logits, targets, ignore_index: (
        kept(_counted(scale, targets, ignore_index), logits, -1)
        * _through_softmax(g, softmax(logits), -1)
    ),
)
def likelihood_gradient(scale: Any, logits: Any, targets: Any, *, ignore_index: int) -> Any:
    """scale (softmax(logits) - one-hot(target)) for each example, 0 where it is ignored.

    scale: (...) float. logits: (..., V) float. targets: (...) int, in [0, V) or ignore_index.

    >>> likelihood_gradient(np.ones(1), np.array([[0.0, 0.0]]), np.array([1]), ignore_index=-100)
    array([[ 0.5, -0.5]])
    """
    x, classes, ignored = _examples(logits, targets, ignore_index)
    error = softmax.forward(x, axis=1)
    error[np.arange(len(x)), classes] -= 1
    error *= scale.reshape(-1, 1)
    error[ignored] = 0
    return error.reshape(logits.shape)


def _unscaled(scale: Any, logits: Any, targets: Any, ignore_index: int) -> Any:
    """The same for a scale of 1."""
    ones = astype(not_equal(targets, ignore_index), scale.dtype)
    return likelihood_gradient(ones, logits, targets, ignore_index=ignore_index)


@composed(2)
def cross_entropy(
    logits: Any, targets: Any, *, reduction: str = "mean", ignore_index: int = -100
) -> Any:
    """Cross-entropy of softmax(logits) against the targets.

    logits: (..., V) float. targets: (...) int, in [0, V) or ignore_index; or probabilities
    (..., V) float. reduction: "mean" (over the targets that are not ignored), "sum" or "none".
    Result: (), or (...) for "none", where ignored targets give 0.
    Raises: IndexError for a target out of range, ValueError for shapes, TypeError for dtypes.

    >>> cross_entropy(np.array([[0.0, 0.0], [1000.0, 0.0]]), np.array([0, 1]), reduction="none")
    array([6.93147181e-01, 1.00000000e+03])
    """
    if targets.dtype.kind == "f" and targets.shape == logits.shape:
        return reduce_loss("cross_entropy", -sum(targets * log_softmax(logits), axis=-1), reduction)
    _check_targets(logits, targets, ignore_index)
    losses = negative_log_likelihood(logits, targets, ignore_index=ignore_index)
    if reduction == "mean":
        counted = astype(not_equal(targets, ignore_index), dtype=losses.dtype)
        return sum(losses) / sum(counted)
    return reduce_loss("cross_entropy", losses, reduction)


def _check_targets(logits: Any, targets: Any, ignore_index: int) -> None:
    if targets.dtype.kind not in "iu":
        raise TypeError(
            f"cross_entropy: targets have shape {targets.shape} and dtype {targets.dtype}; they "
            f"must be integers of shape {logits.shape[:-1]}, or probabilities of {logits.shape}"
        )
    if targets.shape != logits.shape[:-1]:
        raise ValueError(
            f"cross_entropy: targets have shape {targets.shape}, but logits {logits.shape}: "
            f"integer targets must have shape {logits.shape[:-1]}"
        )
    ids = getattr(targets, "_array", targets)
    if not ids.size or (ids.min() >= 0 and ids.max() < logits.shape[-1]):
        return
    wrong = ((ids < 0) | (ids >= logits.shape[-1])) & (ids != ignore_index)
    if wrong.any():
        raise IndexError(
            f"cross_entropy: target {ids[wrong].flat[0]} is out of range: logits have "
            f"{logits.shape[-1]} classes, so targets must be in [0, {logits.shape[-1]})"
        )


@composed(2)
def binary_cross_entropy_with_logits(logits: Any, targets: Any, *, reduction: str = "mean") -> Any:
    """Cross-entropy of sigmoid(logits) against the targets, entry by entry.

    logits: float. targets: probabilities or bools of the same shape. reduction: "mean", "sum" or
    "none". Exact for any logits: -t log σ(x) - (1 - t) log(1 - σ(x)).
    Raises: ValueError where the shapes differ.

    >>> binary_cross_entropy_with_logits(np.array([1000.0, 1000.0]), np.array([1.0, 0.0]))
    np.float64(500.0)
    """
    _check_one_shape("binary_cross_entropy_with_logits", "logits", logits, "targets", targets)
    losses = bernoulli_likelihood(logits, targets)
    return reduce_loss("binary_cross_entropy_with_logits", losses, reduction)


@op(
    elementwise=True,
    logits=lambda g, z, logits, targets: g * (sigmoid(logits) - targets),
    targets=lambda g, z, logits, targets: -(g * logits),
)
def bernoulli_likelihood(logits: Any, targets: Any) -> Any:
    """-t log σ(x) - (1 - t) log(1 - σ(x)) = log(1 + exp(x)) - t x, entry by entry.

    >>> bernoulli_likelihood(np.array([-np.inf, np.inf]), np.array([0.0, 0.0]))
    array([ 0., inf])
    """
    targets = np.asarray(targets, np.result_type(logits))
    certain = np.where(targets > 0, -logits, logits)  # exact where t is 0 or 1
    with np.errstate(invalid="ignore"):
        between = np.logaddexp(logits, 0) - targets * logits
        return np.where(targets * (1 - targets) == 0, np.logaddexp(certain, 0), between)[()]


@composed(2)
def mse_loss(prediction: Any, target: Any, *, reduction: str = "mean") -> Any:
    """Squared error. prediction, target: one shape. reduction: "mean", "sum" or "none".

    Raises: ValueError where the shapes differ.

    >>> mse_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    np.float64(2.0)
    """
    _check_one_shape("mse_loss", "prediction", prediction, "target", target)
    error = prediction - target
    return reduce_loss("mse_loss", error * error, reduction)


def _check_one_shape(name: str, first: str, x: Any, second: str, y: Any) -> None:
    if x.shape != y.shape:
        raise ValueError(
            f"{name}: {first} has shape {x.shape}, {second} {y.shape}: they must be equal; "
            "reshape one of them"
        )


def reduce_loss(name: str, losses: Any, reduction: str) -> Any:
    """The mean or the sum of the losses, or the losses themselves.

    Raises: ValueError for another reduction; `name` is the loss's.

    >>> reduce_loss("mse_loss", np.array([1.0, 3.0]), "sum")
    np.float64(4.0)
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{name}: reduction is {reduction!r}; it must be 'mean', 'sum' or 'none'")
    if reduction == "none":
        return losses
    return mean(losses) if reduction == "mean" else sum(losses)
