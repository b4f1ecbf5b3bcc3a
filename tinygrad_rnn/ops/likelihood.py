# Rules name ops that are declared further down, which mypy cannot follow:
# mypy: disable-error-code="has-type"
"""The softmax family, and the likelihoods under it that losses are composed of."""

from __future__ import annotations

from typing import Any

import numpy as np

from .elementary import exp, log, sigmoid, softplus
from .elementwise import equal, not_equal, where
from .op import op
from .reduce import Axis, max, restore_axes, sum
from .rows import less_one, picked, places, zeroed
from .shape import HALF, astype, reshape, wide

__all__ = ["log_softmax", "logsumexp", "softmax"]


@op(x=lambda g, z, x, axis, keepdims: restore_axes(g, x, axis) * softmax(wide(x), axis=axis))
def logsumexp(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))) along the axes, without overflow; -inf where every entry is.

    axis, keepdims: as in `sum`.

    >>> logsumexp(np.array([1000.0, 1000.0]))
    np.float64(1000.6931471805599)
    """
    x, dtype = _floats(x)
    top = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore", over="ignore"):
        result = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    result = result.astype(dtype, copy=False)
    return result if keepdims else np.squeeze(result, axis=axis)[()]


def _floats(x: Any) -> tuple[Any, Any]:
    """x as floats that know -inf and large sums, and the result's dtype."""
    x = np.asarray(x)
    x = x.astype(float) if x.dtype.kind in "iub" else x
    return wide(x), x.dtype


def _has_parts(x: Any) -> bool:
    """Whether a Program may have the simpler ops, which do not widen float16, in an op's place."""
    return bool(x.size and x.dtype.kind == "f" and x.dtype.char != HALF)


def _powers(x: Any, axis: Axis) -> tuple[Any, Any, Any]:
    """x less its largest entry, exp of that, and the sum of these."""
    shifted = x - max(x, axis=axis, keepdims=True)
    powers = exp(shifted)
    return shifted, powers, sum(powers, axis=axis, keepdims=True)


def _powers_over_sum(x: Any, *, axis: Axis) -> Any:
    if not _has_parts(x):
        return None
    _, powers, total = _powers(x, axis)
    return powers / total


@op(decomposition=_powers_over_sum, x=lambda g, z, x, axis: _through_softmax(g, z, axis))
def softmax(x: Any, *, axis: Axis = -1) -> Any:
    """exp(x) over its sum along the axis, without overflow: probabilities that add up to 1.

    An entry of -inf gets 0; where all are -inf, or one is inf, the result is NaN.

    >>> softmax(np.array([1000.0, 1000.0, -np.inf]))
    array([0.5, 0.5, 0. ])
    """
    x = np.asarray(x)
    if not x.size:
        return x.copy()
    if x.dtype.char == HALF:
        return softmax.forward(wide(x), axis=axis).astype(x.dtype)
    with np.errstate(invalid="ignore"):
        powers = np.exp(x - x.max(axis=axis, keepdims=True))
        powers /= powers.sum(axis=axis, keepdims=True)
        return powers


def _through_softmax(g: Any, p: Any, axis: Axis) -> Any:
    """The gradient by x of p = softmax(x): p ⊙ (g - Σ g p)."""
    return p * (g - sum(g * p, axis=axis, keepdims=True))


def _shifted_less_log(x: Any, *, axis: Axis) -> Any:
    if not _has_parts(x):
        return None
    shifted, _, total = _powers(x, axis)
    return shifted - log(total)


@op(
    decomposition=_shifted_less_log,
    x=lambda g, z, x, axis: (
        g - softmax(wide(x), axis=axis) * sum(wide(g), axis=axis, keepdims=True)
    ),
)
def log_softmax(x: Any, *, axis: Axis = -1) -> Any:
    """log(softmax(x)) along an axis, without overflow.

    >>> log_softmax(np.array([1000.0, 0.0]))
    array([    0., -1000.])
    """
    x, dtype = _floats(x)
    with np.errstate(invalid="ignore", divide="ignore"):
        x = x - np.max(x, axis=axis, keepdims=True, initial=-np.inf)
        x = x - np.log(np.sum(np.exp(x), axis=axis, keepdims=True))
    return x.astype(dtype, copy=False)


def _log_less_target(logits: Any, targets: Any, *, ignore_index: int) -> Any:
    if not _has_parts(logits):
        return None
    shifted, _, total = _powers(logits, -1)
    logs = reshape(log(total), shape=targets.shape)
    losses = logs - picked(shifted, _counted_places(targets, logits, ignore_index))
    return zeroed(losses, equal(targets, ignore_index))


def _counted_places(targets: Any, logits: Any, ignore_index: int) -> Any:
    """The targets' places; an ignored one, which may be out of range, is taken for 0."""
    if ignore_index >= 0:
        targets = where(equal(targets, ignore_index), 0, targets)
    return places(targets, size=logits.shape[-1])


@op(
    decomposition=_log_less_target,
    logits=lambda g, z, logits, targets, ignore_index: likelihood_gradient(
        g, logits, targets, ignore_index=ignore_index
    ),
)
def negative_log_likelihood(logits: Any, targets: Any, *, ignore_index: int) -> Any:
    """-log(softmax(logits)[target]) for each example, 0 where the target is ignore_index.

    logits: (..., V) float. targets: (...) int, in [0, V) or ignore_index. Result: (...).
    Exact for any logits. Equation: dL/dlogits = softmax(logits) - one-hot(target).

    >>> negative_log_likelihood(np.array([[1000.0, 0.0]]), np.array([1]), ignore_index=-100)
    array([1000.])
    """
    x, classes, ignored = _examples(wide(logits), targets, ignore_index)
    with np.errstate(invalid="ignore"):
        x = x - np.maximum.reduce(x, axis=1, keepdims=True)
        losses = np.log(np.add.reduce(np.exp(x), axis=1)) - x[np.arange(len(x)), classes]
    losses[ignored] = 0
    return losses.reshape(targets.shape).astype(logits.dtype, copy=False)


def _examples(logits: Any, targets: Any, ignore_index: int) -> tuple[Any, Any, Any]:
    """One example a row, its target, and whether it is ignored (then its target is 0)."""
    targets = targets.ravel()
    ignored = targets == ignore_index
    if ignore_index < 0:
        return logits.reshape(-1, logits.shape[-1]), np.maximum(targets, 0), ignored
    return logits.reshape(-1, logits.shape[-1]), np.where(ignored, 0, targets), ignored


def _unless_ignored(g: Any, targets: Any, ignore_index: int) -> Any:
    """g where the target counts, else 0."""
    return where(not_equal(targets, ignore_index), g, 0)


def _counted_rows(logits: Any, targets: Any, ignore_index: int) -> Any:
    """The logits, but 0 where the target is ignored: there they may hold anything."""
    return where(restore_axes(not_equal(targets, ignore_index), logits, -1), logits, 0)


def _scaled_error(scale: Any, logits: Any, targets: Any, *, ignore_index: int) -> Any:
    if not _has_parts(logits):
        return None
    _, powers, total = _powers(logits, -1)
    error = less_one(powers / total, _counted_places(targets, logits, ignore_index))
    return zeroed(error * restore_axes(scale, logits, -1), equal(targets, ignore_index))


@op(
    decomposition=_scaled_error,
    scale=lambda g, z, scale, logits, targets, ignore_index: sum(
        g * _unscaled(scale, logits, targets, ignore_index), axis=-1
    ),
    logits=lambda g, z, scale, logits, targets, ignore_index: (
        restore_axes(_unless_ignored(scale, targets, ignore_index), logits, -1)
        * _through_softmax(g, softmax(_counted_rows(logits, targets, ignore_index)), -1)
    ),
)
def likelihood_gradient(scale: Any, logits: Any, targets: Any, *, ignore_index: int) -> Any:
    """scale (softmax(logits) - one-hot(target)) for each example, 0 where it is ignored.

    scale: (...) float. logits: (..., V) float. targets: (...) int, in [0, V) or ignore_index.

    >>> likelihood_gradient(np.ones(1), np.array([[0.0, 0.0]]), np.array([1]), ignore_index=-100)
    array([[ 0.5, -0.5]])
    """
    x, classes, ignored = _examples(wide(logits), targets, ignore_index)
    error = softmax.forward(x, axis=1)
    error[np.arange(len(x)), classes] -= 1
    error *= scale.reshape(-1, 1)
    error[ignored] = 0
    return error.reshape(logits.shape).astype(logits.dtype, copy=False)


def _unscaled(scale: Any, logits: Any, targets: Any, ignore_index: int) -> Any:
    """The same for a scale of 1."""
    ones = astype(not_equal(targets, ignore_index), scale.dtype)
    return likelihood_gradient(ones, logits, targets, ignore_index=ignore_index)


@op(
    elementwise=True,
    logits=lambda g, z, logits, positive, negative: (
        g * (negative * sigmoid(logits) - positive * sigmoid(-logits))
    ),
    positive=lambda g, z, logits, positive, negative: g * softplus(-logits),
    negative=lambda g, z, logits, positive, negative: g * softplus(logits),
)
def weighted_likelihood(logits: Any, positive: Any, negative: Any) -> Any:
    """-positive log σ(x) - negative log(1 - σ(x)), entry by entry; what weighs 0 adds nothing.

    >>> weighted_likelihood(np.array([-np.inf, 0.0]), np.array([0.0, 2.0]), 1.0)
    array([0.        , 2.07944154])
    """
    with np.errstate(invalid="ignore"):  # 0 inf
        mistaken = np.where(positive == 0, 0, positive * np.logaddexp(-logits, 0))
        return mistaken + np.where(negative == 0, 0, negative * np.logaddexp(logits, 0))


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
    certain = np.where(targets > 0, -logits, logits)  # exact where t is 0 or 1
    with np.errstate(invalid="ignore"):
        between = np.logaddexp(logits, 0)
        targets = np.asarray(targets, between.dtype)
        between = between - targets * logits
        return np.where(targets * (1 - targets) == 0, np.logaddexp(certain, 0), between)[()]
