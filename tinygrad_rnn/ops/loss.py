"""The losses that sequences are trained with, composed of operations."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from .elementwise import abs, clip, equal, not_equal, where
from .likelihood import (
    bernoulli_likelihood,
    log_softmax,
    negative_log_likelihood,
    weighted_likelihood,
)
from .op import array, composed
from .parts import gather
from .reduce import mean, sum
from .shape import astype, checked, wide

__all__ = [
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "huber_loss",
    "l1_loss",
    "mse_loss",
]


@composed(2)
def cross_entropy(
    logits: Any,
    targets: Any,
    *,
    weight: Any = None,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
    ignore_index: int = -100,
) -> Any:
    """Cross-entropy of softmax(logits) against the targets.

    logits: (..., V) float. targets: (...) int, in [0, V) or ignore_index; or probabilities
    (..., V) float. weight: (V,) float, for each class what its part of the loss is multiplied by.
    label_smoothing: the share, 0 to 1, of each target that goes to all V classes equally.
    reduction: "mean" (over the targets that are not ignored, each counted by its class's weight;
    over all probabilities), "sum" or "none".
    Result: (), or (...) for "none", where ignored targets give 0.
    Raises: IndexError for a target out of range, ValueError for shapes, TypeError for dtypes.

    >>> cross_entropy(np.array([[0.0, 0.0], [1000.0, 0.0]]), np.array([0, 1]), reduction="none")
    array([6.93147181e-01, 1.00000000e+03])
    """
    if weight is not None:
        weight = _class_weights(weight, logits)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing is {label_smoothing}; it must be 0 to 1")
    if targets.dtype.kind == "f" and targets.shape == logits.shape:
        losses = _against_shares(logits, _smoothed(targets, label_smoothing), weight)
        return reduce_loss("cross_entropy", losses, reduction)
    _check_targets(logits, targets)
    targets = checked(targets, partial(_check_range, logits.shape[-1], ignore_index))
    if label_smoothing:
        losses = _against_smoothed(logits, targets, weight, label_smoothing, ignore_index)
    else:
        losses = negative_log_likelihood(logits, targets, ignore_index=ignore_index)
    if weight is not None or reduction == "mean":
        counts = _counts(targets, weight, ignore_index)
        losses = losses if weight is None or label_smoothing else losses * counts
        if reduction == "mean":
            total = sum(wide(_in_dtype_of(losses, counts)))
            return _in_dtype_of(losses, sum(wide(losses)) / total)
    return reduce_loss("cross_entropy", losses, reduction)


def _class_weights(weight: Any, logits: Any) -> Any:
    """One for each class, in the logits' dtype."""
    weight = array(weight)
    if weight.shape != logits.shape[-1:]:
        raise ValueError(
            f"cross_entropy: weight has shape {weight.shape}, but logits {logits.shape}: one for "
            f"each class makes it {logits.shape[-1:]}"
        )
    return _in_dtype_of(logits, weight)


def _in_dtype_of(y: Any, x: Any) -> Any:
    """x in y's dtype, where that is a float."""
    return x if x.dtype == y.dtype or y.dtype.kind != "f" else astype(x, y.dtype)


def _smoothed(shares: Any, label_smoothing: float) -> Any:
    """The shares of the classes with a part of each spread over all of them."""
    if not label_smoothing:
        return shares
    return shares * (1 - label_smoothing) + label_smoothing / shares.shape[-1]


def _against_shares(logits: Any, shares: Any, weight: Any) -> Any:
    """-Σ share weight log p over the classes."""
    shares = shares if weight is None else shares * weight
    return -sum(shares * log_softmax(logits), axis=-1)


def _against_smoothed(
    logits: Any, targets: Any, weight: Any, label_smoothing: float, ignore_index: int
) -> Any:
    """The same for classes, smoothed; 0 where one is ignored."""
    counted = not_equal(targets, ignore_index)[..., None]
    one_hot = equal(targets[..., None], np.arange(logits.shape[-1]))
    shares = _smoothed(_in_dtype_of(logits, one_hot), label_smoothing)
    shares, logits = where(counted, shares, 0), where(counted, logits, 0)
    return _against_shares(logits, shares, weight)


def _counts(targets: Any, weight: Any, ignore_index: int) -> Any:
    """How often each example counts: once or its class's weight, never where it is ignored."""
    counted = not_equal(targets, ignore_index)
    if weight is None:
        return counted
    return where(counted, gather(weight, where(counted, targets, 0)), 0)


def _check_targets(logits: Any, targets: Any) -> None:
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


def _check_range(V: int, ignore_index: int, ids: Any) -> None:
    if not ids.size or _all_below(ids, V):
        return
    wrong = ((ids < 0) | (ids >= V)) & (ids != ignore_index)
    if wrong.any():
        raise IndexError(
            f"cross_entropy: target {ids[wrong].flat[0]} is out of range: logits have {V} classes, "
            f"so targets must be in [0, {V})"
        )


def _all_below(ids: Any, V: int) -> bool:
    """Whether all ids are in [0, V), without a further array; unsigned, negative ones are large."""
    bits = 8 * ids.dtype.itemsize
    if 2 ** (bits - 1) < V:
        return bool(ids.min() >= 0 and ids.max() < V)
    return bool(ids.view(f"u{bits // 8}").max() < V)


@composed(2)
def binary_cross_entropy_with_logits(
    logits: Any,
    targets: Any,
    *,
    weight: Any = None,
    pos_weight: Any = None,
    reduction: str = "mean",
) -> Any:
    """Cross-entropy of sigmoid(logits) against the targets, entry by entry.

    logits: float. targets: probabilities or bools of the same shape. weight: what each loss is
    multiplied by. pos_weight: what its part of the positive targets is multiplied by. Both float,
    of shapes that broadcast to that of the logits. reduction: "mean" (over all entries), "sum" or
    "none". Exact for any logits: weight (-pos_weight t log σ(x) - (1 - t) log(1 - σ(x))).
    Raises: ValueError where the shapes do not fit.

    >>> binary_cross_entropy_with_logits(np.array([1000.0, 1000.0]), np.array([1.0, 0.0]))
    np.float64(500.0)
    """
    name = "binary_cross_entropy_with_logits"
    _check_one_shape(name, "logits", logits, "targets", targets)
    if pos_weight is None:
        losses = bernoulli_likelihood(logits, targets)
    else:
        targets = _in_dtype_of(logits, targets)
        positive = _weights(name, "pos_weight", pos_weight, logits) * targets
        losses = weighted_likelihood(logits, positive, 1 - targets)
    if weight is not None:
        losses = losses * _weights(name, "weight", weight, logits)
    return reduce_loss(name, losses, reduction)


def _weights(name: str, which: str, weight: Any, logits: Any) -> Any:
    """Weights that broadcast to the logits, in their dtype."""
    weight = array(weight)
    sizes = zip(weight.shape[::-1], logits.shape[::-1], strict=False)
    if weight.ndim > logits.ndim or any(n not in (1, size) for n, size in sizes):
        raise ValueError(
            f"{name}: {which} has shape {weight.shape}, which does not broadcast to that of the "
            f"logits, {logits.shape}"
        )
    return _in_dtype_of(logits, weight)


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


@composed(2)
def l1_loss(prediction: Any, target: Any, *, reduction: str = "mean") -> Any:
    """Absolute error, whose derivative at 0 is 0. Arguments, Raises: see `mse_loss`.

    >>> l1_loss(np.array([1.0, 2.0]), np.array([1.0, 5.0]))
    np.float64(1.5)
    """
    _check_one_shape("l1_loss", "prediction", prediction, "target", target)
    return reduce_loss("l1_loss", abs(prediction - target), reduction)


@composed(2)
def huber_loss(prediction: Any, target: Any, *, delta: float = 1.0, reduction: str = "mean") -> Any:
    """Half the squared error up to an absolute error of delta, a straight line from there on.

    e²/2, or delta (|e| - delta/2). delta: above 0. Other arguments, Raises: see `mse_loss`.
    Source: Huber (1964), Robust estimation of a location parameter.

    >>> huber_loss(np.array([1.0, 2.0]), np.array([1.0, 5.0]), reduction="none")
    array([0. , 2.5])
    """
    _check_one_shape("huber_loss", "prediction", prediction, "target", target)
    if not delta > 0:
        raise ValueError(f"huber_loss: delta is {delta}; it must be above 0")
    error = prediction - target
    bounded = clip(error, -delta, delta)
    return reduce_loss("huber_loss", bounded * (error - bounded / 2), reduction)


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
