# Rules name ops that are declared further down, which mypy cannot follow:
# mypy: disable-error-code="has-type"
"""The softmax family, and the likelihoods under it that losses are composed of."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..op import op
from .elementary import exp, log, sigmoid
from .elementwise import equal, not_equal, where
from .reduce import Axis, kept, max, sum
from .shape import astype, reshape

__all__ = ["log_softmax", "logsumexp", "softmax"]


@op(x=lambda g, z, x, axis, keepdims: kept(g, x, axis) * softmax(x, axis=axis))
def logsumexp(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))) along the axes, without overflow; -inf where every entry is.

    axis, keepdims: as in `sum`.

    >>> logsumexp(np.array([1000.0, 1000.0]))
    np.float64(1000.6931471805599)
    """
    x = _floats(x)
    top = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore", over="ignore"):
        result = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return result if keepdims else np.squeeze(result, axis=axis)[()]


def _floats(x: Any) -> Any:
    """Whole numbers as floats, which know -inf; all else as it is."""
    x = np.asarray(x)
    return x.astype(float) if x.dtype.kind in "iub" else x


def _powers(x: Any, axis: Axis) -> tuple[Any, Any, Any]:
    """x less its largest entry, exp of that, and the sum of these."""
    shifted = x - max(x, axis=axis, keepdims=True)
    powers = exp(shifted)
    return shifted, powers, sum(powers, axis=axis, keepdims=True)


def _powers_over_sum(x: Any, *, axis: Axis) -> Any:
    if x.dtype.kind != "f" or not x.size:
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
    with np.errstate(invalid="ignore"):
        powers = np.exp(x - x.max(axis=axis, keepdims=True))
        powers /= powers.sum(axis=axis, keepdims=True)
        return powers


def _through_softmax(g: Any, p: Any, axis: Axis) -> Any:
    """The gradient by x of p = softmax(x): p ⊙ (g - Σ g p)."""
    return p * (g - sum(g * p, axis=axis, keepdims=True))


def _shifted_less_log(x: Any, *, axis: Axis) -> Any:
    if x.dtype.kind != "f" or not x.size:
        return None
    shifted, _, total = _powers(x, axis)
    return shifted - log(total)


@op(
    decomposition=_shifted_less_log,
    x=lambda g, z, x, axis: g - softmax(x, axis=axis) * sum(g, axis=axis, keepdims=True),
)
def log_softmax(x: Any, *, axis: Axis = -1) -> Any:
    """log(softmax(x)) along an axis, without overflow.

    >>> log_softmax(np.array([1000.0, 0.0]))
    array([    0., -1000.])
    """
    x = _floats(x)
    with np.errstate(invalid="ignore", divide="ignore"):
        x = x - np.max(x, axis=axis, keepdims=True, initial=-np.inf)
        return x - np.log(np.sum(np.exp(x), axis=axis, keepdims=True))


def _log_less_target(logits: Any, targets: Any, *, ignore_index: int) -> Any:
    if not logits.size:
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


def _scaled_error(scale: Any, logits: Any, targets: Any, *, ignore_index: int) -> Any:
    if not logits.size:
        return None
    _, powers, total = _powers(logits, -1)
    error = less_one(powers / total, _counted_places(targets, logits, ignore_index))
    return zeroed(error * kept(scale, logits, -1), equal(targets, ignore_index))


@op(
    decomposition=_scaled_error,
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


@op()
def places(targets: Any, *, size: int) -> Any:
    """Where each target is in the flattened logits, of `size` classes; 0 for a negative one.

    >>> places(np.array([2, 0, -100]), size=4)
    array([2, 4, 8])
    """
    rows = np.arange(targets.size).reshape(targets.shape) * size
    return rows + np.maximum(targets, 0)


@op(x=lambda g, z, x, places: unpicked(g, places, size=x.shape[-1]))
def picked(x: Any, places: Any) -> Any:
    """The entries of x, flattened, at the places: one of each row.

    >>> picked(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1, 2]))
    array([2., 3.])
    """
    return x.reshape(-1)[places]


@op(x=lambda g, z, x, places, size: picked(g, places))
def unpicked(x: Any, places: Any, *, size: int) -> Any:
    """Zeros, of `size` to a row, with x at the places: the transpose of `picked`.

    >>> unpicked(np.array([2.0, 3.0]), np.array([1, 2]), size=2)
    array([[0., 2.],
           [3., 0.]])
    """
    result = np.zeros((*x.shape, size), x.dtype)
    result.reshape(-1)[places] = x
    return result


@op(x=lambda g, z, x, places: g)
def less_one(x: Any, places: Any) -> Any:
    """x less 1 at the places, one of each row: probabilities less the one-hot target.

    >>> less_one(np.array([[0.5, 0.5]]), np.array([1]))
    array([[ 0.5, -0.5]])
    """
    result = np.array(x, order="C")
    result.reshape(-1)[places] -= 1
    return result


@op(x=lambda g, z, x, rows: zeroed(g, rows))
def zeroed(x: Any, rows: Any) -> Any:
    """x with zeros in some of its rows. rows: bool, of x's first axes.

    >>> zeroed(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([True, False]))
    array([[0., 0.],
           [3., 4.]])
    """
    result = np.array(x)
    result[rows] = 0
    return result


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
